// PcapReader against libpcap: the same packets, and the same place and cause of damage, for every variant of
// the format, whole and damaged.
#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "capture/pcap.h"
#include "tests/unit/capture/samples.h"

namespace weir::capture {
namespace {

using test::Directory;
using test::FileBuilder;

struct Seen {
  std::vector<std::string> packets;  // time, wire length and bytes
  std::string damage;
  bool refused = false;  // the file header
};

std::string shown(std::int64_t seconds, std::int64_t nanoseconds, std::uint32_t wire, const std::uint8_t* bytes,
                  std::uint32_t size) {
  return std::to_string(std::min<std::int64_t>(seconds, 2'305'843'009)) + "." + std::to_string(nanoseconds) + " " + std::to_string(wire) + " " +
         std::string(reinterpret_cast<const char*>(bytes), size);
}

Seen with_libpcap(const std::string& file) {
  Seen seen;
  std::array<char, PCAP_ERRBUF_SIZE> why{};
  pcap_t* p = pcap_open_offline_with_tstamp_precision(file.c_str(), PCAP_TSTAMP_PRECISION_NANO, why.data());
  if (p == nullptr) {
    seen.refused = true;
    return seen;
  }
  if (!file_link(pcap_datalink(p))) seen.refused = true;
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  int got = 0;
  while (!seen.refused && (got = pcap_next_ex(p, &header, &bytes)) == 1) {
    // libpcap takes either number with a sign or without one, as the byte order has it; they have none.
    const std::int64_t ns = header->ts.tv_usec < 0 ? 999'999'999 : header->ts.tv_usec;
    seen.packets.push_back(shown(static_cast<std::uint32_t>(header->ts.tv_sec), std::min<std::int64_t>(ns, 999'999'999),
                                 std::max(header->len, header->caplen), bytes, header->caplen));
  }
  if (!seen.refused && got != PCAP_ERROR_BREAK) seen.damage = pcap_geterr(p);
  pcap_close(p);
  return seen;
}

Seen with_weir(const std::string& file) {
  Seen seen;
  PcapReader reader(std::move(*ByteSource::open(file)));
  if (!reader.start("f")) {
    seen.refused = true;
    return seen;
  }
  CaptureRecord record;
  for (;;) {
    const ReadResult result = reader.next(record);
    if (result == ReadResult::End) return seen;
    if (result == ReadResult::Damaged) {
      seen.damage = reader.damage();
      return seen;
    }
    seen.packets.push_back(shown(record.time.ns / 1'000'000'000, record.time.ns % 1'000'000'000, record.wire_length,
                                 record.bytes.data(), static_cast<std::uint32_t>(record.bytes.size())));
  }
}

std::string file_of(std::mt19937& random) {
  FileBuilder b(random() % 2 == 0);
  const std::uint32_t magics[] = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34};
  const std::uint32_t magic = magics[random() % 3];
  const std::uint32_t minors[] = {4, 4, 4, 3, 2, 5};
  const std::uint32_t snaplens[] = {65535, 0, 40, 0xffffffff, 262144};
  const bool odd = random() % 16 == 0;
  b.u32(magic).u16(odd ? 543 : 2).u16(odd ? 0 : minors[random() % 6]).u32(0).u32(0).u32(snaplens[random() % 5]);
  b.u32(random() % 8 == 0 ? static_cast<std::uint32_t>(random()) : 1);
  const auto count = static_cast<unsigned>(random() % 6);
  for (unsigned i = 0; i < count; ++i) {
    const std::string bytes(random() % (i == 3 ? 100'000 : 100), static_cast<char>('a' + i));
    const auto size = static_cast<std::uint32_t>(bytes.size());
    b.u32(static_cast<std::uint32_t>(random() % 0x7fffffff)).u32(static_cast<std::uint32_t>(random() % 2'000'000));
    const std::uint32_t wire = random() % 3 == 0 ? size / 2 : size + static_cast<std::uint32_t>(random() % 50);
    b.u32(size).u32(wire);
    if (magic == 0xa1b2cd34) b.u32(1).u16(8).u16(0);
    b.raw(bytes);
  }
  return b.text();
}

TEST(PcapReader, ReadsWhatLibpcapReads) {
  const Directory d;
  std::mt19937 random(3);
  std::size_t packets = 0;
  std::size_t refused = 0;
  std::size_t damaged = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = file_of(random);
    if (i % 2 == 1 && bytes.size() > 24) {
      if (random() % 2 == 0) bytes.resize(24 + random() % (bytes.size() - 24));
      for (auto n = random() % 3; n > 0 && bytes.size() > 28; --n) {
        // Lengths mostly.
        bytes[24 + 8 + random() % std::min<std::size_t>(8, bytes.size() - 32 > 0 ? bytes.size() - 32 : 1)] ^=
            static_cast<char>(1U << (random() % 8));
      }
    }
    const std::string file = d.write("f", bytes);
    const Seen want = with_libpcap(file);
    const Seen got = with_weir(file);
    ASSERT_EQ(got.refused, want.refused) << i;
    ASSERT_EQ(got.packets.size(), want.packets.size()) << i;
    for (std::size_t p = 0; p < want.packets.size(); ++p) {
      ASSERT_TRUE(got.packets[p] == want.packets[p]) << i << ", packet " << p << ": " << got.packets[p].substr(0, 99)
                                                     << "\n" << want.packets[p].substr(0, 99);
    }
    // libpcap names one of two bounds.
    const auto without_bound = [](const std::string& text) { return text.substr(0, text.find(", bigger")); };
    ASSERT_EQ(without_bound(got.damage), without_bound(want.damage)) << i;
    packets += want.packets.size();
    refused += want.refused ? 1 : 0;
    damaged += want.damage.empty() ? 0 : 1;
  }
  EXPECT_GT(packets, 3000U);
  EXPECT_GT(refused, 100U);
  EXPECT_GT(damaged, 300U);
}

TEST(PcapReader, SaysWhatIsWrongWithAHeader) {
  const Directory d;
  const auto error = [&](const std::string& bytes) {
    PcapReader reader(std::move(*ByteSource::open(d.write("f", bytes))));
    const auto started = reader.start("f");
    return started ? std::string() : started.error().message;
  };
  const std::string good = FileBuilder().pcap(false).text();
  EXPECT_EQ(error(good), "");
  EXPECT_EQ(error(good.substr(0, 9)),
            "f cannot be read as a capture: truncated dump file; tried to read 24 file header bytes, only got 9");
  std::string version = good;
  version[6] = 9;
  EXPECT_EQ(error(version), "f cannot be read as a capture: pcap version 2.9 is not known");
  EXPECT_EQ(error(FileBuilder().pcap(false, 105).text()), "f has link type 105 (IEEE802_11), which is not supported");
}

// Times from 2038 on, where libpcap's answer depends on the byte order: unsigned, as the format says.
TEST(PcapReader, TimesAreUnsigned) {
  const Directory d;
  for (const bool big : {false, true}) {
    const std::string file =
        d.write("f", FileBuilder(big).pcap(true).record(0x80000010, 5, test::Octets{1, 2, 3}).text());
    EXPECT_EQ(with_weir(file).packets.at(0).substr(0, 12), "2147483664.5");
  }
}

}  // namespace
}  // namespace weir::capture
