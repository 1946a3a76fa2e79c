#include "rules/audit_sanitise.h"

#include <algorithm>
#include <cstring>

#include "engine/base/arena.h"
#include "rules/body/message.h"
#include "rules/body/urlencoded.h"

namespace weir::rules {
namespace {

using body::ascii_lower;
using body::equal_ignoring_case;

std::string lower(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), ascii_lower);
  return out;
}

bool is_listed(std::string_view name, std::span<const std::string_view> list) {
  return std::any_of(list.begin(), list.end(),
                     [name](std::string_view n) { return equal_ignoring_case(n, name); });
}

// memmem(): linear, whatever the value looks like.
std::size_t locate(std::string_view text, std::string_view what, std::size_t from) {
  if (from >= text.size()) return std::string_view::npos;
  const void* const at = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

constexpr std::size_t kPiece = 4;

// Four bytes from `at` on, in lower case, as a number.
std::uint32_t piece_at(std::string_view text, std::size_t at) {
  std::uint32_t piece = 0;
  for (std::size_t i = 0; i < kPiece; ++i) {
    piece = piece << 8U | static_cast<unsigned char>(ascii_lower(text[at + i]));
  }
  return piece;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string url_escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

}  // namespace

SanitisedRecord::SanitisedRecord(const AuditRecord& original) : record_(original) {
  const AuditSanitise& s = original.sanitise;
  hides_ = !s.arguments.empty() || !s.request_headers.empty() || !s.response_headers.empty() ||
           s.uri || s.request_body || s.response_body;
  if (!hides_) return;
  collect(original);
  std::size_t in_query = 0;
  record_.uri = s.uri ? hide_all(original.uri) : hide_in_uri(original.uri, &in_query);
  record_.request_body = s.request_body ? hide_all(original.request_body)
                                        : hide_in_body(original.request_body, in_query);
  record_.response_body =
      s.response_body ? hide_all(original.response_body) : hide_in_text(original.response_body);
  record_.method = hide_in_text(original.method);
  record_.http_version = hide_in_text(original.http_version);
  hide_in_headers(original.request_headers, s.request_headers, request_headers_);
  hide_in_headers(original.response_headers, s.response_headers, response_headers_);
  record_.request_headers = request_headers_;
  record_.response_headers = response_headers_;
  hide_arguments_and_files(original);
  hide_in_messages();
}

void SanitisedRecord::hide_arguments_and_files(const AuditRecord& original) {
  // With the URI or the body all arguments are hidden: nobody knows here which came with what.
  const bool all = original.sanitise.uri || original.sanitise.request_body;
  for (const AuditField& a : original.arguments) {
    const bool hide = all || is_hidden_argument(a.name);
    arguments_.push_back({hide_in_text(a.name), hide ? hide_all(a.value) : hide_in_text(a.value)});
  }
  record_.arguments = arguments_;
  for (AuditFile f : original.files) {
    const bool hide = all || is_hidden_argument(f.name);
    f.filename = hide ? hide_all(f.filename) : hide_in_text(f.filename);
    f.name = hide_in_text(f.name);
    f.content_type = hide_in_text(f.content_type);
    files_.push_back(f);
  }
  record_.files = files_;
}

void SanitisedRecord::collect(const AuditRecord& original) {
  for (const std::string_view name : original.sanitise.arguments)
    names_.push_back(lower(name));
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  for (const AuditField& a : original.arguments) {
    if (is_hidden_argument(a.name)) add_secret(a.value);
  }
  for (const AuditField& h : original.request_headers) {
    if (is_listed(h.name, original.sanitise.request_headers)) add_secret(h.value);
  }
  for (const AuditField& h : original.response_headers) {
    if (is_listed(h.name, original.sanitise.response_headers)) add_secret(h.value);
  }
  std::sort(secrets_.begin(), secrets_.end());
  secrets_.erase(std::unique(secrets_.begin(), secrets_.end()), secrets_.end());
  std::size_t bytes = 0;
  for (const std::string& secret : secrets_)
    bytes += secret.size();
  if (secrets_.size() > kMaxSecrets || bytes > kMaxSecretBytes) {
    too_many_ = true;
    secrets_.clear();
  }
  make_needles();
}

void SanitisedRecord::make_needles() {
  for (const std::string& secret : secrets_) {
    needles_.push_back(secret);
    needles_.push_back(html_escaped(secret));
    needles_.push_back(url_escaped(secret));
    for (std::size_t i = 0; i + kPiece <= secret.size(); ++i)
      pieces_.push_back(piece_at(secret, i));
  }
  std::sort(needles_.begin(), needles_.end());
  needles_.erase(std::unique(needles_.begin(), needles_.end()), needles_.end());
  // A value inside another one must not break the search for that one.
  std::stable_sort(needles_.begin(), needles_.end(),
                   [](std::string_view a, std::string_view b) { return a.size() > b.size(); });
  std::sort(pieces_.begin(), pieces_.end());
  pieces_.erase(std::unique(pieces_.begin(), pieces_.end()), pieces_.end());
}

void SanitisedRecord::add_secret(std::string_view value) {
  // One too many tells all there is to know.
  if (!value.empty() && secrets_.size() <= 16 * kMaxSecrets) secrets_.emplace_back(value);
}

std::string_view SanitisedRecord::keep(std::string text) {
  texts_.push_back(std::move(text));
  return texts_.back();
}

std::string_view SanitisedRecord::hide_all(std::string_view text) {
  return keep(std::string(text.size(), '*'));
}

bool SanitisedRecord::is_hidden_argument(std::string_view name) const {
  if (names_.empty()) return false;
  const std::string folded = lower(name);
  constexpr std::string_view kJson = "json.";
  // The names of JSON values have a prefix here that ModSecurity 2 does not give them.
  return std::binary_search(names_.begin(), names_.end(), folded) ||
         (std::string_view(folded).substr(0, kJson.size()) == kJson &&
          std::binary_search(names_.begin(), names_.end(), folded.substr(kJson.size())));
}

// A message about this variable may show what is to be hidden, in a form that no search finds.
bool SanitisedRecord::is_hidden_target(std::string_view target) const {
  const auto hidden = sanitise_target(target);
  if (!hidden) return false;
  const AuditSanitise& s = record_.sanitise;
  switch (hidden->list) {
    case SanitiseTarget::List::Arguments:
      return is_hidden_argument(hidden->name) || s.request_body || s.uri;
    case SanitiseTarget::List::RequestHeaders:
      return is_listed(hidden->name, s.request_headers) ||
             (!s.arguments.empty() && equal_ignoring_case(hidden->name, "Referer"));
    case SanitiseTarget::List::ResponseHeaders:
      return is_listed(hidden->name, s.response_headers);
    case SanitiseTarget::List::Uri:
    case SanitiseTarget::List::RequestBody:
      return s.uri || s.request_body || !s.arguments.empty();
    case SanitiseTarget::List::ResponseBody:
      return s.response_body;
  }
  return false;
}

std::string_view SanitisedRecord::hide_in_text(std::string_view text) {
  if (too_many_) return hide_all(text);
  // Places are looked up in the original, so that values that overlap are all hidden.
  std::string out;
  for (const std::string& needle : needles_) {
    for (std::size_t at = locate(text, needle, 0); at != std::string_view::npos;
         at = locate(text, needle, at + needle.size())) {
      if (out.empty()) out = text;
      out.replace(at, needle.size(), needle.size(), '*');
    }
  }
  return out.empty() ? text : keep(std::move(out));
}

// hide_in_text(), and every piece of a secret, in any case.
std::string_view SanitisedRecord::hide_pieces(std::string_view text) {
  const std::string_view hidden = hide_in_text(text);
  if (too_many_ || pieces_.empty() || text.size() < kPiece) return hidden;
  std::string out(hidden);
  bool any = false;
  std::size_t masked_to = 0;
  for (std::size_t i = 0; i + kPiece <= text.size(); ++i) {
    if (!std::binary_search(pieces_.begin(), pieces_.end(), piece_at(text, i))) continue;
    any = true;
    for (masked_to = std::max(masked_to, i); masked_to < i + kPiece; ++masked_to)
      out[masked_to] = '*';
  }
  return any ? keep(std::move(out)) : hidden;
}

// Masks the values of hidden arguments in urlencoded text from `from` on. Returns how many there
// were.
std::size_t SanitisedRecord::mask_pairs(std::string& text, std::size_t from) const {
  base::Arena arena;
  std::size_t count = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find(record_.argument_separator, from), text.size());
    const std::string_view pair = std::string_view(text).substr(from, end - from);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && equals + 1 < pair.size()) {
      std::uint32_t invalid = 0;
      const std::string_view name = body::decode_urlencoded(pair.substr(0, equals), arena, invalid);
      if (is_hidden_argument(name)) {
        ++count;
        const std::size_t value = from + equals + 1;
        text.replace(value, end - value, end - value, '*');
      }
    }
    from = end + 1;
  }
  return count;
}

std::string_view SanitisedRecord::hide_in_uri(std::string_view uri, std::size_t* pairs) {
  const std::size_t question = uri.find('?');
  if (question == std::string_view::npos) return hide_in_text(uri);
  std::string out(uri);
  const std::size_t count = mask_pairs(out, question + 1);
  if (pairs != nullptr) *pairs = count;
  return hide_in_text(count == 0 ? uri : keep(std::move(out)));
}

std::string_view SanitisedRecord::hide_in_body(std::string_view text, std::size_t in_query) {
  if (text.empty()) return text;
  const auto hidden_file = [this](const AuditFile& f) { return is_hidden_argument(f.name); };
  if (too_many_ || std::any_of(record_.files.begin(), record_.files.end(), hidden_file)) {
    return hide_all(text);
  }
  if (secrets_.empty()) return text;
  std::string out(text);
  if (mask_pairs(out, 0) != 0) return hide_in_text(keep(std::move(out)));
  // Some other form (JSON, XML, multipart): each hidden argument must be found there as it is, or
  // have come with the query; else it is escaped, and nobody knows where.
  std::size_t missing = 0;
  for (const AuditField& a : record_.arguments) {
    if (a.value.empty() || !is_hidden_argument(a.name)) continue;
    if (locate(text, a.value, 0) == std::string_view::npos) ++missing;
  }
  return missing > in_query ? hide_all(text) : hide_in_text(text);
}

void SanitisedRecord::hide_in_headers(std::span<const AuditField> headers,
                                      std::span<const std::string_view> names,
                                      std::vector<AuditField>& out) {
  for (const AuditField& h : headers) {
    AuditField field = h;
    field.name = hide_in_text(h.name);
    if (is_listed(h.name, names)) {
      field.value = hide_all(h.value);
    } else {
      field.value = hide_in_uri(h.value);  // Referer, Location: with a query of their own
    }
    out.push_back(field);
  }
}

void SanitisedRecord::hide_in_messages() {
  for (AuditMessage m : record_.messages) {
    const bool hidden = is_hidden_target(m.target);
    m.target = hide_in_text(m.target);
    m.data = hidden ? hide_all(m.data) : hide_pieces(m.data);
    m.value = hidden ? hide_all(m.value) : hide_pieces(m.value);
    if (!m.fixed_message) m.message = hidden ? hide_all(m.message) : hide_pieces(m.message);
    if (!m.fixed_tags) {
      auto& tags = tags_.emplace_back();
      for (const std::string_view tag : m.tags) {
        tags.push_back(hidden ? hide_all(tag) : hide_pieces(tag));
      }
      m.tags = tags;
    }
    messages_.push_back(m);
  }
  record_.messages = messages_;
}

}  // namespace weir::rules
