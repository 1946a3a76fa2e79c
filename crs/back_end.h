// BackEnd: the web server behind Weir in the CRS regression suite. Reads requests as servers do,
// answers `POST /reflect` as its JSON body says ({"status", "headers", "body" or "encodedBody"}),
// and everything else with an empty 200.
#pragma once

#include <string>
#include <string_view>

namespace weir::crs {

struct Answers {
  std::string bytes;          // of all responses, in order
  std::string first;          // of the first
  int status = 0;             // of the first; 0: the first request never became complete
  bool version_less = false;  // the first is HTTP/0.9, which has no status line
};

// All that the server says to a client that sends `requests` on one connection and then waits.
[[nodiscard]] Answers answers_to(std::string_view requests);

}  // namespace weir::crs
