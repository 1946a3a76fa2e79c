// Response streams. The first octet chooses the cuts, the second the methods of the three requests
// that are answered.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/unit/http/agree.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 16384) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::vector<std::string> methods;
  std::string script("\xff\x02", 2);
  for (unsigned i = 0; i < 3; ++i) {
    methods.emplace_back((data[1] >> i & 1U) != 0 ? "HEAD" : "GET");
    script += methods.back() + " / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
  }
  std::string wrong = weir::http::test::disagreement_on_responses(text, methods, data[0]);
  script += std::string("\xff\x01", 2) + text;
  if (wrong.empty()) wrong = weir::http::test::dependence_on_cuts(script, data[0]);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
