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

}  // namespace

SanitisedRecord::SanitisedRecord(const AuditRecord& original) : record_(original) {
  const AuditSanitise& s = original.sanitise;
  if (s.arguments.empty() && s.request_headers.empty() && s.response_headers.empty()) return;
  collect(original);
  std::size_t in_query = 0;
  record_.uri = hide_in_uri(original.uri, &in_query);
  record_.request_body = hide_in_body(original.request_body, in_query);
  record_.response_body = hide_in_text(original.response_body);
  hide_in_headers(original.request_headers, s.request_headers, request_headers_);
  hide_in_headers(original.response_headers, s.response_headers, response_headers_);
  record_.request_headers = request_headers_;
  record_.response_headers = response_headers_;
  for (const AuditField& a : original.arguments) {
    arguments_.push_back(
        {hide_in_text(a.name), is_hidden_argument(a.name) ? hide_all(a.value) : hide_in_text(a.value)});
  }
  record_.arguments = arguments_;
  for (AuditFile f : original.files) {
    f.name = hide_in_text(f.name);
    f.filename = is_hidden_argument(f.name) ? hide_all(f.filename) : hide_in_text(f.filename);
    files_.push_back(f);
  }
  record_.files = files_;
  hide_in_messages();
}

void SanitisedRecord::collect(const AuditRecord& original) {
  for (const std::string_view name : original.sanitise.arguments) names_.push_back(lower(name));
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
  // A value inside another one must not break the search for that one.
  std::stable_sort(secrets_.begin(), secrets_.end(),
                   [](std::string_view a, std::string_view b) { return a.size() > b.size(); });
  if (secrets_.size() > kMaxSecrets) {
    too_many_ = true;
    secrets_.clear();
  }
}

void SanitisedRecord::add_secret(std::string_view value) {
  if (!value.empty()) secrets_.push_back(value);
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
  return std::binary_search(names_.begin(), names_.end(), lower(name));
}

bool SanitisedRecord::is_hidden_target(std::string_view target) const {
  const auto hidden = sanitise_target(target);
  if (!hidden) return false;
  switch (hidden->list) {
    case SanitiseTarget::List::Arguments: return is_hidden_argument(hidden->name);
    case SanitiseTarget::List::RequestHeaders:
      return is_listed(hidden->name, record_.sanitise.request_headers);
    case SanitiseTarget::List::ResponseHeaders:
      return is_listed(hidden->name, record_.sanitise.response_headers);
  }
  return false;
}

std::string_view SanitisedRecord::hide_in_text(std::string_view text) {
  if (too_many_) return hide_all(text);
  // Places are looked up in the original, so that values that overlap are all hidden.
  std::string out;
  for (const std::string_view secret : secrets_) {
    for (std::size_t at = locate(text, secret, 0); at != std::string_view::npos;
         at = locate(text, secret, at + secret.size())) {
      if (out.empty()) out = text;
      out.replace(at, secret.size(), secret.size(), '*');
    }
  }
  return out.empty() ? text : keep(std::move(out));
}

// Masks the values of hidden arguments in urlencoded text from `from` on. Returns how many there were.
std::size_t SanitisedRecord::mask_pairs(std::string& text, std::size_t from) const {
  base::Arena arena;
  std::size_t count = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find('&', from), text.size());
    const std::string_view pair = std::string_view(text).substr(from, end - from);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && equals + 1 < pair.size()) {
      std::uint32_t invalid = 0;
      const std::string_view name =
          body::decode_urlencoded(pair.substr(0, equals), arena, invalid);
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
  if (text.empty() || (secrets_.empty() && !too_many_)) return text;
  if (too_many_) return hide_all(text);
  std::string out(text);
  if (mask_pairs(out, 0) != 0) return hide_in_text(keep(std::move(out)));
  // Some other form (JSON, XML, multipart): each hidden argument must be found there as it is, or have
  // come with the query; else it is escaped, and nobody knows where.
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
    if (is_hidden_target(m.target)) {
      // What matched may be a transformed form of the value, which no search finds.
      m.data = hide_all(m.data);
      m.match = hide_all(m.match);
      m.message = hide_in_text(m.message);
    } else {
      m.data = hide_in_text(m.data);
      m.match = hide_in_text(m.match);
      m.message = hide_in_text(m.message);
    }
    messages_.push_back(m);
  }
  record_.messages = messages_;
}

}  // namespace weir::rules
