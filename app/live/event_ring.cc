#include "app/live/event_ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace weir::app {
namespace {

constexpr std::size_t kSmallest = 64 * 1024;
using Length = std::uint32_t;

}  // namespace

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

Result<SharedMemory> SharedMemory::make(std::size_t bytes) {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return fail("no shared memory: " + std::generic_category().message(errno));
  return SharedMemory(static_cast<std::byte*>(data), bytes);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<std::unique_ptr<EventRing>> EventRing::make(std::size_t bytes) {
  const std::size_t capacity = std::bit_ceil(std::max(bytes, kSmallest));
  auto memory = SharedMemory::make(sizeof(Head) + capacity);
  if (!memory) return fail(memory.error().message);
  return std::unique_ptr<EventRing>(new EventRing(std::move(*memory), capacity));
}

void EventRing::copy_in(std::uint64_t at, const void* from, std::size_t n) {
  const std::size_t offset = at & (capacity_ - 1);
  const std::size_t first = std::min(n, capacity_ - offset);
  std::memcpy(bytes() + offset, from, first);
  std::memcpy(bytes(), static_cast<const char*>(from) + first, n - first);
}

void EventRing::copy_out(std::uint64_t at, char* to, std::size_t n) const {
  const std::size_t offset = at & (capacity_ - 1);
  const std::size_t first = std::min(n, capacity_ - offset);
  std::memcpy(to, bytes() + offset, first);
  std::memcpy(to + first, bytes(), n - first);
}

bool EventRing::put(std::string_view line) {
  const std::uint64_t written = head().written.load(std::memory_order_relaxed);
  const std::uint64_t used = written - head().read.load(std::memory_order_acquire);
  const std::size_t needed = sizeof(Length) + line.size();
  if (used > capacity_ || needed > capacity_ - used) return false;
  const auto length = static_cast<Length>(line.size());
  copy_in(written, &length, sizeof length);
  copy_in(written + sizeof length, line.data(), line.size());
  head().written.store(written + needed, std::memory_order_release);
  return true;
}

bool EventRing::empty() const {
  return head().written.load(std::memory_order_acquire) == head().read.load(std::memory_order_relaxed);
}

void EventRing::take(std::string& out, std::size_t most) {
  std::uint64_t at = head().read.load(std::memory_order_relaxed);
  const std::uint64_t end = head().written.load(std::memory_order_acquire);
  while (at != end && out.size() < most) {
    Length length = 0;
    if (end - at > capacity_ || end - at < sizeof length) return reset();
    copy_out(at, reinterpret_cast<char*>(&length), sizeof length);
    if (length > end - at - sizeof length) return reset();
    const std::size_t from = out.size();
    out.resize(from + length);
    copy_out(at + sizeof length, out.data() + from, length);
    at += sizeof length + length;
  }
  head().read.store(at, std::memory_order_release);
}

bool EventRing::next(std::string& out) {
  const std::uint64_t at = head().read.load(std::memory_order_relaxed);
  const std::uint64_t end = head().written.load(std::memory_order_acquire);
  if (at == end) return false;
  Length length = 0;
  if (end - at > capacity_ || end - at < sizeof length) return reset(), false;
  copy_out(at, reinterpret_cast<char*>(&length), sizeof length);
  if (length > end - at - sizeof length) return reset(), false;
  out.resize(length);
  copy_out(at + sizeof length, out.data(), length);
  head().read.store(at + sizeof length + length, std::memory_order_release);
  return true;
}

void EventRing::reset() {
  head().read.store(head().written.load(std::memory_order_acquire), std::memory_order_release);
}

}  // namespace weir::app
