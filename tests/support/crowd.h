// Crowd: very many connections at once through an inline Inspector, each a client's packets and a server's, for tests
// and benches of memory. Connection n has an address and a port of its own. Frames are raw IPv4 whose checksums the
// port has verified.
//
//   Crowd crowd(inspector);
//   crowd.connect(7);
//   crowd.client(7, "GET / HTTP/1.1\r\n…");   // from the client; answers what became of the packet
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/inspect/inspector.h"
#include "engine/net/segment.h"
#include "engine/packet.h"

namespace weir::test {

class Crowd {
 public:
  explicit Crowd(inspect::Inspector& inspector) : inspector_(inspector) {}

  // What one end has sent and the other acknowledged, beyond the SYNs.
  struct Connection {
    std::uint32_t sent = 0;      // by the client
    std::uint32_t answered = 0;  // by the server
  };

  inspect::Verdict syn(std::uint32_t n) { return send(n, true, {}, net::kSyn, {}); }
  inspect::Verdict syn_ack(std::uint32_t n) { return send(n, false, {1, 0}, net::kSyn | net::kAck, {}); }
  // The three packets; true: all of them went on.
  bool connect(std::uint32_t n) {
    const bool begun = syn(n).forwarded() && syn_ack(n).forwarded();
    return send(n, true, {1, 1}, net::kAck, {}).forwarded() && begun;
  }
  // Bytes, and the receiver's acknowledgement if they went on.
  inspect::Verdict client(std::uint32_t n, Connection& c, std::string_view bytes) { return say(n, c, true, bytes); }
  inspect::Verdict server(std::uint32_t n, Connection& c, std::string_view bytes) { return say(n, c, false, bytes); }

  // Bytes from the client that its server does not acknowledge.
  inspect::Verdict unheard(std::uint32_t n, std::string_view bytes) { return send(n, true, {1, 1}, net::kAck | net::kPsh, bytes); }

  Timestamp now{1'700'000'000'000'000'000};
  Duration step = {1000};  // from packet to packet
  std::uint64_t packets = 0;

 private:
  struct Sequence {
    std::uint32_t client = 0, server = 0;
  };
  static constexpr std::size_t kHeaders = 40;

  inspect::Verdict say(std::uint32_t n, Connection& c, bool from_client, std::string_view bytes) {
    const Sequence at{1 + c.sent, 1 + c.answered};
    const inspect::Verdict v = send(n, from_client, at, net::kAck | net::kPsh, bytes);
    inspect::Verdict kept;  // without views, which end with the next packet
    kept.kind = v.kind;
    kept.reason = v.reason;
    if (!v.forwarded()) return kept;
    (from_client ? c.sent : c.answered) += static_cast<std::uint32_t>(bytes.size());
    (void)send(n, !from_client, {1 + c.sent, 1 + c.answered}, net::kAck, {});
    return kept;
  }

  inspect::Verdict send(std::uint32_t n, bool from_client, Sequence at, std::uint8_t flags,
               std::string_view payload) {
    std::uint8_t* const p = frame_.data();
    const std::size_t length = kHeaders + payload.size();
    std::memset(p, 0, kHeaders);
    p[0] = 0x45;
    put16(p + 2, static_cast<std::uint32_t>(length));
    p[8] = 60;
    p[9] = 6;
    const std::uint32_t client = 0x0a000000U + n / kPorts;  // 10.0.0.0 and up
    put32(p + 12, from_client ? client : kServer);
    put32(p + 16, from_client ? kServer : client);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 20; i += 2) sum += std::uint32_t{p[i]} << 8U | p[i + 1];
    sum = (sum & 0xffffU) + (sum >> 16U);
    put16(p + 10, ~(sum + (sum >> 16U)) & 0xffffU);
    std::uint8_t* const tcp = p + 20;
    const std::uint32_t port = 1024 + n % kPorts;
    put16(tcp, from_client ? port : 80);
    put16(tcp + 2, from_client ? 80 : port);
    put32(tcp + 4, start(n) + (from_client ? at.client : at.server));
    if ((flags & net::kAck) != 0) put32(tcp + 8, start(n) + (from_client ? at.server : at.client));
    tcp[12] = 0x50;
    tcp[13] = flags;
    put16(tcp + 14, 0xffff);
    if (!payload.empty()) std::memcpy(p + kHeaders, payload.data(), payload.size());
    Packet packet;
    packet.bytes = Bytes(p, length);
    packet.wire_length = static_cast<std::uint32_t>(length);
    packet.link = LinkType::RawIp;
    packet.checksum = ChecksumState::Verified;
    now = now + step;
    packet.time = now;
    packet.number = packet.token = ++packets;
    return inspector_.on_packet(packet);
  }

  static constexpr std::uint32_t kPorts = 50'000;
  static constexpr std::uint32_t kServer = 0xc6336402U;  // 198.51.100.2
  static std::uint32_t start(std::uint32_t n) { return n * 2'654'435'761U; }
  static void put16(std::uint8_t* p, std::uint32_t v) {
    p[0] = static_cast<std::uint8_t>(v >> 8U);
    p[1] = static_cast<std::uint8_t>(v);
  }
  static void put32(std::uint8_t* p, std::uint32_t v) {
    put16(p, v >> 16U);
    put16(p + 2, v);
  }

  inspect::Inspector& inspector_;
  std::array<std::uint8_t, 2048> frame_{};
};

}  // namespace weir::test
