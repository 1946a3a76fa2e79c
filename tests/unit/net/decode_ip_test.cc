// P4, P5: IPv4 and IPv6 headers, and what a receiving host does with odd ones.
#include <gtest/gtest.h>

#include "engine/net/decode.h"
#include "engine/net/tcp.h"
#include "tests/unit/net/samples.h"

namespace weir::net {
namespace {

using test::as_packet;
using test::Octets;
using test::PacketBuilder;
using test::segment;
using test::start;

struct Row {
  const char* description;
  Octets packet;
  Anomaly expected;  // None: nothing worse than a note
  bool dropped_by_host = false;
};

void check(const Row& row, ChecksumState checksum = ChecksumState::Unknown) {
  SCOPED_TRACE(row.description);
  Packet p = as_packet(row.packet);
  p.checksum = checksum;
  const Decoded decoded = decode(p, {});
  if (const auto* m = std::get_if<Malformed>(&decoded)) {
    EXPECT_EQ(name(m->reason), name(row.expected));
    EXPECT_EQ(consequence(row.expected), Consequence::Malformed);
    return;
  }
  ASSERT_TRUE(std::holds_alternative<Datagram>(decoded));
  const Datagram& d = std::get<Datagram>(decoded);
  EXPECT_EQ(d.dropped_by_host(), row.dropped_by_host) << name(d.anomalies.gravest());
  if (row.expected == Anomaly::None) {
    EXPECT_FALSE(d.suspicious()) << name(d.anomalies.gravest());
  } else {
    EXPECT_TRUE(d.anomalies.has(row.expected)) << name(d.anomalies.gravest());
  }
  // Whatever is odd about it, the TCP segment is found behind it.
  if (!d.fragment.present) {
    EXPECT_EQ(d.protocol, 6);
    EXPECT_TRUE(parse_tcp(d).ok());
  }
}

PacketBuilder v4() {
  return start().ipv4("10.0.0.1", "10.0.0.2");
}
PacketBuilder v6() {
  return start().ipv6("2001:db8::1", "2001:db8::2");
}
Octets done(PacketBuilder b) {
  return segment(b).build();
}

TEST(DecodeIpv4, P4_Lengths) {
  const Row table[] = {
      {"header length 16", done(v4().early16(0, 0x4400)), Anomaly::Ipv4HeaderLength},
      {"header length 60 of a short packet", v4().early16(0, 0x4f00).raw({1, 2, 3, 4}).build(),
       Anomaly::Ipv4HeaderLength},
      {"version 5", done(v4().early16(0, 0x5500)), Anomaly::Ipv4Version},
      {"total length 19", done(v4().early16(2, 19)), Anomaly::Ipv4TotalLength},
      {"total length 0", done(v4().early16(2, 0)), Anomaly::Ipv4TotalLength},
      {"one byte more than the frame", done(v4().early16(2, 69)), Anomaly::Ipv4LongerThanPacket},
      {"65535", done(v4().early16(2, 65535)), Anomaly::Ipv4LongerThanPacket},
      {"exact", done(v4()), Anomaly::None},
  };
  for (const Row& row : table)
    check(row);
  check({"total length 0 of a sending host", done(v4().early16(2, 0)), Anomaly::Ipv4LengthZero},
        ChecksumState::NotFilled);
}

TEST(DecodeIpv4, P4_Checksum) {
  check({"wrong", done(v4().bad_checksum()), Anomaly::Ipv4HeaderChecksum, true});
  check({"zero", done(v4().set16(10, 0)), Anomaly::Ipv4HeaderChecksumZero, true});
  check({"not looked at", done(v4().bad_checksum()), Anomaly::None}, ChecksumState::Ignore);
  check({"looked at though the card verified the transport's", done(v4().bad_checksum()),
         Anomaly::Ipv4HeaderChecksum, true},
        ChecksumState::Verified);
}

TEST(DecodeIpv4, P4_Options) {
  const Row table[] = {
      {"nothing but NOPs", done(v4().ip_options({1, 1, 1, 1})), Anomaly::Ipv4Options},
      {"unknown option", done(v4().ip_options({0x9e, 6, 1, 2, 3, 4})), Anomaly::Ipv4Options},
      {"loose source route", done(v4().ip_options({131, 7, 4, 10, 0, 0, 9})),
       Anomaly::Ipv4SourceRoute, true},
      {"strict source route", done(v4().ip_options({137, 7, 4, 10, 0, 0, 9})),
       Anomaly::Ipv4SourceRoute, true},
      {"source route behind NOPs", done(v4().ip_options({1, 1, 1, 131, 3, 4})),
       Anomaly::Ipv4SourceRoute, true},
      {"option of length 0", done(v4().ip_options({0x9e, 0, 0, 0})), Anomaly::Ipv4OptionMalformed,
       true},
      {"option of length 1", done(v4().ip_options({0x9e, 1, 0, 0})), Anomaly::Ipv4OptionMalformed,
       true},
      {"option beyond the header", done(v4().ip_options({0x9e, 5, 0, 0})),
       Anomaly::Ipv4OptionMalformed, true},
      {"option that is the last byte", done(v4().ip_options({1, 1, 1, 0x9e})),
       Anomaly::Ipv4OptionMalformed, true},
      {"record route", done(v4().ip_options({7, 7, 4, 0, 0, 0, 0})), Anomaly::Ipv4Options},
      {"record route, pointer 3", done(v4().ip_options({7, 7, 3, 0, 0, 0, 0})),
       Anomaly::Ipv4OptionMalformed, true},
      {"record route, no room left", done(v4().ip_options({7, 7, 8, 1, 2, 3, 4})),
       Anomaly::Ipv4Options},
      {"record route, half an address", done(v4().ip_options({7, 6, 4, 0, 0, 0})),
       Anomaly::Ipv4OptionMalformed, true},
      {"behind end of options", done(v4().ip_options({0, 131, 7, 4})), Anomaly::Ipv4Options},
      {"CIPSO", done(v4().ip_options({134, 8, 0, 0, 0, 1, 1, 2})), Anomaly::SecurityOption},
  };
  for (const Row& row : table)
    check(row);
}

TEST(DecodeIpv4, P4_Addresses) {
  const Row table[] = {
      {"multicast source", done(start().ipv4("224.0.0.1", "10.0.0.2")), Anomaly::SourceMulticast,
       true},
      {"broadcast source", done(start().ipv4("255.255.255.255", "10.0.0.2")),
       Anomaly::SourceBroadcast, true},
      {"same addresses", done(start().ipv4("10.0.0.2", "10.0.0.2")), Anomaly::SameAddresses},
      {"TTL 0", done(v4().ttl(0)), Anomaly::TtlZero},
      {"reserved flag", done(v4().early16(6, 0x8000)), Anomaly::Ipv4ReservedFlag},
  };
  for (const Row& row : table)
    check(row);
}

TEST(DecodeIpv6, P4_Lengths) {
  const Row table[] = {
      {"one byte more than the frame", done(v6().early16(4, 49)), Anomaly::Ipv6LongerThanPacket},
      {"version 4", done(v6().early16(0, 0x4000)), Anomaly::Ipv6Version},
      {"extension beyond the payload", v6().protocol(60).raw({6, 9, 1, 4, 0, 0, 0, 0}).build(),
       Anomaly::Ipv6ExtensionShort},
      {"half an extension", v6().protocol(60).raw({6, 0, 1}).build(), Anomaly::Ipv6ExtensionShort},
      {"exact", done(v6()), Anomaly::None},
  };
  for (const Row& row : table)
    check(row);
}

TEST(DecodeIpv6, P5_ExtensionHeadersAsAHostTreatsThem) {
  const Row table[] = {
      {"hop-by-hop", done(v6().hop_by_hop()), Anomaly::None},
      {"destination options, four of them",
       done(v6().destination_options()
                .destination_options()
                .destination_options()
                .destination_options()),
       Anomaly::None},
      {"second hop-by-hop", done(v6().hop_by_hop().hop_by_hop()), Anomaly::Ipv6HopByHopMisplaced,
       true},
      {"hop-by-hop behind destination options", done(v6().destination_options().hop_by_hop()),
       Anomaly::Ipv6HopByHopMisplaced, true},
      {"authentication header", done(v6().authentication()), Anomaly::Ipv6Authentication, true},
      {"routing type 0, done", done(v6().routing(0, 0)), Anomaly::Ipv6RoutingDone},
      {"routing type 0, segments left", done(v6().routing(0, 1)), Anomaly::Ipv6RoutingHeader, true},
      {"routing type 2", done(v6().routing(2, 0)), Anomaly::Ipv6RoutingHome},
      {"routing type 2, segments left", done(v6().routing(2, 1)), Anomaly::Ipv6RoutingHeader, true},
      {"routing type 4", done(v6().routing(4, 0)), Anomaly::Ipv6RoutingHeader, true},
      {"routing type 99, done", done(v6().routing(99, 0)), Anomaly::Ipv6RoutingDone},
      {"mobility", done(v6().extension(135, Octets(6, 0))), Anomaly::Ipv6ExtensionUnknown, true},
      {"HIP", done(v6().extension(139, Octets(6, 0))), Anomaly::Ipv6ExtensionUnknown, true},
      {"shim6", done(v6().extension(140, Octets(6, 0))), Anomaly::Ipv6ExtensionUnknown, true},
      {"atomic fragment", done(v6().fragment6(0, false, 1)), Anomaly::Ipv6AtomicFragment},
      {"two atomic fragments", done(v6().fragment6(0, false, 1).fragment6(0, false, 2)),
       Anomaly::Ipv6SecondFragment, true},
      {"everything once, in order",
       done(v6().hop_by_hop()
                .destination_options()
                .routing(0, 0)
                .fragment6(0, false, 1)
                .destination_options()),
       Anomaly::None},
  };
  for (const Row& row : table)
    check(row);
}

TEST(DecodeIpv6, P5_OptionsAsAHostTreatsThem) {
  const auto many = [](int n) {
    Octets b;
    for (int i = 0; i < n; ++i)
      b.insert(b.end(), {0x1e, 0});
    return b;
  };
  const Row table[] = {
      {"unknown, action 00", done(v6().destination_options({0x1e, 1, 0})), Anomaly::None},
      {"unknown, action 01", done(v6().destination_options({0x5e, 1, 0})),
       Anomaly::Ipv6OptionDiscard, true},
      {"unknown, action 10", done(v6().destination_options({0x9e, 1, 0})),
       Anomaly::Ipv6OptionDiscard, true},
      {"unknown, action 11", done(v6().destination_options({0xde, 1, 0})),
       Anomaly::Ipv6OptionDiscard, true},
      {"unknown in hop-by-hop, action 01", done(v6().hop_by_hop({0x5e, 1, 0})),
       Anomaly::Ipv6OptionDiscard, true},
      {"home address", done(v6().destination_options({1, 2, 0, 0, 0xc9, 16, 0, 0, 0, 0, 0,
                                                      0, 0, 0, 0, 0,    0,  0, 0, 0, 0, 1})),
       Anomaly::Ipv6OptionDiscard, true},
      {"router alert", done(v6().hop_by_hop({5, 2, 0, 0})), Anomaly::None},
      {"router alert of another length", done(v6().hop_by_hop({5, 3, 0, 0, 0})),
       Anomaly::Ipv6OptionMalformed, true},
      {"option beyond its header", done(v6().extension(60, {0x1e, 9, 0, 0, 0, 0})),
       Anomaly::Ipv6OptionMalformed, true},
      {"option without a length", done(v6().extension(60, {1, 3, 0, 0, 0, 0x1e})),
       Anomaly::Ipv6OptionMalformed, true},
      {"padding that says something", done(v6().extension(60, {1, 4, 0, 0, 7, 0})),
       Anomaly::Ipv6OptionPadding, true},
      {"seven bytes of padding",
       done(v6().extension(60, {1, 5, 0, 0, 0, 0, 0, 0x1e, 3, 0, 0, 0, 0, 0})), Anomaly::None},
      {"eight bytes of padding",
       done(v6().extension(60, {1, 6, 0, 0, 0, 0, 0, 0, 0x1e, 2, 0, 0, 0, 0})),
       Anomaly::Ipv6OptionPadding, true},
      {"eight times Pad1", done(v6().extension(60, Octets(14, 0))), Anomaly::Ipv6OptionPadding,
       true},
      {"eight options", done(v6().destination_options(many(8))), Anomaly::None},
      {"nine options", done(v6().destination_options(many(9))), Anomaly::Ipv6OptionCount, true},
  };
  for (const Row& row : table)
    check(row);
}

TEST(DecodeIpv6, P5_Jumbograms) {
  Octets body =
      PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").tcp(1, 80).raw(Octets(70000, 'j')).build();
  Octets frame = start().build();
  frame[12] = 0x86;
  frame[13] = 0xdd;
  // IPv6 header, hop-by-hop with the jumbo option, TCP
  const std::uint32_t length = static_cast<std::uint32_t>(body.size() - 40 + 8);
  Octets packet(body.begin(), body.begin() + 40);
  packet[4] = packet[5] = 0;
  packet[6] = 0;
  for (const std::uint32_t v : {0x06'00'c2'04U, length}) {
    for (int shift = 24; shift >= 0; shift -= 8)
      packet.push_back(static_cast<std::uint8_t>(v >> shift));
  }
  packet.insert(packet.end(), body.begin() + 40, body.end());
  Octets whole = frame;
  whole.insert(whole.end(), packet.begin(), packet.end());
  const Datagram d = std::get<Datagram>(decode(as_packet(whole), {}));
  EXPECT_FALSE(d.suspicious());
  EXPECT_EQ(d.payload.size(), 20U + 70000U);
  whole[14 + 40 + 7] = static_cast<std::uint8_t>(whole[14 + 40 + 7] + 1);
  check({"one byte longer than the frame", whole, Anomaly::Ipv6LongerThanPacket});

  check({"jumbo option and a length", done(v6().hop_by_hop({0xc2, 4, 0, 1, 0, 0})),
         Anomaly::Ipv6JumboInvalid, true});
  check({"jumbo length that is not", done(v6().early16(4, 0).hop_by_hop({0xc2, 4, 0, 0, 0, 40})),
         Anomaly::Ipv6JumboInvalid, true});
  check({"length 0 without the option", done(v6().early16(4, 0).hop_by_hop()),
         Anomaly::Ipv6LengthZero});
}

TEST(DecodeIpv6, P5_HeaderCount) {
  const auto chain = [](int n) {
    PacketBuilder b = v6();
    for (int i = 0; i < n; ++i)
      b.destination_options();
    return done(b);
  };
  check({"eight", chain(8), Anomaly::None});
  check({"nine", chain(9), Anomaly::Ipv6ManyExtensions});
  check({"thirty-two", chain(32), Anomaly::Ipv6ManyExtensions});
  check({"thirty-three", chain(33), Anomaly::Ipv6TooManyExtensions});
}

TEST(DecodeIpv6, P5_Addresses) {
  check({"multicast source", done(start().ipv6("ff02::1", "2001:db8::2")), Anomaly::SourceMulticast,
         true});
}

TEST(DecodeIpv6, P5_NoNextHeaderAndEspEndTheChain) {
  const auto protocol = [](const Octets& b) {
    return std::get<Datagram>(decode(as_packet(b), {})).protocol;
  };
  EXPECT_EQ(protocol(v6().protocol(59).raw(Octets(40, 6)).build()), 59);
  EXPECT_EQ(protocol(v6().protocol(50).raw(Octets(40, 6)).build()), 50);
}

TEST(DecodeFragments, F5_TinyFirstFragments) {
  const Octets tcp = Octets(40, 'x');
  const Octets head(tcp.begin(), tcp.begin() + 16);
  check({"IPv4: 16 bytes of TCP", v4().fragment(0, true).protocol(6).raw(head).build(),
         Anomaly::Ipv4TinyFragment});
  check({"IPv4: offset 16 rewrites the header",
         v4().fragment(16, false).protocol(6).raw(tcp).build(), Anomaly::Ipv4TinyFragment});
  check({"IPv4: whole header", v4().fragment(0, true).protocol(6).raw(tcp).build(), Anomaly::None});
  check({"IPv4: UDP may be short", v4().fragment(0, true).protocol(17).raw(head).build(),
         Anomaly::None});
  check({"IPv6: 16 bytes of TCP", v6().fragment6(0, true, 1).protocol(6).raw(head).build(),
         Anomaly::Ipv6TinyFragment, true});
  check({"IPv6: whole header", v6().fragment6(0, true, 1).protocol(6).raw(tcp).build(),
         Anomaly::None});
  Octets chain{6, 4, 1, 4, 0, 0, 0, 0};  // destination options of 40 bytes, 8 of them here
  check({"IPv6: half a header chain", v6().fragment6(0, true, 1).protocol(60).raw(chain).build(),
         Anomaly::Ipv6TinyFragment, true});
  chain[1] = 0;
  check({"IPv6: chain without its TCP", v6().fragment6(0, true, 1).protocol(60).raw(chain).build(),
         Anomaly::Ipv6TinyFragment, true});
  chain.insert(chain.end(), 24, 'x');
  check({"IPv6: chain with its TCP", v6().fragment6(0, true, 1).protocol(60).raw(chain).build(),
         Anomaly::None});
}

}  // namespace
}  // namespace weir::net
