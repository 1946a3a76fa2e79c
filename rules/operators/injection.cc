// @detectSQLi and @detectXSS.
#include "rules/operators/injection.h"

#include <cstring>

#include "rules/operators/factories.h"
#include "rules/operators/sqli_filter.h"
#include "rules/operators/sqli_words.h"

// libinjection ships no header in Debian; these are its entry points, unchanged since 3.0, with the names that
// rules/libinjection.cmake gives them.
extern "C" {
int weir_libinjection_sqli(const char* input, std::size_t length, char fingerprint[8]);
int weir_libinjection_xss(const char* input, std::size_t length);
const char* weir_libinjection_version(void);
}

namespace weir::rules::operators {

SqliVerdict detect_sqli(std::string_view value) {
  SqliVerdict verdict;
  verdict.found = weir_libinjection_sqli(value.empty() ? "" : value.data(), value.size(),
                                         verdict.fingerprint.data()) != 0;
  verdict.fingerprint.back() = '\0';
  return verdict;
}

bool detect_xss(std::string_view value) {
  return weir_libinjection_xss(value.empty() ? "" : value.data(), value.size()) != 0;
}

std::string_view libinjection_release() {
  return weir_libinjection_version();
}

namespace {

class DetectSqli final : public Operator {
 public:
  // TX:0 is the fingerprint (trap 11).
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    if (context.filters_sqli && !may_be_sqli(value)) return false;
    const SqliVerdict verdict = detect_sqli(value);
    if (!verdict.found) return false;
    if (context.captures != nullptr) {
      capture_one(context, context.arena.copy(verdict.fingerprint.data()));
    }
    return true;
  }
  // One word is harmless, whatever word it is; so are digits in front of it.
  std::vector<ByteSet> necessary_bytes() const override { return {~word_bytes()}; }
  bool finds_sqli() const override { return true; }
};

class DetectXss final : public Operator {
 public:
  // TX:0 is the whole value (trap 11).
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    if (!detect_xss(value)) return false;
    capture_one(context, value);
    return true;
  }
  // Tags and comments begin with the one, the value of an attribute with the other.
  std::vector<ByteSet> necessary_bytes() const override {
    return {byte_range('<', '<') | byte_range('=', '=')};
  }
};

}  // namespace

Made make_detect_sqli(const OperatorSpec&, OperatorFiles&) {
  (void)SqlWords::instance();  // made now, not for a request
  return std::unique_ptr<Operator>(new DetectSqli());
}
Made make_detect_xss(const OperatorSpec&, OperatorFiles&) {
  return std::unique_ptr<Operator>(new DetectXss());
}

}  // namespace weir::rules::operators
