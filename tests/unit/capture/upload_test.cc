// The program that lets uploads and acknowledgements by, in the kernel, against the same in C++, over packets that are made near the edges of
// what is released. Where the kernel lets nobody load a program, only the latter is looked at.
#include <gtest/gtest.h>

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "capture/upload_program.h"
#include "capture/upload_ranges.h"

namespace weir::capture {
namespace {

using Octets = std::vector<std::uint8_t>;

void put16(Octets& to, std::size_t at, std::uint32_t value) {
  to[at] = static_cast<std::uint8_t>(value >> 8U);
  to[at + 1] = static_cast<std::uint8_t>(value);
}
void put32(Octets& to, std::size_t at, std::uint32_t value) {
  put16(to, at, value >> 16U);
  put16(to, at + 2, value & 0xffffU);
}

struct Made {
  bool v6 = false;
  bool from_client = true;
  std::uint32_t seq = 0;
  std::uint32_t ack = 77;
  std::uint8_t flags = 0x10;
  std::size_t payload = 100;
  std::size_t tcp_options = 12;
  Octets options = {};  // in place of so many NOPs
  std::size_t ip_options = 0;
  std::size_t padding = 0;  // behind the packet
};

// From 192.0.2.7 (2001:db8::7) port 40000 to 198.51.100.2 (2001:db8:1::2) port 80, or back.
Octets made(const Made& m) {
  const std::size_t ip = m.v6 ? 40 : 20 + m.ip_options, tcp = 20 + (m.options.empty() ? m.tcp_options : m.options.size());
  Octets out(ip + tcp + m.payload + m.padding, 0x20);
  const Octets client = m.v6 ? Octets{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7} : Octets{192, 0, 2, 7};
  const Octets server = m.v6 ? Octets{0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2} : Octets{198, 51, 100, 2};
  if (m.v6) {
    out[0] = 0x60, out[1] = out[2] = out[3] = 0;
    put16(out, 4, static_cast<std::uint32_t>(tcp + m.payload));
    out[6] = 6, out[7] = 64;
  } else {
    out[0] = static_cast<std::uint8_t>(0x40 | ip / 4), out[1] = 0;
    put16(out, 2, static_cast<std::uint32_t>(ip + tcp + m.payload));
    put16(out, 4, 1), put16(out, 6, 0x4000);
    out[8] = 64, out[9] = 6, out[10] = out[11] = 0;
    std::fill_n(out.begin() + 20, m.ip_options, 1);
  }
  const std::size_t at = m.v6 ? 8 : 12;
  std::copy(client.begin(), client.end(), out.begin() + static_cast<std::ptrdiff_t>(m.from_client ? at : at + client.size()));
  std::copy(server.begin(), server.end(), out.begin() + static_cast<std::ptrdiff_t>(m.from_client ? at + client.size() : at));
  put16(out, ip, m.from_client ? 40000 : 80);
  put16(out, ip + 2, m.from_client ? 80 : 40000);
  put32(out, ip + 4, m.seq);
  put32(out, ip + 8, m.ack);
  out[ip + 12] = static_cast<std::uint8_t>(tcp / 4 << 4U);
  out[ip + 13] = m.flags;
  put16(out, ip + 14, 500), put16(out, ip + 16, 0), put16(out, ip + 18, 0);
  const auto options = out.begin() + static_cast<std::ptrdiff_t>(ip + 20);
  std::fill_n(options, tcp - 20, 1);
  std::copy(m.options.begin(), m.options.end(), options);
  return out;
}

UploadKey key_of(bool v6, bool from_client = true) {
  const auto packet = upload_packet(made({.v6 = v6, .from_client = from_client}));
  EXPECT_TRUE(packet);
  return packet ? packet->key : UploadKey{};
}

// The reference, with a map of one entry for each direction and version.
struct Reference {
  std::vector<std::pair<UploadKey, UploadRange>> entries;

  void set(const UploadKey& key, const UploadRange& range) {
    remove(key);
    entries.emplace_back(key, range);
  }
  void remove(const UploadKey& key) {
    std::erase_if(entries, [&key](const auto& entry) { return entry.first == key; });
  }
  UploadRange* find(const UploadKey& key) {
    for (auto& [k, range] : entries) {
      if (k == key) return &range;
    }
    return nullptr;
  }
  bool passes(const Octets& packet, std::uint64_t now = 0) {
    return passes_unseen(packet, now, [this](const UploadKey& k) { return find(k); }, [this](const UploadKey& k) { remove(k); });
  }
};

// What the kernel's copy answers; an Ethernet header goes in front, as BPF_PROG_TEST_RUN wants it.
int run(const UploadRanges& ranges, const Octets& packet) {
  Octets frame(14);
  put16(frame, 12, (packet[0] >> 4U) == 6 ? 0x86dd : 0x0800);
  frame.insert(frame.end(), packet.begin(), packet.end());
  bpf_attr a{};
  a.test.prog_fd = static_cast<std::uint32_t>(ranges.program());
  a.test.data_in = reinterpret_cast<std::uintptr_t>(frame.data());
  a.test.data_size_in = static_cast<std::uint32_t>(frame.size());
  if (::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &a, sizeof a) != 0) return -errno;
  return static_cast<int>(a.test.retval);
}

TEST(UploadProgram, TheEdgesOfTheRange) {
  for (const bool v6 : {false, true}) {
    for (const std::uint32_t first : {1'000U, 0xffffff00U, 0x7fffff00U}) {
      Reference r;
      r.set(key_of(v6), {.first = first, .end = first + 1'000});
      const auto passes = [&](std::uint32_t from, std::size_t length) { return r.passes(made({.v6 = v6, .seq = first + from, .payload = length})); };
      EXPECT_TRUE(passes(0, 1'000));
      EXPECT_TRUE(passes(999, 1));
      EXPECT_TRUE(passes(0, 1));
      EXPECT_FALSE(passes(0, 1'001));
      EXPECT_FALSE(passes(999, 2));
      EXPECT_FALSE(passes(1'000, 1));
      EXPECT_FALSE(passes(0xffffffffU, 2)) << "one before";
      EXPECT_FALSE(passes(500, 0)) << "no data";
      for (unsigned flags = 0; flags < 256; ++flags) {
        if ((flags & 2U) != 0) continue;
        EXPECT_EQ(r.passes(made({.v6 = v6, .seq = first, .flags = static_cast<std::uint8_t>(flags)})), flags == 0x10 || flags == 0x18);
      }
      EXPECT_FALSE(r.passes(made({.v6 = v6, .from_client = false, .seq = first})));
      EXPECT_FALSE(r.passes(made({.v6 = v6, .seq = first, .padding = 1})));
      if (!v6) {
        EXPECT_FALSE(r.passes(made({.seq = first, .ip_options = 4})));
      }
    }
  }
}

// A range of acknowledgements, one of which has come by in its first part.
struct Acks {
  explicit Acks(std::uint32_t first, std::uint32_t length = 3U << kAckPartBits) : start(first) {
    r.set(key_of(false), {.first = first, .end = first + length, .acks = 1, .seq = 40});
    EXPECT_FALSE(passes({}, kTime)) << "the first one";
    EXPECT_TRUE(passes({}, kTime));
  }
  bool passes(Made m, std::uint64_t at = kTime, std::uint32_t from = 0) {
    m.payload = m.payload == 100 ? 0 : m.payload;
    if (m.seq == 0) m.seq = 40;
    m.ack = start + from;
    m.tcp_options = 0;
    return r.passes(made(m), at);
  }
  static constexpr std::uint64_t kTime = 77'000'000'000;
  Reference r;
  std::uint32_t start;
};

TEST(UploadProgram, BareAcknowledgements) {
  for (const std::uint32_t first : {1'000U, 0xfffff000U, 0x7ffff000U}) {
    Acks acks(first);
    EXPECT_TRUE(acks.passes({}, Acks::kTime, (1U << kAckPartBits) - 1));
    EXPECT_FALSE(acks.passes({}, Acks::kTime, 0xffffffffU)) << "one before";
    EXPECT_FALSE(acks.passes({}, Acks::kTime, 3U << kAckPartBits)) << "the end";
    EXPECT_FALSE(acks.passes({.seq = 41}));
    EXPECT_FALSE(acks.passes({.seq = 39}));
    EXPECT_FALSE(acks.passes({.payload = 1}));
    EXPECT_FALSE(acks.passes({.from_client = false}));
    EXPECT_FALSE(acks.passes({.ip_options = 4}));
    EXPECT_FALSE(acks.passes({.padding = 1}));
    EXPECT_TRUE(acks.passes({})) << "none of those was counted";
    for (unsigned flags = 0; flags < 256; ++flags) {
      if ((flags & 2U) != 0) continue;
      EXPECT_EQ(acks.passes({.flags = static_cast<std::uint8_t>(flags)}), flags == 0x10 || flags == 0x50) << flags;
    }
  }
}

TEST(UploadProgram, OneAcknowledgementOfEachPartAndSecond) {
  Acks acks(0xfffff000U);
  unsigned by = 0;
  for (std::uint32_t at = 0; at < 3U << kAckPartBits; at += 1'000) by += acks.passes({}, Acks::kTime, at) ? 0 : 1;
  EXPECT_EQ(by, 2U) << "of the second part and the third";
  for (unsigned ms = 0; ms < 10'000; ms += 10) by += acks.passes({}, Acks::kTime + ms * 1'000'000ULL, 3'000) ? 0 : 1;
  EXPECT_GE(by, 2U + 9U);
  EXPECT_LE(by, 2U + 1U + 10U);
  EXPECT_FALSE(acks.passes({.seq = 41}));
  acks.r.set(key_of(false), {.first = 1, .end = 1'000});
  EXPECT_FALSE(acks.passes({}, Acks::kTime, 10)) << "of bytes";
}

TEST(UploadProgram, OptionsOfAcknowledgements) {
  const Octets stamps{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  const auto sack = [](std::uint8_t blocks, Octets before = {}) {
    const Octets head{1, 1, 5, static_cast<std::uint8_t>(2 + 8 * blocks)};
    before.insert(before.end(), head.begin(), head.end());
    before.resize(before.size() + std::size_t{8} * blocks);
    return before;
  };
  Acks acks(5);
  EXPECT_TRUE(acks.passes({.options = stamps}));
  for (const std::uint8_t blocks : {1, 2, 3, 4}) EXPECT_TRUE(acks.passes({.options = sack(blocks)}));
  for (const std::uint8_t blocks : {1, 2, 3}) EXPECT_TRUE(acks.passes({.options = sack(blocks, stamps)}));
  EXPECT_FALSE(acks.passes({.options = sack(0)}));
  EXPECT_FALSE(acks.passes({.options = sack(0, stamps)}));
  Octets longer = sack(2);
  longer[3] = 10;
  EXPECT_FALSE(acks.passes({.options = longer})) << "something behind it";
  Octets twice = stamps;
  twice.insert(twice.end(), stamps.begin(), stamps.end());
  EXPECT_FALSE(acks.passes({.options = twice}));
  EXPECT_FALSE(acks.passes({.options = {1, 1, 1, 1}}));
  EXPECT_FALSE(acks.passes({.options = Octets(20, 0)}));
  Octets multipath{1, 1, 30, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  EXPECT_FALSE(acks.passes({.options = multipath}));
}

TEST(UploadProgram, ASynOfEitherDirectionTakesItOut) {
  for (const bool from_client : {true, false}) {
    for (const std::uint8_t flags : {0x02, 0x12, 0x06, 0xff}) {
      Reference r;
      r.set(key_of(false), {.end = 1'000});
      EXPECT_FALSE(r.passes(made({.from_client = from_client, .seq = 10, .flags = flags})));
      EXPECT_TRUE(r.entries.empty());
    }
  }
}

TEST(UploadProgram, KeysFromPacketsAreThoseOfTheProgram) {
  for (const bool v6 : {false, true}) {
    Octets packet = made({.v6 = v6, .flags = 0x12});
    std::vector<UploadKey> removed;
    (void)passes_unseen(packet, 0, [](const UploadKey&) { return nullptr; }, [&](const UploadKey& k) { removed.push_back(k); });
    const auto seen = upload_packet(packet);
    ASSERT_TRUE(seen);
    EXPECT_TRUE(seen->syn);
    EXPECT_EQ(removed, (std::vector<UploadKey>{seen->key, reversed(seen->key)}));
  }
  for (unsigned flags = 0; flags < 256; ++flags) {
    for (const bool v6 : {false, true}) {
      EXPECT_EQ(may_be_syn(made({.v6 = v6, .flags = static_cast<std::uint8_t>(flags), .ip_options = v6 ? 0U : 8U})), (flags & 2U) != 0);
    }
  }
  Octets behind = made({.v6 = true, .flags = 2});
  behind[6] = 60;  // destination options
  behind.insert(behind.begin() + 40, {6, 0, 1, 4, 0, 0, 0, 0});
  put16(behind, 4, static_cast<std::uint32_t>(behind.size() - 40));
  EXPECT_TRUE(may_be_syn(behind));
  ASSERT_TRUE(upload_packet(behind));
  EXPECT_TRUE(upload_packet(behind)->syn);
  EXPECT_EQ(upload_packet(behind)->key, key_of(true));
  EXPECT_FALSE(upload_packet({}));
  EXPECT_FALSE(upload_packet(Octets{0x45, 0, 0}));
}

struct InTheKernel : testing::Test {
  void SetUp() override {
    auto opened = UploadRanges::open("", 1'024);
    if (!opened) GTEST_SKIP() << opened.error().message;
    ranges = *opened;
  }
  std::shared_ptr<UploadRanges> ranges;
};

std::uint64_t now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

// Packets near the edges of what is released, and of all kinds.
struct Maker {
  explicit Maker(unsigned seed) : random(seed) {}
  bool one_in(unsigned n) { return random() % n == 0; }
  std::uint32_t any() { return static_cast<std::uint32_t>(random()); }

  UploadRange range() {
    UploadRange out{.first = any(), .queue = 7};
    if (one_in(3)) out.first = one_in(2) ? 0xffffff80U : 0x7fffffc0U;
    out.end = out.first + (one_in(8) ? any() : any() % 3'000);
    out.acks = one_in(2) ? 1 : one_in(20) ? any() : 0;
    if (out.acks != 0) out.seq = one_in(8) ? any() : 500;
    return out;
  }
  Octets options() {
    Octets out;
    if (one_in(2)) out = {1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8};
    const unsigned blocks = one_in(2) ? 0 : 1 + any() % (out.empty() ? 4 : 3);
    if (blocks != 0 || one_in(10)) {
      const Octets sack{1, 1, 5, static_cast<std::uint8_t>(2 + 8 * blocks)};
      out.insert(out.end(), sack.begin(), sack.end());
      out.resize(out.size() + std::size_t{8} * blocks, 7);
    }
    if (!out.empty() && one_in(8)) out[any() % out.size()] ^= static_cast<std::uint8_t>(1U << any() % 8);
    if (out.size() <= 36 && one_in(12)) out.resize(out.size() + 4, static_cast<std::uint8_t>(any() % 3));
    return out;
  }
  Octets packet(bool v6, bool from_client, const UploadRange* known) {
    Made m{.v6 = v6, .from_client = from_client, .payload = any() % 1'400, .tcp_options = any() % 11 * 4};
    const std::uint32_t base = known == nullptr ? any() : one_in(2) ? known->first : known->end - static_cast<std::uint32_t>(m.payload);
    m.seq = base + any() % 5 - 2;
    if (one_in(3)) m.seq = base + any() % 2'000;
    if (one_in(4)) m.flags = 0x18;
    if ((known != nullptr && known->acks != 0) != one_in(8)) {
      m.payload = one_in(30) ? 1 : 0;
      m.ack = base + (one_in(2) ? any() % 2'000 : any() % 5 - 2);
      m.seq = known == nullptr || one_in(10) ? any() : known->seq;
      m.flags = one_in(6) ? 0x50 : 0x10;
      m.tcp_options = 0;
      m.options = options();
    }
    if (one_in(20)) m.flags = static_cast<std::uint8_t>(any());
    if (one_in(30)) m.ip_options = any() % 11 * 4;
    if (one_in(30)) m.padding = any() % 4;
    if (one_in(30)) m.payload = 0;
    Octets out = made(m);
    if (one_in(10)) out[any() % std::min<std::size_t>(out.size(), 80)] ^= static_cast<std::uint8_t>(1U << any() % 8);
    if (one_in(30)) out.resize(std::max<std::size_t>(1, any() % out.size()));
    return out;
  }
  std::mt19937 random;
};

TEST_F(InTheKernel, TheProgramAgreesWithTheReference) {
  Maker make(20'261);
  Reference reference;
  unsigned passed = 0, bare = 0, removed = 0;
  for (int i = 0; i < 120'000; ++i) {
    const bool v6 = make.one_in(2), from_client = !make.one_in(8);
    if (make.one_in(6)) {
      const UploadRange range = make.range();
      const UploadKey key = key_of(v6, !make.one_in(8));
      ASSERT_TRUE(ranges->set(key, range));
      reference.set(key, range);
    }
    UploadRange* known = reference.find(key_of(v6, from_client));
    const bool of_acks = known != nullptr && known->acks != 0;
    const Octets packet = make.packet(v6, from_client, known);
    const std::size_t before = reference.entries.size();
    const std::uint64_t began = now();
    const bool expected = reference.passes(packet, began);
    const int got = run(*ranges, packet);
    if (got == -EINVAL && packet.size() < 40) continue;  // not even for a test does the kernel take so little
    const bool same_tick = began >> kAckTickBits == now() >> kAckTickBits;
    if (same_tick) {
      ASSERT_EQ(got, expected ? 1 : 0) << i << (v6 ? " v6 " : " v4 ") << packet.size() << (of_acks ? " acks" : " data");
    }
    for (const bool other : {false, true}) {
      const UploadKey key = key_of(v6, other);
      const auto in_kernel = ranges->find(key);
      UploadRange* here = reference.find(key);
      ASSERT_EQ(in_kernel.has_value(), here != nullptr) << i;
      if (here == nullptr) continue;
      if (!same_tick) *here = *in_kernel;
      ASSERT_EQ(in_kernel->first, here->first);
      ASSERT_EQ(in_kernel->end, here->end);
      ASSERT_EQ(in_kernel->part, here->part) << i;
      ASSERT_EQ(in_kernel->tick, here->tick) << i;
    }
    (of_acks ? bare : passed) += expected ? 1U : 0U;
    removed += reference.entries.size() < before ? 1U : 0U;
  }
  EXPECT_GT(passed, 5'000U);
  EXPECT_GT(bare, 2'000U);
  EXPECT_GT(removed, 300U);
}

TEST_F(InTheKernel, FullItForgetsAndGoesOn) {
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    UploadKey key = key_of(false);
    key.source[3] = static_cast<std::uint8_t>(i);
    key.source[2] = static_cast<std::uint8_t>(i >> 8U);
    ASSERT_TRUE(ranges->set(key, {.end = 1'000, .queue = i % 2}));
  }
  unsigned left[2] = {0, 0};
  const auto count = [&] {
    left[0] = left[1] = 0;
    for (std::uint32_t i = 0; i < 5'000; ++i) {
      UploadKey key = key_of(false);
      key.source[3] = static_cast<std::uint8_t>(i);
      key.source[2] = static_cast<std::uint8_t>(i >> 8U);
      if (const auto found = ranges->find(key)) ++left[found->queue];
    }
  };
  count();
  EXPECT_GT(left[0] + left[1], 100U);
  EXPECT_LE(left[0] + left[1], 1'024U);
  const unsigned others = left[1];
  ranges->clear(0);
  count();
  EXPECT_EQ(left[0], 0U);
  EXPECT_EQ(left[1], others) << "another queue's stay";
}

TEST_F(InTheKernel, PinnedAndTakenOver) {
  if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "no mount namespace of its own";
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  char place[] = "/tmp/weir-bpf-XXXXXX";
  ASSERT_NE(::mkdtemp(place), nullptr);
  const std::string directory = std::string(place) + "/weir";
  EXPECT_FALSE(UploadRanges::open(directory)) << "no bpf file system";
  EXPECT_FALSE(UploadRanges::check(directory));
  EXPECT_FALSE(std::filesystem::exists(directory));
  ASSERT_EQ(::mount("bpf", place, "bpf", 0, nullptr), 0);
  EXPECT_TRUE(UploadRanges::check(directory));
  EXPECT_FALSE(std::filesystem::exists(directory));
  const UploadKey key = key_of(true);
  {
    auto first = UploadRanges::open(directory, 64);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_TRUE((*first)->set(key, {.first = 5, .end = 50, .queue = 3}));
  }
  auto second = UploadRanges::open(directory, 64);
  ASSERT_TRUE(second);
  EXPECT_FALSE((*second)->replaced());
  EXPECT_EQ((*second)->find(key).value_or(UploadRange{}).end, 50U) << "the same map";
  EXPECT_EQ(run(**second, made({.v6 = true, .seq = 10, .payload = 40})), 1);
  auto third = UploadRanges::open(directory, 128);
  ASSERT_TRUE(third);
  EXPECT_TRUE((*third)->replaced()) << "of another shape";
  EXPECT_FALSE((*third)->find(key));
  EXPECT_EQ(run(**third, made({.v6 = true, .seq = 10, .payload = 40})), 0);
  ::umount2(place, MNT_DETACH);
  std::filesystem::remove(place);
}

}  // namespace
}  // namespace weir::capture
