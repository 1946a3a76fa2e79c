#include "rules/match_pm.h"

#include <algorithm>
#include <cstring>

namespace weir::rules {

namespace {

std::uint8_t fold(char ch) {
  const auto c = static_cast<std::uint8_t>(ch);
  return static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c + 0x20 : c);
}

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const auto l = static_cast<char>(c | 0x20);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

}  // namespace

// The phrases as classes of bytes, in their order: what begins alike stands together, so that the nodes of the
// trie are ranges of them, and it need never be made. Only lives while building.
class PhraseMatcher::Sorted {
 public:
  Sorted(const std::vector<std::string>& phrases, const std::array<std::uint8_t, 256>& class_of) {
    std::size_t bytes = 0;
    for (const std::string& p : phrases) bytes += p.size();
    classes_.reserve(bytes);
    order_.reserve(phrases.size());
    for (const std::string& p : phrases) {
      Phrase one{0, static_cast<std::uint32_t>(classes_.size()), static_cast<std::uint32_t>(p.size()),
                 static_cast<std::uint32_t>(order_.size())};
      for (const char ch : p) classes_.push_back(class_of[static_cast<std::uint8_t>(ch)]);
      for (std::size_t i = 0; i < 8; ++i) one.begins = one.begins << 8U | (i < p.size() ? classes_[one.at + i] : 0U);
      order_.push_back(one);
    }
    std::sort(order_.begin(), order_.end(), [this](const Phrase& x, const Phrase& y) {
      if (x.begins != y.begins) return x.begins < y.begins;
      const int c = std::memcmp(&classes_[x.at], &classes_[y.at], std::min(x.size, y.size));
      if (c != 0) return c < 0;
      return x.size != y.size ? x.size < y.size : x.number < y.number;
    });
  }

  // Leaves out what is like an earlier one; gives back which are left, by number.
  std::vector<bool> leave_out_repeated() {
    std::vector<bool> left(order_.size(), true);
    const auto same = [this](const Phrase& x, const Phrase& y) {
      return x.size == y.size && std::memcmp(&classes_[x.at], &classes_[y.at], x.size) == 0;
    };
    std::size_t to = 0;
    for (const Phrase& p : order_) {
      if (to > 0 && same(order_[to - 1], p)) {
        left[p.number] = false;
      } else {
        order_[to++] = p;
      }
    }
    order_.resize(to);
    std::vector<std::uint32_t> now(left.size(), 0);
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < left.size(); ++i) now[i] = left[i] ? next++ : 0;
    for (Phrase& p : order_) p.number = now[p.number];
    return left;
  }

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(order_.size()); }
  [[nodiscard]] std::size_t bytes() const { return classes_.size(); }  // as many nodes at most, and the root
  [[nodiscard]] std::uint32_t length(std::uint32_t i) const { return order_[i].size; }
  [[nodiscard]] std::uint8_t at(std::uint32_t i, std::uint32_t depth) const { return classes_[order_[i].at + depth]; }
  // The first, in the list's order, of some.
  [[nodiscard]] std::uint32_t first_of(std::uint32_t from, std::uint32_t to) const {
    std::uint32_t first = order_[from].number;
    for (std::uint32_t i = from + 1; i < to; ++i) first = std::min(first, order_[i].number);
    return first;
  }

 private:
  struct Phrase {
    std::uint64_t begins = 0;  // its first eight classes, as a number: most comparisons end there
    std::uint32_t at = 0;      // in classes_
    std::uint32_t size = 0;
    std::uint32_t number = 0;  // in the list
  };
  std::vector<std::uint8_t> classes_;
  std::vector<Phrase> order_;
};

PhraseMatcher::PhraseMatcher(const std::vector<std::string>& phrases) : phrases_(phrases) {
  std::erase_if(phrases_, [](const std::string& p) { return p.empty(); });
  set_classes();
  Sorted sorted(phrases_, class_of_);
  const std::vector<bool> left = sorted.leave_out_repeated();
  std::size_t to = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!left[i]) continue;
    if (to != i) phrases_[to] = std::move(phrases_[i]);
    ++to;
  }
  phrases_.resize(to);
  lay_out(sorted);
}

void PhraseMatcher::set_classes() {
  for (const std::string& p : phrases_) {
    for (const char ch : p) {
      std::uint8_t& c = class_of_[fold(ch)];
      if (c == 0) c = static_cast<std::uint8_t>(class_count_++);  // at most 230: capitals have none
    }
  }
  for (int c = 'A'; c <= 'Z'; ++c) {
    class_of_[static_cast<std::size_t>(c)] = class_of_[static_cast<std::size_t>(c + 0x20)];
  }
}

// A base such that no place for `classes` is taken. The search for a node with several children
// gives up after kPlaces places and takes the end of the array: building stays linear, and the gaps
// that this leaves are filled by the many nodes with one child.
std::uint32_t PhraseMatcher::place(const std::vector<std::uint8_t>& classes) {
  constexpr std::uint32_t kPlaces = 4096;
  const std::uint8_t lowest = *std::min_element(classes.begin(), classes.end());
  while (first_free_ < end_ && nodes_[first_free_].parent != kFree)
    ++first_free_;
  std::uint32_t at = first_free_;  // for the lowest class
  for (; at < end_; ++at) {
    if (at - first_free_ >= kPlaces) at = end_;
    if (nodes_[at].parent != kFree) continue;
    const bool fits = std::all_of(classes.begin(), classes.end(), [&](std::uint8_t c) {
      return nodes_[at - lowest + c].parent == kFree;
    });
    if (fits) break;
  }
  const std::uint32_t base = at - lowest;
  end_ = std::max(end_, base + *std::max_element(classes.begin(), classes.end()) + 1);
  // Every place that a base and a class can name is there, also beyond the last node.
  if (nodes_.size() < end_ + class_count_) {
    nodes_.resize(end_ + end_ / 8 + 2 * class_count_, Node{0, kFree, 0, 0});
  }
  return base;
}

void PhraseMatcher::lay_out(const Sorted& sorted) {
  // Nodes other than the root begin where every class fits with a base of 1 or more.
  first_free_ = end_ = class_count_ + 1;
  // With some gaps. What is reserved and not used is never touched, while growing would touch it all again.
  nodes_.reserve(sorted.bytes() + sorted.bytes() / 8 + 4 * class_count_);
  nodes_.assign(end_ + class_count_, Node{0, kFree, 0, 0});
  nodes_[kRoot] = {0, kRoot, kRoot, 0};
  // The nodes breadth first, each with the phrases that begin with its text.
  std::vector<Range> queue;
  queue.reserve(sorted.bytes() + 1);
  queue.push_back({kRoot, 0, 0, sorted.size()});
  std::vector<std::uint8_t> classes;
  for (std::size_t q = 0; q < queue.size(); ++q) {
    const Range r = queue[q];
    classes.clear();
    const std::size_t children = queue.size();
    // One may end here; it comes first.
    std::uint32_t i = r.from < r.to && sorted.length(r.from) == r.depth ? r.from + 1 : r.from;
    while (i < r.to) {
      const std::uint8_t c = sorted.at(i, r.depth);
      std::uint32_t end = i + 1;
      while (end < r.to && sorted.at(end, r.depth) == c) ++end;
      classes.push_back(c);
      queue.push_back({0, r.depth + 1, i, end});
      i = end;
    }
    if (classes.empty()) continue;  // base 0: its children's places belong to the root or nobody
    const std::uint32_t base = place(classes);
    nodes_[r.node].base = base;
    for (std::size_t k = 0; k < classes.size(); ++k) {
      queue[children + k].node = base + classes[k];
      nodes_[base + classes[k]] = {0, r.node, kRoot, 0};
    }
  }
  nodes_.resize(end_ + class_count_, Node{0, kFree, 0, 0});
  for (std::size_t q = 1; q < queue.size(); ++q) set_failure(sorted, queue[q]);  // shorter texts first
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::uint32_t next = child(kRoot, class_of_[byte]);
    from_root_[byte] = next == kFree ? kRoot : next;
  }
}

void PhraseMatcher::set_failure(const Sorted& sorted, const Range& of) {
  Node& node = nodes_[of.node];
  const auto c = static_cast<std::uint8_t>(of.node - nodes_[node.parent].base);
  if (node.parent != kRoot) {
    for (std::uint32_t f = nodes_[node.parent].failure;; f = nodes_[f].failure) {
      if (const std::uint32_t g = child(f, c); g != kFree) {
        node.failure = g;
        break;
      }
      if (f == kRoot) break;
    }
  }
  if (sorted.length(of.from) == of.depth || nodes_[node.failure].report != 0) {
    reports_.push_back({sorted.first_of(of.from, of.to), of.depth});
    node.report = static_cast<std::uint32_t>(reports_.size());
  }
}

PhraseMatcher::Found PhraseMatcher::find(std::string_view value) const {
  std::uint32_t node = kRoot;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(value[i]);
    const std::uint8_t c = class_of_[byte];
    if (c == 0) {
      node = kRoot;
      continue;
    }
    // Each step along a failure link undoes an earlier step forward: linear.
    for (;;) {
      if (node == kRoot) {
        node = from_root_[byte];
        break;
      }
      if (const std::uint32_t next = child(node, c); next != kFree) {
        node = next;
        break;
      }
      node = nodes_[node].failure;
    }
    if (const std::uint32_t report = nodes_[node].report; report != 0) {
      const Report& r = reports_[report - 1];
      return {true, std::string_view(phrases_[r.phrase]).substr(0, r.length)};
    }
  }
  return {};
}

bool parse_pm_content(std::string_view text, std::string& out) {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  out.assign(text);
  // Written over itself. If nothing was converted the length stays, with what the deleted bars left
  // at the end: so does ModSecurity.
  bool binary = false;
  bool escaped = false;
  bool converted = false;
  int high = -1;
  std::size_t to = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char c = out[i];
    if (c == '|') {
      binary = !binary;
    } else if (!escaped && c == '\\') {
      escaped = true;
    } else if (binary) {
      const int digit = hex_digit(c);
      if (digit < 0) continue;
      if (high < 0) {
        high = digit;
        continue;
      }
      out[to++] = static_cast<char>(high * 16 + digit);
      high = -1;
      converted = true;
    } else if (escaped) {
      if (c != ':' && c != ';' && c != '\\' && c != '"') return false;
      out[to++] = c;
      escaped = false;
      converted = true;
    } else {
      out[to++] = c;
    }
  }
  if (converted) out.resize(to);
  return !out.empty();
}

std::vector<std::string> split_phrases(std::string_view argument) {
  std::string content;
  if (!parse_pm_content(argument, content)) content.assign(argument);
  std::vector<std::string> phrases;
  std::size_t i = 0;
  while (i < content.size()) {
    if (is_space(content[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < content.size() && !is_space(content[end]))
      ++end;
    phrases.push_back(content.substr(i, end - i));
    i = end;
  }
  return phrases;
}

void parse_phrase_file(std::string_view contents, std::vector<std::string>& out) {
  std::size_t i = 0;
  std::string parsed;
  while (i < contents.size()) {
    std::size_t end = contents.find('\n', i);
    // With its line feed, as ModSecurity reads it: quotes around a line only count on a last line
    // that has none.
    end = end == std::string_view::npos ? contents.size() : end + 1;
    const std::string_view line = contents.substr(i, end - i);
    i = end;
    std::string_view phrase = parse_pm_content(line, parsed) ? std::string_view(parsed) : line;
    while (!phrase.empty() && is_space(phrase.front()))
      phrase.remove_prefix(1);
    while (!phrase.empty() && is_space(phrase.back()))
      phrase.remove_suffix(1);
    if (!phrase.empty() && phrase.front() != '#') out.emplace_back(phrase);
  }
}

}  // namespace weir::rules
