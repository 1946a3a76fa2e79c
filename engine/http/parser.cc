#include "engine/http/parser.h"

#include <new>

namespace weir::http {

Connection::Connection(HttpSink& sink, const ParserOptions& options, DecoderPool* pool,
                       std::pmr::memory_resource* memory)
    : shared_{.sink = sink,
              .options = options,
              .memory = memory,
              .pool = pool,
              .own_pool = nullptr,
              .queue = {}},
      requests_(shared_),
      responses_(shared_, requests_) {}

void Connection::start_midstream() noexcept {
  requests_.lose();
  responses_.lose();
  shared_.request_gap = true;
}

// The edge behind which allocation failures are caught: line buffers are the only thing allocated
// here, and a sink may copy what it is given.
template <class F>
Progress Connection::run(Side side, F&& f) noexcept {
  Reader& r = reader(side);
  r.progress() = {};
  try {
    f(r);
  } catch (const std::bad_alloc&) {
    r.give_up();
    r.progress().exhausted = true;
  }
  return r.progress();
}

Progress Connection::on_bytes(Side side, std::string_view bytes) noexcept {
  return run(side, [bytes](Reader& r) { r.feed(bytes); });
}

Progress Connection::on_gap(Side side, std::uint64_t length) noexcept {
  return run(side, [length](Reader& r) { r.gap(length); });
}

Progress Connection::on_unread(Side side, std::uint64_t length) noexcept {
  return run(side, [length](Reader& r) { r.pass(length); });
}

Progress Connection::on_end(Side side, StreamEnd how) noexcept {
  return run(side, [how](Reader& r) { r.end(how); });
}

}  // namespace weir::http
