#include "capture/pcap_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/capture/samples.h"

namespace weir::capture {
namespace {

using test::Directory;
using test::FileBuilder;
using test::Octets;
using ::testing::HasSubstr;

TEST(PcapWriter, WritesWhatItIsGiven) {
  const Directory d;
  const struct {
    LinkType link;
    std::uint32_t number;
  } table[] = {{LinkType::Ethernet, 1}, {LinkType::LinuxSll, 113}, {LinkType::LinuxSll2, 276},
               {LinkType::RawIp, 101},  {LinkType::Null, 0},       {LinkType::Loop, 108},
               {LinkType::Ppp, 9}};
  for (const auto& row : table) {
    auto writer = PcapWriter::open(d.path("out"));
    ASSERT_TRUE(writer);
    EXPECT_TRUE((*writer)->write(row.link, {1700000000123456789}, Octets{1, 2, 3}, 900));
    EXPECT_TRUE((*writer)->write(row.link, {1700000001000000000}, Octets{4}));
    EXPECT_EQ((*writer)->packets(), 2U);
    ASSERT_TRUE((*writer)->close());
    EXPECT_EQ(test::slurp(d.path("out")), FileBuilder()
                                              .pcap(true, row.number, 262144)
                                              .record(1700000000, 123456789, {1, 2, 3}, 900)
                                              .record(1700000001, 0, {4})
                                              .text());
  }
}

TEST(PcapWriter, WithoutPacketsItIsAnEmptyCapture) {
  const Directory d;
  {
    auto writer = PcapWriter::open(d.path("out"));
    ASSERT_TRUE(writer);
  }
  EXPECT_EQ(test::slurp(d.path("out")), FileBuilder().pcap(true, 1, 262144).text());
}

TEST(PcapWriter, ErrorsAreWords) {
  const Directory d;
  auto nowhere = PcapWriter::open(d.path("no/such/dir/out"));
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("cannot write " + d.path("no/such/dir/out") +
                                                 ": No such file or directory"));
  auto writer = PcapWriter::open(d.path("out"));
  ASSERT_TRUE(writer);
  EXPECT_TRUE((*writer)->write(LinkType::Ethernet, {1}, Octets{1}));
  const auto other = (*writer)->write(LinkType::RawIp, {1}, Octets{1});
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("another link type"));
  EXPECT_TRUE((*writer)->write(LinkType::Ethernet, {1}, Octets{1}));
  ASSERT_TRUE((*writer)->close());
  EXPECT_FALSE((*writer)->write(LinkType::Ethernet, {1}, Octets{1}));
}

TEST(PcapWriter, AFullDiskIsNoticedAtOnceOrAtTheLatestWhenClosing) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  auto small = PcapWriter::open("/dev/full");
  ASSERT_TRUE(small);
  static_cast<void>((*small)->write(LinkType::Ethernet, {1}, Octets{1}));
  const auto closed = (*small)->close();
  ASSERT_FALSE(closed);
  EXPECT_THAT(closed.error().message, HasSubstr("cannot write /dev/full: No space left on device"));

  auto large = PcapWriter::open("/dev/full");
  ASSERT_TRUE(large);
  bool failed = false;
  for (int i = 0; i < 200 && !failed; ++i) {
    failed = !(*large)->write(LinkType::Ethernet, {1}, Octets(1000, 1));
  }
  EXPECT_TRUE(failed);
  const auto again = (*large)->write(LinkType::Ethernet, {1}, Octets{1});
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("No space left on device"));
}

}  // namespace
}  // namespace weir::capture
