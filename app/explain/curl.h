// The request that a curl command line would send, for people who have one at hand (browsers copy requests
// in this form). Options that shape the request are understood; those that only concern the connection or
// the output are passed over; others are an error that names them.
#pragma once

#include <string>
#include <string_view>

#include "engine/result.h"

namespace weir::app {

struct CurlRequest {
  std::string bytes;  // an HTTP/1.1 request
  std::string host;   // of the URL, without port
  std::uint16_t port = 80;
};

// `command` is as a POSIX shell (or bash, for $'…') would read it; a leading "curl" may be left out.
Result<CurlRequest> curl_request(std::string_view command);

}  // namespace weir::app
