#include "rules/render.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace weir::rules {

namespace {

constexpr std::size_t kWidth = 110;  // bytes of a line shown
constexpr std::size_t kBefore = 50;  // of them in front of the caret, if the line is cut

struct Style {
  std::string_view word;
  std::string_view colour;
};

Style style_of(Severity severity) {
  switch (severity) {
    case Severity::Error:
      return {"error", "\x1b[1;31m"};
    case Severity::Warning:
      return {"warning", "\x1b[1;35m"};
    case Severity::Note:
      return {"note", "\x1b[1;36m"};
  }
  return {"error", ""};
}

// Length of the UTF-8 character at `at`, 0 if it is none (well-formedness of the lead and its
// followers).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xc0U) != 0x80U) return 0;
  }
  // C1 control characters (U+0080 to U+009F) steer terminals too.
  if (lead == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0) return 0;
  return length;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out.push_back(byte == '\t' ? ' ' : byte < 0x20 || byte == 0x7f ? '?' : text[i]);
      continue;
    }
    const std::size_t length = utf8_length(text, i);
    if (length == 0) {
      out.push_back('?');
    } else {
      out.append(text.substr(i, length));
      i += length - 1;
    }
  }
  return out;
}

bool continues(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
}

// Characters, as far as a terminal's columns go.
std::size_t columns(std::string_view printable_text) {
  return static_cast<std::size_t>(
      std::count_if(printable_text.begin(), printable_text.end(),
                    [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

void append_excerpt(const Diagnostic& d, bool colour, std::string& out) {
  const std::string_view line = d.excerpt;
  const std::size_t caret = std::min<std::size_t>(d.column == 0 ? 0 : d.column - 1, line.size());
  std::size_t begin = line.size() > kWidth && caret > kBefore ? caret - kBefore : 0;
  std::size_t end = std::min(line.size(), begin + kWidth);
  while (begin > 0 && continues(line, begin))
    --begin;
  while (end < line.size() && continues(line, end))
    ++end;
  const std::string front = (begin > 0 ? "..." : "") + printable(line.substr(begin, caret - begin));
  const std::string number = std::to_string(d.line);
  const std::size_t margin = std::max<std::size_t>(5, number.size() + 1);
  out.append(margin - number.size(), ' ').append(number).append(" | ");
  out.append(front).append(printable(line.substr(caret, end - caret)));
  out.append(end < line.size() ? "...\n" : "\n");
  if (d.column == 0) return;
  out.append(margin, ' ').append(" | ").append(columns(front), ' ');
  if (colour) out.append("\x1b[1;32m");
  out.push_back('^');
  if (colour) out.append("\x1b[0m");
  out.push_back('\n');
}

std::string count(std::size_t n, std::string_view what) {
  return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

}  // namespace

std::string render(const Diagnostic& d, bool colour) {
  const Style style = style_of(d.severity);
  std::string out;
  if (colour) out += "\x1b[1m";
  if (!d.file.empty()) {
    out += printable(d.file);
    if (d.line != 0) out += ":" + std::to_string(d.line);
    if (d.line != 0 && d.column != 0) out += ":" + std::to_string(d.column);
    out += ": ";
  }
  if (colour) out += "\x1b[0m" + std::string(style.colour);
  out += std::string(style.word) + ": ";
  if (colour) out += "\x1b[0m\x1b[1m";
  out += printable(d.message);
  if (colour) out += "\x1b[0m";
  if (!d.code.empty()) out += " [" + d.code + "]";
  out.push_back('\n');
  if (d.line != 0 && !d.excerpt.empty()) append_excerpt(d, colour, out);
  return out;
}

std::string summary(const Diagnostics& diagnostics) {
  std::size_t errors = 0;
  std::size_t warnings = 0;
  for (const Diagnostic& d : diagnostics) {
    errors += d.severity == Severity::Error ? 1 : 0;
    warnings += d.severity == Severity::Warning ? 1 : 0;
  }
  const std::size_t notes = diagnostics.size() - errors - warnings;
  std::string out;
  if (errors > 0) out = count(errors, "error");
  if (warnings > 0) out += (out.empty() ? "" : ", ") + count(warnings, "warning");
  if (out.empty() && notes > 0) out = count(notes, "note");
  return out;
}

}  // namespace weir::rules
