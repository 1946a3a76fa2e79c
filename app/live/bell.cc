#include "app/live/bell.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace weir::app {

Result<Bell> Bell::make() {
  Descriptor event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event.valid()) return fail("no event descriptor: " + std::generic_category().message(errno));
  return Bell(std::move(event));
}

void Bell::ring(int descriptor) {
  const std::uint64_t one = 1;
  // Full: whoever waits has been told often enough.
  static_cast<void>(::write(descriptor, &one, sizeof one) < 0);
}

void Bell::wait(int milliseconds) const {
  pollfd ready{descriptor(), POLLIN, 0};
  if (::poll(&ready, 1, milliseconds) > 0) {
    std::uint64_t count = 0;
    static_cast<void>(::read(descriptor(), &count, sizeof count) < 0);
  }
}

}  // namespace weir::app
