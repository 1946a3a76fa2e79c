#include <algorithm>

#include "engine/http/message.h"
#include "engine/http/reader.h"
#include "engine/http/syntax.h"

namespace weir::http {
namespace {

constexpr std::size_t kEnough = 20;  // octets of a line that are looked at for its first word

// Where the first word of a line begins and ends, as the most lenient of servers part words.
struct FirstWord {
  std::size_t begin = 0;
  std::size_t end = 0;
};

FirstWord first_word(std::string_view line) {
  FirstWord out;
  line = line.substr(0, kEnough);
  while (out.begin < line.size() && is_unicode_space(line[out.begin]))
    ++out.begin;
  out.end = out.begin;
  while (out.end < line.size() && is_token_char(line[out.end]))
    ++out.end;
  return out;
}

}  // namespace

void RequestReader::begin_message() {
  const bool behind_connect = shared_.queue.connect_waits();
  const bool behind_upgrade = shared_.queue.upgrade_waits();
  begun_ = true;
  reported_.clear();
  id_ = shared_.next_id++;
  shared_.answer_begins = shared_.responses_lost;
  shared_.queue.push(id_);
  ViolationSet wrong;
  if (blank_lines_ > 0) {
    wrong.insert(blank_lines_ > shared_.options.max_leading_crlf ? Violation::LeadingCrlfExcess
                                                                 : Violation::LeadingCrlf);
  }
  if (closing_) wrong.insert(Violation::RequestAfterClose);
  // A proxy that has opened its tunnel relays every octet at once: what is refused later has been let in but for
  // its end, and a reset may get there as the clean end that some servers take for it.
  if (behind_connect) wrong.insert(Violation::ConnectEarlyData);
  if (behind_upgrade) wrong.insert(Violation::UpgradeEarlyData);
  if (shared_.queue.size() > shared_.options.max_pipeline &&
      (shared_.options.both_sides || shared_.responses_seen)) {
    wrong.insert(Violation::PipelineTooDeep);
  }
  closing_ = false;
  report_all(wrong);
}

Reader::Sniff RequestReader::sniff(std::string_view prefix, bool resync) const {
  if (resync) {
    const std::size_t space = prefix.find(' ');
    if (space != std::string_view::npos) {
      return is_known_method(prefix.substr(0, space)) ? Sniff::Plausible : Sniff::Foreign;
    }
    // The longest known method is far shorter than what sniff() is given at most.
    return is_token(prefix) && prefix.size() < 12 ? Sniff::Undecided : Sniff::Foreign;
  }
  const auto octet = [prefix](std::size_t i) { return static_cast<unsigned char>(prefix[i]); };
  // A TLS record (RFC 8446 5.1) or an SSLv2-style ClientHello: decided by up to three octets.
  if (octet(0) == 0x16 && prefix.size() < 2) return Sniff::Undecided;
  if (octet(0) >= 0x80 && prefix.size() < 3 && prefix.back() != '\n') return Sniff::Undecided;
  const std::size_t begin = first_word(prefix).begin;
  for (std::size_t i = begin; i < std::min(prefix.size(), kEnough); ++i) {
    const char c = prefix[i];
    if (is_any_space(c) || c == '\n') {  // the whole line will tell
      return begin == 0 ? Sniff::Plausible : Sniff::Foreign;
    }
    if (octet(i) < 0x20 || octet(i) >= 0x7f) return Sniff::Foreign;
  }
  if (prefix.size() < kEnough) return Sniff::Undecided;
  return begin == 0 ? Sniff::Plausible : Sniff::Foreign;
}

std::string_view RequestReader::start_line_in(std::string_view line) const {
  return request_line_at_end(line);
}

bool RequestReader::is_start_line(std::string_view line) const {
  const ParsedRequestLine parsed = parse_request_line(line);
  return parsed.kind == RequestLineKind::Http && parsed.form != TargetForm::Invalid &&
         !parsed.violations.contains(Violation::VersionInvalid);
}

// Another protocol may pass unread; what comes between requests is read as one of them by somebody.
Violation RequestReader::no_request_line() const noexcept {
  return shared_.http_seen ? Violation::RequestLineInvalid : Violation::NotHttp;
}

void RequestReader::on_foreign(std::string_view prefix) {
  const auto octet = [prefix](std::size_t i) { return static_cast<unsigned char>(prefix[i]); };
  const bool tls = (octet(0) == 0x16 && octet(1) == 0x03) ||
                   (octet(0) >= 0x80 && prefix.size() > 2 && octet(2) == 0x01);
  if (!tls) {
    const FirstWord word = first_word(prefix);
    const bool method = is_known_method(prefix.substr(word.begin, word.end - word.begin));
    lose_line();  // first: whoever is told may ask whether a header section is still to come
    report(method ? Violation::RequestLineWhitespace : no_request_line());
    return;
  }
  become_opaque();
  report(Violation::TlsHello);
}

// What is no HTTP/1 from the start is none in the other direction either. Later, the server may
// still owe answers to requests.
void RequestReader::become_opaque() noexcept {
  if (!shared_.http_seen) shared_.opaque = true;
  if (!refused()) state_ = State::Opaque;
}

void RequestReader::on_start_line(const Line& line) {
  const ParsedRequestLine parsed =
      line.truncated ? parse_cut_request_line(line.text, line.tail) : parse_request_line(line.text);
  if (parsed.kind == RequestLineKind::NotHttp) {
    drop();
    report(no_request_line());
    return;
  }
  if (parsed.kind == RequestLineKind::Http2Preface) {
    become_opaque();
    report(Violation::Http2Preface);
    return;
  }
  shared_.http_seen = true;
  if (!line.crlf) report(Violation::BareLf);
  report_all(parsed.violations);
  if (refused()) return;

  http10_ = parsed.http10;
  facts_.reset();
  if (!parsed.authority.empty()) facts_.expect_authority(parsed.authority);
  unsigned traits = kSeen;
  if (parsed.line.method == "HEAD") traits |= kHead;
  if (parsed.line.method == "CONNECT") traits |= kConnect;
  if (parsed.kind == RequestLineKind::Http09) traits |= kHttp09;
  connect_or_trace_ = parsed.line.method == "CONNECT" || parsed.line.method == "TRACE";
  shared_.queue.mark(id_, static_cast<std::uint8_t>(traits));

  open_ = true;
  shared_.sink.on_request_line(id_, parsed.line);
  if (parsed.kind == RequestLineKind::Http09) {
    ++progress_.headers_done;
    shared_.sink.on_headers_done(id_, side_);
    begin_body(Framing::None, false);
    return;
  }
  begin_section();
}

void RequestReader::on_section_end() {
  ViolationSet wrong;
  const Framing framing = facts_.request_framing(http10_, !http10_, wrong);
  if (connect_or_trace_ && framing != Framing::None) wrong.insert(Violation::ConnectWithBody);
  if (facts_.upgrade()) shared_.queue.mark(id_, kUpgrade);
  if (facts_.upgrade_h2c()) wrong.insert(Violation::UpgradeToHttp2);
  report_all(wrong);
  if (refused()) return;
  ++progress_.headers_done;
  shared_.sink.on_headers_done(id_, side_);
  begin_body(framing, shared_.options.decode_request);
}

void RequestReader::on_message_done(MessageEnd end) {
  closing_ = end == MessageEnd::Complete && facts_.close();
  if (shared_.tunnel) state_ = State::Tunnel;
}

}  // namespace weir::http
