#include "geneve/inbox.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include <sys/eventfd.h>
#include <sys/mman.h>

namespace weir::geneve {

class Inbox::Lock {
 public:
  explicit Lock(Shared& shared) : mutex_(&shared.mutex) {
    // Whoever died had changed either nothing or `count` last: the queue is as good as before.
    if (::pthread_mutex_lock(mutex_) == EOWNERDEAD) ::pthread_mutex_consistent(mutex_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { ::pthread_mutex_unlock(mutex_); }

 private:
  pthread_mutex_t* mutex_;
};

Inbox::Inbox(std::uint32_t most)
    : most_(most),
      size_(sizeof(Shared) + sizeof(Item) * most),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || event_ < 0) throw std::bad_alloc();
  shared_ = ::new (memory) Shared{};
  items_ = reinterpret_cast<Item*>(static_cast<std::uint8_t*>(memory) + sizeof(Shared));
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutex_init(&shared_->mutex, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
}

Inbox::~Inbox() {
  ::munmap(shared_, size_);
  ::close(event_);
}

bool Inbox::put(const Outer& outer, Bytes datagram) {
  if (datagram.size() > kMostCopied) return false;
  const Lock lock(*shared_);
  const std::uint32_t count = shared_->count.load(std::memory_order_relaxed);
  if (count == most_) return false;
  Item& item = items_[(shared_->first + count) % most_];
  item.outer = outer;
  item.length = static_cast<std::uint32_t>(datagram.size());
  std::memcpy(item.bytes, datagram.data(), datagram.size());
  shared_->count.store(count + 1, std::memory_order_release);
  if (count == 0) {
    const std::uint64_t one = 1;
    static_cast<void>(::write(event_, &one, sizeof one) < 0);
  }
  return true;
}

std::uint32_t Inbox::take(Outer& outer, std::uint8_t* into) {
  const Lock lock(*shared_);
  const std::uint32_t count = shared_->count.load(std::memory_order_relaxed);
  if (count == 0) return 0;
  const Item& item = items_[shared_->first];
  outer = item.outer;
  const std::uint32_t length = item.length;
  std::memcpy(into, item.bytes, length);
  shared_->first = (shared_->first + 1) % most_;
  shared_->count.store(count - 1, std::memory_order_release);
  if (count == 1) {  // nothing is left: the descriptor rests
    std::uint64_t events = 0;
    static_cast<void>(::read(event_, &events, sizeof events) < 0);
  }
  return length;
}

}  // namespace weir::geneve
