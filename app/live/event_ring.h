// EventRing: finished lines from one worker process to the writer, through shared memory. One writer, one
// reader. A line that finds no room is refused, and the worker counts it: nobody who inspects packets ever
// waits for a disk. A line becomes visible when it is whole, so one that its worker died over never does.
//
// The ring may be written by hostile hands no more than the worker is: the reader, another process, checks
// every length against what it can be.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace weir::app {

// Memory that a process and its children share; zeroed.
class SharedMemory {
 public:
  static Result<SharedMemory> make(std::size_t bytes);
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  SharedMemory(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  std::byte* data_;
  std::size_t size_;
};

class EventRing {
 public:
  // Rounded up to a power of two; at least 64 KiB.
  static Result<std::unique_ptr<EventRing>> make(std::size_t bytes);

  // The worker. False: no room, or longer than the ring.
  bool put(std::string_view line);

  // The reader. Appends whole lines to `out` until there are none or `out` has `most` bytes.
  void take(std::string& out, std::size_t most);
  // One item in place of what `out` has. False: there is none.
  bool next(std::string& out);
  [[nodiscard]] bool empty() const;
  // Forgets what is there: its worker is dead and the contents are no lines. Counted as lost by the caller.
  void reset();

  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  // Offsets count up for ever; the ring is indexed by them modulo its capacity.
  struct Head {
    alignas(64) std::atomic<std::uint64_t> written;
    alignas(64) std::atomic<std::uint64_t> read;
  };
  EventRing(SharedMemory memory, std::size_t capacity) : memory_(std::move(memory)), capacity_(capacity) {}
  [[nodiscard]] Head& head() const { return *reinterpret_cast<Head*>(memory_.data()); }
  [[nodiscard]] char* bytes() const { return reinterpret_cast<char*>(memory_.data() + sizeof(Head)); }
  void copy_in(std::uint64_t at, const void* from, std::size_t n);
  void copy_out(std::uint64_t at, char* to, std::size_t n) const;

  SharedMemory memory_;
  std::size_t capacity_;
};

}  // namespace weir::app
