// The back end of the regression suite: whatever it is asked, what it answers is HTTP.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "crs/back_end.h"

namespace {

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const weir::crs::Answers answers = weir::crs::answers_to(text);
  require(answers.bytes.rfind(answers.first, 0) == 0, "the first answer does not come first");
  if (answers.status == 0) {
    require(answers.bytes.empty(), "an answer without a status");
  } else if (!answers.version_less) {
    require(answers.status >= 200 && answers.status <= 999, "no status of a response");
    require(answers.first.rfind("HTTP/1.1 " + std::to_string(answers.status), 0) == 0, "another status than it says");
    require(answers.first.find("\r\n\r\n") != std::string::npos, "a head without end");
  }
  return 0;
}
