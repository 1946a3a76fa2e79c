// Request streams: the strict parser against the oracle, and no dependence on cuts. The first octet
// chooses the cuts.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/unit/http/agree.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 16384) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string wrong = weir::http::test::disagreement_on_requests(text, data[0]);
  if (wrong.empty()) wrong = weir::http::test::dependence_on_cuts(text, data[0]);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
