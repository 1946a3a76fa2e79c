#include "engine/net/build.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/net/checksum.h"
#include "engine/net/wire.h"

namespace weir::net {
namespace {

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kMostOptionBytes = 24;
constexpr std::uint8_t kNop = 1;

// Padded with NOPs so that each option ends at a multiple of four, as every stack sends them.
std::size_t write_options(std::uint8_t* p, const TcpFrame& frame) {
  std::size_t n = 0;
  if (frame.mss) {
    p[n] = 2;
    p[n + 1] = 4;
    store16(p + n + 2, *frame.mss);
    n += 4;
  }
  if (frame.sack_permitted) {
    p[n] = p[n + 1] = kNop;
    p[n + 2] = 4;
    p[n + 3] = 2;
    n += 4;
  }
  if (frame.timestamps) {
    p[n] = p[n + 1] = kNop;
    p[n + 2] = 8;
    p[n + 3] = 10;
    store32(p + n + 4, frame.timestamps->value);
    store32(p + n + 8, frame.timestamps->echo);
    n += 12;
  }
  if (frame.window_scale) {
    p[n] = kNop;
    p[n + 1] = 3;
    p[n + 2] = 3;
    p[n + 3] = *frame.window_scale;
    n += 4;
  }
  return n;
}

void write_ipv4(std::uint8_t* p, const TcpFrame& frame, std::size_t total) {
  std::memset(p, 0, kIpv4Header);
  p[0] = 0x45;
  p[1] = frame.traffic_class;
  store16(p + 2, static_cast<std::uint32_t>(total));
  store16(p + 4, frame.ip_id);
  p[6] = 0x40;  // don't fragment
  p[8] = frame.ttl;
  p[9] = kTcp;
  std::memcpy(p + 12, frame.source.address.bytes.data(), 4);
  std::memcpy(p + 16, frame.destination.address.bytes.data(), 4);
  store16(p + 10, static_cast<std::uint16_t>(~ones_sum({p, kIpv4Header})));
}

void write_ipv6(std::uint8_t* p, const TcpFrame& frame, std::size_t total) {
  store32(p, 0x60000000U | std::uint32_t{frame.traffic_class} << 20);
  store16(p + 4, static_cast<std::uint32_t>(total - kIpv6Header));
  p[6] = kTcp;
  p[7] = frame.ttl;
  std::memcpy(p + 8, frame.source.address.bytes.data(), 16);
  std::memcpy(p + 24, frame.destination.address.bytes.data(), 16);
}

// Changes one 16-bit word and the checksum with it: RFC 1624, equation 3. `sum` is null where the
// field holds a partial sum, which says nothing of the header.
void change_word(std::uint8_t* word, std::uint16_t to, std::uint8_t* sum) {
  const std::uint16_t from = load16(word);
  if (from == to) return;
  store16(word, to);
  if (sum == nullptr) return;
  std::uint32_t s = static_cast<std::uint16_t>(~load16(sum));
  s += static_cast<std::uint16_t>(~from);
  s += to;
  s = (s & 0xffff) + (s >> 16);
  s = (s & 0xffff) + (s >> 16);
  store16(sum, ~s & 0xffffU);
}

void change_byte(std::uint8_t* tcp, std::size_t at, std::uint8_t to, std::uint8_t* sum) {
  std::uint8_t* word = tcp + (at & ~std::size_t{1});
  const std::uint16_t now = load16(word);
  const auto then = static_cast<std::uint16_t>((at & 1) == 0 ? (now & 0x00ffU) | unsigned{to} << 8
                                                             : (now & 0xff00U) | to);
  change_word(word, then, sum);
}

void strip_fast_open(std::uint8_t* tcp, std::size_t header, std::uint8_t* sum) {
  for (std::size_t i = kTcpHeader; i < header;) {
    if (tcp[i] == 0) return;
    if (tcp[i] == kNop) {
      ++i;
      continue;
    }
    if (header - i < 2 || tcp[i + 1] < 2 || tcp[i + 1] > header - i) return;
    const std::size_t length = tcp[i + 1];
    const bool experiment = tcp[i] == 254 && length >= 4 && load16(tcp + i + 2) == 0xf989;
    if (tcp[i] == 34 || experiment) {
      for (std::size_t k = 0; k < length; ++k)
        change_byte(tcp, i + k, kNop, sum);
    }
    i += length;
  }
}

}  // namespace

std::size_t build_tcp(std::span<std::uint8_t> out, const TcpFrame& frame) noexcept {
  const std::uint8_t version = frame.source.address.version;
  if (version != frame.destination.address.version || (version != 4 && version != 6)) return 0;
  std::array<std::uint8_t, kMostOptionBytes> options{};
  const std::size_t option_bytes = write_options(options.data(), frame);
  const std::size_t ip = version == 4 ? kIpv4Header : kIpv6Header;
  const std::size_t segment = kTcpHeader + option_bytes + frame.payload.size();
  const std::size_t total = ip + segment;
  if (total > out.size() || (version == 4 ? total : segment) > 0xffff) return 0;

  if (version == 4) {
    write_ipv4(out.data(), frame, total);
  } else {
    write_ipv6(out.data(), frame, total);
  }
  std::uint8_t* p = out.data() + ip;
  store16(p, frame.source.port);
  store16(p + 2, frame.destination.port);
  store32(p + 4, frame.seq);
  store32(p + 8, frame.ack);
  p[12] = static_cast<std::uint8_t>((kTcpHeader + option_bytes) / 4 << 4);
  p[13] = frame.flags;
  store16(p + 14, frame.window);
  store16(p + 16, 0);
  store16(p + 18, frame.urgent);
  std::copy_n(options.data(), option_bytes, p + kTcpHeader);
  if (!frame.payload.empty()) {
    std::memcpy(p + kTcpHeader + option_bytes, frame.payload.data(), frame.payload.size());
  }
  store16(p + 16,
          transport_checksum(frame.source.address, frame.destination.address, kTcp, {p, segment}));
  return total;
}

std::optional<Route> route_of(const Packet& like, const Datagram& decoded,
                              LinkDirection direction) noexcept {
  const std::size_t link = decoded.ip_at;
  if (decoded.enveloped || decoded.layers != 1 || link > like.bytes.size() || link > Route::kMost) {
    return std::nullopt;
  }
  Route route;
  route.link = like.link;
  route.version = decoded.version();
  route.length = static_cast<std::uint8_t>(link);
  std::copy_n(like.bytes.data(), link, route.header.data());
  if (direction == LinkDirection::Reverse && like.link == LinkType::Ethernet) {
    std::swap_ranges(route.header.data(), route.header.data() + 6, route.header.data() + 6);
  }
  return route;
}

std::size_t build_on(std::span<std::uint8_t> out, const Route& route,
                     const TcpFrame& frame) noexcept {
  if (route.length > out.size() || frame.source.address.version != route.version) return 0;
  const std::size_t n = build_tcp(out.subspan(route.length), frame);
  if (n == 0) return 0;
  std::copy_n(route.header.data(), route.length, out.data());
  return route.length + n;
}

std::size_t build_like(std::span<std::uint8_t> out, const Packet& like, const Datagram& decoded,
                       LinkDirection direction, const TcpFrame& frame) noexcept {
  const std::optional<Route> route = route_of(like, decoded, direction);
  return route ? build_on(out, *route, frame) : 0;
}

std::size_t rewrite_tcp(std::span<std::uint8_t> out, const Packet& packet, const Datagram& decoded,
                        const TcpEdit& edit) noexcept {
  const std::size_t at = decoded.transport_at;
  if (decoded.enveloped || decoded.reassembled || decoded.fragment.present ||
      decoded.missing != 0 || packet.bytes.size() > out.size() ||
      decoded.payload.size() < kTcpHeader || at + decoded.payload.size() > packet.bytes.size()) {
    return 0;
  }
  const std::size_t header = (packet.bytes[at + 12] >> 4) * 4U;
  if (header < kTcpHeader || header > decoded.payload.size()) return 0;
  std::copy(packet.bytes.begin(), packet.bytes.end(), out.begin());
  std::uint8_t* tcp = out.data() + at;
  std::uint8_t* sum = decoded.checksum == ChecksumState::NotFilled ? nullptr : tcp + 16;
  if (edit.clear_urgent) {
    change_byte(tcp, 13, static_cast<std::uint8_t>(tcp[13] & ~kUrg), sum);
    change_word(tcp + 18, 0, sum);
  }
  if (edit.strip_fast_open) strip_fast_open(tcp, header, sum);
  return packet.bytes.size();
}

}  // namespace weir::net
