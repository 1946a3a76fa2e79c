#include "rules/body/multipart_header.h"

#include "rules/body/message.h"

namespace weir::rules::body {
namespace {

constexpr std::string_view kType = "multipart/form-data";
constexpr std::string_view kWord = "boundary";
constexpr std::size_t kMaxContentType = 1024;

// How often the word "boundary" stands in `text` (any case) with a '=' somewhere behind it.
std::size_t count_boundary_words(std::string_view text) {
  const std::size_t last_equals = text.rfind('=');
  if (last_equals == std::string_view::npos) return 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i + kWord.size() <= last_equals; ++i) {
    if (equal_ignoring_case(text.substr(i, kWord.size()), kWord)) {
      ++count;
      i += kWord.size() - 1;
    }
  }
  return count;
}

// bchars of RFC 2046; a blank may not be the last one.
bool valid_boundary(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (alnum || (c == ' ' && i + 1 < text.size())) continue;
    if (c == '\0' || std::string_view("'()+_,-./:=?").find(c) == std::string_view::npos) return false;
  }
  return true;
}

// Token characters of RFC 2045.
bool is_token(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 32U && byte < 127U &&
         std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Between the media type and the parameter's name: blanks and at most one semicolon.
bool valid_gap(std::string_view gap, MultipartFlags& flags) {
  bool semicolon = false;
  for (const char c : gap) {
    if (is_space(c)) continue;
    if (c != ';' || semicolon) return false;
    semicolon = true;
  }
  if (!semicolon) flags.add(MultipartFlag::MissingSemicolon);
  return true;
}

// `raw`: everything behind the '='. Takes the quotes off; says what is wrong.
const char* check_value(std::string_view raw, Boundary& out) {
  if (!raw.empty() && is_space(raw.front())) out.flags.add(MultipartFlag::BoundaryWhitespace);
  const bool opens = !raw.empty() && raw.front() == '"';
  const bool closes = raw.size() >= 2 && raw.back() == '"';
  if (opens && closes) {
    raw = raw.substr(1, raw.size() - 2);
    out.flags.add(MultipartFlag::BoundaryQuoted);
  } else if (opens || closes) {
    return "Multipart: Invalid boundary in C-T (quote).";
  }
  if (count_boundary_words(raw) != 0) return "Multipart: Invalid boundary in C-T (content).";
  if (!valid_boundary(raw)) return "Multipart: Invalid boundary in C-T (characters).";
  if (raw.empty()) return "Multipart: Invalid boundary in C-T (empty).";
  out.text = raw;
  return nullptr;
}

}  // namespace

Boundary parse_boundary(std::string_view value) {
  Boundary out;
  const auto wrong = [&out](const char* message) {
    out.error = message;
    return out;
  };
  if (value.empty()) return wrong("Multipart: Content-Type header not available.");
  if (value.size() > kMaxContentType) return wrong("Multipart: Invalid boundary in C-T (length).");
  if (!equal_ignoring_case(value.substr(0, kType.size()), kType)) {
    return wrong("Multipart: Invalid MIME type.");
  }
  const std::size_t words = count_boundary_words(value);
  if (words > 1) return wrong("Multipart: Multiple boundary parameters in C-T.");
  const std::size_t at = value.find(kWord);
  if (at == std::string_view::npos) {
    // Other letter cases are legal but servers differ, so they are refused.
    return wrong(words > 0 ? "Multipart: Invalid boundary in C-T (case sensitivity)."
                           : "Multipart: Boundary not found in C-T.");
  }
  if (!valid_gap(value.substr(kType.size(), at - kType.size()), out.flags)) {
    return wrong("Multipart: Invalid boundary in C-T (malformed).");
  }
  const std::size_t equals = value.find('=', at + kWord.size());
  if (equals == std::string_view::npos) return wrong("Multipart: Invalid boundary in C-T (malformed).");
  for (std::size_t i = at + kWord.size(); i < equals; ++i) {
    if (!is_space(value[i])) return wrong("Multipart: Invalid boundary in C-T (parameter name).");
    out.flags.add(MultipartFlag::BoundaryWhitespace);
  }
  out.error = check_value(value.substr(equals + 1), out);
  return out;
}

namespace {

// Reads the value of one parameter that starts at s[i]; 0, or the code of what is wrong.
int take_value(std::string_view s, std::size_t& i, std::string& value, bool& double_quoted,
               bool& invalid_quoting) {
  value.clear();
  double_quoted = false;
  const char quote = s[i];
  if (quote != '"' && quote != '\'') {
    while (i < s.size() && is_token(s[i])) value += s[i++];
    return 0;
  }
  double_quoted = quote == '"';
  // Some servers take single quotes as quotes, most do not.
  if (!double_quoted) invalid_quoting = true;
  ++i;
  if (i == s.size()) return -7;
  while (i < s.size() && s[i] != quote) {
    if (s[i] == '\\') {
      if (i + 1 == s.size()) return -8;
      // Only the quote and the backslash are escapes; old browsers send paths with bare backslashes.
      if (s[i + 1] == quote || s[i + 1] == '\\') ++i;
    }
    value += s[i++];
  }
  if (i == s.size()) return -10;
  ++i;
  return 0;
}

void skip_blanks(std::string_view s, std::size_t& i) {
  while (i < s.size() && is_blank(s[i])) ++i;
}

// Stores one parameter; 0, or the code of what is wrong.
int store_parameter(std::string_view name, const std::string& value, bool double_quoted,
                    ContentDisposition& out) {
  const bool is_name = name == "name";
  if (!is_name && name != "filename") return -11;
  if (!double_quoted && value.find('\'') != std::string::npos) out.invalid_quoting = true;
  bool& seen = is_name ? out.has_name : out.has_filename;
  if (seen) return is_name ? -14 : -15;
  seen = true;
  (is_name ? out.name : out.filename) = value;
  return 0;
}

int take_parameters(std::string_view s, std::size_t i, ContentDisposition& out) {
  std::string value;
  while (i < s.size()) {
    skip_blanks(s, i);
    if (i == s.size()) return -3;
    const std::size_t start = i;
    while (i < s.size() && s[i] != '=' && !is_blank(s[i])) ++i;
    if (i == s.size()) return -4;
    const std::string_view name = s.substr(start, i - start);
    skip_blanks(s, i);
    if (i == s.size()) return -5;
    if (s[i] != '=') return -13;
    ++i;
    skip_blanks(s, i);
    if (i == s.size()) return -6;

    bool double_quoted = false;
    int code = take_value(s, i, value, double_quoted, out.invalid_quoting);
    if (code == 0) code = store_parameter(name, value, double_quoted, out);
    if (code != 0) return code;

    if (i == s.size()) break;
    skip_blanks(s, i);
    if (i == s.size()) break;
    if (s[i] != ';') {
      if (s[i - 1] == '\'' || s[i - 1] == '"') out.invalid_quoting = true;
      return -12;
    }
    ++i;
  }
  return 1;
}

}  // namespace

void parse_content_disposition(std::string_view s, ContentDisposition& out) {
  constexpr std::string_view kFormData = "form-data";
  out.clear();
  if (s.substr(0, kFormData.size()) != kFormData) {
    out.code = -1;
    return;
  }
  std::size_t i = kFormData.size();
  skip_blanks(s, i);
  if (i == s.size()) {
    out.code = 1;
  } else if (s[i] != ';') {
    out.code = -2;
  } else {
    out.code = take_parameters(s, i + 1, out);
  }
}

}  // namespace weir::rules::body
