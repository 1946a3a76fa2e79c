#include "engine/http/message.h"

#include <algorithm>
#include <array>

#include "engine/http/syntax.h"

namespace weir::http {
namespace {

constexpr std::array<std::string_view, 20> kKnownMethods{
    "GET",   "HEAD",   "POST",     "PUT",       "DELETE", "CONNECT", "OPTIONS",
    "TRACE", "PATCH",  "PROPFIND", "PROPPATCH", "MKCOL",  "COPY",    "MOVE",
    "LOCK",  "UNLOCK", "SEARCH",   "REPORT",    "PURGE",  "QUERY"};

// Splits off the first word and the run of white space after it.
struct Split {
  std::string_view word;
  std::string_view gap;
  std::string_view rest;
};

Split split_first(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && !is_any_space(text[end]))
    ++end;
  std::size_t next = end;
  while (next < text.size() && is_any_space(text[next]))
    ++next;
  return {text.substr(0, end), text.substr(end, next - end), text.substr(next)};
}

Split split_last(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0 && !is_any_space(text[begin - 1]))
    --begin;
  std::size_t gap = begin;
  while (gap > 0 && is_any_space(text[gap - 1]))
    --gap;
  return {text.substr(begin), text.substr(gap, begin - gap), text.substr(0, gap)};
}

void check_gap(std::string_view gap, ViolationSet& out) {
  if (gap == " ") return;
  out.insert(gap.find('\r') != std::string_view::npos ? Violation::BareCr
                                                      : Violation::RequestLineWhitespace);
}

std::string_view trim_line(std::string_view text, ViolationSet& out) {
  std::size_t from = 0;
  while (from < text.size() && is_any_space(text[from]))
    ++from;
  std::size_t to = text.size();
  while (to > from && is_any_space(text[to - 1]))
    --to;
  if (from > 0 || to < text.size()) {
    const bool cr = text.substr(0, from).find('\r') != std::string_view::npos ||
                    text.substr(to).find('\r') != std::string_view::npos;
    out.insert(cr ? Violation::BareCr : Violation::RequestLineWhitespace);
  }
  return text.substr(from, to - from);
}

// Returns whether it is HTTP/1.0 in effect.
bool check_version(std::string_view version, ViolationSet& out) {
  const bool well_formed = version.size() == 8 && version.substr(0, 5) == "HTTP/" &&
                           is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
  if (!well_formed) {
    out.insert(Violation::VersionInvalid);
    return false;
  }
  if (version[5] != '1' || version[7] > '1') out.insert(Violation::VersionUnsupported);
  return version[5] == '0' || (version[5] == '1' && version[7] == '0');
}

void check_target_octets(std::string_view target, ViolationSet& out) {
  for (const char c : target) {
    if (!is_odd_in_target(c)) continue;
    const auto u = static_cast<unsigned char>(c);
    if (c == '\r') {
      out.insert(Violation::BareCr);
    } else if (is_any_space(c)) {
      out.insert(Violation::RequestLineWhitespace);
    } else if (u < 0x20 || u == 0x7f) {
      out.insert(Violation::TargetControlChar);
    } else if (u > 0x7f) {
      out.insert(Violation::TargetNonAscii);
    } else if (c == '#') {
      out.insert(Violation::TargetFragment);
    } else {
      out.insert(Violation::TargetUnescapedChar);
    }
  }
}

// The authority of "scheme://authority…", or nothing.
bool split_absolute(std::string_view target, std::string_view& authority) {
  const std::size_t colon = target.find("://");
  if (colon == 0 || colon == std::string_view::npos) return false;
  for (const char c : target.substr(0, colon)) {
    const bool alpha = to_lower(c) >= 'a' && to_lower(c) <= 'z';
    if (!alpha && !is_digit(c) && c != '+' && c != '-' && c != '.') return false;
  }
  if (is_digit(target[0]) || target[0] == '+' || target[0] == '-' || target[0] == '.') return false;
  authority = target.substr(colon + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  return true;
}

// authority-form = uri-host ":" port
bool is_authority_form(std::string_view target) {
  const std::size_t colon = target.rfind(':');
  return colon != std::string_view::npos && colon > 0 && colon + 1 < target.size() &&
         is_valid_host(target);
}

void check_target(ParsedRequestLine& out) {
  const std::string_view target = out.line.target;
  check_target_octets(target, out.violations);
  const bool connect = out.line.method == "CONNECT";
  if (connect) {
    if (is_authority_form(target)) {
      out.form = TargetForm::Authority;
      out.authority = target;
    }
  } else if (!target.empty() && target.front() == '/') {
    out.form = TargetForm::Origin;
  } else if (target == "*") {
    if (out.line.method == "OPTIONS") out.form = TargetForm::Asterisk;
  } else if (split_absolute(target, out.authority)) {
    out.form = TargetForm::Absolute;
    // Userinfo and an empty host are read differently, or refused (RFC 9110 4.2.1, 4.2.4).
    if (out.authority.empty() || !is_valid_host(out.authority)) {
      out.violations.insert(Violation::TargetInvalid);
    }
  }
  if (out.form == TargetForm::Invalid) out.violations.insert(Violation::TargetInvalid);
}

bool starts_like_version(std::string_view word) {
  return starts_ignoring_case(word, "HTTP/");
}

}  // namespace

bool is_known_method(std::string_view method) noexcept {
  for (const std::string_view known : kKnownMethods) {
    if (method == known) return true;
  }
  return false;
}

ParsedRequestLine parse_request_line(std::string_view raw) noexcept {
  ParsedRequestLine out;
  const std::string_view text = trim_line(raw, out.violations);
  const Split first = split_first(text);
  if (first.rest.empty()) return out;  // no word, or one
  check_gap(first.gap, out.violations);
  out.line.method = first.word;

  const Split last = split_last(first.rest);
  const bool two_words = last.rest.empty();
  if (starts_like_version(last.word)) {
    out.kind = RequestLineKind::Http;
    out.line.version = last.word;
    out.line.target = last.rest;
    if (!two_words) check_gap(last.gap, out.violations);
  } else if (two_words) {
    // HTTP/0.9 knows GET only; anything else of two words is another protocol.
    if (first.word != "GET") return out;
    out.kind = RequestLineKind::Http09;
    out.line.target = last.word;
    out.http10 = true;
    out.violations.insert(Violation::Http09Request);
  } else if (is_known_method(first.word)) {
    out.kind = RequestLineKind::Http;
    out.line.version = last.word;
    out.line.target = last.rest;
    check_gap(last.gap, out.violations);
  } else {
    return out;
  }

  if (out.kind == RequestLineKind::Http) {
    if (text == "PRI * HTTP/2.0") {
      out.kind = RequestLineKind::Http2Preface;
      out.violations.insert(Violation::Http2Preface);
      return out;
    }
    out.http10 = check_version(out.line.version, out.violations);
  }
  if (!is_token(out.line.method)) out.violations.insert(Violation::MethodInvalid);
  check_target(out);
  return out;
}

std::string_view request_line_at_end(std::string_view line) noexcept {
  const Split version = split_last(line);
  if (!starts_like_version(version.word)) return {};
  const Split target = split_last(version.rest);
  const std::string_view before = target.rest;
  std::size_t longest = 0;
  for (const std::string_view known : kKnownMethods) {
    if (before.size() >= known.size() && before.substr(before.size() - known.size()) == known) {
      longest = std::max(longest, known.size());
    }
  }
  return longest == 0 ? std::string_view() : line.substr(before.size() - longest);
}

ParsedRequestLine parse_cut_request_line(std::string_view head, std::string_view tail) noexcept {
  ParsedRequestLine out;
  const Split first = split_first(trim_line(head, out.violations));
  if (first.rest.empty()) return out;
  out.kind = RequestLineKind::Http;
  out.line.method = first.word;
  out.line.target = first.rest;
  const std::string_view last = split_last(tail).word;
  if (starts_like_version(last)) {
    out.line.version = last;
    out.http10 = check_version(last, out.violations);
  }
  if (!is_token(out.line.method)) out.violations.insert(Violation::MethodInvalid);
  check_target(out);
  return out;
}

ParsedStatusLine parse_status_line(std::string_view raw) noexcept {
  ParsedStatusLine out;
  const std::size_t space = raw.find(' ');
  out.line.version = raw.substr(0, space);
  if (!starts_like_version(out.line.version) || space == std::string_view::npos) return out;
  out.http10 = check_version(out.line.version, out.violations);

  std::string_view rest = raw.substr(space + 1);
  if (!rest.empty() && is_blank(rest.front())) {
    out.violations.insert(Violation::StatusLineInvalid);
    rest = trim(rest);
  }
  if (rest.size() < 3 || !is_digit(rest[0]) || !is_digit(rest[1]) || !is_digit(rest[2])) return out;
  out.valid = true;
  out.line.status =
      static_cast<std::uint16_t>((rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0'));
  if (out.line.status < 100 || out.line.status > 599) {
    out.violations.insert(Violation::StatusLineInvalid);
  }
  rest.remove_prefix(3);
  // A missing SP before an empty reason phrase is common and harms nobody.
  if (!rest.empty() && rest.front() != ' ') out.violations.insert(Violation::StatusLineInvalid);
  if (!rest.empty()) rest.remove_prefix(1);
  out.line.reason = rest;
  for (const char c : rest) {
    if (!is_bad_in_value(c)) continue;
    out.violations.insert(c == '\r' ? Violation::BareCr : Violation::StatusLineInvalid);
  }
  return out;
}

ParsedField parse_field(std::string_view line) noexcept {
  ParsedField out;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    out.name = trim(line);
    out.violations.insert(Violation::HeaderNoColon);
    if (line.find('\r') != std::string_view::npos) out.violations.insert(Violation::BareCr);
    return out;
  }
  out.name = line.substr(0, colon);
  if (!out.name.empty() && is_blank(out.name.back())) {
    out.violations.insert(Violation::HeaderSpaceBeforeColon);
  }
  out.name = trim(out.name);
  if (out.name.empty()) {
    out.violations.insert(Violation::HeaderNameEmpty);
  } else if (!is_token(out.name)) {
    out.violations.insert(Violation::HeaderNameInvalid);
    if (out.name.find('\r') != std::string_view::npos) out.violations.insert(Violation::BareCr);
  }
  out.value = trim(line.substr(colon + 1));
  if (is_free_of_controls(out.value)) return out;
  for (const char c : out.value) {
    if (!is_bad_in_value(c)) continue;
    out.violations.insert(c == '\r' ? Violation::BareCr : Violation::HeaderControlChar);
  }
  return out;
}

ParsedField parse_clean_field(std::string_view line) noexcept {
  const std::size_t colon = plain_name_length(line);
  if (colon == 0) return parse_field(line);
  ParsedField out;
  out.name = line.substr(0, colon);
  out.value = trim(line.substr(colon + 1));
  return out;
}

bool is_valid_host(std::string_view host) noexcept {
  std::string_view port;
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (const char c : host.substr(1, close - 1)) {
      if (hex_value(c) < 0 && c != ':' && c != '.') return false;
    }
    port = host.substr(close + 1);
    if (!port.empty() && port.front() != ':') return false;
  } else {
    const std::size_t colon = host.find(':');
    const std::string_view name = host.substr(0, colon);
    // An http URI without a host is invalid (RFC 9110 4.2.1). Percent-encoding is legal in a
    // reg-name, but no DNS name needs it, and servers differ on whether they undo it.
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_host_char)) return false;
    if (colon != std::string_view::npos) port = host.substr(colon);
  }
  if (port.size() > 6) return false;
  for (std::size_t i = 1; i < port.size(); ++i) {
    if (!is_digit(port[i])) return false;
  }
  return true;
}

bool same_authority(std::string_view a, std::string_view b) noexcept {
  const auto without_default_port = [](std::string_view text) {
    for (const std::string_view port :
         {std::string_view(":80"), std::string_view(":443"), std::string_view(":")}) {
      if (text.size() > port.size() && text.substr(text.size() - port.size()) == port) {
        return text.substr(0, text.size() - port.size());
      }
    }
    return text;
  };
  return equals_ignoring_case(without_default_port(a), without_default_port(b));
}

}  // namespace weir::http
