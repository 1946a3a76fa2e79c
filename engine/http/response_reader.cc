#include <algorithm>

#include "engine/http/message.h"
#include "engine/http/reader.h"
#include "engine/http/syntax.h"

namespace weir::http {
namespace {

constexpr std::string_view kStart = "HTTP/";

}  // namespace

void ResponseReader::begin_message() {
  begun_ = true;
  reported_.clear();
  queued_ = !shared_.queue.empty();
  id_ = queued_ ? shared_.queue.front() : shared_.next_id++;
  ViolationSet wrong;
  if (blank_lines_ > 0) wrong.insert(Violation::LeadingCrlf);
  if (!queued_ && shared_.requests_seen && shared_.http_seen && !shared_.request_gap) {
    wrong.insert(Violation::ResponseWithoutRequest);
  }
  report_all(wrong);
}

Reader::Sniff ResponseReader::sniff(std::string_view prefix, bool resync) const {
  const bool http09 = !resync && (shared_.queue.front_traits() & kHttp09) != 0;
  const bool blank = prefix.front() == '\r' || prefix.front() == '\n';
  if (blank && !resync && !http09) return Sniff::Plausible;
  const std::size_t n = std::min(prefix.size(), kStart.size());
  if (!starts_ignoring_case(prefix, kStart.substr(0, n))) return Sniff::Foreign;
  return n == kStart.size() ? Sniff::Plausible : Sniff::Undecided;
}

std::string_view ResponseReader::start_line_in(std::string_view line) const {
  return line;
}

bool ResponseReader::is_start_line(std::string_view line) const {
  const ParsedStatusLine parsed = parse_status_line(line);
  return parsed.valid && !parsed.violations.contains(Violation::VersionInvalid);
}

void ResponseReader::on_foreign(std::string_view prefix) {
  (void)prefix;
  if (queued_ && (shared_.queue.front_traits() & kHttp09) != 0) {
    begin_http09();
    return;
  }
  // What a foreign protocol's client sent has been told; its server's answers are no news.
  if (shared_.http_seen) {
    report(Violation::StatusLineInvalid);
  } else if (!shared_.requests_seen) {
    report(Violation::NotHttp);
  }
  lose_line();
}

// A response without status line or header fields (RFC 1945 6): the body, until the end.
void ResponseReader::begin_http09() {
  open_ = true;
  status_ = 200;
  traits_ = shared_.queue.front_traits();
  facts_.reset();
  shared_.sink.on_status_line(id_, {{}, 200, {}});
  ++progress_.headers_done;
  shared_.sink.on_headers_done(id_, side_);
  begin_body(Framing::UntilClose, false);
  line_is_body();
}

void ResponseReader::on_start_line(const Line& line) {
  const ParsedStatusLine parsed = parse_status_line(line.text);
  if (!parsed.valid) {
    if (shared_.http_seen) {
      report(Violation::StatusLineInvalid);
    } else if (!shared_.requests_seen) {
      report(Violation::NotHttp);
    }
    drop();
    return;
  }
  // Numbered when foreign octets came before the request did: the request is what it answers.
  if (!queued_ && !shared_.queue.empty()) {
    queued_ = true;
    id_ = shared_.queue.front();
  }
  shared_.http_seen = true;
  if (!line.crlf) report(Violation::BareLf);
  report_all(parsed.violations);
  if (refused()) return;
  http10_ = parsed.http10;
  status_ = parsed.line.status;
  traits_ = queued_ ? shared_.queue.front_traits() : std::uint8_t{0};
  silent_ = status_ < 200 && status_ != 101;
  facts_.reset();
  if (!silent_) {
    open_ = true;
    shared_.sink.on_status_line(id_, parsed.line);
  }
  begin_section();
}

// RFC 9110 9.3.6: any 2xx opens a tunnel, and has no framing fields.
bool ResponseReader::answers_connect() const noexcept {
  return (traits_ & kConnect) != 0 && status_ >= 200 && status_ < 300;
}

// A server that knows no tunnels answers CONNECT like any other request and goes on reading requests, while a
// proxy in front of it has opened a tunnel.
bool ResponseReader::doubtful_tunnel() const noexcept {
  return answers_connect() && (facts_.has_framing() || status_ == 204 || status_ == 205);
}

// Whether the response, when complete, ends HTTP on this connection. A capture is read as the standard says.
bool ResponseReader::switches() const noexcept {
  if (status_ == 101) return true;
  return answers_connect() && !(shared_.options.both_sides && doubtful_tunnel());
}

void ResponseReader::on_section_end() {
  const bool never_a_body = silent_ || status_ == 204 || switches();
  const bool bodiless = never_a_body || status_ == 304 || (traits_ & kHead) != 0;
  ViolationSet wrong;
  if ((never_a_body || answers_connect()) && facts_.has_framing()) wrong.insert(Violation::FramingForbidden);
  if (doubtful_tunnel()) wrong.insert(Violation::ConnectAnswerDoubtful);
  const Framing framing = facts_.response_framing(http10_, bodiless, wrong);
  if (status_ == 101) {
    if ((traits_ & kSeen) != 0 && (traits_ & kUpgrade) == 0) wrong.insert(Violation::SwitchUnasked);
    if (facts_.upgrade_h2c()) wrong.insert(Violation::SwitchToHttp2);
  }
  report_all(wrong);
  if (refused()) return;
  if (silent_) {
    // The exchange goes on: the next response is for the same request.
    silent_ = false;
    state_ = State::Start;
    blank_lines_ = 0;
    shared_.sink.on_interim(id_, status_);
    return;
  }
  ++progress_.headers_done;
  shared_.sink.on_headers_done(id_, side_);
  begin_body(framing, shared_.options.decode_response);
}

void ResponseReader::on_message_done(MessageEnd end) {
  if (queued_) shared_.queue.pop();
  queued_ = false;
  if (end != MessageEnd::Complete || !switches()) return;
  shared_.tunnel = true;
  progress_.tunnel = true;
  state_ = State::Tunnel;
  shared_.sink.on_tunnel(id_);
  requests_.enter_tunnel(id_);
}

}  // namespace weir::http
