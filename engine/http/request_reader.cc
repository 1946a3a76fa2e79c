#include <algorithm>

#include "engine/http/message.h"
#include "engine/http/reader.h"
#include "engine/http/syntax.h"

namespace weir::http {

void RequestReader::begin_message() {
  const bool early = shared_.queue.switch_waits();
  begun_ = true;
  reported_.clear();
  id_ = shared_.next_id++;
  shared_.queue.push(id_);
  ViolationSet wrong;
  if (blank_lines_ > 0) {
    wrong.insert(blank_lines_ > shared_.options.max_leading_crlf ? Violation::LeadingCrlfExcess
                                                                 : Violation::LeadingCrlf);
  }
  if (closing_) wrong.insert(Violation::RequestAfterClose);
  if (early) wrong.insert(Violation::UpgradeEarlyData);
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
  constexpr std::size_t kEnough = 20;
  for (std::size_t i = 0; i < std::min(prefix.size(), kEnough); ++i) {
    const char c = prefix[i];
    if (is_any_space(c) || c == '\n') return Sniff::Plausible;  // the whole line will tell
    if (octet(i) < 0x20 || octet(i) >= 0x7f) return Sniff::Foreign;
  }
  return prefix.size() >= kEnough ? Sniff::Plausible : Sniff::Undecided;
}

bool RequestReader::is_start_line(std::string_view line) const {
  const ParsedRequestLine parsed = parse_request_line(line);
  return parsed.kind == RequestLineKind::Http && parsed.form != TargetForm::Invalid &&
         !parsed.violations.contains(Violation::VersionInvalid);
}

void RequestReader::on_foreign(std::string_view prefix) {
  const auto octet = [prefix](std::size_t i) { return static_cast<unsigned char>(prefix[i]); };
  const bool tls = (octet(0) == 0x16 && octet(1) == 0x03) ||
                   (octet(0) >= 0x80 && prefix.size() > 2 && octet(2) == 0x01);
  if (!tls) {
    report(Violation::NotHttp);
    lose_line();
    return;
  }
  report(Violation::TlsHello);
  become_opaque();
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
    report(Violation::NotHttp);
    lose();
    return;
  }
  if (parsed.kind == RequestLineKind::Http2Preface) {
    report(Violation::Http2Preface);
    become_opaque();
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
