// How much of the processor a thread gets beside others. On Linux the priority is the thread's own.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

namespace weir::app {

constexpr int kLowestPriority = 19;
constexpr int kOrdinaryPriority = 0;

// Of a thread of this process, by its number. Raising it again takes a privilege, as below.
inline void set_priority_of(int thread, int nice) {
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(thread), nice));
}

// Of the calling thread. Raising it again takes a privilege: without one it stays as it is, and nothing is said.
inline void set_thread_priority(int nice) {
  set_priority_of(::gettid(), nice);
}

}  // namespace weir::app
