// The GENEVE header: RFC 8926, AWS and Google options, and what must not be taken.
#include "geneve/header.h"

#include <gtest/gtest.h>

#include "tests/unit/geneve/envelopes.h"

namespace {

using namespace weir;
using namespace weir::geneve;
using test::aws_options;
using test::joined;
using test::Octets;
using test::option;

const Octets kInner = test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80);

// Byte for byte what the load balancer of AWS sends (from its documentation, not from our builder).
TEST(GeneveHeader, ReadsTheThreeOptionsOfAws) {
  const Octets datagram =
      joined({{0x08, 0x00, 0x08, 0x00, 0,    0,    0,    0,    0x01, 0x08, 0x01, 0x02, 0x0a, 0x1b,
               0x2c, 0x3d, 0x4e, 0x5f, 0x60, 0x71, 0x01, 0x08, 0x02, 0x02, 0,    0,    0,    0,
               0,    0,    0,    9,    0x01, 0x08, 0x03, 0x01, 0xde, 0xad, 0xbe, 0xef},
              kInner});
  const Parsed p = parse(datagram);
  ASSERT_EQ(p.fault, Fault::None);
  EXPECT_EQ(p.header.length, kAwsHeader);
  EXPECT_EQ(p.header.protocol, 0x0800);
  EXPECT_TRUE(p.header.complete_aws());
  EXPECT_EQ(p.header.endpoint, 0x0a1b2c3d4e5f6071U);
  EXPECT_EQ(p.header.attachment, 9U);
  EXPECT_EQ(p.header.cookie, 0xdeadbeefU);
  EXPECT_EQ(p.header.domain(), 0x0a1b2c3d4e5f6071U);
  EXPECT_FALSE(p.header.unknown_options);
  EXPECT_EQ(test::geneve(aws_options(0x0a1b2c3d4e5f6071U, 0xdeadbeef, 9), kInner), datagram);
}

TEST(GeneveHeader, TakesOptionsInAnyOrderAmongUnknownOnes) {
  const Octets options =
      joined({option(0x0999, 1, Octets(8)), option(0x0108, 3, {1, 2, 3, 4}), option(0x0108, 9, {}),
              option(0x0108, 2, Octets(8)), option(0x0108, 1, test::big_endian(77, 8))});
  const Parsed p = parse(test::geneve(options, kInner));
  ASSERT_EQ(p.fault, Fault::None);
  EXPECT_TRUE(p.header.complete_aws());
  EXPECT_TRUE(p.header.unknown_options);
  EXPECT_EQ(p.header.domain(), 77U);
  EXPECT_EQ(p.header.cookie, 0x01020304U);
}

TEST(GeneveHeader, FirstOfEqualOptionsCounts) {
  const Octets options = joined(
      {option(0x0108, 1, test::big_endian(5, 8)), option(0x0108, 1, test::big_endian(6, 8))});
  EXPECT_EQ(parse(test::geneve(options, kInner)).header.domain(), 5U);
}

TEST(GeneveHeader, KnownOptionOfAnotherLengthIsUnknown) {
  const Parsed p = parse(test::geneve(option(0x0108, 1, Octets(4, 1)), kInner));
  EXPECT_EQ(p.fault, Fault::None);
  EXPECT_FALSE(p.header.has_endpoint);
  EXPECT_TRUE(p.header.unknown_options);
}

TEST(GeneveHeader, WithoutOptionsTheNetworkIdIsTheAddressSpace) {
  const Parsed none = parse(test::geneve({}, kInner));
  EXPECT_EQ(none.fault, Fault::None);
  EXPECT_EQ(none.header.length, kBaseLength);
  EXPECT_FALSE(none.header.complete_aws());
  EXPECT_EQ(none.header.domain(), 0U);
  const Parsed a = parse(test::geneve({}, kInner, 0x0800, 5));
  const Parsed b = parse(test::geneve({}, kInner, 0x0800, 6));
  EXPECT_EQ(a.header.vni, 5U);
  EXPECT_NE(a.header.domain(), b.header.domain());
}

TEST(GeneveHeader, GoogleNetworkIsWithoutItsDirectionBit) {
  const auto with = [](std::uint8_t last) {
    return parse(test::geneve(joined({option(0x0132, 1, {0, 0, 0x12, last}),
                                      option(0x0132, 2, Octets(12)), option(0x0132, 3, Octets(8))}),
                              kInner))
        .header;
  };
  EXPECT_EQ(with(0x50).google_network, 0x125U);
  EXPECT_EQ(with(0x50).domain(), with(0x51).domain());
  EXPECT_NE(with(0x50).domain(), with(0x60).domain());
  EXPECT_FALSE(with(0x50).unknown_options);
}

TEST(GeneveHeader, RefusesWhatMustBeDropped) {
  Octets version = test::geneve({}, kInner);
  version[0] |= 0x40;
  EXPECT_EQ(parse(version).fault, Fault::Version);
  Octets control = test::geneve({}, kInner);
  control[1] = 0x80;
  EXPECT_EQ(parse(control).fault, Fault::Control);
  // A critical option that is unknown is a reason whether or not the C bit says that there is one.
  for (const int flags : {0x00, 0x40}) {
    Octets critical = test::geneve(option(0x0108, 0x84, {}), kInner);
    critical[1] = static_cast<std::uint8_t>(flags);
    EXPECT_EQ(parse(critical).fault, Fault::CriticalUnknown);
  }
  Octets only_the_bit = test::geneve(aws_options(1, 2), kInner);
  only_the_bit[1] = 0x40;
  EXPECT_EQ(parse(only_the_bit).fault, Fault::None);
  EXPECT_TRUE(parse(only_the_bit).header.critical);
}

// C6, on the codec: every truncation, and every length that an option can claim.
TEST(GeneveHeader, NoEndIsPassed) {
  const Octets whole = test::geneve(aws_options(1, 2), {});
  ASSERT_EQ(whole.size(), kAwsHeader);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(parse(cut).fault, n < kBaseLength ? Fault::Short : Fault::OptionsPastEnd);
  }
  for (unsigned words = 0; words < 32; ++words) {
    Octets last = whole;
    last[35] = static_cast<std::uint8_t>(words);  // the cookie's length
    // 0 words: what follows is read as one more option, which claims 8 bytes.
    const Fault expected = words != 1 ? Fault::OptionPastEnd : Fault::None;
    EXPECT_EQ(parse(last).fault, expected) << words;
  }
  Octets area = whole;
  area[0] = 7;  // ends within the last option
  EXPECT_EQ(parse(area).fault, Fault::OptionPastEnd);
  const Octets longest =
      test::geneve(joined({option(1, 1, Octets(124)), option(1, 1, Octets(120))}), kInner);
  EXPECT_EQ(parse(longest).header.length, kMostHeader);
}

TEST(GeneveHeader, FaultsHaveNames) {
  for (std::size_t i = 0; i < kFaults; ++i)
    EXPECT_FALSE(name(static_cast<Fault>(i)).empty());
}

}  // namespace
