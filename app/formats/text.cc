#include "app/formats/text.h"

#include <array>
#include <cstdio>

#include "app/formats/colors.h"
#include "engine/base/utf8.h"

namespace weir::app {
namespace {

constexpr std::size_t kRequestWidth = 56;
constexpr std::size_t kPeerWidth = 21;  // 255.255.255.255:65535
constexpr std::size_t kMessageLimit = 72;
constexpr std::size_t kListedRules = 12;

// Characters as a terminal counts them, near enough: code points.
std::size_t width(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xc0U) != 0x80 ? 1U : 0U;
  return n;
}

void append_padded(std::string& out, std::string_view text, std::size_t to) {
  out += text;
  for (std::size_t n = width(text); n < to; ++n) out.push_back(' ');
}

void append_right(std::string& out, std::string_view text, std::size_t to) {
  for (std::size_t n = width(text); n < to; ++n) out.push_back(' ');
  out += text;
}

void append_peer(std::string& out, const IpAddress& address, std::uint16_t port) {
  if (address.version == 6) {
    out += '[' + address.to_string() + ']';
  } else {
    out += address.to_string();
  }
  out += ':' + std::to_string(port);
}

// C1 controls and the separators and bidirectional marks that reorder or break a line of a terminal.
bool printable(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;
  if (c >= 0x200b && c <= 0x200f) return false;
  if (c >= 0x2028 && c <= 0x202e) return false;
  if (c >= 0x2066 && c <= 0x2069) return false;
  return c != 0x61c && c != 0xfeff && c != 0xad;
}

// Never what is to be reported, but what it brought about: the rules that only add up or carry out the
// decision say nothing about the attack.
bool explains(const RuleHit& rule) {
  for (const std::string_view tag : rule.tags) {
    if (tag == "anomaly-evaluation" || tag == "OWASP_CRS/ANOMALY-EVALUATION") return false;
  }
  return true;
}

Color decision_color(const WafPart& waf) {
  switch (waf.decision) {
    case DecisionKind::Continue:
    case DecisionKind::Allow: return Color::Yellow;
    case DecisionKind::Deny:
    case DecisionKind::Drop:
    case DecisionKind::Redirect: return Color::Red;
  }
  return Color::Plain;
}

}  // namespace

void append_printable(std::string& out, std::string_view text, std::size_t limit) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::size_t from = out.size();
  std::size_t cut = from;  // where the text ends if the ellipsis has to go in
  std::size_t shown = 0;
  for (std::size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::decode_utf8(text, at);
    const bool plain = c.length != 0 && printable(c.code_point);
    const std::size_t step = plain ? c.length : 1;
    const std::size_t cells = plain ? 1 : 4;
    if (shown + cells > limit) {
      out.resize(cut);
      out += "…";
      return;
    }
    if (plain) {
      out.append(text, at, step);
    } else {
      const auto byte = static_cast<unsigned char>(text[at]);
      out += "\\x";
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
    shown += cells;
    at += step;
    if (shown < limit) cut = out.size();
  }
}

std::string TextFormat::heading() const {
  std::string out;
  append_padded(out, "time (UTC)", 23);
  out += "  ";
  append_padded(out, "decision", 12);
  out += " ";
  append_right(out, "in", 4);
  append_right(out, "out", 5);
  out += "  ";
  append_padded(out, "client", kPeerWidth);
  out += "  ";
  append_padded(out, "request", kRequestWidth);
  out += "  rules\n";
  return painted(out, Color::Dim, colored_);
}

void TextFormat::append(const Event& event, const EventSource& source, std::string& out) {
  (void)source;
  switch (event.type) {
    case EventType::Http:
      if (event.waf.rules.empty() && decision_name(event.waf.decision) == "pass") return;
      append_http(event, out);
      break;
    case EventType::Drop:
      append_drop(event, out);
      break;
    case EventType::Anomaly:
    case EventType::Flow:
    case EventType::Stats: break;  // for programs
  }
}

void TextFormat::append_http(const Event& event, std::string& out) {
  const WafPart& waf = event.waf;
  cell_.clear();
  append_timestamp(cell_, event.origin.time);
  cell_.resize(23);  // to milliseconds
  cell_[10] = ' ';
  out += cell_;
  out += "  ";

  cell_ = decision_name(waf.decision);
  if (waf.status != 0) cell_ += ' ' + std::to_string(waf.status);
  std::string decision;
  append_padded(decision, cell_, 12);
  out += painted(decision, decision_color(waf), colored_);
  out += " ";
  append_right(out, std::to_string(waf.inbound_score), 4);
  append_right(out, std::to_string(waf.outbound_score), 5);
  out += "  ";

  cell_.clear();
  if (event.client.source.empty()) {
    append_peer(cell_, event.origin.client, event.origin.client_port);
  } else if (event.client.port != 0) {
    append_peer(cell_, event.client.address, event.client.port);
  } else {
    cell_ += event.client.address.to_string();
  }
  append_padded(out, cell_, kPeerWidth);
  out += "  ";

  std::string request(event.http.method.value_or("-"));
  request += ' ';
  const std::string_view url = event.http.url.value_or("-");
  if (event.http.hostname && !url.empty() && url.front() == '/') request += *event.http.hostname;
  request += url;
  cell_.clear();
  append_printable(cell_, request, kRequestWidth);
  append_padded(out, cell_, kRequestWidth);
  out += "  ";

  const RuleHit* main = nullptr;
  for (const RuleHit& rule : waf.rules) {
    if (main == nullptr || (explains(rule) && !explains(*main))) main = &rule;
  }
  std::size_t listed = 0;
  for (const RuleHit& rule : waf.rules) {
    if (++listed > kListedRules) {
      out += " +" + std::to_string(waf.rules.size() - kListedRules);
      break;
    }
    if (listed > 1) out.push_back(' ');
    out += painted(std::to_string(rule.id), &rule == main ? Color::Bold : Color::Plain, colored_);
  }
  if (main != nullptr && !main->message.empty()) {
    out += "  ";
    append_printable(out, main->message, kMessageLimit);
  }
  if (waf.truncated) out += painted("  (truncated)", Color::Yellow, colored_);
  out.push_back('\n');
}

void TextFormat::append_drop(const Event& event, std::string& out) {
  cell_.clear();
  append_timestamp(cell_, event.origin.time);
  cell_.resize(23);
  cell_[10] = ' ';
  out += cell_;
  out += "  ";
  std::string what;
  append_padded(what, "dropped", 12);
  out += painted(what, Color::Red, colored_);
  out += "            ";
  cell_.clear();
  append_peer(cell_, event.origin.client, event.origin.client_port);
  append_padded(out, cell_, kPeerWidth);
  out += "  packet " + std::to_string(event.origin.packet_number) + ": ";
  out += name(event.drop_reason);
  if (!event.drop_detail.empty()) {
    out += ", ";
    out += event.drop_detail;
  }
  if (event.drop_rule != 0) out += " " + std::to_string(event.drop_rule);
  out.push_back('\n');
}

}  // namespace weir::app
