// A slow, obvious reassembler: a map from offset to byte and to the segment that wrote it. It knows no
// pages, bitmaps, sequence numbers or limits. Tests and the fuzzer hold the Tracker to it over sequences
// of operations drawn from a Source (random numbers, or a fuzzer's input).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "engine/flow/pieces.h"
#include "tests/support/tcp_script.h"

namespace weir::test {

class Source {
 public:
  virtual ~Source() = default;
  virtual std::uint32_t below(std::uint32_t n) = 0;  // 0 when exhausted
  virtual bool exhausted() = 0;
};

class RandomSource : public Source {
 public:
  RandomSource(std::uint64_t seed, int operations) : random_(seed), left_(operations) {}
  std::uint32_t below(std::uint32_t n) override {
    return n == 0 ? 0 : static_cast<std::uint32_t>(random_() % n);
  }
  bool exhausted() override { return left_-- <= 0; }

 private:
  std::mt19937_64 random_;
  int left_;
};

class BytesSource : public Source {
 public:
  BytesSource(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  std::uint32_t below(std::uint32_t n) override {
    if (n == 0) return 0;
    std::uint32_t v = 0;
    for (std::uint64_t range = 1; range < n && at_ < size_; range *= 256) v = v << 8 | data_[at_++];
    return v % n;
  }
  bool exhausted() override { return at_ >= size_; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

class NaiveStream {
 public:
  NaiveStream(bool inline_mode, flow::OverlapPolicy policy) : inline_(inline_mode), policy_(policy) {}

  // Would the segment be taken? If so, takes it.
  bool segment(std::int64_t offset, const std::string& bytes, bool fin) {
    const std::int64_t end = offset + static_cast<std::int64_t>(bytes.size());
    if (!bytes.empty() || fin) {
      if (fin_ >= 0) {
        if (end > fin_) return false;
        if (inline_ && fin && end != fin_) return false;
      } else if (inline_ && fin) {
        if (end < next_) return false;
        if (cells_.lower_bound(end) != cells_.end()) return false;
      }
    }
    if (inline_) {
      for (std::int64_t o = std::max(offset, acked_); o < end; ++o) {
        const auto cell = cells_.find(o);
        if (cell != cells_.end() && cell->second.byte != at(bytes, o - offset)) return false;
      }
    }
    for (std::int64_t o = std::max<std::int64_t>(offset, 0); o < end; ++o) {
      const Cell fresh{at(bytes, o - offset), offset, end};
      const auto [cell, absent] = cells_.emplace(o, fresh);
      if (!absent && o >= next_ &&
          flow::newer_wins(policy_, cell->second.from, cell->second.to, offset, end)) {
        cell->second = fresh;
      }
    }
    if (fin && end >= next_ && !fin_reached_) fin_ = fin_ < 0 ? end : std::min(fin_, end);
    for (auto cell = cells_.find(next_); cell != cells_.end() && next_ != fin_;
         cell = cells_.find(next_)) {
      stream_ += static_cast<char>(cell->second.byte);
      ++next_;
    }
    if (next_ == fin_) fin_reached_ = true;
    return true;
  }
  void acknowledge(std::int64_t offset) { acked_ = std::max(acked_, offset); }

  [[nodiscard]] const std::string& stream() const { return stream_; }
  [[nodiscard]] std::int64_t next() const { return next_; }
  [[nodiscard]] std::int64_t acked() const { return acked_; }
  [[nodiscard]] bool fin_reached() const { return fin_reached_; }

 private:
  struct Cell {
    std::uint8_t byte;
    std::int64_t from;  // of the segment that wrote it
    std::int64_t to;
  };
  static std::uint8_t at(const std::string& s, std::int64_t i) {
    return static_cast<std::uint8_t>(s[static_cast<std::size_t>(i)]);
  }
  bool inline_;
  flow::OverlapPolicy policy_;
  std::map<std::int64_t, Cell> cells_;
  std::string stream_;
  std::int64_t next_ = 0;
  std::int64_t acked_ = 0;
  std::int64_t fin_ = -1;
  bool fin_reached_ = false;
};

// The byte an honest sender has at `offset`.
inline char honest_byte(std::int64_t offset) {
  return static_cast<char>('a' + (offset * 7 + offset / 13) % 26);
}

inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "the tracker and the naive stream differ: %s\n", what);
  std::abort();
}

// Runs operations from `source` through a Tracker and a NaiveStream; aborts where they differ.
// Covers reordering, duplicates, overlaps equal and differing, wrap-around, FINs and every kind of segment
// that must not count.
// `trace` prints each operation, to see how a failing sequence came about.
inline void run_against_oracle(Source& source, bool inline_mode, flow::OverlapPolicy policy,
                               bool trace = false) {
  flow::FlowOptions options = inline_mode ? inline_options() : passive_options();
  options.overlap = policy;
  options.compare_bytes = 4096;
  FlowLimits limits = small_limits();
  limits.buffered_bytes = 1 << 20;
  Script t(options, limits);
  t.client_isn = source.below(2) == 0 ? 0xffffffffU - source.below(200) : source.below(65536);
  t.server_isn = 0xffffff00U + source.below(256);
  t.handshake();
  NaiveStream naive(inline_mode, inline_mode ? flow::OverlapPolicy::First : policy);
  const std::uint32_t spread = 1U << source.below(12);  // some runs cross pages, some stay close
  std::size_t compared = 0;
  while (!source.exhausted()) {
    const std::uint32_t kind = source.below(16);
    const std::int64_t offset = naive.next() + source.below(2 * spread) -
                                static_cast<std::int64_t>(source.below(spread + 1));
    const std::uint32_t length = source.below(spread + 2);
    std::string bytes;
    for (std::uint32_t i = 0; i < length; ++i) bytes += honest_byte(offset + i);
    if (source.below(4) == 0 && !bytes.empty()) bytes[source.below(length)] = '#';
    const auto seq = static_cast<std::uint32_t>(offset + 1);
    const bool known = source.below(3) != 0;  // mostly go on at the expected place
    if (kind < 9) {
      const bool fin = source.below(64) == 63;
      const std::int64_t from = known ? naive.next() : offset;
      if (known) {
        for (std::uint32_t i = 0; i < length; ++i) bytes[i] = honest_byte(from + i);
      }
      if (trace) {
        std::printf("segment %lld+%zu%s '%s'\n", static_cast<long long>(from), bytes.size(),
                    fin ? " FIN" : "", bytes.c_str());
      }
      const bool taken = naive.segment(from, bytes, fin);
      const auto v = t.send(true, static_cast<std::uint32_t>(from + 1), bytes,
                            net::kAck | (fin ? net::kFin : 0), {.ack = 1});
      require((v.fate() == Fate::Forward) == taken, "fate");
    } else if (kind < 12) {
      const std::int64_t most = naive.next() + (naive.fin_reached() ? 1 : 0);
      const std::int64_t ack =
          naive.acked() + source.below(static_cast<std::uint32_t>(most - naive.acked() + 1));
      if (trace) std::printf("ack %lld\n", static_cast<long long>(ack));
      naive.acknowledge(ack);
      require(t.send(false, 1, "", net::kAck, {.ack = static_cast<std::uint32_t>(ack + 1)}).fate() ==
                  Fate::Forward,
              "bare ACK");
    } else if (length != 0) {
      if (trace) {
        std::printf("void (%u) %lld+%u\n", kind, static_cast<long long>(offset), length);
      }
      Tweak bad{.ack = 1};
      std::uint8_t flags = net::kAck;
      std::uint32_t at = seq;
      switch (kind) {
        case 12:
          bad.checksum_bad = true;
          break;
        case 13:
          bad.ack = 1 + 1 + source.below(1U << 30);
          break;
        case 14:
          at = static_cast<std::uint32_t>(naive.next() + 1) + (64U << 20) + source.below(1U << 20);
          break;
        default:
          flags = source.below(2) == 0 ? 0 : net::kSyn | net::kFin;
          break;
      }
      require(t.send(true, at, bytes, flags, bad).fate() == Fate::Drop, "void segment");
    }
    // What was compared before cannot change.
    require(t.to_server().size() == naive.stream().size() &&
                t.to_server().compare(compared, std::string::npos, naive.stream(), compared,
                                      std::string::npos) == 0,
            "bytes");
    compared = naive.stream().size();
    require(!t.sink.broken, "order of events");
  }
  t.end();
  require(t.to_server().compare(0, naive.stream().size(), naive.stream()) == 0, "bytes at the end");
  require(!t.sink.broken && t.sink.closed == t.sink.opened, "close");
  require(t.counters().buffered_now == 0, "buffers returned");
}

}  // namespace weir::test
