// A second HTTP/1 parser for tests: slow, over whole strings, a literal reading of the grammar of
// RFC 9112 and 9110 restricted to what Weir takes without complaint. It shares no code with
// engine/http.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::http::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct OracleMessage {
  std::string first_line;  // without CRLF
  Fields fields;
  std::string body;
  Fields trailers;
  bool operator==(const OracleMessage&) const = default;
};

enum class OracleStatus { Complete, Partial, Invalid };

struct OracleResult {
  std::vector<OracleMessage> messages;           // complete ones
  OracleStatus status = OracleStatus::Complete;  // of what follows them
  bool extensions = false;                       // some chunk had an extension
  bool coded = false;                            // some message has a content coding
};

[[nodiscard]] OracleResult parse_requests(std::string text);
// `methods[i]` is that of the request that the i-th response answers; "GET" beyond. `closed`: the
// stream ends after the text.
[[nodiscard]] OracleResult parse_responses(std::string text,
                                           const std::vector<std::string>& methods, bool closed);

// The chunked coding: what is decoded, and how many octets were used, or npos while incomplete;
// Invalid if it breaks the grammar (extensions allowed, without white space).
struct OracleChunks {
  std::string body;
  std::size_t used = 0;  // up to the end of the last-chunk line
  OracleStatus status = OracleStatus::Partial;
  bool extensions = false;
};
[[nodiscard]] OracleChunks parse_chunks(const std::string& text);

}  // namespace weir::http::test
