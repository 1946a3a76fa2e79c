#include "geneve/bypass.h"

#include <array>
#include <utility>

namespace weir::geneve {

Result<std::unique_ptr<Bypass>> Bypass::open(const GenevePort& port) {
  auto echo = GenevePort::stand_in(port);
  if (!echo) return Unexpected(Error{echo.error()});
  return std::unique_ptr<Bypass>(new Bypass(std::move(*echo)));
}

std::uint64_t Bypass::run(Duration wait) {
  const std::uint64_t before = counters_.echoed;
  std::array<Packet, 1> none;
  auto received = echo_->receive(none, wait);
  if (received && received->count != 0) echo_->settle(none[0], Fate::Forward);
  counters_ = echo_->counters();
  return counters_.echoed - before;
}

}  // namespace weir::geneve
