// The reader of curl commands and of hand-written requests. The first byte chooses: 'c' a command, else a request.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "app/explain/curl.h"
#include "app/explain/request.h"

namespace {

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void command(std::string_view text) {
  const auto made = weir::app::curl_request(text);
  if (!made) {
    require(!made.error().message.empty(), "an error without words");
    return;
  }
  require(made->bytes.find("\r\n\r\n") != std::string::npos, "a head without end");
  require(made->bytes.find(" HTTP/1.") != std::string::npos, "no version");
  // Linear in the command: a percent-encoded byte takes three, and defaults are few.
  require(made->bytes.size() < 8 * text.size() + 1024, "a request out of proportion");
}

void request(std::string_view text) {
  const std::string bytes = weir::app::request_bytes(text);
  require(weir::app::request_bytes(bytes) == bytes, "not the same a second time");
  if (text.find('\r') != std::string_view::npos) {
    require(bytes == text, "CR LF was touched");
    return;
  }
  const std::size_t end = bytes.find("\r\n\r\n");
  require(end != std::string::npos, "a head without end");
  for (std::size_t i = 0; i < end; ++i) require(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'), "a bare line feed");
  const std::size_t body = text.find("\n\n");
  require(body == std::string_view::npos || bytes.substr(end + 4) == text.substr(body + 2), "the body was touched");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 8192) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'c') {
    command(text);
  } else {
    request(text);
  }
  return 0;
}
