// Comparison of strings, byte by byte and with regard to case. Every search is linear in value and
// argument together: the argument may come out of the request, through a macro.
#include <cstring>
#include <vector>

#include "rules/ascii.h"
#include "rules/match_pm.h"
#include "rules/operators/factories.h"

namespace weir::rules::operators {

namespace {

// glibc's memmem is linear (two-way algorithm); std::string_view::find is not.
bool contains(std::string_view value, std::string_view needle) {
  if (needle.empty()) return true;
  if (needle.size() > value.size()) return false;
  return memmem(value.data(), value.size(), needle.data(), needle.size()) != nullptr;
}

// The argument, if it is known at load, as text that a matching value holds.
std::optional<Piece> text_in_value(const std::string& argument, bool known, Piece::Edge left,
                                   Piece::Edge right) {
  if (!known || argument.empty()) return std::nullopt;
  return Piece{lower(argument), left, right};
}

class BeginsWith final : public ArgumentOperator {
 public:
  using ArgumentOperator::ArgumentOperator;
  bool match(std::string_view value, OperatorContext& context) const override {
    const std::string_view a = argument(context);
    return value.substr(0, a.size()) == a;
  }
  std::optional<Piece> necessary_text() const override {
    return text_in_value(literal(), !has_macros(), Piece::Edge::End, Piece::Edge::Open);
  }
};

class EndsWith final : public ArgumentOperator {
 public:
  using ArgumentOperator::ArgumentOperator;
  bool match(std::string_view value, OperatorContext& context) const override {
    const std::string_view a = argument(context);
    return value.size() >= a.size() && value.substr(value.size() - a.size()) == a;
  }
  std::optional<Piece> necessary_text() const override {
    return text_in_value(literal(), !has_macros(), Piece::Edge::Open, Piece::Edge::End);
  }
};

class Streq final : public ArgumentOperator {
 public:
  using ArgumentOperator::ArgumentOperator;
  bool match(std::string_view value, OperatorContext& context) const override {
    return value == argument(context);
  }
  std::optional<Piece> necessary_text() const override {
    return text_in_value(literal(), !has_macros(), Piece::Edge::End, Piece::Edge::End);
  }
};

// An empty argument is in everything (trap 16).
class Contains final : public ArgumentOperator {
 public:
  using ArgumentOperator::ArgumentOperator;
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    return contains(value, argument(context));
  }
  std::optional<Piece> necessary_text() const override {
    return text_in_value(literal(), !has_macros(), Piece::Edge::Open, Piece::Edge::Open);
  }
};

// The value is looked for in the argument; an empty value is in every argument (trap 16).
class Within final : public ArgumentOperator {
 public:
  using ArgumentOperator::ArgumentOperator;
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    return contains(argument(context), value);
  }
};

// Knuth–Morris–Pratt: `borders[i]` is the length of the longest proper border of the first i + 1
// bytes.
void set_borders(std::string_view needle, std::uint32_t* borders) {
  borders[0] = 0;
  std::uint32_t k = 0;
  for (std::size_t i = 1; i < needle.size(); ++i) {
    while (k > 0 && needle[i] != needle[k])
      k = borders[k - 1];
    if (needle[i] == needle[k]) ++k;
    borders[i] = k;
  }
}

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class ContainsWord final : public ArgumentOperator {
 public:
  explicit ContainsWord(const OperatorSpec& spec) : ArgumentOperator(spec) {
    if (spec.has_macros || spec.argument.empty()) return;
    borders_.resize(spec.argument.size());
    set_borders(spec.argument, borders_.data());
  }
  bool match(std::string_view value, OperatorContext& context) const override {
    const std::string_view needle = argument(context);
    if (needle.empty()) return true;
    if (needle.size() > value.size()) return false;
    add_work(context, value.size());
    if (!has_macros()) return find(value, needle, borders_.data());
    char* room =
        context.arena.allocate(needle.size() * sizeof(std::uint32_t), alignof(std::uint32_t));
    if (room == nullptr) return false;
    auto* borders = new (room) std::uint32_t[needle.size()];
    set_borders(needle, borders);
    return find(value, needle, borders);
  }

 private:
  static bool find(std::string_view value, std::string_view needle, const std::uint32_t* borders) {
    std::size_t k = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      while (k > 0 && value[i] != needle[k])
        k = borders[k - 1];
      if (value[i] == needle[k]) ++k;
      if (k < needle.size()) continue;
      const std::size_t start = i + 1 - k;
      if ((start == 0 || !is_word(value[start - 1])) &&
          (i + 1 == value.size() || !is_word(value[i + 1]))) {
        return true;
      }
      k = borders[k - 1];
    }
    return false;
  }

  std::vector<std::uint32_t> borders_;
};

class Always final : public Operator {
 public:
  explicit Always(bool result) : result_(result) {}
  bool match(std::string_view, OperatorContext&) const override { return result_; }

 private:
  bool result_;
};

template <class T>
Made make(const OperatorSpec& spec) {
  return std::unique_ptr<Operator>(new T(spec));
}

}  // namespace

Made make_begins_with(const OperatorSpec& spec, OperatorFiles&) {
  return make<BeginsWith>(spec);
}
Made make_contains(const OperatorSpec& spec, OperatorFiles&) {
  return make<Contains>(spec);
}
Made make_contains_word(const OperatorSpec& spec, OperatorFiles&) {
  return make<ContainsWord>(spec);
}
Made make_ends_with(const OperatorSpec& spec, OperatorFiles&) {
  return make<EndsWith>(spec);
}
Made make_streq(const OperatorSpec& spec, OperatorFiles&) {
  return make<Streq>(spec);
}
Made make_within(const OperatorSpec& spec, OperatorFiles&) {
  return make<Within>(spec);
}

// Contains, with @pm's escapes in the argument.
Made make_strmatch(const OperatorSpec& spec, OperatorFiles&) {
  if (spec.has_macros) return make<Contains>(spec);
  std::string content;
  if (!parse_pm_content(spec.argument, content)) {
    return fail(spec.argument.empty() ? "the string to look for is missing"
                                      : "unsupported escape sequence after a backslash");
  }
  OperatorSpec parsed = spec;
  parsed.argument = content;
  return make<Contains>(parsed);
}

Made make_no_match(const OperatorSpec&, OperatorFiles&) {
  return std::unique_ptr<Operator>(new Always(false));
}
Made make_unconditional_match(const OperatorSpec&, OperatorFiles&) {
  return std::unique_ptr<Operator>(new Always(true));
}

}  // namespace weir::rules::operators
