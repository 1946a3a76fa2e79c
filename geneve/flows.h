// What the port remembers of inspected connections: the last envelope of each direction, for
// packets that Weir invents, and whether the engine needs no more of a direction. Nothing here
// decides whether a packet is forwarded: a connection that is forgotten is inspected, and its
// answers go back in the envelope of the packet that they answer.
//
// A fixed table of sets of four, keyed by SipHash over endpoint id and addresses and compared as a
// whole; the least recently seen of a set makes room. So 10,000 endpoint ids or a flood of
// connections cost nothing but the memory of others. No allocation after construction. One owner.
//
// Tested by tests/unit/geneve/tables_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include <netinet/in.h>

#include "engine/base/siphash.h"
#include "engine/packet.h"
#include "engine/port.h"
#include "geneve/inner.h"

namespace weir::geneve {

// Where a datagram came from and to, in network byte order.
struct Outer {
  in_addr from{};
  in_addr to{};
  in_port_t source_port = 0;
  std::uint8_t lane = 0;  // which UDP port of ours it came to (Azure has two)
};

// The datagram's part before the inner packet, with its outer addresses.
struct Envelope {
  static constexpr std::size_t kMost = 128;  // longer ones are not remembered

  Outer outer;
  std::uint16_t length = 0;  // 0: none
  std::array<std::uint8_t, kMost> bytes;
};

struct ConnectionKey {
  std::uint64_t domain = 0;
  std::array<std::uint8_t, 16> low_address{};
  std::array<std::uint8_t, 16> high_address{};
  std::uint16_t low_port = 0;
  std::uint16_t high_port = 0;
  std::uint32_t version = 0;

  bool operator==(const ConnectionKey&) const = default;
};

struct Connection {
  ConnectionKey key;
  std::uint32_t seen = 0;  // the table's clock when it was last met; 0: free
  // What the engine needs no more, by direction; of another epoch than the table's it is void.
  std::array<bool, 2> released{};
  std::uint32_t epoch = 0;
  std::uint32_t round = 0;      // of receive(), in which the engine got something new of it
  std::uint32_t released_at = 0;  // or when a released packet was last met, in seconds
  // Of this direction bytes only, where it is not released as a whole; both 0: none.
  SequenceRange bytes;
  std::uint8_t bytes_of = 0;
  std::array<Envelope, 2> envelopes;  // the same
};

class Connections {
 public:
  // `most` is rounded up to a power of two, at least 4.
  Connections(std::uint32_t most, const base::SipKey& key);

  struct Place {
    ConnectionKey key;
    std::uint8_t direction = 0;  // of the packet, or frame, it was made from
  };
  // REQUIRES: inner.has_ports(), of the same `ip`.
  [[nodiscard]] static Place place(std::uint64_t domain, Bytes ip, const Inner& inner);

  // Null if it is not there.
  [[nodiscard]] Connection* find(const ConnectionKey& key);
  // Always answers one; a new one has no envelopes.
  [[nodiscard]] Connection& take(const ConnectionKey& key);

  // Nothing is released any more: packets may have gone by that take a release back.
  void take_back_all() { ++epoch_; }
  // Neither is what was not met for so long: with a load balancer in front, the connection may have been elsewhere
  // meanwhile, and ended there.
  static constexpr std::uint32_t kUnmet = 5;
  [[nodiscard]] bool released(const Connection& c, unsigned direction, std::uint32_t now_seconds) const {
    return valid(c, now_seconds) && c.released[direction];
  }
  // Whether all of `data` is among the bytes that are released of this direction.
  [[nodiscard]] bool released(const Connection& c, unsigned direction, const TcpData& data, std::uint32_t now_seconds) const {
    const std::uint32_t whole = c.bytes.end - c.bytes.first, skipped = data.seq - c.bytes.first;
    return valid(c, now_seconds) && c.bytes_of == direction && skipped < whole && data.length <= whole - skipped;
  }
  void release(Connection& c, unsigned direction, std::uint32_t now_seconds) {
    if (!released(c, direction, now_seconds) && !released(c, direction ^ 1U, now_seconds)) take_back(c);
    c.epoch = epoch_;
    c.released[direction] = true;
    c.released_at = now_seconds;
  }
  void release(Connection& c, unsigned direction, SequenceRange bytes, std::uint32_t now_seconds) {
    take_back(c);
    c.epoch = epoch_;
    c.bytes = bytes;
    c.bytes_of = static_cast<std::uint8_t>(direction);
    c.released_at = now_seconds;
  }
  static void take_back(Connection& c) {
    c.released = {};
    c.bytes = {};
  }

  [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }
  [[nodiscard]] std::size_t capacity() const { return count_; }
  [[nodiscard]] std::size_t memory() const { return count_ * sizeof(Connection); }

 private:
  static constexpr std::size_t kWays = 4;
  [[nodiscard]] Connection* set_of(const ConnectionKey& key);
  [[nodiscard]] bool valid(const Connection& c, std::uint32_t now_seconds) const {
    return c.epoch == epoch_ && now_seconds - c.released_at <= kUnmet;
  }

  struct Free {
    void operator()(Connection* p) const { std::free(p); }
  };
  // Zero pages until they are used: `seen` of 0 is a free entry.
  std::unique_ptr<Connection[], Free> entries_;
  std::size_t count_;
  std::uint32_t mask_;
  std::uint32_t clock_ = 0;
  std::uint32_t epoch_ = 1;
  std::uint64_t forgotten_ = 0;
  base::SipKey key_;
};

// Remembers where and in what `packet` came, if the header is not too long.
void remember(Envelope& envelope, const Outer& outer, Bytes header);

}  // namespace weir::geneve
