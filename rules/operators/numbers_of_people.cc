// Card and citizen numbers: a regular expression finds candidates, a check sum decides (verifyCC,
// verifyCPF, verifySSN, verifySVNR of ModSecurity, validateNid of Coraza).
#include <algorithm>
#include <array>

#include "rules/operators/factories.h"

namespace weir::rules::operators {

namespace {

// The digits of a candidate. Those beyond what fits are counted, not kept.
struct Digits {
  explicit Digits(std::string_view text) {
    for (const char c : text) {
      if (c < '0' || c > '9') continue;
      if (count < digit.size()) digit[count] = c - '0';
      ++count;
    }
  }
  [[nodiscard]] bool all_equal(std::size_t n) const {
    return std::all_of(digit.begin(), digit.begin() + static_cast<std::ptrdiff_t>(n),
                       [this](int d) { return d == digit[0]; });
  }
  // Each digit is one more than the one before; `n` of them.
  [[nodiscard]] bool ascending(std::size_t n) const {
    for (std::size_t i = 1; i < n; ++i) {
      if (digit[i] != digit[i - 1] + 1) return false;
    }
    return true;
  }
  [[nodiscard]] int number(std::size_t from, std::size_t length) const {
    int value = 0;
    for (std::size_t i = from; i < from + length; ++i)
      value = value * 10 + digit[i];
    return value;
  }

  std::array<int, 16> digit{};
  std::size_t count = 0;
};

// ISO/IEC 7812, Luhn: from the right every second digit is doubled. Any number of digits but none.
bool is_card(std::string_view text) {
  int sum = 0;
  bool second = false;
  bool any = false;
  for (std::size_t i = text.size(); i-- > 0;) {
    if (text[i] < '0' || text[i] > '9') continue;
    any = true;
    const int d = text[i] - '0';
    const int doubled = d * 2 > 9 ? d * 2 - 9 : d * 2;
    sum = (sum + (second ? doubled : d)) % 10;
    second = !second;
  }
  return any && sum == 0;
}

// Brazil: eleven digits, the last two are check digits modulo 11.
bool is_cpf(std::string_view text) {
  // ModSecurity keeps the first eleven digits of a longer run.
  const Digits d(text);
  if (d.count < 11 || d.all_equal(11)) return false;
  if (d.digit[0] == 0 && d.ascending(10) && d.digit[10] == 0) return false;  // 01234567890
  const auto check = [&d](std::size_t n) {
    int sum = 0;
    for (std::size_t i = 0; i < n; ++i)
      sum += d.digit[i] * static_cast<int>(n + 1 - i);
    const int rest = sum % 11;
    return rest < 2 ? 0 : 11 - rest;
  };
  return d.digit[9] == check(9) && d.digit[10] == check(10);
}

// USA: area, group and serial are not zero; 740 and above and 666 were never given out.
bool is_ssn(std::string_view text) {
  const Digits d(text);
  if (d.count != 9 || d.all_equal(9) || d.ascending(9)) return false;
  const int area = d.number(0, 3);
  return area != 0 && d.number(3, 2) != 0 && d.number(5, 4) != 0 && area < 740 && area != 666;
}

// Austria: ten digits, the fourth is the check digit modulo 11.
bool is_svnr(std::string_view text) {
  const Digits d(text);
  if (d.count < 10 || d.all_equal(10)) return false;
  if (d.digit[0] == 0 && d.ascending(10)) return false;  // 0123456789
  constexpr std::array<int, 10> kWeights = {3, 7, 9, 0, 5, 8, 4, 2, 1, 6};
  int sum = 0;
  for (std::size_t i = 0; i < kWeights.size(); ++i)
    sum += d.digit[i] * kWeights[i];
  const int rest = sum % 11;
  return (rest == 10 ? 0 : rest) == d.digit[3];
}

// Chile: digits and a check character modulo 11, which may be k.
bool is_rut(std::string_view text) {
  if (text.size() < 8) return false;
  int sum = 0;
  int factor = 2;
  int check = -1;
  std::size_t digits = 0;
  for (std::size_t i = text.size(); i-- > 0;) {
    const char c = text[i];
    const bool k = c == 'k' || c == 'K';
    if (!k && (c < '0' || c > '9')) continue;
    if (check < 0) {
      check = k ? 10 : c - '0';
      continue;
    }
    if (k || ++digits > 18) return false;
    sum = (sum + (c - '0') * factor) % 11;
    factor = factor == 7 ? 2 : factor + 1;
  }
  return check >= 0 && check == (11 - sum) % 11;
}

// As @verifySSN, but of a longer run the first nine digits count (Coraza).
bool is_us_nid(std::string_view text) {
  const Digits d(text);
  if (d.count < 9) return false;
  const std::size_t n = std::min(d.count, d.digit.size());
  if (d.all_equal(n) || d.ascending(n)) return false;
  const int area = d.number(0, 3);
  return area != 0 && d.number(3, 2) != 0 && d.number(5, 4) != 0 && area < 740 && area != 666;
}

using Check = bool (*)(std::string_view);

class Verify final : public Operator {
 public:
  Verify(std::unique_ptr<Regex> regex, Check check) : regex_(std::move(regex)), check_(check) {}

  // Candidates are tried from each position on. Each may be as long as the value, so what is looked
  // at has a bound; reaching it is a limit like PCRE2's own.
  bool match(std::string_view value, OperatorContext& context) const override {
    std::size_t budget = 64 * value.size() + 65536;
    std::size_t start = 0;
    while (start < value.size()) {
      Captures found;
      std::size_t count = 0;
      const ReResult result = regex_->search(value, context.re, context.limits, found.groups.data(),
                                             found.groups.size(), &count, start);
      if (result == ReResult::LimitExceeded) report_limit(context);
      if (result != ReResult::Match) break;
      const std::string_view text = found.groups[0];
      add_work(context, text.size() + 1);
      if (check_(text)) {
        set_captures(text, count, context);
        return true;
      }
      if (text.size() >= budget) {
        report_limit(context);
        break;
      }
      budget -= text.size() + 1;
      start = std::max(start, static_cast<std::size_t>(text.data() - value.data())) + 1;
    }
    add_work(context, value.size());
    return false;
  }

 private:
  // Every group is the whole number, as in ModSecurity 2.
  static void set_captures(std::string_view text, std::size_t count, OperatorContext& context) {
    if (context.captures == nullptr) return;
    Captures captures;
    captures.count = static_cast<std::uint8_t>(count);
    for (std::size_t i = 0; i < count; ++i)
      captures.groups[i] = text;
    *context.captures = captures;
  }

  std::unique_ptr<Regex> regex_;
  Check check_;
};

Made make(std::string_view pattern, Check check) {
  auto regex = Regex::compile(pattern, {.multiline = true, .not_empty = true});
  if (!regex) return fail("the regular expression is wrong: " + regex.error().message);
  return std::unique_ptr<Operator>(new Verify(std::move(*regex), check));
}

}  // namespace

Made make_verify_cc(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec.argument, is_card);
}
Made make_verify_cpf(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec.argument, is_cpf);
}
Made make_verify_ssn(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec.argument, is_ssn);
}
Made make_verify_svnr(const OperatorSpec& spec, OperatorFiles&) {
  return make(spec.argument, is_svnr);
}

// "cl \d{7,8}-[\dk]" or "us \d{3}-\d{2}-\d{4}".
Made make_validate_nid(const OperatorSpec& spec, OperatorFiles&) {
  const std::size_t blank = spec.argument.find(' ');
  const std::string_view country = spec.argument.substr(0, blank);
  if (blank == std::string_view::npos || (country != "cl" && country != "us")) {
    return fail("@validateNid needs a country (cl or us) and a regular expression");
  }
  return make(spec.argument.substr(blank + 1), country == "cl" ? is_rut : is_us_nid);
}

}  // namespace weir::rules::operators
