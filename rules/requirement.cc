#include "rules/requirement.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "rules/ascii.h"

namespace weir::rules {

namespace {

ByteSet set_of(std::string_view bytes) {
  ByteSet s;
  for (const char c : bytes)
    s[static_cast<std::uint8_t>(c)] = true;
  return s;
}

// Sets of bytes that are rare in ordinary values. With them absent, patterns that allow for evasions have to spell out what
// they look for. (The second: what stands between commands of a shell, or in their names. A comma or `@` says nothing of them.)
std::vector<ByteSet> rare_sets() {
  const ByteSet plain = word_bytes() | set_of(" .,-:/");
  return {
      set_of("'\"`\\$[]{}"),
      set_of("'\"`\\$[]{}()<>|&;=\n\r"),
      ~(plain | set_of("();=+&%?@")),
      ~plain,
      ~plain | set_of(":/"),
  };
}

// Both cases of letters, if either.
ClassMask folded(ClassMask mask) {
  constexpr ClassMask kLetters = classes::kUpper | classes::kLower;
  return (mask & kLetters) != 0 ? mask | kLetters : mask;
}

// A piece of one byte is a matter of classes.
Requirement::Text text_of(const ByteSet& absent, std::vector<Piece> pieces) {
  Requirement::Text text;
  text.unless = folded(classes_of(absent));
  for (Piece& p : pieces) {
    if (p.text.size() == 1) {
      text.unless |= folded(class_of(p.text.front()));
    } else {
      text.pieces.push_back(std::move(p));
    }
  }
  return text;
}

// One of few masks that holds all of `mask`: each one that some text has is looked at for each new mask of a value.
std::optional<ClassMask> wider_mask(ClassMask mask) {
  static const std::vector<ClassMask> few = [] {
    constexpr ClassMask kNoLetters = classes::kDigits | class_of('_');  // of what words consist of
    std::vector<ClassMask> out{0, kNoLetters};
    for (const ByteSet& set : rare_sets()) {
      const ClassMask rare = classes_of(set);
      out.insert(out.end(), {rare, rare | kNoLetters});
    }
    return out;
  }();
  const auto found = std::find_if(few.begin(), few.end(), [&](ClassMask m) { return (mask & ~m) == 0; });
  return found == few.end() ? std::nullopt : std::optional(*found);
}

class Reader {
 public:
  Requirement pattern(const Operator& op);
  Requirement own(const Operator& op, Requirement requirement);

 private:
  void take(const ByteSet& absent, Factors factors);
  void add_bytes(ClassMask mask);
  void regex(const Regex& regex);

  Requirement out_;
  double cost_ = 1;  // of the best text so far, ...
  bool short_ = false;  // ... of whose pieces some are short
};

// Letters are in almost every value: nothing is gained by asking for them.
void Reader::add_bytes(ClassMask mask) {
  mask = folded(mask);
  if ((mask & classes::kLower) != 0 || mask == classes::kAll) return;
  if (std::find(out_.bytes.begin(), out_.bytes.end(), mask) == out_.bytes.end()) {
    out_.bytes.push_back(mask);
  }
}

void Reader::take(const ByteSet& absent, Factors factors) {
  const ClassMask present = classes_of(absent);
  if (!factors.possible) {
    add_bytes(present);
    return;
  }
  for (const ByteSet& set : factors.bytes)
    add_bytes(present | classes_of(set));
  // A text that is not much rarer than one that always holds only costs, unless it saves looking for short pieces.
  constexpr double kBetter = 4;
  if (factors.pieces.empty() || factors.cost > cost_) return;
  Requirement::Text text = text_of(absent, std::move(factors.pieces));
  if (factors.cost * kBetter > cost_ && (!short_ || text.has_short())) return;
  if ((text.unless & (classes::kLower | classes::kUpper)) != 0) return;
  if (text.pieces.empty()) {
    add_bytes(text.unless);
    return;
  }
  cost_ = factors.cost;
  short_ = text.has_short();
  out_.texts.push_back(std::move(text));
  if (factors.second.empty() && factors.second_bytes.none()) return;
  Requirement::Text second = text_of(absent | factors.second_bytes, std::move(factors.second));
  const auto wider = wider_mask(second.unless);
  if (!wider) return;
  if (second.pieces.empty()) {
    add_bytes(second.unless);
    return;
  }
  second.unless = *wider;
  out_.texts.push_back(std::move(second));
}

void Reader::regex(const Regex& regex) {
  const auto tree =
      RegexTree::parse(regex.pattern(), regex.options().caseless, regex.options().multiline);
  if (!tree) return;
  Factors all = factors_of(*tree, {});
  out_.least = all.least;
  take({}, std::move(all));
  constexpr double kRareEnough = 2e-4;
  for (const ByteSet& absent : rare_sets()) {
    if (cost_ < kRareEnough && !short_) break;
    if (!absence_matters(*tree, absent)) continue;
    Factors factors = factors_of(*tree, absent);
    const bool possible = factors.possible;
    take(absent, std::move(factors));
    if (!possible) break;
  }
}

Requirement Reader::pattern(const Operator& op) {
  if (op.regex() != nullptr) {
    regex(*op.regex());
    if (op.regex()->options().not_empty) out_.least = std::max<std::size_t>(out_.least, 1);
  } else if (op.phrases() != nullptr) {
    Factors factors = factors_of_phrases(*op.phrases());
    out_.least = factors.least;
    if (!factors.pieces.empty()) {
      Requirement::Text text = text_of({}, std::move(factors.pieces));
      if (text.pieces.empty()) {
        add_bytes(text.unless);
      } else {
        out_.texts.push_back(std::move(text));
      }
    }
  }
  return std::move(out_);
}

Requirement Reader::own(const Operator& op, Requirement requirement) {
  out_ = std::move(requirement);
  for (const ByteSet& set : op.necessary_bytes())
    add_bytes(classes_of(set));
  out_.sqli = op.finds_sqli();
  if (const auto piece = op.necessary_text(); piece && !piece->text.empty()) {
    out_.least = std::max(out_.least, piece->text.size());
    if (piece->text.size() == 1) {
      add_bytes(class_of(piece->text.front()));
    } else {
      out_.texts.push_back({0, {*piece}});
    }
  }
  return std::move(out_);
}

bool is_word(char c) {
  return word_bytes()[static_cast<std::uint8_t>(c)];
}

bool occurs(const Piece& piece, std::string_view text) {
  for (std::size_t at = text.find(piece.text); at != std::string_view::npos;
       at = text.find(piece.text, at + 1)) {
    const std::size_t end = at + piece.text.size();
    const auto edge = [](Piece::Edge e, bool at_end, char beside) {
      return e == Piece::Edge::Open || at_end || (e == Piece::Edge::Boundary && !is_word(beside));
    };
    if (edge(piece.left, at == 0, at == 0 ? ' ' : text[at - 1]) &&
        edge(piece.right, end == text.size(), end == text.size() ? ' ' : text[end])) {
      return true;
    }
  }
  return false;
}

}  // namespace

Requirement pattern_requirement(const Operator& op) { return Reader().pattern(op); }

Requirement completed(const Operator& op, Requirement requirement) {
  return Reader().own(op, std::move(requirement));
}

Requirement requirement_of(const Operator& op) { return completed(op, pattern_requirement(op)); }

bool holds(const Requirement& requirement, std::string_view value) {
  const ClassMask mask = classes_of(value);
  const std::string text = lower(value);
  if (value.size() < requirement.least) return false;
  for (const ClassMask bytes : requirement.bytes) {
    if ((bytes & mask) == 0) return false;
  }
  return std::all_of(requirement.texts.begin(), requirement.texts.end(), [&](const auto& t) {
    return (t.unless & mask) != 0 || std::any_of(t.pieces.begin(), t.pieces.end(),
                                                 [&](const Piece& p) { return occurs(p, text); });
  });
}

}  // namespace weir::rules
