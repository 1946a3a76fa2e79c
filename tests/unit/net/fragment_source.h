// Fragments of one TCP packet and a Defragmenter that is given frames; shared by the tests of fragments.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <string>

#include "engine/net/fragment.h"
#include "engine/net/tcp.h"
#include "tests/unit/net/samples.h"

namespace weir::net::fragment_test {

using test::as_packet;
using test::Octets;
using test::PacketBuilder;
using Kind = Defragmented::Kind;

struct Piece {
  std::uint32_t offset = 0;
  std::size_t length = 0;
  bool more = true;
  std::uint16_t id = 1;
  std::int64_t second = 0;
};

// Fragments of one TCP packet (of 8 or so bytes of payload more than asked for), by the builder.
class Source {
 public:
  explicit Source(bool six, std::size_t payload = 200) : six_(six) {
    PacketBuilder b;
    if (six) {
      b.ipv6("2001:db8::1", "2001:db8::2");
    } else {
      b.ipv4("10.0.0.1", "10.0.0.2");
    }
    Octets content(payload);
    for (std::size_t i = 0; i < payload; ++i)
      content[i] = static_cast<std::uint8_t>('a' + i % 26);
    const Octets whole = b.tcp(1, 80).raw(content).build();
    transport_.assign(whole.begin() + (six ? 40 : 20), whole.end());
  }

  [[nodiscard]] const Octets& transport() const { return transport_; }

  Octets frame(const Piece& p, PacketBuilder link = PacketBuilder().eth()) const {
    Octets bytes;
    for (std::size_t i = 0; i < p.length; ++i) {
      const std::size_t at = p.offset + i;
      bytes.push_back(at < transport_.size() ? transport_[at] : std::uint8_t{'?'});
    }
    if (six_) {
      link.ipv6("2001:db8::1", "2001:db8::2").fragment6(p.offset, p.more, p.id).protocol(6);
    } else {
      link.ipv4("10.0.0.1", "10.0.0.2").id(p.id).fragment(p.offset, p.more).protocol(6);
    }
    return link.raw(bytes).build();
  }

 private:
  bool six_;
  Octets transport_;
};

class Runner {
 public:
  explicit Runner(FragmentPolicy policy = FragmentPolicy::Strict, FragmentLimits limits = {})
      : defragmenter(limits, policy, {1, 2}) {}

  Defragmented add(const Octets& frame, std::int64_t second = 0) {
    frames_.push_back(frame);
    const Packet p =
        as_packet(frames_.back(), LinkType::Ethernet, {second * 1'000'000'000}, ++number_);
    const Decoded decoded = decode(p, {});
    if (!std::holds_alternative<Datagram>(decoded)) {
      ADD_FAILURE() << "no datagram";
      return {};
    }
    return defragmenter.add(std::get<Datagram>(decoded), p.token);
  }

  Defragmenter defragmenter;

 private:
  std::vector<Octets> frames_;
  std::uint64_t number_ = 0;
};

inline std::string outcome(const Defragmented& d) {
  switch (d.kind) {
    case Kind::Held:
      return "held";
    case Kind::Duplicate:
      return "duplicate";
    case Kind::Complete:
      return "complete";
    case Kind::Dropped:
      return std::string(name(d.cause));
  }
  return "";
}

}  // namespace weir::net::fragment_test
