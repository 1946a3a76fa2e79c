// The operators' makers, one for each row of the table in registry.cc, and what their files share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/result.h"
#include "rules/operators/operator.h"

namespace weir::rules::operators {

using Made = Result<std::unique_ptr<Operator>>;

// Base of the operators that compare with their argument, which may hold macros.
class ArgumentOperator : public Operator {
 public:
  explicit ArgumentOperator(const OperatorSpec& spec)
      : literal_(spec.argument), has_macros_(spec.has_macros) {}

 protected:
  [[nodiscard]] std::string_view argument(const OperatorContext& context) const {
    return has_macros_ ? context.argument : std::string_view(literal_);
  }
  [[nodiscard]] bool has_macros() const { return has_macros_; }
  [[nodiscard]] const std::string& literal() const { return literal_; }

 private:
  std::string literal_;
  bool has_macros_;
};

inline void add_work(OperatorContext& context, std::size_t bytes) {
  if (context.work != nullptr) *context.work += bytes;
}
inline void report_limit(OperatorContext& context) {
  if (context.limit_exceeded != nullptr) *context.limit_exceeded = true;
}
inline void capture_one(OperatorContext& context, std::string_view text) {
  if (context.captures == nullptr) return;
  context.captures->groups[0] = text;
  context.captures->count = 1;
}

// The files that an argument names, separated by blanks, appended to each other; each ends with a
// line feed. An error if one cannot be read or is a URL.
Result<std::string> read_files(std::string_view names, OperatorFiles& files);

// strings.cc
Made make_begins_with(const OperatorSpec& spec, OperatorFiles& files);
Made make_contains(const OperatorSpec& spec, OperatorFiles& files);
Made make_contains_word(const OperatorSpec& spec, OperatorFiles& files);
Made make_ends_with(const OperatorSpec& spec, OperatorFiles& files);
Made make_no_match(const OperatorSpec& spec, OperatorFiles& files);
Made make_streq(const OperatorSpec& spec, OperatorFiles& files);
Made make_strmatch(const OperatorSpec& spec, OperatorFiles& files);
Made make_unconditional_match(const OperatorSpec& spec, OperatorFiles& files);
Made make_within(const OperatorSpec& spec, OperatorFiles& files);

// numbers.cc
Made make_eq(const OperatorSpec& spec, OperatorFiles& files);
Made make_ge(const OperatorSpec& spec, OperatorFiles& files);
Made make_gt(const OperatorSpec& spec, OperatorFiles& files);
Made make_le(const OperatorSpec& spec, OperatorFiles& files);
Made make_lt(const OperatorSpec& spec, OperatorFiles& files);

// phrases.cc
Made make_pm(const OperatorSpec& spec, OperatorFiles& files);
Made make_pm_from_file(const OperatorSpec& spec, OperatorFiles& files);

// patterns.cc
Made make_restpath(const OperatorSpec& spec, OperatorFiles& files);
Made make_rx(const OperatorSpec& spec, OperatorFiles& files);
Made make_rx_global(const OperatorSpec& spec, OperatorFiles& files);

// numbers_of_people.cc
Made make_validate_nid(const OperatorSpec& spec, OperatorFiles& files);
Made make_verify_cc(const OperatorSpec& spec, OperatorFiles& files);
Made make_verify_cpf(const OperatorSpec& spec, OperatorFiles& files);
Made make_verify_ssn(const OperatorSpec& spec, OperatorFiles& files);
Made make_verify_svnr(const OperatorSpec& spec, OperatorFiles& files);

// encodings.cc
Made make_validate_byte_range(const OperatorSpec& spec, OperatorFiles& files);
Made make_validate_url_encoding(const OperatorSpec& spec, OperatorFiles& files);
Made make_validate_utf8_encoding(const OperatorSpec& spec, OperatorFiles& files);

// addresses.cc
Made make_geo_lookup(const OperatorSpec& spec, OperatorFiles& files);
Made make_ip_match(const OperatorSpec& spec, OperatorFiles& files);
Made make_ip_match_from_file(const OperatorSpec& spec, OperatorFiles& files);
Made make_rbl(const OperatorSpec& spec, OperatorFiles& files);

// injection.cc
Made make_detect_sqli(const OperatorSpec& spec, OperatorFiles& files);
Made make_detect_xss(const OperatorSpec& spec, OperatorFiles& files);

}  // namespace weir::rules::operators
