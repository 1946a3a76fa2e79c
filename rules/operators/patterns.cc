// @rx, @rxGlobal and @restpath.
#include <algorithm>

#include "rules/operators/factories.h"

namespace weir::rules::operators {

namespace {

// More matches than these are not collected: each may have cost a search of the whole value.
constexpr std::size_t kGlobalMatches = 1000;

// Searches; fills the captures. A limit hit is reported and does not match, as in ModSecurity.
bool search(const Regex& regex, std::string_view value, OperatorContext& context) {
  add_work(context, value.size());
  const Regex::Ahead ahead = context.linear ? regex.ahead(value) : Regex::Ahead{};
  if (ahead.start == std::string_view::npos) return false;
  if (ahead.certain && context.whole) {
    if (context.captures == nullptr) return true;
    if (ahead.match.data() != nullptr) {
      capture_one(context, ahead.match);
      return true;
    }
  }
  ReResult result = ReResult::NoMatch;
  if (context.captures == nullptr) {
    result = regex.search(value, context.re, context.limits, nullptr, 0, nullptr, ahead.start);
  } else {
    Captures found;
    std::size_t count = 0;
    result = regex.search(value, context.re, context.limits, found.groups.data(),
                          found.groups.size(), &count, ahead.start);
    if (result == ReResult::Match) {
      found.count = static_cast<std::uint8_t>(count);
      *context.captures = found;
    }
  }
  if (result == ReResult::LimitExceeded) report_limit(context);
  return result == ReResult::Match;
}

class Rx final : public Operator {
 public:
  explicit Rx(std::unique_ptr<Regex> regex) : regex_(std::move(regex)) {}
  bool match(std::string_view value, OperatorContext& context) const override {
    return search(*regex_, value, context);
  }
  const Regex* regex() const override { return regex_.get(); }

 private:
  std::unique_ptr<Regex> regex_;
};

// The pattern is known only at match time; the worker keeps the last few compiled ones. What macros
// bring in is pattern text, as in ModSecurity. An expansion that does not compile does not match.
class RxWithMacros final : public Operator {
 public:
  RxWithMacros(const ReOptions& options, bool global) : options_(options), global_(global) {}
  bool match(std::string_view value, OperatorContext& context) const override;

 private:
  ReOptions options_;
  bool global_;
};

// Every match counts: TX:n is group n of the last match that has one (ModSecurity 3).
bool search_all(const Regex& regex, std::string_view value, OperatorContext& context) {
  if (context.captures == nullptr) return search(regex, value, context);
  add_work(context, value.size());
  Captures all;
  std::size_t start = context.linear ? regex.ahead(value).start : 0;
  bool matched = false;
  for (std::size_t n = 0; n < kGlobalMatches && start <= value.size(); ++n) {
    Captures found;
    std::size_t count = 0;
    const ReResult result = regex.search(value, context.re, context.limits, found.groups.data(),
                                         found.groups.size(), &count, start);
    if (result == ReResult::LimitExceeded) report_limit(context);
    if (result != ReResult::Match) break;
    matched = true;
    for (std::size_t g = 0; g < count; ++g) {
      if (found.groups[g].data() != nullptr) all.groups[g] = found.groups[g];
    }
    all.count = std::max(all.count, static_cast<std::uint8_t>(count));
    const std::string_view whole = found.groups[0];
    const auto end = static_cast<std::size_t>(whole.data() - value.data()) + whole.size();
    start = whole.empty() || end <= start ? std::max(end, start) + 1 : end;
  }
  if (matched) *context.captures = all;
  return matched;
}

class RxGlobal final : public Operator {
 public:
  explicit RxGlobal(std::unique_ptr<Regex> regex) : regex_(std::move(regex)) {}
  bool match(std::string_view value, OperatorContext& context) const override {
    return search_all(*regex_, value, context);
  }
  const Regex* regex() const override { return regex_.get(); }

 private:
  std::unique_ptr<Regex> regex_;
};

bool RxWithMacros::match(std::string_view value, OperatorContext& context) const {
  const Regex* regex = context.re.compiled(context.argument, options_);
  if (regex == nullptr) return false;
  return global_ ? search_all(*regex, value, context) : search(*regex, value, context);
}

Made make(const OperatorSpec& spec, bool global) {
  const ReOptions options{.multiline = spec.v3};
  if (spec.has_macros) return std::unique_ptr<Operator>(new RxWithMacros(options, global));
  Result<std::unique_ptr<Regex>> regex =
      spec.compiles ? Regex::deferred(spec.argument, options) : Regex::compile(spec.argument, options);
  if (!regex) return fail("the regular expression is wrong: " + regex.error().message);
  if (global) return std::unique_ptr<Operator>(new RxGlobal(std::move(*regex)));
  return std::unique_ptr<Operator>(new Rx(std::move(*regex)));
}

}  // namespace

Made make_rx(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec, false);
}
Made make_rx_global(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec, true);
}

// Coraza's: /users/{id}/posts; a name in braces is one segment. The rest is pattern text. The
// segments become TX:1 … where `capture` is given (Coraza puts them into ARGS_PATH).
Made make_restpath(const OperatorSpec& spec, OperatorFiles&) {
  std::string pattern;
  for (std::size_t i = 0; i < spec.argument.size();) {
    const std::size_t close = spec.argument.find('}', i);
    if (spec.argument[i] == '{' && close != std::string_view::npos && close > i + 1) {
      pattern += "([^?/]+)";
      i = close + 1;
    } else {
      pattern += spec.argument[i++];
    }
  }
  auto regex = Regex::compile(pattern, ReOptions{});
  if (!regex) return fail("the path is wrong: " + regex.error().message);
  return std::unique_ptr<Operator>(new Rx(std::move(*regex)));
}

}  // namespace weir::rules::operators
