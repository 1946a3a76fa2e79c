#include "rules/diagnostic.h"

#include <algorithm>
#include <utility>

#include "rules/reporter.h"
#include "rules/syntax.h"

namespace weir::rules {

bool has_errors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::Error; });
}

namespace syntax {

namespace {

// Longer lines are not shown: a caret display of them helps nobody.
constexpr std::size_t kLongestExcerpt = 65536;

}  // namespace

std::string_view SourceText::line(std::uint32_t number) const {
  if (number == 0 || number > line_starts.size()) return {};
  const std::size_t begin = line_starts[number - 1];
  std::size_t end = number < line_starts.size() ? line_starts[number] : text.size();
  while (end > begin && (text[end - 1] == '\n' || text[end - 1] == '\r'))
    --end;
  return std::string_view(text).substr(begin, end - begin);
}

Diagnostic diagnose(const Unit& unit, Position at, Severity severity, std::string code,
                    std::string message) {
  Diagnostic d;
  d.severity = severity;
  d.line = at.line;
  d.column = at.column;
  d.code = std::move(code);
  d.message = std::move(message);
  if (at.file < unit.files.size()) d.file = unit.files[at.file];
  if (at.file < unit.texts.size()) {
    const std::string_view line = unit.texts[at.file].line(at.line);
    if (line.size() <= kLongestExcerpt) d.excerpt = line;
  }
  return d;
}

void complete(const Unit& unit, std::uint32_t file, std::size_t first, Diagnostics& diagnostics) {
  for (std::size_t i = first; i < diagnostics.size(); ++i) {
    Diagnostic& d = diagnostics[i];
    d = diagnose(unit, {file, d.line, d.column}, d.severity, std::move(d.code),
                 std::move(d.message));
  }
}

void Reporter::add(Severity severity, Position at, std::string code, std::string message) {
  if (severity == Severity::Error) ++errors_;
  if (count_++ >= kMost) return;
  if (unit_ != nullptr) {
    out_.push_back(diagnose(*unit_, at, severity, std::move(code), std::move(message)));
  } else {
    out_.push_back({severity, {}, at.line, at.column, std::move(code), std::move(message), {}});
  }
}

void Reporter::file_error(std::string file, std::string code, std::string message) {
  ++errors_;
  if (count_++ >= kMost) return;
  out_.push_back({Severity::Error, std::move(file), 0, 0, std::move(code), std::move(message), {}});
}

void Reporter::finish() {
  if (count_ <= kMost) return;
  out_.push_back({errors_ > 0 ? Severity::Error : Severity::Note,
                  {},
                  0,
                  0,
                  "too-many-messages",
                  std::to_string(count_ - kMost) + " further messages are not shown",
                  {}});
}

std::string quoted(std::string_view name) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::size_t kLongest = 80;
  std::string out = "'";
  for (const char c : name.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out += "\\x";
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
  }
  if (name.size() > kLongest) out += "...";
  out.push_back('\'');
  return out;
}

std::string did_you_mean(std::string_view suggestion) {
  return suggestion.empty() ? std::string() : " (did you mean '" + std::string(suggestion) + "'?)";
}

}  // namespace syntax

}  // namespace weir::rules
