// The only door to libinjection (its objects come from Debian's libmodsecurity.a, see
// rules/libinjection.cmake). Pure functions; thread-safe.
#pragma once

#include <array>
#include <string_view>

namespace weir::rules::operators {

struct SqliVerdict {
  bool found = false;
  std::array<char, 8> fingerprint{};  // NUL-terminated
};
[[nodiscard]] SqliVerdict detect_sqli(std::string_view value);
[[nodiscard]] bool detect_xss(std::string_view value);
[[nodiscard]] std::string_view libinjection_release();  // "3.9.2"

}  // namespace weir::rules::operators
