// What a worker process shows of itself in shared memory: that it lives, how far it is, its counters. The
// supervisor reads; nothing waits for anybody.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/failure.h"
#include "engine/inspect/inspector.h"
#include "engine/inspect/options.h"
#include "engine/port.h"

namespace weir::app {

struct Figures {
  inspect::InspectorCounters inspector;
  flow::FlowCounters flow;
  PortStats port;
  std::uint64_t events = 0;       // lines put into the ring
  std::uint64_t events_lost = 0;  // lines that found no room
  std::uint64_t audit = 0;        // entries of the audit log put into the ring
  std::uint64_t audit_lost = 0;   // entries that found no room
  std::uint64_t bypassed = 0;     // packets that were forwarded without inspection because the operator said so
  std::uint64_t busy_ns = 0;      // time not spent waiting for packets
  std::uint64_t alive_ns = 0;     // since the worker began
};
static_assert(std::is_trivially_copyable_v<Figures>);

// One writer; readers see a whole snapshot or none (a sequence lock). The figures are atomic word by word, so that no
// fence is needed, which the thread sanitizer would not know: whoever sees a word of a later snapshot sees its number, too.
class SharedFigures {
 public:
  SharedFigures() { clear(); }

  void publish(const Figures& figures) {
    const std::uint32_t next = sequence_.load(std::memory_order_relaxed) + 1;
    sequence_.store(next, std::memory_order_relaxed);  // odd: being written
    put(figures);
    sequence_.store(next + 1, std::memory_order_release);
  }
  // False: the writer was at it all the time (or died there).
  [[nodiscard]] bool read(Figures& out) const {
    for (int tries = 0; tries < 1000; ++tries) {
      const std::uint32_t before = sequence_.load(std::memory_order_acquire);
      if ((before & 1U) != 0) continue;
      Words words;
      for (std::size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
      if (sequence_.load(std::memory_order_relaxed) != before) continue;
      std::memcpy(static_cast<void*>(&out), words.data(), sizeof out);  // trivially copyable, though it has defaults
      return true;
    }
    return false;
  }
  // Only while there is no writer.
  void clear() {
    put({});
    sequence_.store(0, std::memory_order_release);
  }

 private:
  static_assert(sizeof(Figures) % sizeof(std::uint64_t) == 0);
  static constexpr std::size_t kWords = sizeof(Figures) / sizeof(std::uint64_t);
  using Words = std::array<std::uint64_t, kWords>;

  void put(const Figures& figures) {
    Words words;
    std::memcpy(words.data(), &figures, sizeof figures);
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
  }

  std::atomic<std::uint32_t> sequence_{0};
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

// One counter by its name in `stats` records and metrics.
struct Figure {
  std::string_view name;   // "tcp.gaps"
  bool gauge = false;      // how many there are now: a dead worker has none
  std::uint64_t (*get)(const Figures&) = nullptr;
};
// In the order in which they are shown; those of one prefix stand together.
[[nodiscard]] std::span<const Figure> figure_table();

// Sums over workers, those that are gone included, by place in the table.
class FigureSums {
 public:
  FigureSums() : sums_(figure_table().size()) {}
  void add(const Figures& figures, bool alive);
  [[nodiscard]] std::uint64_t at(std::size_t i) const { return sums_[i]; }
  // By cause and action.
  [[nodiscard]] const FailureCounts& failures() const { return failures_; }
  // 0 if there is no such figure.
  [[nodiscard]] std::uint64_t of(std::string_view name) const;

 private:
  std::vector<std::uint64_t> sums_;
  FailureCounts failures_{};
};

enum class WorkerState : std::uint32_t { Starting, Running, Stopping };

struct WorkerShared {
  std::atomic<std::uint64_t> beats{0};        // counts up while the worker goes round its loop
  std::atomic<WorkerState> state{WorkerState::Starting};
  std::atomic<std::uint32_t> generation{0};   // of the configuration that it works with
  std::atomic<bool> bypass{false};            // the operator's word, for whoever is the worker
  flow::FlowInHand in_hand;                   // whose packet the worker is at
  SharedFigures figures;
};

}  // namespace weir::app
