#include "rules/regex_tree.h"

#include <algorithm>
#include <string>
#include <utility>

#include "rules/ascii.h"

namespace weir::rules {

ByteSet byte_range(unsigned from, unsigned to) {
  ByteSet s;
  for (unsigned b = from; b <= to && b < 256; ++b)
    s[b] = true;
  return s;
}

const ByteSet& word_bytes() {
  static const ByteSet set =
      byte_range('a', 'z') | byte_range('A', 'Z') | byte_range('0', '9') | byte_range('_', '_');
  return set;
}

void fold_case(ByteSet& set) {
  for (unsigned b = 'a'; b <= 'z'; ++b) {
    const bool either = set[b] || set[b - 32];
    set[b] = set[b - 32] = either;
  }
}

namespace {

ByteSet space_set() {
  return byte_range(9, 13) | byte_range(' ', ' ');
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// [:name:]; false for names that are not known.
bool named_class(std::string_view name, ByteSet& set) {
  const auto letters = byte_range('a', 'z') | byte_range('A', 'Z');
  const auto digits = byte_range('0', '9');
  if (name == "alpha")
    set |= letters;
  else if (name == "digit")
    set |= digits;
  else if (name == "alnum")
    set |= letters | digits;
  else if (name == "space")
    set |= space_set();
  else if (name == "upper")
    set |= byte_range('A', 'Z');
  else if (name == "lower")
    set |= byte_range('a', 'z');
  else if (name == "word")
    set |= word_bytes();
  else if (name == "xdigit")
    set |= digits | byte_range('a', 'f') | byte_range('A', 'F');
  else if (name == "cntrl")
    set |= byte_range(0, 31) | byte_range(127, 127);
  else if (name == "print")
    set |= byte_range(32, 126);
  else if (name == "graph")
    set |= byte_range(33, 126);
  else if (name == "blank")
    set |= byte_range(9, 9) | byte_range(' ', ' ');
  else if (name == "punct")
    set |= byte_range(33, 126) & ~(letters | digits);
  else
    return false;
  return true;
}

}  // namespace

// Reads a pattern by recursive descent (patterns are the operator's, and the depth is bounded).
// Whatever it does not know makes it give up.
class RegexReader {
 public:
  RegexReader(std::string_view pattern, bool caseless, bool multiline)
      : p_(pattern), caseless_(caseless), multiline_(multiline) {
    tree_.exact_ = !multiline;
  }

  std::optional<RegexTree> run() {
    tree_.root_ = choice(0);
    if (failed_ || at_ != p_.size()) return std::nullopt;
    return std::move(tree_);
  }

 private:
  using Kind = RegexNode::Kind;
  using Index = std::uint32_t;

  [[nodiscard]] bool more() const { return at_ < p_.size() && !failed_; }
  [[nodiscard]] bool looking_at(std::string_view s) const { return p_.substr(at_, s.size()) == s; }
  Index give_up() {
    failed_ = true;
    return leaf(Kind::Anything);
  }

  // Could the node match nothing at all?
  [[nodiscard]] bool may_be_empty(const RegexNode& n) const {
    const auto empty = [this](Index part) { return empty_[part]; };
    switch (n.kind) {
      case Kind::Set: return false;
      case Kind::Sequence: return std::all_of(n.parts.begin(), n.parts.end(), empty);
      case Kind::Choice: return std::any_of(n.parts.begin(), n.parts.end(), empty);
      case Kind::Repeat: return n.least == 0 || empty(n.parts.front());
      default: return true;
    }
  }
  Index add(RegexNode node) {
    empty_.push_back(may_be_empty(node));
    tree_.nodes_.push_back(std::move(node));
    return static_cast<Index>(tree_.nodes_.size() - 1);
  }
  Index leaf(Kind kind) {
    RegexNode n;
    n.kind = kind;
    return add(std::move(n));
  }
  Index one_of(ByteSet set) {
    if (caseless_) fold_case(set);
    RegexNode n;
    n.kind = Kind::Set;
    n.set = set;
    return add(std::move(n));
  }
  Index several(Kind kind, std::vector<Index> parts) {
    if (parts.size() == 1) return parts.front();
    RegexNode n;
    n.kind = parts.empty() ? Kind::Empty : kind;
    n.parts = std::move(parts);
    return add(std::move(n));
  }

  Index choice(int depth);
  Index sequence(int depth);
  Index atom(int depth);
  Index group(int depth);
  bool group_start(bool& zero_width, bool& done);
  bool flags();
  Index escape();
  Index char_class();
  bool class_member(ByteSet& all, int& from);
  bool class_range(ByteSet& all, int from);
  bool class_escape(ByteSet& set, int& single);
  int hex_escape();
  int octal_escape();
  Index quantified(Index body);
  bool counts(std::uint32_t& least, std::uint32_t& most);

  std::string_view p_;
  bool caseless_;
  bool multiline_;
  std::size_t at_ = 0;
  bool failed_ = false;
  std::vector<bool> empty_;  // by node
  RegexTree tree_;
};

std::uint32_t RegexReader::choice(int depth) {
  if (depth > RegexTree::kMostDepth) return give_up();
  std::vector<Index> options;
  options.push_back(sequence(depth));
  while (more() && p_[at_] == '|') {
    ++at_;
    options.push_back(sequence(depth));
  }
  return several(Kind::Choice, std::move(options));
}

std::uint32_t RegexReader::sequence(int depth) {
  std::vector<Index> parts;
  while (more() && p_[at_] != '|' && p_[at_] != ')')
    parts.push_back(quantified(atom(depth)));
  return several(Kind::Sequence, std::move(parts));
}

// {n}, {n,} or {n,m} at the brace; false if the brace stands for itself.
bool RegexReader::counts(std::uint32_t& least, std::uint32_t& most) {
  std::size_t i = at_ + 1;
  const auto number = [&](std::uint32_t& n) {
    const std::size_t from = i;
    n = 0;
    for (; i < p_.size() && p_[i] >= '0' && p_[i] <= '9' && n < 100000; ++i) {
      n = n * 10 + static_cast<std::uint32_t>(p_[i] - '0');
    }
    return i > from;
  };
  if (!number(least)) return false;
  most = least;
  if (i < p_.size() && p_[i] == ',') {
    ++i;
    if (!number(most)) most = RegexNode::kUnbounded;
  }
  if (i >= p_.size() || p_[i] != '}') return false;
  at_ = i + 1;
  return true;
}

std::uint32_t RegexReader::quantified(Index body) {
  while (more()) {
    RegexNode n;
    n.kind = Kind::Repeat;
    n.most = RegexNode::kUnbounded;
    const char c = p_[at_];
    if (c == '{') {
      if (!counts(n.least, n.most)) break;
    } else if (c == '*' || c == '+' || c == '?') {
      n.least = c == '+' ? 1 : 0;
      if (c == '?') n.most = 1;
      ++at_;
    } else {
      break;
    }
    n.lazy = more() && p_[at_] == '?';
    const bool possessive = more() && p_[at_] == '+';
    if (n.lazy || possessive) ++at_;
    // Libraries differ in when they stop repeating what may be empty.
    if (possessive || (n.most > 1 && empty_[body])) tree_.exact_ = false;
    n.parts = {body};
    body = add(std::move(n));
  }
  return body;
}

std::uint32_t RegexReader::atom(int depth) {
  const char c = p_[at_];
  switch (c) {
    case '(':
      return group(depth);
    case '[':
      return char_class();
    case '\\':
      return escape();
    case '.': {
      ++at_;
      ByteSet all;
      return one_of(all.set());
    }
    case '^':
      ++at_;
      return leaf(multiline_ ? Kind::Empty : Kind::Begin);
    case '$':
      ++at_;
      return leaf(multiline_ ? Kind::Empty : Kind::End);
    case '*':
    case '+':
    case '?':
      return give_up();
    default: {
      ++at_;
      const auto b = static_cast<std::uint8_t>(c);
      return one_of(byte_range(b, b));
    }
  }
}

// (?i), (?s-i:…): what stands between "(?" and ")" or ":". False: not only flags that are
// understood.
bool RegexReader::flags() {
  bool on = true;
  while (more()) {
    switch (p_[at_]) {
      case '-':
        on = false;
        break;
      case 'i':
        caseless_ = on;
        break;
      case 'm':
        multiline_ = true;  // from here on no anchor is relied upon
        [[fallthrough]];
      case 's':
      case 'U':
      case 'J':
        tree_.exact_ = false;
        break;
      default:
        return true;
    }
    ++at_;
  }
  return false;
}

// Behind the parenthesis. `done`: the group is over, or was only flags. False: not understood.
bool RegexReader::group_start(bool& zero_width, bool& done) {
  if (looking_at("*")) return false;
  const bool flags_or_none = looking_at("?") && !looking_at("?>") && !looking_at("?=") && !looking_at("?!") &&
                             !looking_at("?<") && !looking_at("?P");
  if (!flags_or_none) tree_.exact_ = false;  // captures, or looks around
  if (looking_at("?#")) {
    at_ = std::min(p_.find(')', at_), p_.size() - 1) + 1;
    done = true;
  } else if (looking_at("?:") || looking_at("?>")) {
    at_ += 2;
  } else if (looking_at("?=") || looking_at("?!")) {
    at_ += 2;
    zero_width = true;
  } else if (looking_at("?<=") || looking_at("?<!")) {
    at_ += 3;
    zero_width = true;
  } else if (looking_at("?P<") || looking_at("?<")) {
    at_ = p_.find('>', at_);
    if (at_ == std::string_view::npos) return false;
    ++at_;
  } else if (looking_at("?")) {
    ++at_;
    if (!flags() || !more()) return false;
    if (p_[at_] == ')') {  // holds until the end of the group around it
      ++at_;
      done = true;
      return true;
    }
    if (p_[at_] != ':') return false;
    ++at_;
  }
  return true;
}

std::uint32_t RegexReader::group(int depth) {
  ++at_;
  const bool saved = caseless_;
  bool zero_width = false;
  bool done = false;
  if (!group_start(zero_width, done)) return give_up();
  if (done) return leaf(Kind::Empty);
  const Index inside = choice(depth + 1);
  if (failed_ || at_ >= p_.size() || p_[at_] != ')') return give_up();
  ++at_;
  caseless_ = saved;
  return zero_width ? leaf(Kind::Empty) : inside;
}

// After "\x": two digits or {…}.
int RegexReader::hex_escape() {
  int n = 0;
  if (at_ < p_.size() && p_[at_] == '{') {
    for (++at_; at_ < p_.size() && p_[at_] != '}'; ++at_) {
      const int d = hex_digit(p_[at_]);
      if (d < 0 || n > 255) return -1;
      n = n * 16 + d;
    }
    ++at_;
    return n > 255 || at_ > p_.size() ? -1 : n;
  }
  for (int i = 0; i < 2 && at_ < p_.size() && hex_digit(p_[at_]) >= 0; ++i) {
    n = n * 16 + hex_digit(p_[at_++]);
  }
  return n;
}

// After "\0": up to two octal digits more.
int RegexReader::octal_escape() {
  int n = 0;
  for (int i = 0; i < 2 && at_ < p_.size() && p_[at_] >= '0' && p_[at_] <= '7'; ++i) {
    n = n * 8 + (p_[at_++] - '0');
  }
  return n;
}

// One escape that stands for a byte or a class; at_ is behind the backslash. False: something else.
bool RegexReader::class_escape(ByteSet& set, int& single) {
  single = -1;
  const char c = p_[at_++];
  switch (c) {
    case 'd':
      set = byte_range('0', '9');
      return true;
    case 'D':
      set = ~byte_range('0', '9');
      return true;
    case 'w':
      set = word_bytes();
      return true;
    case 'W':
      set = ~word_bytes();
      return true;
    case 's':
      set = space_set();
      return true;
    case 'S':
      set = ~space_set();
      return true;
    case 'h':
      set = byte_range(9, 9) | byte_range(' ', ' ') | byte_range(0xa0, 0xa0);
      return true;
    case 'v':
      set = byte_range(10, 13) | byte_range(0x85, 0x85);
      return true;
    case 'n':
      single = '\n';
      break;
    case 'r':
      single = '\r';
      break;
    case 't':
      single = '\t';
      break;
    case 'f':
      single = '\f';
      break;
    case 'a':
      single = 7;
      break;
    case 'e':
      single = 27;
      break;
    case 'x':
      single = hex_escape();
      break;
    case '0':
      single = octal_escape();
      break;
    default:
      if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return false;
      single = static_cast<std::uint8_t>(c);
  }
  if (single < 0) return false;
  set = byte_range(static_cast<unsigned>(single), static_cast<unsigned>(single));
  return true;
}

std::uint32_t RegexReader::escape() {
  ++at_;
  if (at_ >= p_.size()) return give_up();
  const char c = p_[at_];
  switch (c) {
    case 'b':
      ++at_;
      return leaf(Kind::WordBoundary);
    case 'A':
      ++at_;
      return leaf(Kind::Begin);
    case 'z':
      ++at_;
      return leaf(Kind::End);
    case 'B':
    case 'Z':
      ++at_;
      tree_.exact_ = false;
      return leaf(Kind::Empty);
    default:
      break;
  }
  if (c >= '1' && c <= '9') {  // a back-reference, or an octal number
    tree_.exact_ = false;
    while (more() && p_[at_] >= '0' && p_[at_] <= '9')
      ++at_;
    return leaf(Kind::Anything);
  }
  ByteSet set;
  int single = -1;
  if (!class_escape(set, single)) return give_up();
  return one_of(set);
}

// a-b, at the hyphen.
bool RegexReader::class_range(ByteSet& all, int from) {
  ++at_;
  int to = static_cast<std::uint8_t>(p_[at_]);
  if (p_[at_] == '\\') {
    ++at_;
    if (at_ >= p_.size()) return false;
    ByteSet set;
    if (p_[at_] == 'b') {
      ++at_;
      to = 8;
    } else if (!class_escape(set, to) || to < 0) {
      return false;
    }
  } else if (looking_at("[:") || looking_at("[.") || looking_at("[=")) {
    return false;
  } else {
    ++at_;
  }
  if (to < from) return false;
  all |= byte_range(static_cast<unsigned>(from), static_cast<unsigned>(to));
  return true;
}

// One member; `from` is the byte that a range may begin with, or -1.
bool RegexReader::class_member(ByteSet& all, int& from) {
  const char c = p_[at_];
  if (looking_at("[:")) {
    const std::size_t end = p_.find(":]", at_ + 2);
    if (end == std::string_view::npos || !named_class(p_.substr(at_ + 2, end - at_ - 2), all)) {
      return false;
    }
    at_ = end + 2;
    from = -1;
    return true;
  }
  if (c != '\\') {
    ++at_;
    from = static_cast<std::uint8_t>(c);
    all[static_cast<std::size_t>(from)] = true;
    return true;
  }
  ++at_;
  if (at_ >= p_.size()) return false;
  ByteSet set;
  if (p_[at_] == 'b') {
    ++at_;
    set = byte_range(8, 8);
    from = 8;
  } else if (!class_escape(set, from)) {
    return false;
  }
  all |= set;
  return true;
}

std::uint32_t RegexReader::char_class() {
  ++at_;
  const bool negated = looking_at("^");
  if (negated) ++at_;
  ByteSet all;
  int from = -1;
  for (bool first = true;; first = false) {
    if (at_ >= p_.size()) return give_up();
    const char c = p_[at_];
    if (c == ']' && !first) break;
    if (c == '-' && from >= 0 && at_ + 1 < p_.size() && p_[at_ + 1] != ']') {
      if (!class_range(all, from)) return give_up();
      from = -1;
    } else if (!class_member(all, from)) {
      return give_up();
    }
  }
  ++at_;
  if (caseless_) fold_case(all);
  RegexNode n;
  n.kind = Kind::Set;
  n.set = negated ? ~all : all;
  return add(std::move(n));
}

std::optional<PlainText> RegexTree::plain_text() const {
  using Kind = RegexNode::Kind;
  PlainText out;
  const RegexNode& all = nodes_[root_];
  if (all.kind != Kind::Sequence) return std::nullopt;
  // What may be left out at the end says nothing: `name_.*` is found wherever `name_` is. (At the beginning it may
  // say something: `.*+name` is found nowhere.)
  std::size_t parts = all.parts.size();
  while (parts > 0 && nodes_[all.parts[parts - 1]].kind == Kind::Repeat && nodes_[all.parts[parts - 1]].least == 0) --parts;
  for (std::size_t i = 0; i < parts; ++i) {
    const RegexNode& n = nodes_[all.parts[i]];
    if (n.kind == Kind::Begin && i == 0) {
      out.at_begin = true;
    } else if (n.kind == Kind::End && i + 1 == parts) {
      out.at_end = true;
    } else if (n.kind == Kind::Set && n.set.any()) {
      std::size_t b = 255;  // the last one: of a letter, the small one
      while (!n.set[b])
        --b;
      const bool letter = b >= 'a' && b <= 'z';
      if (n.set.count() != (letter ? 2U : 1U) || (letter && !n.set[b - 32])) return std::nullopt;
      if (b >= 'A' && b <= 'Z') return std::nullopt;  // case matters
      out.text += static_cast<char>(b);
    } else {
      return std::nullopt;
    }
  }
  if (out.text.empty()) return std::nullopt;
  return out;
}

bool PlainText::matches(std::string_view value) const {
  if (value.size() < text.size()) return false;
  const std::size_t last = value.size() - text.size();
  if (at_begin) return (!at_end || last == 0) && fold_equal(value.substr(0, text.size()), text);
  if (at_end) return fold_equal(value.substr(last), text);
  if (text.empty()) return true;
  const char first = fold(text.front());
  for (std::size_t i = 0; i <= last; ++i) {
    if (fold(value[i]) == first && fold_equal(value.substr(i, text.size()), text)) return true;
  }
  return false;
}

std::optional<RegexTree> RegexTree::parse(std::string_view pattern, bool caseless, bool multiline) {
  return RegexReader(pattern, caseless, multiline).run();
}

}  // namespace weir::rules
