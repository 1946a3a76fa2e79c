#include "engine/http/reader.h"

#include <algorithm>
#include <cstring>

#include "engine/http/message.h"
#include "engine/http/syntax.h"

namespace weir::http {

Reader::Reader(Side side, Shared& shared)
    : side_(side),
      shared_(shared),
      lines_(shared.memory),
      facts_(shared.memory),
      field_(shared.memory),
      chunks_(shared.options.max_chunk_extension) {}

Reader::~Reader() {
  release_decoder();
}

SideState Reader::state() const noexcept {
  switch (state_) {
    case State::Start:
      return begun_ || lines_.started() ? SideState::InHeaders : SideState::Idle;
    case State::Headers:
      return SideState::InHeaders;
    case State::Body:
    case State::Trailers:
      return SideState::InBody;
    case State::Resync:
      return SideState::Lost;
    case State::Tunnel:
      return SideState::Tunnel;
    case State::Opaque:
      return SideState::Opaque;
    case State::Refused:
      return SideState::Refused;
    case State::Ended:
      break;
  }
  return SideState::Ended;
}

void Reader::feed(std::string_view in) {
  if (in.empty()) return;
  (side_ == Side::Request ? shared_.requests_seen : shared_.responses_seen) = true;
  fed_ += in.size();
  if (shared_.opaque && !refused()) state_ = State::Opaque;
  while (!in.empty()) {
    switch (state_) {
      case State::Start:
        read_start(in);
        break;
      case State::Resync:
        read_resync(in);
        break;
      case State::Headers:
      case State::Trailers:
        read_section(in);
        break;
      case State::Body:
        if (framing_ == Framing::Chunked) {
          read_chunks(in);
        } else {
          read_body(in);
        }
        break;
      case State::Refused:
      case State::Opaque:
      case State::Tunnel:
        lines_.next();
        lines_.release();
        return;
      case State::Ended:
        return;
    }
  }
  if (refused()) lines_.next();
  lines_.release();
}

void Reader::report(Violation violation) {
  if (reported_.contains(violation)) return;
  reported_.insert(violation);
  ++progress_.violations;
  shared_.sink.on_violation(id_, side_, violation);
  if (shared_.options.refuses(side_, violation)) {
    state_ = State::Refused;
    progress_.refused = true;
  }
}

void Reader::report_all(const ViolationSet& violations) {
  violations.for_each([this](Violation v) {
    if (!refused()) report(v);
  });
}

bool Reader::take_line(std::string_view& in, Line& line, Violation too_long) {
  bool overlong = false;
  const std::size_t before = in.size();
  const bool complete = lines_.take(in, shared_.options.max_line, line, overlong);
  progress_.work += before - in.size();
  if (overlong) report(too_long);
  return complete && !refused();
}

// The first octets of the current line, up to its LF.
std::string_view Reader::line_prefix(std::string_view in, SniffBuffer& buffer) {
  const std::string_view carried = lines_.partial();
  in = in.substr(0, kSniff);
  progress_.work += kSniff;
  if (const std::size_t lf = in.find('\n'); lf != std::string_view::npos) in = in.substr(0, lf + 1);
  if (carried.empty()) return in;
  const std::size_t before = std::min(carried.size(), kSniff);
  const std::size_t more = std::min(in.size(), kSniff - before);
  std::memcpy(buffer.data(), carried.data(), before);
  std::memcpy(buffer.data() + before, in.data(), more);
  return {buffer.data(), before + more};
}

void Reader::read_start(std::string_view& in) {
  line_at_ = fed_ - in.size() - lines_.length();
  if (!sniffed_) {
    SniffBuffer buffer;  // NOLINT: filled as far as it is used
    const std::string_view prefix = line_prefix(in, buffer);
    if (prefix.front() != '\r' && prefix.front() != '\n') {
      if (!begun_) {
        begin_message();
      } else if (blank_lines_ > 0) {  // between an interim and the final response
        report(Violation::LeadingCrlf);
      }
      blank_lines_ = 0;
    }
    if (refused()) return;
    const Sniff sniffed = sniff(prefix, false);
    if (sniffed == Sniff::Foreign) {
      if (!begun_) begin_message();
      if (!refused()) on_foreign(prefix);
      return;
    }
    sniffed_ = sniffed == Sniff::Plausible;
  }
  const Violation too_long =
      side_ == Side::Request ? Violation::RequestLineTooLong : Violation::StatusLineTooLong;
  Line line;
  if (!take_line(in, line, too_long)) return;
  sniffed_ = false;
  if (line.text.empty()) {
    ++blank_lines_;
    lines_.next();
    return;
  }
  if (!begun_) begin_message();  // the line begins with CR
  blank_lines_ = 0;
  progress_.work += line.text.size();
  if (!refused()) on_start_line(line);
  lines_.next();
}

void Reader::read_resync(std::string_view& in) {
  if (side_ == Side::Response && shared_.answer_begins) {
    // A client that waits for its answers has read the last one to its end, of which we may have seen
    // octets without a line end: what the server says now begins a line.
    shared_.answer_begins = sniffed_ = false;
    search_ = Search::AtLine;
    lines_.next();
  }
  line_at_ = fed_ - in.size() - lines_.length();
  if (search_ == Search::BehindLine) {
    const std::size_t lf = in.find('\n');
    const std::size_t skipped = lf == std::string_view::npos ? in.size() : lf + 1;
    if (lf != std::string_view::npos) search_ = Search::AtLine;
    progress_.work += skipped;
    in.remove_prefix(skipped);
    return;
  }
  const bool anywhere = search_ == Search::Anywhere;
  if (!sniffed_ && !anywhere) {
    SniffBuffer buffer;  // NOLINT: filled as far as it is used
    switch (sniff(line_prefix(in, buffer), true)) {
      case Sniff::Foreign:
        lose_line();
        return;
      case Sniff::Plausible:
        sniffed_ = true;
        break;
      case Sniff::Undecided:
        break;
    }
  }
  Line line;
  bool overlong = false;
  const std::size_t before = in.size();
  if (anywhere) {
    // The end of a body may be one long line: it is looked at in parts that do not depend on packets.
    const std::size_t room = shared_.options.max_line - static_cast<std::size_t>(lines_.length());
    if (before >= room && in.substr(0, room).find('\n') == std::string_view::npos) {
      progress_.work += room;
      in.remove_prefix(room);
      lines_.next();
      return;
    }
  }
  const bool complete = lines_.take(in, shared_.options.max_line, line, overlong);
  progress_.work += before - in.size();
  if (!complete) return;
  sniffed_ = false;
  if (anywhere) line.text = start_line_in(line.text);
  if (!line.truncated && is_start_line(line.text)) {
    search_ = Search::AtLine;
    state_ = State::Start;
    if (side_ == Side::Response) shared_.responses_lost = false;
    if (!begun_ || answered()) begin_message();
    if (!refused()) on_start_line(line);
  }
  lines_.next();
}

// What was lost here has had its answer, and with it its number.
bool Reader::answered() const noexcept {
  return side_ == Side::Request && (shared_.queue.empty() || shared_.queue.front() > id_);
}

void Reader::begin_section() {
  state_ = State::Headers;
  first_field_ = true;
  fields_ = 0;
  section_bytes_ = 0;
}

// A field line that is whole in the input, ends with CRLF and has no control octet in it, with the first octet of the
// next line: as nearly all come. False: it is another one, and nothing was taken.
bool Reader::read_plain_field(std::string_view& in) {
  if (field_waits_ || folding_ || lines_.started()) return false;
  const std::size_t length = before_control(in);
  if (length == 0 || in.size() - length < 3 || in[length] != '\r' || in[length + 1] != '\n') return false;
  if (is_blank(in[length + 2]) || (first_field_ && is_blank(in.front()))) return false;
  const ParserOptions& options = shared_.options;
  if (length > options.max_line || section_bytes_ + length + 2 > options.max_header_bytes) return false;
  const std::string_view text = in.substr(0, length);
  in.remove_prefix(length + 2);
  progress_.work += length + 2;
  section_bytes_ += length + 2;
  first_field_ = false;
  field(text, parse_clean_field(text));
  return true;
}

void Reader::read_section(std::string_view& in) {
  if (read_plain_field(in)) return;
  if (field_waits_ && !folding_ && !lines_.started()) {
    if (is_blank(in.front())) {
      report(Violation::HeaderFolded);
      folding_ = true;
    } else {
      flush_field();
    }
    if (refused()) return;
  }
  Line line;
  if (!take_line(in, line, Violation::HeaderLineTooLong)) return;
  if (!line.crlf) {
    report(state_ == State::Trailers ? Violation::ChunkBareLf : Violation::BareLf);
  }
  section_bytes_ += line.wire;
  if (section_bytes_ > shared_.options.max_header_bytes) report(Violation::HeadersTooLarge);
  if (refused()) return;
  if (!folding_ && line.text.empty()) {
    lines_.next();
    end_section();
    return;
  }
  section_line(line, in);
  lines_.next();
}

// `rest` is the input after the line: its first octet tells whether a fold follows.
void Reader::section_line(const Line& line, std::string_view rest) {
  if (folding_) {
    folding_ = false;
    fold(line.text);
    return;
  }
  if (first_field_ && is_blank(line.text.front())) {
    report(Violation::HeaderLeadingSpace);
    if (refused()) return;
  }
  first_field_ = false;
  if (!rest.empty() && !is_blank(rest.front())) {
    field(line.text, parse_field(line.text));
    return;
  }
  field_.assign(line.text);
  field_waits_ = true;
}

// RFC 9112 5.2: a fold stands for SP.
void Reader::fold(std::string_view text) {
  progress_.work += text.size();
  text = trim(text);
  while (!field_.empty() && is_blank(field_.back()))
    field_.pop_back();
  const std::size_t room =
      shared_.options.max_line - std::min(shared_.options.max_line, field_.size());
  if (text.size() + 1 > room) {
    report(Violation::HeaderLineTooLong);
    if (room == 0) return;
    text = text.substr(0, room - 1);
  }
  field_.push_back(' ');
  field_.append(text);
}

void Reader::flush_field() {
  field_waits_ = false;
  field(field_, parse_field(field_));
  field_.clear();
  field_.shrink_to_fit();
}

void Reader::field(std::string_view line, ParsedField parsed) {
  const ParserOptions& options = shared_.options;
  progress_.work += line.size();
  ++fields_;
  if (fields_ > options.max_headers) report(Violation::HeadersTooMany);
  const bool trailer = state_ == State::Trailers;
  if (trailer) {
    if (is_forbidden_in_trailer(parsed.name)) parsed.violations.insert(Violation::TrailerForbidden);
  } else if (!parsed.violations.contains(Violation::HeaderNoColon)) {
    facts_.add(side_, parsed.name, parsed.value, parsed.violations);
  }
  if (!parsed.violations.empty()) report_all(parsed.violations);
  // What is beyond the limits still counts for the framing, but nobody has to store it.
  const bool within = fields_ <= options.max_headers && section_bytes_ <= options.max_header_bytes;
  if (refused() || silent_ || !within) return;
  if (trailer) {
    shared_.sink.on_trailer(id_, side_, parsed.name, parsed.value);
  } else {
    shared_.sink.on_header(id_, side_, parsed.name, parsed.value);
  }
}

void Reader::end_section() {
  lines_.release();
  if (state_ == State::Trailers) {
    finish_message(MessageEnd::Complete);
  } else {
    on_section_end();
  }
}

void Reader::begin_body(Framing framing, bool decode) {
  framing_ = framing;
  body_wanted_ = true;
  decoder_lost_ = false;
  decoding_ = false;
  lengths_ = {};
  if (framing == Framing::None) {
    finish_message(MessageEnd::Complete);
    return;
  }
  state_ = State::Body;
  remaining_ = framing == Framing::Length ? facts_.content_length() : 0;
  if (framing == Framing::Chunked) chunks_ = ChunkDecoder(shared_.options.max_chunk_extension);
  const CodingList codings = facts_.codings();
  if (!decode || codings.empty()) return;
  if (shared_.pool == nullptr) {
    shared_.own_pool = std::make_unique<DecoderPool>(32U << 20, 4);
    shared_.pool = shared_.own_pool.get();
  }
  decoder_ = shared_.pool->borrow();
  if (!decoder_) {
    report(Violation::ContentCodingMemory);
    return;
  }
  const ParserOptions& o = shared_.options;
  decoding_ = decoder_->start(
      codings, {o.max_content_layers, o.max_decoded, o.max_ratio, o.ratio_from}, *this);
  if (!decoding_) release_decoder();
}

void Reader::read_body(std::string_view& in) {
  std::string_view piece = in;
  if (framing_ == Framing::Length) {
    piece = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size())));
    remaining_ -= piece.size();
  }
  in.remove_prefix(piece.size());
  body(piece);
  if (framing_ == Framing::Length && remaining_ == 0 && !refused()) {
    finish_message(MessageEnd::Complete);
  }
}

void Reader::read_chunks(std::string_view& in) {
  while (!in.empty() && state_ == State::Body) {
    const ChunkStep step = chunks_.step(in);
    const std::string_view piece = in.substr(0, step.consumed);
    in.remove_prefix(step.consumed);
    progress_.work += step.consumed;
    if (step.violation) report(*step.violation);
    if (refused()) return;
    switch (step.event) {
      case ChunkEvent::Framing:
        break;
      case ChunkEvent::Data:
        body(piece);
        break;
      case ChunkEvent::Broken:
        finish_message(MessageEnd::Incomplete);
        if (!refused()) lose();
        return;
      case ChunkEvent::Last:
        state_ = State::Trailers;
        first_field_ = true;
        progress_.body_ended = true;
        return;
    }
  }
}

void Reader::body(std::string_view bytes) {
  lengths_.body_wire += bytes.size();
  progress_.work += bytes.size();
  if (!body_wanted_ || decoder_lost_) {
    release_decoder();
    return;
  }
  if (decoding_) {
    decoder_->feed(bytes, *this);
  } else {
    lengths_.body_decoded += bytes.size();
    shared_.sink.on_body(id_, side_, bytes);
  }
}

void Reader::on_decoded(std::string_view bytes) {
  progress_.work += bytes.size();
  if (!body_wanted_ || refused()) return;
  lengths_.body_decoded += bytes.size();
  shared_.sink.on_body(id_, side_, bytes);
}

void Reader::on_content_violation(Violation violation) {
  if (!refused()) report(violation);
}

void Reader::skip_body() noexcept {
  body_wanted_ = false;
}

std::optional<std::uint64_t> Reader::rest_of_body() const noexcept {
  if (state_ != State::Body || framing_ == Framing::Chunked) return std::nullopt;
  return framing_ == Framing::Length ? remaining_ : kEndless;
}

void Reader::line_is_body() {
  const std::string_view carried = lines_.partial();
  if (!carried.empty()) body(carried);
  lines_.next();
}

void Reader::finish_message(MessageEnd end) {
  if (early_end_) end = MessageEnd::Incomplete;
  if (decoding_ && body_wanted_ && !decoder_lost_) {
    decoder_->finish(end == MessageEnd::Complete, *this);
  }
  release_decoder();
  if (refused()) return;
  open_ = false;
  begun_ = false;
  blank_lines_ = 0;
  state_ = State::Start;
  ++progress_.messages_done;
  progress_.body_ended = false;
  shared_.sink.on_message_done(id_, side_, end, lengths_);
  on_message_done(end);
  lengths_ = {};
}

void Reader::release_decoder() noexcept {
  decoding_ = false;
  if (decoder_) shared_.pool->give_back(std::move(decoder_));
}

}  // namespace weir::http
