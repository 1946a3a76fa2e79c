// What a Reader does when the stream has a hole, ends, or leaves HTTP.
#include <algorithm>

#include "engine/http/reader.h"

namespace weir::http {

void Reader::lose() noexcept {
  drop();
  if (shared_.options.both_sides && side_ == Side::Request) search_ = Search::Anywhere;
}

void Reader::drop() noexcept {
  if (refused()) return;
  state_ = State::Resync;
  search_ = Search::AtLine;
  if (side_ == Side::Response) shared_.responses_lost = true;
  lines_.next();
  lines_.release();
  field_.clear();
  field_.shrink_to_fit();
  field_waits_ = folding_ = sniffed_ = false;
}

void Reader::lose_line() noexcept {
  drop();
  search_ = Search::BehindLine;
}

void Reader::give_up() noexcept {
  state_ = State::Refused;
  release_decoder();
  facts_.reset();
  lines_.next();
  lines_.release();
  field_.clear();
  field_.shrink_to_fit();
}

void Reader::gap(std::uint64_t length) {
  if (length == 0) return;
  fed_ += length;
  switch (state_) {
    case State::Body:
      gap_in_body(length);
      return;
    case State::Start:
    case State::Headers:
    case State::Trailers:
    case State::Resync:
      if (side_ == Side::Request) shared_.request_gap = true;
      if (open_) finish_message(MessageEnd::Incomplete);
      if (state_ != State::Tunnel) lose();
      return;
    case State::Tunnel:
    case State::Opaque:
    case State::Refused:
    case State::Ended:
      return;
  }
}

void Reader::gap_in_body(std::uint64_t length) {
  std::uint64_t within = length;
  if (framing_ == Framing::Chunked) {
    if (!chunks_.skip(length)) {
      if (side_ == Side::Request) shared_.request_gap = true;
      finish_message(MessageEnd::Incomplete);
      if (state_ == State::Start) lose();
      return;
    }
  } else if (framing_ == Framing::Length) {
    within = std::min(length, remaining_);
    remaining_ -= within;
  }
  lengths_.body_missing += within;
  if (decoding_) decoder_lost_ = true;
  if (framing_ != Framing::Length || remaining_ > 0) return;
  finish_message(MessageEnd::Complete);
  if (within < length && state_ == State::Start) {
    if (side_ == Side::Request) shared_.request_gap = true;
    lose();
  }
}

// As if they had been fed, but for the decoder, whose stream they would have been.
void Reader::pass(std::uint64_t length) {
  const std::optional<std::uint64_t> rest = rest_of_body();
  if (!rest || length > *rest) {
    gap(length);
    return;
  }
  if (body_wanted_ && !decoding_ && !decoder_lost_) lengths_.body_decoded += length;
  if (decoding_) decoder_lost_ = true;
  release_decoder();
  fed_ += length;
  lengths_.body_wire += length;
  if (framing_ != Framing::Length) return;
  remaining_ -= length;
  if (remaining_ == 0) finish_message(MessageEnd::Complete);
}

void Reader::end(StreamEnd how) {
  const bool clean = how == StreamEnd::Clean;
  switch (state_) {
    case State::Start:
      if (clean && side_ == Side::Request && begun_ && lines_.started()) end_headers_early();
      break;
    case State::Headers:
      if (clean && side_ == Side::Request) end_headers_early();
      break;
    case State::Body:
      if (clean && framing_ == Framing::UntilClose) finish_message(MessageEnd::Complete);
      break;
    case State::Ended:
      return;
    default:
      break;
  }
  const bool was_refused = refused();
  if (was_refused) {
    release_decoder();
    state_ = State::Start;
  }
  if (open_) finish_message(MessageEnd::Incomplete);
  release_decoder();
  lose();
  state_ = State::Ended;
}

// A server that takes the end of input for the end of a line, and for the end of the headers, acts
// on such a request (the readline() of many languages does the former): so it is told as far as it
// came.
void Reader::end_headers_early() {
  report(Violation::EndInHeaders);
  if (refused()) return;
  early_end_ = true;
  if (lines_.started()) {
    const Line line = lines_.finish(shared_.options.max_line);
    if (state_ == State::Start) {
      if (!line.text.empty()) on_start_line(line);
    } else if (folding_ || !line.text.empty()) {
      section_line(line, "\n");
    }
    lines_.next();
  }
  if (state_ == State::Headers && field_waits_) flush_field();
  if (state_ == State::Headers) on_section_end();
}

// The client's octets that came before the server agreed were read as HTTP. What is under way now
// was either the very request that asked, whose body is still HTTP, or never was a request.
void Reader::enter_tunnel(ExchangeId agreed) {
  if (refused() || state_ == State::Ended) return;
  if (open_ && id_ == agreed) return;  // on_message_done() sees Shared::tunnel
  if (open_) finish_message(MessageEnd::Incomplete);
  if (refused()) return;
  lose();
  state_ = State::Tunnel;
}

}  // namespace weir::http
