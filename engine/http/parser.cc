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

std::optional<IdleConnection> Connection::idle() const noexcept {
  constexpr std::uint32_t kMostBlankLines = 255;
  const bool still = (requests_.at_rest() || requests_.ended()) && (responses_.at_rest() || responses_.ended());
  if (!still || !shared_.queue.empty() || shared_.tunnel || shared_.opaque || shared_.next_id > UINT32_MAX) {
    return std::nullopt;
  }
  if (responses_.blank_lines() != 0 || requests_.blank_lines() > kMostBlankLines) return std::nullopt;
  IdleConnection out;
  out.fed = {requests_.fed(), responses_.fed()};
  out.next_id = static_cast<std::uint32_t>(shared_.next_id);
  out.blank_lines = static_cast<std::uint8_t>(requests_.blank_lines());
  out.requests_seen = shared_.requests_seen;
  out.responses_seen = shared_.responses_seen;
  out.request_gap = shared_.request_gap;
  out.http_seen = shared_.http_seen;
  out.closing = requests_.closing();
  out.requests_ended = requests_.ended();
  out.responses_ended = responses_.ended();
  return out;
}

void Connection::resume(const IdleConnection& idle) noexcept {
  shared_.next_id = idle.next_id;
  shared_.requests_seen = idle.requests_seen;
  shared_.responses_seen = idle.responses_seen;
  shared_.request_gap = idle.request_gap;
  shared_.http_seen = idle.http_seen;
  shared_.responses_lost = false;
  requests_.resume(idle.fed[0], idle.blank_lines);
  requests_.set_closing(idle.closing);
  responses_.resume(idle.fed[1], 0);
  if (idle.requests_ended) (void)on_end(Side::Request, StreamEnd::Clean);
  if (idle.responses_ended) (void)on_end(Side::Response, StreamEnd::Clean);
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
