// The content of a file of requirements: refused, or read as what encodes to the very same bytes.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "rules/requirement_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto read = weir::rules::decode_requirements(content, data[0] % 8);
  if (read && weir::rules::encode(*read) != content) {
    std::fprintf(stderr, "reads otherwise than it writes\n");
    std::abort();
  }
  return 0;
}
