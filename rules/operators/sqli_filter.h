// What cannot be SQL injection, told without libinjection. Its verdict is a matter of the types of a value's first tokens,
// put together by rules of its own until five are left: the fingerprint. Here the fingerprint of ordinary text is worked out
// in the same way, but from a table that is quick to ask (sqli_words.h), and in one pass; text with strings, comments, braces
// and whatever else is rare before the fingerprint is known is left to libinjection, and so is what has a quote anywhere, which
// libinjection also reads as the inside of a string.
//
// Contract: where may_be_sqli() says false, libinjection finds nothing. (That a match holds more
// than the letters, digits and underscores of one word is what @detectSQLi tells the prefilter.)
// The fingerprints are held to libinjection's, exhaustively for short values, by its whole table, and at random:
// tests/unit/rules_match/sqli_filter_test.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::rules::operators {

[[nodiscard]] bool may_be_sqli(std::string_view value);

// The fingerprint of `value` as it stands, read as ANSI SQL, or nothing where that is left to libinjection. For tests.
[[nodiscard]] std::optional<std::string> sqli_fingerprint(std::string_view value);

}  // namespace weir::rules::operators
