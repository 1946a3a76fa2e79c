// The HTTP/1 parser: the two byte streams of one TCP connection in, HttpSink calls out (RFC 9112,
// 9110).
//
// * Incremental. However the streams are cut into pieces, the calls are the same; only the pieces
// of a
//   body may be cut differently. Body octets are passed on, never collected.
// * Bounded. Work is linear in the octets fed; memory is at most one line (ParserOptions::max_line)
// for a
//   side, twice that where a field may be folded, plus the state of a content decoder while a coded
//   body goes through. An idle connection holds no buffer.
// * Strict or lenient by ParserOptions. Each deviation from the standard is a named Violation, told
// once
//   per message. One that the options refuse ends the reading of its side (SideState::Refused).
// * Early. A message is complete at the earliest octet at which any server would act: without a
// body at
//   the LF of the blank line; with a length at the last octet; HTTP/0.9 at the LF of the request
//   line; chunked at the final CRLF, with Progress::body_ended from the LF of the last-chunk line
//   on. A client that ends its stream within a request may be served too (readers that take the end
//   of input for the end of a line are common), so such a request is told as far as it came, then
//   ended as Incomplete: judge it like a complete one.
// * Requests and responses are paired in order. 1xx responses close nothing, 101 does when it
// switches
//   protocols. Either direction may be missing altogether.
// * Client octets after CONNECT or Upgrade are HTTP until the server agrees. (Those after CONNECT are refused by
// default.)
//
// Not thread-safe; reads no clock; calls of the sink must not call back, but for skip_body().
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

#include "engine/http/options.h"
#include "engine/http/progress.h"
#include "engine/http/reader.h"
#include "engine/http/sink.h"

namespace weir::http {

// What has to be remembered of a connection while nothing is under way in it. As of the start: one of which no octet came.
struct IdleConnection {
  std::array<std::uint64_t, 2> fed{};  // by Side: octets so far, holes included
  std::uint32_t next_id = 0;
  std::uint8_t blank_lines = 0;  // of the client's, since its last request
  bool requests_seen : 1 = false;
  bool responses_seen : 1 = false;
  bool request_gap : 1 = false;
  bool http_seen : 1 = false;
  bool closing : 1 = false;  // the last request said Connection: close
  bool requests_ended : 1 = false;
  bool responses_ended : 1 = false;
};

class Connection {
 public:
  // All arguments must outlive the connection. Without a pool the connection makes its own when the
  // first coded body comes; workers share one. `memory` serves the line buffers.
  Connection(HttpSink& sink, const ParserOptions& options, DecoderPool* pool = nullptr,
             std::pmr::memory_resource* memory = std::pmr::get_default_resource());
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Nothing is under way on either side, and no request waits for a response; otherwise nothing.
  [[nodiscard]] std::optional<IdleConnection> idle() const noexcept;
  // Becomes the connection of which that was said, by itself or by another one with the same options.
  // REQUIRES: nothing is under way, and neither side has ended.
  void resume(const IdleConnection& idle) noexcept;

  // Bytes of lines that are not complete, of both sides.
  [[nodiscard]] std::size_t buffered() const noexcept { return requests_.buffered() + responses_.buffered(); }
  // Neither side is read any more, and nothing is kept.
  void give_up() noexcept {
    requests_.give_up();
    responses_.give_up();
  }

  // The connection was picked up in the middle: both sides begin as after a gap.
  void start_midstream() noexcept;

  Progress on_bytes(Side side, std::string_view bytes) noexcept;
  // `length` octets are missing here. Within a body of known length they are counted and skipped;
  // else the message ends as Incomplete and reading resumes at the next plausible start line.
  Progress on_gap(Side side, std::uint64_t length) noexcept;
  // The next `length` octets, at most rest_of_body(), went by unread, because nobody wanted them. Unlike those of
  // a gap they are not missing.
  Progress on_unread(Side side, std::uint64_t length) noexcept;
  // No octet follows on this side. Ends the message that is under way.
  Progress on_end(Side side, StreamEnd how) noexcept;

  // The sink wants no more of the current body of this side: it is only counted from here on. May
  // be called from within HttpSink calls.
  void skip_body(Side side) noexcept { reader(side).skip_body(); }

  [[nodiscard]] SideState state(Side side) const noexcept {
    return side == Side::Request ? requests_.state() : responses_.state();
  }
  // Octets of the body under way that are still to come, kEndless if the connection ends it. nullopt: no body is
  // under way, or a chunked one.
  [[nodiscard]] std::optional<std::uint64_t> rest_of_body(Side side) const noexcept {
    return side == Side::Request ? requests_.rest_of_body() : responses_.rest_of_body();
  }
  // It is coded (Content-Encoding), and decoded here: what it unpacks to is bounded as it comes.
  [[nodiscard]] bool coded(Side side) const noexcept {
    return side == Side::Request ? requests_.coded() : responses_.coded();
  }
  // Where in the stream of this side (octets fed and missing, counted from 0) the message that is under way
  // began, or the latest one if none is.
  [[nodiscard]] std::uint64_t message_start(Side side) const noexcept {
    return side == Side::Request ? requests_.message_start() : responses_.message_start();
  }
  // Octets of a message were read whose end was not.
  [[nodiscard]] bool under_way(Side side) const noexcept {
    return side == Side::Request ? requests_.under_way() : responses_.under_way();
  }
  // The response to a request before `id` is not complete.
  [[nodiscard]] bool owes_before(ExchangeId id) const noexcept {
    return !shared_.queue.empty() && shared_.queue.front() < id;
  }
  // Requests that wait for a response or for its end.
  [[nodiscard]] std::uint64_t waiting() const noexcept { return shared_.queue.size(); }

 private:
  Reader& reader(Side side) noexcept {
    if (side == Side::Request) return requests_;
    return responses_;
  }
  template <class F>
  Progress run(Side side, F&& f) noexcept;

  Shared shared_;
  RequestReader requests_;
  ResponseReader responses_;
};

}  // namespace weir::http
