#include "rules/linear_search.h"

#include <algorithm>
#include <utility>

#include <re2/re2.h>

namespace weir::rules {

namespace {

constexpr std::uint32_t kMostRepeats = 1000;  // RE2's own bound

void write_byte(std::size_t b, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\x";
  out += kHex[b >> 4];
  out += kHex[b & 15];
}

void write_set(const ByteSet& set, std::string& out) {
  if (set.none()) {
    out += "[^\\x00-\\xff]";
    return;
  }
  out += '[';
  // Most sets are a letter of both cases, and a large pattern has thousands.
  for (std::size_t from = set._Find_first(); from < set.size();) {
    std::size_t to = from;
    while (to + 1 < set.size() && set[to + 1])
      ++to;
    write_byte(from, out);
    if (to > from) {
      out += '-';
      write_byte(to, out);
    }
    from = set._Find_next(to);
  }
  out += ']';
}

void write(const RegexTree& tree, std::uint32_t index, std::string& out);

void write_parts(const RegexTree& tree, const RegexNode& node, std::string_view between, std::string& out) {
  out += "(?:";
  for (std::size_t i = 0; i < node.parts.size(); ++i) {
    if (i > 0) out += between;
    write(tree, node.parts[i], out);
  }
  out += ')';
}

void write_repeat(const RegexTree& tree, const RegexNode& node, std::string& out) {
  write_parts(tree, node, {}, out);
  const std::uint32_t least = std::min(node.least, kMostRepeats);
  if (least == 0 && node.most == RegexNode::kUnbounded) {
    out += '*';
  } else if (least == 1 && node.most == RegexNode::kUnbounded) {
    out += '+';
  } else if (least == 0 && node.most == 1) {
    out += '?';
  } else {
    out += '{' + std::to_string(least) + ',';
    if (node.most <= kMostRepeats) out += std::to_string(node.most);
    out += '}';
  }
  if (node.lazy) out += '?';
}

// As deep as the tree, which is bounded.
void write(const RegexTree& tree, std::uint32_t index, std::string& out) {
  const RegexNode& node = tree.node(index);
  switch (node.kind) {
    case RegexNode::Kind::Empty: out += "(?:)"; break;
    case RegexNode::Kind::Anything: out += "(?:[\\x00-\\xff]*)"; break;
    case RegexNode::Kind::Set: write_set(node.set, out); break;
    case RegexNode::Kind::Sequence: write_parts(tree, node, {}, out); break;
    case RegexNode::Kind::Choice: write_parts(tree, node, "|", out); break;
    case RegexNode::Kind::Repeat: write_repeat(tree, node, out); break;
    case RegexNode::Kind::Begin: out += "\\A"; break;
    case RegexNode::Kind::End: out += "\\z"; break;
    case RegexNode::Kind::WordBoundary: out += "\\b"; break;
  }
}

}  // namespace

struct LinearSearch::Automaton {
  Automaton(const std::string& pattern, const RE2::Options& options) : re(pattern, options) {}
  // As RE2::Match() does. `found`: one piece, or null.
  bool search(const re2::StringPiece& text, const Beginnings* beginnings, re2::StringPiece* found) const;
  RE2 re;
};

bool LinearSearch::Automaton::search(const re2::StringPiece& text, const Beginnings* beginnings, re2::StringPiece* found) const {
  const int pieces = found == nullptr ? 0 : 1;
  std::size_t from = 0;
  if (beginnings != nullptr) {
    // A try takes as long as going through so many bytes, if it fails soon, and has to be earned by passing them over; but each
    // may go to the value's end, which is what all of them together are bounded by.
    constexpr std::size_t kBytesPerTry = 128;
    constexpr std::size_t kMostTimes = 4;  // that a value is gone through by tries
    const std::string_view value(text.data(), text.size());
    std::size_t earned = kBytesPerTry;
    std::size_t left = kMostTimes * text.size();
    for (;; ++from) {
      const std::size_t at = beginnings->next(value, from);
      if (at == std::string_view::npos) return false;
      earned += at - from;
      from = at;
      if (earned < kBytesPerTry || text.size() - from > left) break;
      if (re.Match(text, from, text.size(), RE2::ANCHOR_START, found, pieces)) return true;
      earned -= kBytesPerTry;
      left -= text.size() - from;
    }
  }
  return re.Match(text, from, text.size(), RE2::UNANCHORED, found, pieces);
}

LinearSearch::LinearSearch(std::unique_ptr<Automaton> automaton, std::unique_ptr<const Beginnings> beginnings, bool exact)
    : automaton_(std::move(automaton)), beginnings_(std::move(beginnings)), exact_(exact) {}
LinearSearch::LinearSearch(const Run& run) : run_(run), exact_(true) {}
LinearSearch::~LinearSearch() = default;

namespace {

bool has_high_literal(const RegexTree& tree) {
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const RegexNode& node = tree.node(i);
    if (node.kind == RegexNode::Kind::Set && node.set.count() == 1 && node.set._Find_first() >= 0x80) return true;
  }
  return false;
}

// Are there bounds beyond those that RE2 takes?
bool has_large_bounds(const RegexTree& tree) {
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const RegexNode& node = tree.node(i);
    if (node.kind != RegexNode::Kind::Repeat) continue;
    if (node.least > kMostRepeats || (node.most > kMostRepeats && node.most != RegexNode::kUnbounded)) return true;
  }
  return false;
}

// Does every match end where the value does? RE2 looks for such from the end on then, and is soon done.
bool ends_with_value(const RegexTree& tree, std::uint32_t index) {
  const RegexNode& node = tree.node(index);
  if (node.kind == RegexNode::Kind::End) return true;
  return node.kind == RegexNode::Kind::Sequence && !node.parts.empty() && ends_with_value(tree, node.parts.back());
}

}  // namespace

std::string linear_pattern(const RegexTree& tree) {
  std::string out;
  // A text that all alternatives begin with is drawn out by RE2 (20220601) and then looked for as UTF-8, whatever
  // the encoding: `\xff|\xff a` found nothing. It sees no such text behind an empty one.
  if (has_high_literal(tree)) out = "(?:)";
  write(tree, tree.root(), out);
  return out;
}

std::optional<LinearSearch::Run> LinearSearch::run_of(const RegexTree& tree) {
  const RegexNode& root = tree.node(tree.root());
  const bool repeats = root.kind == RegexNode::Kind::Repeat && root.least > 0;
  const RegexNode& one = repeats ? tree.node(root.parts.front()) : root;
  if (one.kind != RegexNode::Kind::Set || !tree.exact()) return std::nullopt;
  Run run;
  for (std::size_t b = 0; b < run.set.size(); ++b) run.set[b] = one.set[b];
  if (repeats) {
    run.least = root.least;
    run.most = root.lazy ? root.least : root.most == RegexNode::kUnbounded ? SIZE_MAX : root.most;
  }
  return run;
}

// A run's last byte is looked at first: where that is none of the set nothing before it needs a look.
std::string_view LinearSearch::find_run(const Run& run, std::string_view value) {
  const auto in_set = [&](std::size_t i) { return run.set[static_cast<std::uint8_t>(value[i])]; };
  for (std::size_t last = run.least - 1; last < value.size(); last += run.least) {
    if (!in_set(last)) continue;
    const std::size_t from = last + 1 - run.least;
    std::size_t i = last;
    while (i > from && in_set(i - 1)) --i;
    if (i > from) {  // so many bytes of a run that may go on
      last = i - 1;
      continue;
    }
    std::size_t end = last + 1;
    while (end < value.size() && end - from < run.most && in_set(end)) ++end;
    return value.substr(from, end - from);
  }
  return {};
}

std::unique_ptr<const LinearSearch> LinearSearch::compile(const RegexTree& tree) {
  if (const auto run = run_of(tree); run) return std::unique_ptr<const LinearSearch>(new LinearSearch(*run));
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);  // bytes
  options.set_never_capture(true);
  options.set_log_errors(false);
  options.set_max_mem(kMostBytes);
  auto automaton = std::make_unique<Automaton>(linear_pattern(tree), options);
  if (!automaton->re.ok()) return nullptr;
  const bool exact = tree.exact() && !has_large_bounds(tree);
  auto beginnings = ends_with_value(tree, tree.root()) ? nullptr : Beginnings::of(tree);
  return std::unique_ptr<const LinearSearch>(new LinearSearch(std::move(automaton), std::move(beginnings), exact));
}

bool LinearSearch::may_match(std::string_view value) const {
  if (run_) return find_run(*run_, value).data() != nullptr;
  return automaton_->search({value.data(), value.size()}, beginnings_.get(), nullptr);
}

std::string_view LinearSearch::find(std::string_view value) const {
  if (run_) return find_run(*run_, value);
  if (value.data() == nullptr) value = "";
  re2::StringPiece found;
  if (!automaton_->search({value.data(), value.size()}, beginnings_.get(), &found)) return {};
  return {found.data(), found.size()};
}

std::size_t LinearSearch::first(std::string_view value) const {
  const std::string_view found = find(value);
  if (found.data() == nullptr) return std::string_view::npos;
  return value.data() == nullptr ? 0 : static_cast<std::size_t>(found.data() - value.data());
}

}  // namespace weir::rules
