// C1, C2: captures of every format that is supported, damaged ones, and what is no capture.
#include "capture/pcap_file.h"

#include <atomic>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/capture/samples.h"

namespace weir::capture {
namespace {

using test::Directory;
using test::FileBuilder;
using test::Octets;
using test::PacketBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Octets frame(int n, std::uint16_t port = 80) {
  return PacketBuilder()
      .eth()
      .ipv4("10.0.0.1", "10.0.0.2")
      .tcp(1000, port)
      .payload("packet " + std::to_string(n))
      .build();
}

struct Seen {
  std::uint64_t number = 0;
  std::int64_t ns = 0;
  LinkType link = LinkType::Ethernet;
  Octets bytes;
  std::uint32_t wire = 0;
  std::string file;
  bool operator==(const Seen&) const = default;
};

struct Outcome {
  std::vector<Seen> packets;
  std::vector<std::string> damage;
  std::string error;
  PortStats stats;
  std::uint64_t bytes_read = 0, bytes_total = 0, packets_read = 0;
};

Outcome run(PcapFileOptions options, std::size_t batch = 3) {
  Outcome out;
  auto port = PcapFilePort::open(std::move(options));
  if (!port) {
    out.error = port.error().message;
    return out;
  }
  std::vector<Packet> packets(batch);
  for (;;) {
    auto received = (*port)->receive(packets, milliseconds(100));
    if (!received) {
      out.error = received.error().message;
      break;
    }
    for (std::size_t i = 0; i < received->count; ++i) {
      const Packet& p = packets[i];
      out.packets.push_back({p.number, p.time.ns, p.link, Octets(p.bytes.begin(), p.bytes.end()),
                             p.wire_length, std::string((*port)->file_of(p))});
    }
    for (std::size_t i = received->count; i-- > 0;) {
      (*port)->settle(packets[i], i % 2 == 0 ? Fate::Forward : Fate::Drop);
    }
    if (received->ended) break;
  }
  out.damage = (*port)->damage();
  out.stats = (*port)->stats();
  out.bytes_read = (*port)->bytes_read();
  out.bytes_total = (*port)->bytes_total();
  out.packets_read = (*port)->packets_read();
  return out;
}

Outcome run(std::vector<std::string> files, std::string filter = "") {
  PcapFileOptions options;
  options.files = std::move(files);
  options.filter = std::move(filter);
  const Outcome kept = run(options);
  // Where packets lie where they were read, the same comes out.
  options.settled_at_once = true;
  for (const std::size_t batch : {1U, 2U, 64U}) {
    const Outcome in_place = run(options, batch);
    EXPECT_EQ(in_place.packets, kept.packets) << batch;
    EXPECT_EQ(in_place.damage, kept.damage) << batch;
    EXPECT_EQ(in_place.error, kept.error) << batch;
    EXPECT_EQ(in_place.bytes_read, kept.bytes_read) << batch;
    EXPECT_EQ(in_place.packets_read, kept.packets_read) << batch;
  }
  return kept;
}

TEST(PcapFile, C2_EitherByteOrderAndPrecision) {
  const Directory d;
  for (const bool big : {false, true}) {
    for (const bool nano : {false, true}) {
      const std::string file = d.write("a.pcap", FileBuilder(big)
                                                     .pcap(nano)
                                                     .record(1700000000, 123456, frame(1))
                                                     .record(1700000001, 999999, frame(2), 9000)
                                                     .text());
      const Outcome r = run({file});
      EXPECT_EQ(r.error, "");
      ASSERT_EQ(r.packets.size(), 2U);
      EXPECT_EQ(r.packets[0].ns, 1700000000'000000000 + (nano ? 123456 : 123456000));
      EXPECT_EQ(r.packets[0].bytes, frame(1));
      EXPECT_EQ(r.packets[0].number, 1U);
      EXPECT_EQ(r.packets[0].wire, frame(1).size());
      EXPECT_EQ(r.packets[1].wire, 9000U);
      EXPECT_EQ(r.packets[1].number, 2U);
      EXPECT_THAT(r.damage, IsEmpty());
      EXPECT_EQ(r.bytes_read, r.bytes_total);
      EXPECT_EQ(r.stats.packets, 2U);
      EXPECT_EQ(r.stats.bytes, frame(1).size() + frame(2).size());
      EXPECT_EQ(r.stats.forwarded + r.stats.discarded, 2U);
    }
  }
}

TEST(PcapFile, C2_PcapngBlocksAndTimes) {
  const Directory d;
  for (const bool big : {false, true}) {
    FileBuilder b(big);
    b.section()
        .interface(1)                                      // 0: microseconds
        .interface(101, b.resolution(9))                   // 1: nanoseconds
        .interface(113, b.resolution(3) + b.offset(1000))  // 2: milliseconds and 1000 s
        .interface(1, b.resolution(0x80 | 10))             // 3: 1/1024 s
        .interface(1, b.resolution(12))                    // 4: picoseconds
        .interface(1, b.offset(-5))                        // 5: earlier
        .block(0x0bad, "not known to anybody")
        .enhanced(0, 1700000000123456ULL, frame(1))
        .enhanced(1, 1700000000123456789ULL,
                  PacketBuilder().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 2).build())
        .block(4, std::string(64, 'n'))  // name resolution
        .enhanced(2, 1700000000123ULL,
                  PacketBuilder().sll().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 2).build())
        .enhanced(3, 1024 * 7 + 512, frame(4))
        .enhanced(4, 1'500'000'000'001ULL, frame(5))
        .enhanced(5, 6'000'000, frame(6))
        .enhanced(5, 1'000'000, frame(7))
        .obsolete(0, 2'000'000, frame(8))
        .simple(frame(9))
        .enhanced(0, 3'000'000, frame(10), 4000);
    const Outcome r = run({d.write("a.pcapng", b.text())});
    EXPECT_EQ(r.error, "");
    EXPECT_THAT(r.damage, IsEmpty());
    std::vector<std::int64_t> times;
    for (const Seen& s : r.packets)
      times.push_back(s.ns);
    EXPECT_THAT(times, ElementsAre(1700000000123456000, 1700000000123456789, 1700001000123000000,
                                   7500000000, 1500000000, 1000000000, 0, 2000000000, 2000000000,
                                   3000000000));
    EXPECT_EQ(r.packets[1].link, LinkType::RawIp);
    EXPECT_EQ(r.packets[2].link, LinkType::LinuxSll);
    EXPECT_EQ(r.packets[8].bytes, frame(9));
    EXPECT_EQ(r.packets[9].wire, 4000U);
  }
}

TEST(PcapFile, C2_SectionsMayDifferInByteOrder) {
  const Directory d;
  const std::string file = d.write(
      "a",
      FileBuilder(false)
          .section()
          .interface(1)
          .enhanced(0, 1, frame(1))
          .raw(FileBuilder(true).section().interface(101).enhanced(0, 2, Octets(40, 0x45)).text())
          .text());
  const Outcome r = run({file});
  ASSERT_EQ(r.packets.size(), 2U);
  EXPECT_EQ(r.packets[1].link, LinkType::RawIp);
  // the interfaces of one section are not those of the next
  const Outcome stale = run({d.write(
      "b", FileBuilder().section().interface(1).section().enhanced(0, 1, frame(1)).text())});
  EXPECT_THAT(stale.damage, ElementsAre(HasSubstr("packet 1: a packet of an unknown interface")));
}

TEST(PcapFile, C2_SimplePacketsAreCutAtTheSnaplen) {
  const Directory d;
  const Outcome r = run({d.write(
      "a", FileBuilder().section().interface(1, "", 20).simple(Octets(20, 7), 900).text())});
  ASSERT_EQ(r.packets.size(), 1U);
  EXPECT_EQ(r.packets[0].bytes.size(), 20U);
  EXPECT_EQ(r.packets[0].wire, 900U);
}

TEST(PcapFile, C2_LinkTypes) {
  const Directory d;
  const struct {
    std::uint32_t number;
    LinkType link;
  } table[] = {{0, LinkType::Null},       {1, LinkType::Ethernet}, {9, LinkType::Ppp},
               {50, LinkType::Ppp},       {101, LinkType::RawIp},  {108, LinkType::Loop},
               {113, LinkType::LinuxSll}, {228, LinkType::RawIp},  {229, LinkType::RawIp},
               {276, LinkType::LinuxSll2}};
  for (const auto& row : table) {
    SCOPED_TRACE(row.number);
    const Outcome a =
        run({d.write("a", FileBuilder().pcap(false, row.number).record(1, 2, frame(1)).text())});
    const Outcome b = run({d.write(
        "b", FileBuilder().section().interface(row.number).enhanced(0, 1, frame(1)).text())});
    ASSERT_EQ(a.packets.size(), 1U) << a.error;
    ASSERT_EQ(b.packets.size(), 1U) << b.error;
    EXPECT_EQ(a.packets[0].link, row.link);
    EXPECT_EQ(b.packets[0].link, row.link);
  }
  EXPECT_THAT(run({d.write("c", FileBuilder().pcap(false, 147).text())}).error,
              HasSubstr("link type 147, which is not supported"));
  EXPECT_THAT(
      run({d.write("c", FileBuilder().section().interface(105).enhanced(0, 1, frame(1)).text())})
          .error,
      HasSubstr("1 packet has link type 105 (IEEE802_11), which is not supported"));
  const Outcome mixed = run({d.write("e", FileBuilder()
                                              .section()
                                              .interface(1)
                                              .interface(105)
                                              .enhanced(0, 1, frame(1))
                                              .enhanced(1, 1, frame(2))
                                              .enhanced(1, 1, frame(3))
                                              .enhanced(0, 1, frame(4))
                                              .text())});
  EXPECT_EQ(mixed.packets.size(), 2U);
  EXPECT_THAT(mixed.damage, ElementsAre(HasSubstr("2 packets have link type 105")));
}

TEST(PcapFile, SeveralFilesInOrder) {
  const Directory d;
  const std::string a =
      d.write("a", FileBuilder().pcap(false).record(1, 0, frame(1)).record(2, 0, frame(2)).text());
  const std::string b =
      d.write("b", FileBuilder().section().interface(1).enhanced(0, 5, frame(3)).text());
  const std::string none = d.write("none", FileBuilder().pcap(true).text());
  for (const std::size_t batch : {1, 2, 3, 64}) {
    PcapFileOptions options;
    options.files = {a, none, b, a};
    const Outcome r = run(options, batch);
    ASSERT_EQ(r.packets.size(), 5U);
    for (std::size_t i = 0; i < 5; ++i)
      EXPECT_EQ(r.packets[i].number, i + 1);
    EXPECT_EQ(r.packets[1].file, a);
    EXPECT_EQ(r.packets[2].file, b);
    EXPECT_EQ(r.packets[4].file, a);
    EXPECT_EQ(r.bytes_read, r.bytes_total);
  }
}

TEST(PcapFile, DamagedFilesAreReadUpToTheDamage) {
  const Directory d;
  const std::string whole =
      FileBuilder().pcap(false).record(1, 0, frame(1)).record(2, 0, frame(2)).text();
  const std::string ng =
      FileBuilder().section().interface(1).enhanced(0, 1, frame(1)).enhanced(0, 2, frame(2)).text();
  const std::string good = d.write("good", FileBuilder().pcap(false).record(9, 0, frame(9)).text());
  const std::string size = std::to_string(frame(1).size());
  std::string lying = ng;
  lying[lying.size() - 2] = 9;  // trailing length
  const struct {
    const char* description;
    std::string bytes;
    std::size_t packets;
    const char* text;
  } table[] = {
      {"cut in a packet", whole.substr(0, whole.size() - 5), 1, "packet 2: truncated dump file"},
      {"cut in a record header", whole.substr(0, 24 + 16 + frame(1).size() + 7), 1,
       "packet 2: truncated dump file"},
      {"a record that claims a gigabyte",
       FileBuilder().raw(whole).u32(3).u32(0).u32(1U << 30).u32(1U << 30).text(), 2, "packet 3: "},
      {"pcapng cut in a block", ng.substr(0, ng.size() - 5), 1,
       "packet 2: the file ends in a block"},
      {"pcapng cut in a block header", ng + "abc", 2, "packet 3: the file ends in a block header"},
      {"pcapng, lengths differ", lying, 1, "packet 2: the two lengths of a block differ"},
      {"pcapng, a block of 8 bytes", FileBuilder().raw(ng).u32(6).u32(8).text(), 2,
       "packet 3: a block of 8 bytes"},
      {"pcapng, a block of 13 bytes", FileBuilder().raw(ng).u32(6).u32(13).text(), 2,
       "packet 3: a block of 13 bytes"},
      {"pcapng, a huge packet block", FileBuilder().raw(ng).u32(6).u32(0xfffffff0).text(), 2,
       "packet 3: a packet block of 4294967280 bytes"},
      {"pcapng, a huge unknown block", FileBuilder().raw(ng).u32(77).u32(0xfffffff0).text(), 2,
       "packet 3: the file ends in a block"},
      {"pcapng, packet longer than its block",
       FileBuilder()
           .raw(ng)
           .block(6, FileBuilder().u32(0).u64(0).u32(5).u32(5).raw("abcd").text())
           .text(),
       2, "packet 3: a packet longer than its block"},
      {"pcapng, short packet block", FileBuilder().raw(ng).block(6, "abcd").text(), 2,
       "packet 3: a packet block that is too short"},
      {"pcapng, short interface block", FileBuilder().raw(ng).block(1, "abcd").text(), 2,
       "packet 3: an interface block that is too short"},
      {"pcapng, version 2",
       FileBuilder()
           .raw(ng)
           .block(0x0a0d0d0a, FileBuilder().u32(0x1a2b3c4d).u16(2).u16(0).u64(0).text())
           .text(),
       2, "packet 3: pcapng version 2.0 is not known"},
      {"pcapng, section without magic",
       FileBuilder().raw(ng).block(0x0a0d0d0a, std::string(16, 'x')).text(), 2,
       "packet 3: a section header without byte-order magic"},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.description);
    const std::string file = d.write("damaged", row.bytes);
    const Outcome r = run({file, good});
    EXPECT_EQ(r.error, "");
    ASSERT_EQ(r.packets.size(), row.packets + 1);
    EXPECT_EQ(r.packets.back().file, good);
    EXPECT_THAT(r.damage, ElementsAre(HasSubstr(file + ": " + row.text)));
    EXPECT_EQ(r.stats.errors, 1U);
  }
}

TEST(PcapFile, MistakesAreSaidInWordsAndAllAtOnce) {
  const Directory d;
  const std::string good = d.write("good", FileBuilder().pcap(false).record(1, 0, frame(1)).text());
  const std::string empty = d.write("empty", "");
  const struct {
    std::string file;
    std::string text;
  } table[] = {
      {d.path("missing"), "cannot open " + d.path("missing") + ": No such file or directory"},
      {d.path("."), d.path(".") + " is a directory, not a capture file"},
      {empty, empty + " is empty"},
      {d.write("text", "GET / HTTP/1.1\r\n"),
       d.path("text") + " is not a capture file (neither pcap nor pcapng)"},
      {d.write("short", "\xd4\xc3"),
       d.path("short") + " is not a capture file (neither pcap nor pcapng)"},
      {d.write("z.gz", "\x1f\x8b\x08"),
       d.path("z.gz") + " is compressed with gzip; decompress it first, for example with gunzip"},
      {d.write("head", FileBuilder().pcap(false).text().substr(0, 20)),
       d.path("head") + " cannot be read as a capture: "},
      {d.write("nghead", FileBuilder().section().text().substr(0, 20)),
       d.path("nghead") + " cannot be read as a capture: the file ends in a section header"},
  };
  for (const auto& row : table)
    EXPECT_THAT(run({good, row.file}).error, HasSubstr(row.text));
  const std::string both = run({empty, good, d.path("missing")}).error;
  EXPECT_THAT(both, HasSubstr("is empty; cannot open"));
  EXPECT_EQ(run(std::vector<std::string>{}).error, "no capture file was named");
  EXPECT_THAT(run({"-", "-"}).error, HasSubstr("only once"));
}

TEST(PcapFile, Filters) {
  const Directory d;
  FileBuilder b;
  b.pcap(false);
  for (int i = 1; i <= 9; ++i)
    b.record(static_cast<std::uint32_t>(i), 0, frame(i, i % 3 == 0 ? 80 : 443));
  const std::string file = d.write("a", b.text());
  const Outcome r = run({file}, "tcp port 80");
  ASSERT_EQ(r.packets.size(), 3U);
  EXPECT_EQ(r.packets[0].number, 3U);  // numbers are those of the file
  EXPECT_EQ(r.packets_read, 9U);
  EXPECT_EQ(r.stats.packets, 3U);
  EXPECT_EQ(run({file}, "  ").packets.size(), 9U);
  EXPECT_EQ(run({file}, "ether host 02:00:00:00:00:01").packets.size(), 9U);
  EXPECT_THAT(run({file}, "tcp prot 80").error, HasSubstr("filter \"tcp prot 80\": "));
  // one expression, two link types
  const std::string mixed = d.write(
      "b", FileBuilder()
               .section()
               .interface(1)
               .interface(101)
               .enhanced(0, 1, frame(1))
               .enhanced(1, 1, PacketBuilder().ipv4("1.1.1.1", "2.2.2.2").tcp(9, 80).build())
               .enhanced(1, 1, PacketBuilder().ipv4("1.1.1.1", "2.2.2.2").tcp(9, 81).build())
               .text());
  EXPECT_EQ(run({mixed}, "tcp port 80").packets.size(), 2U);
  const Outcome stopped = run({mixed}, "ether host 02:00:00:00:00:01");
  EXPECT_EQ(stopped.packets.size(), 1U);
  EXPECT_THAT(stopped.damage, ElementsAre(HasSubstr("packet 2: filter")));
}

TEST(PcapFile, BytesStayUntilSettledInAnyOrder) {
  const Directory d;
  FileBuilder b;
  b.pcap(false, 1, 200000);
  std::mt19937_64 random(5);
  std::vector<Octets> all;
  for (int i = 0; i < 2000; ++i) {
    Octets bytes(1 + random() % (i % 100 == 0 ? 60000 : 400), static_cast<std::uint8_t>(i));
    b.record(1, 0, bytes);
    all.push_back(std::move(bytes));
  }
  PcapFileOptions options;
  options.files = {d.write("a", b.text())};
  auto port = PcapFilePort::open(options);
  ASSERT_TRUE(port);
  std::vector<Packet> held;
  std::vector<Packet> batch(32);
  for (;;) {
    auto received = (*port)->receive(batch, {});
    ASSERT_TRUE(received);
    if (received->ended) break;
    held.insert(held.end(), batch.begin(),
                batch.begin() + static_cast<std::ptrdiff_t>(received->count));
    while (held.size() > 700 || (!held.empty() && random() % 3 != 0)) {
      const std::size_t k = random() % held.size();
      const Octets& expected = all[held[k].number - 1];
      ASSERT_TRUE(
          std::equal(expected.begin(), expected.end(), held[k].bytes.begin(), held[k].bytes.end()));
      (*port)->settle(held[k], Fate::Drop);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(k));
    }
  }
  for (const Packet& p : held) {
    const Octets& expected = all[p.number - 1];
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), p.bytes.begin(), p.bytes.end()));
    (*port)->settle(p, Fate::Drop);
  }
  EXPECT_EQ((*port)->stats().discarded, 2000U);
}

TEST(PcapFile, PacketsLieWhereTheyWereReadUntilTheNextCall) {
  const Directory d;
  std::mt19937 random(7);
  std::vector<Octets> all;
  FileBuilder first(false), second(false);
  first.pcap(false, 1, 262144);
  second.section().interface(1);
  for (int i = 0; i < 400; ++i) {
    Octets bytes(i % 50 == 49 ? 262144 - random() % 3000 : 14 + random() % 9000);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    all.push_back(bytes);
    (i < 200 ? first.record(1, 0, bytes) : second.enhanced(0, 1, bytes));
  }
  const Outcome r = run({d.write("a", first.text()), d.write("b", second.text())});
  ASSERT_EQ(r.packets.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(r.packets[i].bytes, all[i]) << i;
}

TEST(PcapFile, TooManyUnsettledPacketsAreAnError) {
  const Directory d;
  FileBuilder b;
  b.pcap(false);
  for (int i = 0; i < 10; ++i)
    b.record(1, 0, frame(i));
  PcapFileOptions options;
  options.files = {d.write("a", b.text())};
  options.most_unsettled = 4;
  auto port = PcapFilePort::open(options);
  ASSERT_TRUE(port);
  std::vector<Packet> batch(10);
  auto first = (*port)->receive(batch, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->count, 4U);
  EXPECT_FALSE((*port)->receive(std::span(batch).subspan(4), {}));
  (*port)->settle(batch[2], Fate::Drop);
  auto next = (*port)->receive(std::span(batch).subspan(4), {});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->count, 1U);
  EXPECT_EQ(batch[4].number, 5U);
}

TEST(PcapFile, C1_ForwardedPacketsAndInjectedFramesAreWritten) {
  const Directory d;
  const std::string file = d.write(
      "a", FileBuilder().pcap(true).record(7, 8, frame(1), 4000).record(9, 1, frame(2)).text());
  auto writer = PcapWriter::open(d.path("out"));
  ASSERT_TRUE(writer);
  PcapFileOptions options;
  options.files = {file};
  options.forwarded = writer->get();
  auto port = PcapFilePort::open(options);
  ASSERT_TRUE(port);
  std::vector<Packet> batch(2);
  ASSERT_EQ((*port)->receive(batch, {})->count, 2U);
  EXPECT_TRUE((*port)->inject(batch[1], Towards::Client, frame(77)));
  (*port)->settle(batch[1], Fate::Drop);
  (*port)->settle(batch[0], Fate::Forward);
  ASSERT_TRUE((*writer)->close());
  const Outcome r = run({d.path("out")});
  ASSERT_EQ(r.packets.size(), 2U);
  EXPECT_EQ(r.packets[0].bytes, frame(77));
  EXPECT_EQ(r.packets[0].ns, 9'000000001);
  EXPECT_EQ(r.packets[1].bytes, frame(1));
  EXPECT_EQ(r.packets[1].ns, 7'000000008);
  EXPECT_EQ(r.packets[1].wire, 4000U);
  EXPECT_EQ((*port)->stats().injected, 1U);
}

TEST(PcapFile, APipeIsReadAsItComes) {
  const Directory d;
  const std::string pipe = d.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string head = FileBuilder().pcap(false).record(1, 0, frame(1)).text();
  const std::string tail = FileBuilder().record(2, 0, frame(2)).text();
  // A FIFO is opened once: a second look would end its writer.
  std::atomic<bool> go_on{false};
  std::thread writer([&] {
    std::ofstream out(pipe, std::ios::binary);
    out << head << std::flush;
    while (!go_on)
      std::this_thread::yield();
    out << tail;
  });
  PcapFileOptions options;
  options.files = {pipe};
  auto port = PcapFilePort::open(options);
  ASSERT_TRUE(port) << port.error().message;
  std::vector<Packet> batch(8);
  std::size_t count = 0;
  while (count == 0) {
    auto received = (*port)->receive(batch, milliseconds(20));
    ASSERT_TRUE(received);
    ASSERT_FALSE(received->ended);
    count = received->count;
  }
  EXPECT_EQ(count, 1U);  // delivered though the pipe is still open
  EXPECT_EQ((*port)->receive(batch, milliseconds(5))->count, 0U);  // a timeout
  go_on = true;
  bool ended = false;
  while (!ended) {
    auto received = (*port)->receive(batch, milliseconds(20));
    ASSERT_TRUE(received);
    count += received->count;
    ended = received->ended;
  }
  EXPECT_EQ(count, 2U);
  writer.join();
}

TEST(PcapFile, TheChecksumStateIsTheOperators) {
  const Directory d;
  PcapFileOptions options;
  options.files = {d.write("a", FileBuilder().pcap(false).record(1, 0, frame(1)).text())};
  options.checksum = ChecksumState::Ignore;
  auto port = PcapFilePort::open(options);
  std::vector<Packet> batch(1);
  ASSERT_EQ((*port)->receive(batch, {})->count, 1U);
  EXPECT_EQ(batch[0].checksum, ChecksumState::Ignore);
}

}  // namespace
}  // namespace weir::capture
