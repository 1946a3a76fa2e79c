#include "rules/match_pm.h"

#include <algorithm>

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

// Children in insertion order, found through (node, class) pairs; only lives while building.
struct PhraseMatcher::Trie {
  struct Child {
    std::uint8_t c;
    std::uint32_t node;
  };
  struct TrieNode {
    std::vector<Child> children;
    std::uint32_t phrase = 0;  // the phrase that made the node
    std::uint32_t depth = 0;
    bool last = false;
  };
  std::vector<TrieNode> nodes = {TrieNode{}};

  // True if the phrase is new.
  bool add(const std::string& phrase, std::uint32_t index,
           const std::array<std::uint8_t, 256>& class_of) {
    std::uint32_t at = 0;
    for (const char ch : phrase) {
      const std::uint8_t c = class_of[static_cast<std::uint8_t>(ch)];
      auto& children = nodes[at].children;
      const auto found =
          std::find_if(children.begin(), children.end(), [c](const Child& k) { return k.c == c; });
      if (found != children.end()) {
        at = found->node;
        continue;
      }
      const auto next = static_cast<std::uint32_t>(nodes.size());
      children.push_back({c, next});
      nodes.push_back({{}, index, nodes[at].depth + 1, false});
      at = next;
    }
    const bool fresh = !nodes[at].last;
    nodes[at].last = true;
    return fresh;
  }
};

PhraseMatcher::PhraseMatcher(const std::vector<std::string>& phrases) : phrases_(phrases) {
  std::erase_if(phrases_, [](const std::string& p) { return p.empty(); });
  set_classes();
  Trie trie;
  std::vector<std::string> kept;
  for (std::string& p : phrases_) {
    if (trie.add(p, static_cast<std::uint32_t>(kept.size()), class_of_)) {
      kept.push_back(std::move(p));
    }
  }
  phrases_ = std::move(kept);
  lay_out(trie);
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
    nodes_.resize(end_ + end_ / 2 + 2 * class_count_, Node{0, kFree, 0, 0});
  }
  return base;
}

void PhraseMatcher::lay_out(const Trie& trie) {
  // Nodes other than the root begin where every class fits with a base of 1 or more.
  first_free_ = end_ = class_count_ + 1;
  nodes_.assign(end_ + class_count_, Node{0, kFree, 0, 0});
  nodes_[kRoot] = {0, kRoot, kRoot, 0};
  std::vector<std::uint32_t> at(trie.nodes.size(), kRoot);  // trie node -> array node
  std::vector<std::uint32_t> queue = {0};                   // breadth first
  std::vector<std::uint8_t> classes;
  for (std::size_t q = 0; q < queue.size(); ++q) {
    const std::uint32_t t = queue[q];
    const auto& from = trie.nodes[t];
    const std::uint32_t node = at[t];
    if (from.children.empty())
      continue;  // base 0: its children's places belong to the root or nobody
    classes.clear();
    for (const auto& child : from.children)
      classes.push_back(child.c);
    const std::uint32_t base = place(classes);
    nodes_[node].base = base;
    for (const auto& child : from.children) {
      const std::uint32_t next = base + child.c;
      nodes_[next] = {0, node, kRoot, 0};
      at[child.node] = next;
      queue.push_back(child.node);
    }
  }
  nodes_.resize(end_ + class_count_, Node{0, kFree, 0, 0});
  nodes_.shrink_to_fit();
  // Failure links, shorter texts first.
  for (const std::uint32_t t : queue) {
    const std::uint32_t node = at[t];
    for (const auto& c : trie.nodes[t].children) {
      const std::uint32_t next = at[c.node];
      std::uint32_t failure = kRoot;
      if (node != kRoot) {
        for (std::uint32_t f = nodes_[node].failure;; f = nodes_[f].failure) {
          if (const std::uint32_t g = child(f, c.c); g != kFree) {
            failure = g;
            break;
          }
          if (f == kRoot) break;
        }
      }
      nodes_[next].failure = failure;
      const auto& made = trie.nodes[c.node];
      if (made.last || nodes_[failure].report != 0) {
        reports_.push_back({made.phrase, made.depth});
        nodes_[next].report = static_cast<std::uint32_t>(reports_.size());
      }
    }
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::uint32_t next = child(kRoot, class_of_[byte]);
    from_root_[byte] = next == kFree ? kRoot : next;
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
