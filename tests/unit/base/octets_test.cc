// Octets eight and sixteen at a time, against one at a time.
#include "engine/base/octets.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

namespace weir::base {
namespace {

// In a heap block of just that size, so that a sanitizer sees what reads beyond.
std::string random_text(std::size_t n, std::mt19937& random) {
  std::string s;
  for (std::size_t i = 0; i < n; ++i) s += static_cast<char>(random() % 256);
  s.shrink_to_fit();
  return s;
}

TEST(Octets, UpToEightAreAWordWithZeroesAbove) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    for (std::size_t n = 0; n <= 8; ++n) {
      const std::string text = random_text(n, random);
      std::uint64_t want = 0;
      for (std::size_t i = 0; i < n; ++i) want |= std::uint64_t{static_cast<std::uint8_t>(text[i])} << (8 * i);
      ASSERT_EQ(up_to_eight(text.data(), n), want) << n;
    }
  }
}

#if defined(__SSE2__)
TEST(Octets, UpToSixteenHaveZeroesBehind) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    for (std::size_t n = 0; n <= 16; ++n) {
      const std::string text = random_text(n, random);
      std::array<char, 16> got{};
      _mm_storeu_si128(reinterpret_cast<__m128i*>(got.data()), up_to_sixteen(text.data(), n));
      ASSERT_EQ(std::string(got.data(), got.size()), text + std::string(16 - n, '\0')) << n;
    }
  }
}
#endif

TEST(Octets, AFewAreCopiedAndNoMore) {
  std::mt19937 random(3);
  for (std::size_t n = 0; n <= 70; ++n) {
    const std::string text = random_text(n, random);
    std::string to(n + 2, '!');
    copy_few(to.data() + 1, text.data(), n);
    ASSERT_EQ(to, "!" + text + "!") << n;
  }
}

}  // namespace
}  // namespace weir::base
