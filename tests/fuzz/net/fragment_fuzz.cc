// A sequence of fragments to the Defragmenter and to a naive oracle, which must agree in
// everything. Input: one byte for policy and IP version, then eight bytes for each fragment.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "engine/net/fragment.h"
#include "tests/unit/net/fragment_oracle.h"

namespace {

using namespace weir;
using namespace weir::net;

Datagram fragment_of(const std::uint8_t* p, bool six, std::vector<std::uint8_t>& bytes) {
  Datagram f;
  f.source = *IpAddress::parse(six ? "2001:db8::1" : "10.0.0.1");
  f.destination = *IpAddress::parse(six ? "2001:db8::2" : "10.0.0.2");
  f.protocol = (p[0] & 8) != 0 ? 17 : 6;
  f.encapsulation.vlans[0] = (p[0] & 16) != 0 ? 7 : 0;
  f.fragment.id = p[0] & 7;
  f.fragment.ecn = (p[0] & 32) != 0 ? 2 : 0;
  f.fragment.more = (p[1] & 1) != 0;
  f.fragment.offset = ((p[2] & 1) != 0 ? 65400U : 0U) + (p[1] >> 1) * 8U % 136U;
  f.fragment.present = f.fragment.more || f.fragment.offset != 0;
  f.header_length = six ? 48 : 20;
  if ((p[2] & 2) != 0) f.missing = 3;
  if ((p[2] & 4) != 0) f.anomalies.add(Anomaly::GreChecksum);
  if ((p[2] & 8) != 0) f.anomalies.add(Anomaly::Ipv4TinyFragment);
  const std::size_t length = (p[3] & 1) != 0 ? p[3] : std::size_t{p[3]} / 16 * 8;
  bytes.assign(length, p[4]);
  f.payload = bytes;
  return f;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool six = (data[0] & 2) != 0;
  const auto policy = (data[0] & 1) != 0 ? FragmentPolicy::Linux : FragmentPolicy::Strict;
  FragmentLimits limits;
  limits.datagrams = 64;
  limits.bytes = 64 * 32 * 2048;
  limits.packets = 1024;
  Defragmenter defragmenter(limits, policy, {1, 2});
  test::FragmentOracle oracle(policy);
  std::int64_t now = 1'000'000'000'000;
  std::uint64_t number = 0;
  std::vector<std::uint8_t> bytes;
  for (std::size_t at = 1; at + 8 <= size && number < 1000; at += 8) {
    Datagram f = fragment_of(data + at, six, bytes);
    if (!f.fragment.present) continue;
    if ((data[at + 5] & 3) == 0) now += data[at + 6] * 100'000'000LL;
    f.time = {now};
    f.packet_number = ++number;
    const Defragmented got = defragmenter.add(f, number);
    const auto expected = oracle.add(f);
    if (got.kind != expected.kind || got.cause != expected.cause) std::abort();
    std::multiset<std::uint64_t> lost;
    for (const LostPacket& l : got.lost)
      lost.insert(l.packet.number);
    if (lost != expected.lost) std::abort();
    if (got.kind != Defragmented::Kind::Complete) continue;
    const Bytes whole = got.datagram.payload;
    if (std::string(whole.begin(), whole.end()) != expected.whole) std::abort();
    if (!std::equal(got.packets.begin(), got.packets.end(), expected.packets.begin(),
                    expected.packets.end(),
                    [](const HeldPacket& h, std::uint64_t n) { return h.number == n; })) {
      std::abort();
    }
  }
  return 0;
}
