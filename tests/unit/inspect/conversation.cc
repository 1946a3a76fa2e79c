#include "tests/unit/inspect/conversation.h"

#include <algorithm>
#include <stdexcept>

#include "engine/base/ip_address.h"

namespace weir::inspect::test {
namespace {

constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16;

void put16(std::string& out, std::size_t v) {
  out.push_back(static_cast<char>(v >> 8));
  out.push_back(static_cast<char>(v));
}

void put32(std::string& out, std::uint32_t v) {
  put16(out, v >> 16);
  put16(out, v & 0xffff);
}

void set16(std::string& out, std::size_t at, std::size_t v) {
  out[at] = static_cast<char>(v >> 8);
  out[at + 1] = static_cast<char>(v);
}

std::uint32_t sum(std::string_view bytes) {
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    total += static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (i % 2 == 0 ? 8 : 0);
  }
  return total;
}

std::uint16_t checksum(std::uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return static_cast<std::uint16_t>(~total);
}

std::string address_bytes(const IpAddress& a) {
  return {reinterpret_cast<const char*>(a.bytes.data()), a.size()};
}

IpAddress parse(const std::string& text) {
  const auto address = IpAddress::parse(text);
  if (!address) throw std::invalid_argument(text);
  return *address;
}

bool same_way(const Segment& a, const Segment& b) {
  return a.from_client == b.from_client && !a.payload.empty() && !b.payload.empty();
}

}  // namespace

std::string ip_frame(const Host& from, const Host& to, const Segment& s, bool ethernet) {
  const IpAddress source = parse(from.address), target = parse(to.address);
  std::string tcp;
  put16(tcp, from.port);
  put16(tcp, to.port);
  put32(tcp, s.seq);
  put32(tcp, (s.flags & kAck) != 0 ? s.ack : 0);
  tcp.push_back(0x50);
  tcp.push_back(static_cast<char>(s.flags));
  put16(tcp, 0xffff);
  put16(tcp, 0);
  put16(tcp, 0);
  tcp += s.payload;
  const std::string addresses = address_bytes(source) + address_bytes(target);
  set16(tcp, 16, checksum(sum(addresses) + 6 + static_cast<std::uint32_t>(tcp.size()) + sum(tcp)));

  std::string ip;
  if (source.version == 4) {
    ip.push_back(0x45);
    ip.push_back(0);
    put16(ip, 20 + tcp.size());
    put32(ip, 0x00004000);
    ip.push_back(64);
    ip.push_back(6);
    put16(ip, 0);
    ip += addresses;
    set16(ip, 10, checksum(sum(ip)));
  } else {
    put32(ip, 0x60000000);
    put16(ip, tcp.size());
    ip.push_back(6);
    ip.push_back(64);
    ip += addresses;
  }
  std::string frame;
  if (ethernet) {
    frame = std::string("\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
    put16(frame, source.version == 4 ? 0x0800 : 0x86dd);
  }
  return frame + ip + tcp;
}

Conversation::Conversation(std::uint16_t client_port, std::int64_t start_ns) : time_ns_(start_ns) {
  client_host.port = client_port;
}

void Conversation::add(bool from_client, std::uint8_t flags, std::string payload) {
  std::uint32_t& next = from_client ? client_next_ : server_next_;
  Segment s;
  s.from_client = from_client;
  s.seq = next;
  s.ack = from_client ? server_next_ : client_next_;
  s.flags = flags;
  s.time_ns = time_ns_;
  time_ns_ += 1'000'000;
  next += static_cast<std::uint32_t>(payload.size()) + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
  s.payload = std::move(payload);
  segments.push_back(std::move(s));
}

Conversation& Conversation::open() {
  add(true, kSyn);
  add(false, kSyn | kAck);
  add(true, kAck);
  return *this;
}

void Conversation::say(bool from_client, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, mss);
    bytes.remove_prefix(piece.size());
    add(from_client, kAck | kPsh, std::string(piece));
    if (lose_) segments.pop_back();
    lose_ = false;
  }
  add(!from_client, kAck);
}

Conversation& Conversation::client(std::string_view bytes) {
  say(true, bytes);
  return *this;
}

Conversation& Conversation::server(std::string_view bytes) {
  say(false, bytes);
  return *this;
}

Conversation& Conversation::client_fin() {
  add(true, kAck | kFin);
  add(false, kAck);
  return *this;
}

Conversation& Conversation::close() {
  add(false, kAck | kFin);
  add(true, kAck | kFin);
  add(false, kAck);
  return *this;
}

Conversation& Conversation::reset() {
  add(true, kRst | kAck);
  return *this;
}

void Capture::add(const Conversation& conversation, const std::vector<Segment>& segments) {
  for (const Segment& s : segments) {
    const Host& from = s.from_client ? conversation.client_host : conversation.server_host;
    const Host& to = s.from_client ? conversation.server_host : conversation.client_host;
    frames.push_back({ip_frame(from, to, s), s.time_ns});
  }
}

void Capture::sort() {
  std::stable_sort(frames.begin(), frames.end(),
                   [](const Frame& a, const Frame& b) { return a.time_ns < b.time_ns; });
}

namespace {

// Pieces of one segment: [from, from + length).
Segment piece(const Segment& s, std::size_t from, std::size_t length) {
  Segment p = s;
  p.seq = s.seq + static_cast<std::uint32_t>(from);
  p.payload = s.payload.substr(from, length);
  if (from + length < s.payload.size()) p.flags = static_cast<std::uint8_t>(p.flags & ~(kFin | kPsh));
  return p;
}

}  // namespace

std::vector<Segment> cut_to_bytes(const std::vector<Segment>& in) {
  std::vector<Segment> out;
  for (const Segment& s : in) {
    if (s.payload.empty()) out.push_back(s);
    for (std::size_t i = 0; i < s.payload.size(); ++i) out.push_back(piece(s, i, 1));
  }
  return out;
}

std::vector<Segment> cut_randomly(const std::vector<Segment>& in, std::mt19937& random) {
  std::vector<Segment> out;
  for (const Segment& s : in) {
    if (s.payload.empty()) out.push_back(s);
    for (std::size_t at = 0; at < s.payload.size();) {
      const std::size_t n = std::min<std::size_t>(1 + random() % 40, s.payload.size() - at);
      out.push_back(piece(s, at, n));
      at += n;
    }
  }
  return out;
}

std::vector<Segment> duplicate(const std::vector<Segment>& in, std::mt19937& random) {
  std::vector<Segment> out;
  for (const Segment& s : in) {
    out.push_back(s);
    if (!s.payload.empty() && random() % 2 == 0) out.push_back(s);
    // An old one once more, as a late retransmission.
    if (!s.payload.empty() && random() % 8 == 0) {
      const Segment& old = out[random() % out.size()];
      if (!old.payload.empty()) {
        Segment again = old;
        again.time_ns = s.time_ns;
        out.push_back(again);
      }
    }
  }
  return out;
}

std::vector<Segment> reorder(const std::vector<Segment>& in, std::mt19937& random) {
  std::vector<Segment> out = in;
  for (std::size_t i = 0; i < out.size();) {
    std::size_t end = i + 1;
    while (end < out.size() && same_way(out[i], out[end]) && end - i < 8) ++end;
    const std::int64_t time = out[i].time_ns;
    std::shuffle(out.begin() + static_cast<std::ptrdiff_t>(i), out.begin() + static_cast<std::ptrdiff_t>(end), random);
    // Times stay in order.
    for (std::size_t k = i; k < end; ++k) out[k].time_ns = std::max(time, out[k].time_ns);
    std::vector<std::int64_t> times;
    for (std::size_t k = i; k < end; ++k) times.push_back(out[k].time_ns);
    std::sort(times.begin(), times.end());
    for (std::size_t k = i; k < end; ++k) out[k].time_ns = times[k - i];
    i = end;
  }
  return out;
}

std::vector<Segment> overlap(const std::vector<Segment>& in, std::mt19937& random) {
  std::vector<Segment> out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    Segment s = in[i];
    if (!s.payload.empty() && i > 0 && same_way(in[i - 1], s) &&
        in[i - 1].seq + in[i - 1].payload.size() == s.seq && random() % 2 == 0) {
      const std::size_t n = 1 + random() % in[i - 1].payload.size();
      s.payload = in[i - 1].payload.substr(in[i - 1].payload.size() - n) + s.payload;
      s.seq -= static_cast<std::uint32_t>(n);
    }
    if (!s.payload.empty() && i + 1 < in.size() && same_way(in[i], in[i + 1]) &&
        in[i].seq + in[i].payload.size() == in[i + 1].seq && random() % 2 == 0) {
      s.payload += in[i + 1].payload.substr(0, 1 + random() % in[i + 1].payload.size());
    }
    out.push_back(s);
  }
  return out;
}

}  // namespace weir::inspect::test
