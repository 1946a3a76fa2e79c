// P1, C2: tshark finds the same TCP segments in every sample as Weir does. Skipped where it is not
// installed.
#include <array>
#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "capture/pcap_file.h"
#include "engine/net/tcp.h"
#include "tests/unit/capture/samples.h"
#include "tests/unit/net/samples.h"

namespace weir::capture {
namespace {

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> b{};
  for (std::size_t n = 0; (n = std::fread(b.data(), 1, b.size(), pipe)) > 0;)
    out.append(b.data(), n);
  ::pclose(pipe);
  return out;
}

std::string hex(Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

// One line for each packet: ports, sequence number, checksum status (1: good), payload; innermost
// of each.
std::string weir_view(PcapFilePort& port) {
  std::string out;
  std::vector<Packet> batch(8);
  for (;;) {
    auto received = port.receive(batch, {});
    if (!received || received->ended) return out;
    for (std::size_t i = 0; i < received->count; ++i) {
      const net::Decoded decoded = net::decode(batch[i], {});
      if (const auto* d = std::get_if<net::Datagram>(&decoded); d != nullptr && d->protocol == 6) {
        const net::TcpParsed t = net::parse_tcp(*d);
        out += std::to_string(t.segment.source.port) + " " +
               std::to_string(t.segment.destination.port) + " " + std::to_string(t.segment.seq) +
               " " + (t.checksum == net::ChecksumVerdict::Right ? "1 " : "0 ") +
               hex(t.segment.payload);
      }
      out += "\n";
      port.settle(batch[i], Fate::Drop);
    }
  }
}

TEST(Tshark, P1_C2_SeesTheSameSegments) {
  if (output_of("tshark --version 2>/dev/null").empty()) GTEST_SKIP() << "no tshark";
  const test::Directory d;
  std::map<LinkType, std::vector<test::Sample>> by_link;
  for (test::Sample& s : test::samples()) {
    if (s.name == "mpls pseudowire") continue;  // tshark asks to be told by label
    by_link[s.link].push_back(std::move(s));
  }
  std::size_t compared = 0;
  for (const auto& [link, samples] : by_link) {
    const std::string file = d.path("a.pcap");
    auto writer = PcapWriter::open(file);
    ASSERT_TRUE(writer);
    for (const test::Sample& s : samples) {
      ASSERT_TRUE((*writer)->write(link, {1}, s.bytes));
      test::Octets bad = s.bytes;
      bad.back() ^= 1;  // the sum no longer fits
      ASSERT_TRUE((*writer)->write(link, {1}, bad));
    }
    ASSERT_TRUE((*writer)->close());
    const std::string theirs = output_of(
        "tshark -n -r " + file +
        " -o tcp.check_checksum:TRUE -o tcp.desegment_tcp_streams:FALSE"
        " -o tcp.analyze_sequence_numbers:FALSE -d udp.port==8472,vxlan --disable-protocol http"
        " -T fields -E separator=/s -E occurrence=l"
        " -e tcp.srcport -e tcp.dstport -e tcp.seq_raw -e tcp.checksum.status -e tcp.payload "
        "2>/dev/null");
    PcapFileOptions options;
    options.files = {file};
    auto port = PcapFilePort::open(options);
    ASSERT_TRUE(port);
    const std::string ours = weir_view(**port);
    const auto line = [](const std::string& text, std::size_t n) {
      std::size_t at = 0;
      while (n-- > 0)
        at = text.find('\n', at) + 1;
      return text.substr(at, text.find('\n', at) - at);
    };
    for (std::size_t i = 0; i < samples.size() * 2; ++i, ++compared) {
      EXPECT_EQ(line(ours, i), line(theirs, i))
          << samples[i / 2].name << (i % 2 == 0 ? "" : ", spoilt");
    }
  }
  EXPECT_GT(compared, 70U);
}

}  // namespace
}  // namespace weir::capture
