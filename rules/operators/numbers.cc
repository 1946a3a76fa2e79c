// Comparison of integers. Both sides are read as C's atoi reads them: blanks, a sign, digits, and
// whatever follows is ignored; no digits are 0 (trap 14). Unlike atoi, which wraps to 32 bits in
// ModSecurity, large numbers saturate at 64 bits: a Content-Length of 4294967296 is not 0.
#include <cstdint>
#include <limits>

#include "rules/operators/factories.h"

namespace weir::rules::operators {

namespace {

std::int64_t to_number(std::string_view s) {
  if (s.size() == 1 && s.front() >= '0' && s.front() <= '9') return s.front() - '0';  // most are
  std::size_t i = 0;
  while (i < s.size() && (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r')))
    ++i;
  const bool negative = i < s.size() && s[i] == '-';
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  std::int64_t value = 0;
  for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) {
    const int digit = s[i] - '0';
    if (value > (kMax - digit) / 10) {
      value = kMax;
      break;
    }
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

using Order = Comparison::Order;

bool holds(Order order, std::int64_t left, std::int64_t right) {
  switch (order) {
    case Order::Eq:
      return left == right;
    case Order::Ge:
      return left >= right;
    case Order::Gt:
      return left > right;
    case Order::Le:
      return left <= right;
    case Order::Lt:
      return left < right;
  }
  return false;
}

class Compare final : public ArgumentOperator {
 public:
  Compare(const OperatorSpec& spec, Order order)
      : ArgumentOperator(spec), order_(order), literal_(to_number(spec.argument)) {}
  bool match(std::string_view value, OperatorContext& context) const override {
    const std::int64_t left = to_number(value);
    const std::int64_t right = has_macros() ? to_number(argument(context)) : literal_;
    return holds(order_, left, right);
  }
  std::optional<Comparison> comparison() const override {
    if (has_macros()) return std::nullopt;
    return Comparison{order_, literal_};
  }

 private:
  Order order_;
  std::int64_t literal_;
};

Made make(const OperatorSpec& spec, Order order) {
  return std::unique_ptr<Operator>(new Compare(spec, order));
}

}  // namespace

Made make_eq(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec, Order::Eq);
}
Made make_ge(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec, Order::Ge);
}
Made make_gt(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec, Order::Gt);
}
Made make_le(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec, Order::Le);
}
Made make_lt(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec, Order::Lt);
}

}  // namespace weir::rules::operators

namespace weir::rules {

bool Comparison::holds(std::string_view value) const { return holds(operators::to_number(value)); }
bool Comparison::holds(std::int64_t value) const { return operators::holds(order, value, number); }

}  // namespace weir::rules
