// A value: what is worked out of it in front of libinjection, against libinjection.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "rules/operators/injection.h"
#include "rules/operators/sqli_filter.h"

extern "C" {
void weir_libinjection_sqli_init(void* state, const char* text, std::size_t length, int flags);
const char* weir_libinjection_sqli_fingerprint(void* state, int flags);
}

using namespace weir::rules::operators;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int kAsItStands = 1, kAnsi = 8;
  const std::string value(reinterpret_cast<const char*>(data), size);
  const std::optional<std::string> fingerprint = sqli_fingerprint(value);
  if (fingerprint) {
    alignas(std::max_align_t) std::array<char, 4096> state{};  // larger than libinjection's by far
    weir_libinjection_sqli_init(state.data(), value.data(), value.size(), kAsItStands | kAnsi);
    const std::string_view theirs = weir_libinjection_sqli_fingerprint(state.data(), kAsItStands | kAnsi);
    if (*fingerprint != theirs) {
      std::fprintf(stderr, "fingerprint %s is none: %.*s\n", fingerprint->c_str(), static_cast<int>(theirs.size()),
                   theirs.data());
      std::abort();
    }
  }
  if (!may_be_sqli(value) && detect_sqli(value).found) {
    std::fprintf(stderr, "not found: %s\n", detect_sqli(value).fingerprint.data());
    std::abort();
  }
  return 0;
}
