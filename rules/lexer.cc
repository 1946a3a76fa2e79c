#include "rules/lexer.h"

#include <algorithm>

namespace weir::rules::syntax {

void LogicalLine::append(std::string_view bytes, Position at) {
  pieces_.push_back({text_.size(), at});
  text_.append(bytes);
}

void LogicalLine::clear() {
  text_.clear();
  pieces_.clear();
}

void LogicalLine::trim() {
  while (!text_.empty() && is_space(text_.back()))
    text_.pop_back();
  std::size_t lead = 0;
  while (lead < text_.size() && is_space(text_[lead]))
    ++lead;
  if (lead == 0) return;
  text_.erase(0, lead);
  std::vector<Piece> kept;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const std::size_t end = i + 1 < pieces_.size() ? pieces_[i + 1].offset : text_.size() + lead;
    if (end < lead || (end == lead && i + 1 < pieces_.size())) continue;
    Piece piece = pieces_[i];
    if (piece.offset < lead) {
      piece.at.column += static_cast<std::uint32_t>(lead - piece.offset);
      piece.offset = lead;
    }
    piece.offset -= lead;
    kept.push_back(piece);
  }
  pieces_ = std::move(kept);
}

Position LogicalLine::position(std::size_t offset) const {
  if (pieces_.empty()) return {};
  auto after = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                [](std::size_t o, const Piece& piece) { return o < piece.offset; });
  const Piece& piece = after == pieces_.begin() ? *after : *std::prev(after);
  Position at = piece.at;
  at.column += static_cast<std::uint32_t>(offset - std::min(offset, piece.offset));
  return at;
}

Position LogicalLine::end() const {
  return pieces_.empty() ? Position{} : pieces_.back().at;
}

Lexer::Lexer(std::string_view text, std::uint32_t file, LexerLimits limits)
    : text_(text), file_(file), limits_(limits) {
  if (text_.substr(0, 3) == "\xEF\xBB\xBF") offset_ = 3;
}

// One physical line after another for as long as they end with a backslash. False at the end.
bool Lexer::read_joined(LogicalLine& out) {
  out.clear();
  too_long_ = has_nul_ = dangling_ = false;
  if (offset_ >= text_.size()) return false;
  std::size_t total = 0;
  bool comment = false;
  bool first = true;
  while (offset_ < text_.size()) {
    const std::size_t start = offset_;
    const std::size_t newline = text_.find('\n', start);
    const bool last = newline == std::string_view::npos;
    std::string_view line = text_.substr(start, (last ? text_.size() : newline) - start);
    offset_ = last ? text_.size() : newline + 1;
    ++line_;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);

    std::size_t lead = 0;
    while (lead < line.size() && is_space(line[lead]))
      ++lead;
    if (first) {
      comment = lead < line.size() && line[lead] == '#';
    } else if (comment && line.size() >= lead + 4 && line.substr(lead, 3) == "Sec" &&
               line[lead + 3] >= 'A' && line[lead + 3] <= 'Z') {
      swallowed_.push_back({file_, line_, static_cast<std::uint32_t>(lead + 1)});
    }
    first = false;

    const bool continued = !line.empty() && line.back() == '\\';
    if (continued) line.remove_suffix(1);
    if (!comment) {
      has_nul_ = has_nul_ || line.find('\0') != std::string_view::npos;
      if (total + line.size() > limits_.line_bytes) {
        too_long_ = true;
        if (total == 0) out.append({}, {file_, line_, 1});  // so that the line has a place
      } else {
        out.append(line, {file_, line_, 1});
        total += line.size();
      }
    }
    if (!continued) return true;
  }
  dangling_ = !comment;
  return true;
}

bool Lexer::next(LogicalLine& out) {
  while (read_joined(out)) {
    out.trim();
    if (!out.text().empty() || too_long_) return true;
  }
  return false;
}

std::size_t Word::line_offset(std::size_t offset) const {
  auto after =
      std::upper_bound(jumps.begin(), jumps.end(), offset,
                       [](std::size_t o, const Jump& jump) { return o < jump.word_offset; });
  if (after == jumps.begin()) return begin + (quote != 0 ? 1 : 0) + offset;
  const Jump& jump = *std::prev(after);
  return jump.line_offset + (offset - jump.word_offset);
}

std::optional<Word> next_word(std::string_view line, std::size_t& offset, Semantics semantics) {
  std::size_t at = offset;
  while (at < line.size() && is_space(line[at]))
    ++at;
  if (at >= line.size()) {
    offset = at;
    return std::nullopt;
  }
  // ModSecurity 3 has no Apache in front: only the quote itself can be escaped.
  const bool halve = semantics == Semantics::ModSecurity2;
  Word word;
  word.begin = at;
  if (line[at] == '"' || line[at] == '\'') word.quote = line[at++];
  bool closed = word.quote == 0;
  while (at < line.size()) {
    const char c = line[at];
    if (c == '\\' && at + 1 < line.size() &&
        ((halve && line[at + 1] == '\\') || (word.quote != 0 && line[at + 1] == word.quote))) {
      word.text.push_back(line[at + 1]);
      at += 2;
      word.jumps.push_back({word.text.size(), at});
      continue;
    }
    if (word.quote != 0 ? c == word.quote : is_space(c)) {
      closed = true;
      break;
    }
    word.text.push_back(c);
    ++at;
  }
  word.unterminated = !closed;
  if (word.quote != 0 && closed) ++at;
  word.end = at;
  while (at < line.size() && is_space(line[at]))
    ++at;
  offset = at;
  return word;
}

}  // namespace weir::rules::syntax
