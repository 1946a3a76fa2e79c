// Octets eight and sixteen at a time, against one at a time.
#include "engine/base/octets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

namespace weir::base {
namespace {

// In a heap block of just that size, so that a sanitizer sees what reads beyond.
std::vector<char> random_octets(std::size_t n, std::mt19937& random) {
  std::vector<char> out(n);
  for (char& c : out) c = static_cast<char>(random() % 256);
  return out;
}

TEST(Octets, UpToEightAreAWordWithZeroesAbove) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    for (std::size_t n = 0; n <= 8; ++n) {
      const std::vector<char> text = random_octets(n, random);
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
      const std::vector<char> text = random_octets(n, random);
      std::array<char, 16> got{};
      _mm_storeu_si128(reinterpret_cast<__m128i*>(got.data()), up_to_sixteen(text.data(), n));
      ASSERT_EQ(std::string(got.data(), got.size()), std::string(text.begin(), text.end()) + std::string(16 - n, '\0')) << n;
    }
  }
}
#endif

TEST(Octets, AreCopiedUpToOneWithOthersInPlaceOfSome) {
  std::mt19937 random(3);
  std::size_t stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<char> text = random_octets(random() % 70, random);
    for (char& c : text) {
      if (random() % 6 == 0) c = '+';
      if (random() % 40 == 0) c = '%';
    }
    std::string want(text.begin(), text.end());
    want.resize(std::min(want.find('%'), want.size()));
    stopped += want.size() < text.size() ? 1 : 0;
    for (char& c : want) c = c == '+' ? ' ' : c;
    std::vector<char> out(text.size());
    const std::size_t n = copy_replacing({text.data(), text.size()}, '%', '+', ' ', out.data());
    ASSERT_EQ(std::string(out.data(), n), want);
  }
  EXPECT_GT(stopped, 500U);
}

}  // namespace
}  // namespace weir::base
