// Shared by the fuzz targets: pieces out of fuzzer bytes, and a sink that writes calls down.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/rules_body/recorder.h"

namespace weir::rules::body::test {

inline std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Cuts `text` at places that depend on its content only, so that a run can be repeated.
inline std::vector<std::string_view> pieces_of(std::string_view text) {
  std::uint32_t state = 2'166'136'261U;
  for (const char c : text.substr(0, 64)) state = (state ^ static_cast<unsigned char>(c)) * 16'777'619U;
  std::vector<std::string_view> out;
  while (!text.empty()) {
    state = state * 1'664'525U + 1'013'904'223U;
    const std::size_t n = 1 + (state >> 24U) % ((state >> 16U) % 4 == 0 ? 200U : 7U);
    out.push_back(text.substr(0, n));
    text.remove_prefix(out.back().size());
  }
  return out;
}

inline void require(bool condition) {
  if (!condition) std::abort();
}

inline void require_same(const Recorder& a, const Recorder& b) {
  require(a.calls == b.calls);
  require(a.errors.size() <= 1);
}

}  // namespace weir::rules::body::test
