// The Tracker against naive models, over random operations.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/support/tcp_oracle.h"

namespace weir::test {
namespace {

using flow::OverlapPolicy;

TEST(ReassemblyOracle, InlineAgreesWithTheNaiveStream) {
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    RandomSource source(seed, 60);
    run_against_oracle(source, true, OverlapPolicy::First);
  }
}

TEST(ReassemblyOracle, PassiveAgreesUnderEveryPolicy) {
  for (const OverlapPolicy p : {OverlapPolicy::First, OverlapPolicy::Last, OverlapPolicy::Linux,
                                OverlapPolicy::Bsd, OverlapPolicy::Windows}) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      RandomSource source(seed * 8 + static_cast<std::uint64_t>(p), 60);
      run_against_oracle(source, false, p);
    }
  }
}

// Any cut, order, duplication and equal overlap of one message gives the same bytes.
TEST(ReassemblyOracle, SegmentationInvariance) {
  std::string message;
  for (std::int64_t i = 0; i < 4000; ++i) message += honest_byte(i);
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const bool in = seed % 2 == 0;
    Script t(in ? inline_options() : passive_options());
    t.client_isn = 0xffffffffU - static_cast<std::uint32_t>(below(4100));
    t.handshake();
    struct Cut {
      std::size_t from, length;
    };
    std::vector<Cut> cuts;
    const std::size_t most = std::size_t{1} << below(12);
    for (std::size_t at = 0; at < message.size();) {
      const std::size_t n = std::min(1 + below(most), message.size() - at);
      cuts.push_back({at, n});
      at += n;
    }
    const std::size_t honest = cuts.size();
    for (std::size_t i = 0; i < honest / 2; ++i) {  // overlaps with equal data
      const std::size_t from = below(message.size());
      cuts.push_back({from, std::min(1 + below(most), message.size() - from)});
    }
    const std::size_t window = 1 + below(64);  // how far things may be out of order
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      std::swap(cuts[i], cuts[std::min(i + below(window), cuts.size() - 1)]);
    }
    for (const Cut& c : cuts) {
      ASSERT_EQ(t.client(static_cast<std::uint32_t>(1 + c.from), message.substr(c.from, c.length),
                         {.ack = 1})
                    .fate(),
                Fate::Forward);
    }
    ASSERT_EQ(t.to_server(), message) << seed;
    ASSERT_FALSE(t.sink.broken);
    ASSERT_EQ(t.counters().conflicts, 0U);
  }
}

TEST(ReassemblyOracle, EveryTwoCutAndEveryOrder) {
  const std::string message = "GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const bool in : {false, true}) {
    for (std::size_t a = 1; a < message.size(); ++a) {
      for (std::size_t b = a + 1; b < message.size(); ++b) {
        std::vector<std::size_t> starts{0, a, b, message.size()};
        std::vector<std::size_t> order{0, 1, 2};
        do {
          Script t(in ? inline_options() : passive_options());
          t.handshake();
          for (const std::size_t i : order) {
            t.client(static_cast<std::uint32_t>(1 + starts[i]),
                     message.substr(starts[i], starts[i + 1] - starts[i]));
          }
          ASSERT_EQ(t.to_server(), message) << a << " " << b;
        } while (std::next_permutation(order.begin(), order.end()));
        b += 4;
      }
    }
  }
}

// Requests and answers on one connection, seen through a capture that lacks a part of the segments. Every
// byte that was captured is delivered, at its place; what was not is a gap; nothing is invented.
class LossyCapture {
 public:
  LossyCapture(std::uint64_t seed, unsigned percent) : random_(seed), percent_(percent) {}

  void run() {
    t_.client_isn = static_cast<std::uint32_t>(random_());
    t_.server_isn = static_cast<std::uint32_t>(random_());
    t_.handshake();
    for (int i = 0; i < 30; ++i) {
      message(true, 1 + below(1500));
      message(false, 1 + below(6000));
    }
    // The last segments are captured, so that everything before is settled.
    percent_ = 0;
    message(true, 100);
    message(false, 100);
    acknowledge(true);
    acknowledge(false);
    t_.end();
    ASSERT_FALSE(t_.sink.broken);
    check(0);
    check(1);
  }
  [[nodiscard]] std::uint64_t gap_bytes() const { return t_.counters().gap_bytes; }
  std::uint64_t captured_but_missing = 0;

 private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  bool captured() { return below(100) >= percent_; }

  void message(bool from_client, std::uint32_t length) {
    Side& me = side_[from_client ? 0 : 1];
    while (length != 0) {
      const std::uint32_t n = std::min(length, 1 + below(500));
      std::string bytes;
      for (std::uint32_t i = 0; i < n; ++i) bytes += honest_byte(me.sent + i);
      if (captured()) {
        t_.send(from_client, static_cast<std::uint32_t>(1 + me.sent), bytes, net::kAck,
                {.ack = static_cast<std::uint32_t>(1 + side_[from_client ? 1 : 0].sent)});
        for (std::uint32_t i = 0; i < n; ++i) me.seen[static_cast<std::size_t>(me.sent + i)] = true;
      }
      me.sent += n;
      length -= n;
      if (below(3) == 0) acknowledge(!from_client);
    }
    acknowledge(!from_client);
  }
  void acknowledge(bool from_client) {
    if (!captured()) return;
    t_.send(from_client, static_cast<std::uint32_t>(1 + side_[from_client ? 0 : 1].sent), "",
            net::kAck, {.ack = static_cast<std::uint32_t>(1 + side_[from_client ? 1 : 0].sent)});
  }
  void check(int d) {
    const std::string& out = t_.sink.bytes[d];
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i] == '[') {
        const std::size_t close = out.find(']', i);
        const std::int64_t n = std::stoll(out.substr(i + 1, close - i - 1));
        for (std::int64_t o = offset; o < offset + n; ++o) {
          if (side_[d].seen[static_cast<std::size_t>(o)]) ++captured_but_missing;
        }
        offset += n;
        i = close;
      } else {
        ASSERT_EQ(out[i], honest_byte(offset)) << "offset " << offset;
        ASSERT_TRUE(side_[d].seen[static_cast<std::size_t>(offset)]) << "invented at " << offset;
        ++offset;
      }
    }
    ASSERT_EQ(offset, side_[d].sent);
  }

  struct Side {
    std::int64_t sent = 0;
    std::vector<bool> seen = std::vector<bool>(1 << 20);
  };
  std::mt19937_64 random_;
  unsigned percent_;
  Script t_;
  Side side_[2];
};

TEST(ReassemblyOracle, W5_LossyCaptures) {
  for (const unsigned percent : {0U, 1U, 5U, 20U, 50U}) {
    std::uint64_t gaps = 0;
    std::uint64_t missing = 0;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      LossyCapture capture(seed, percent);
      capture.run();
      if (HasFatalFailure()) return;
      gaps += capture.gap_bytes();
      missing += capture.captured_but_missing;
    }
    std::printf("%u %% of segments not captured: %llu bytes in gaps, %llu of them captured\n", percent,
                static_cast<unsigned long long>(gaps), static_cast<unsigned long long>(missing));
    if (percent == 0) {
      EXPECT_EQ(gaps, 0U);
    }
    EXPECT_EQ(missing, 0U) << percent;
  }
}

}  // namespace
}  // namespace weir::test
