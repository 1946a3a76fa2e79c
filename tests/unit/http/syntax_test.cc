// Octets looked at sixteen at a time, against one at a time.
#include "engine/http/syntax.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "engine/http/message.h"

namespace weir::http {
namespace {

// Field lines, nearly: names short and long, with what is odd in them now and then.
std::string line_of(std::mt19937_64& random) {
  static constexpr std::string_view kName = "abcXYZ09-";
  static constexpr std::string_view kOdd = " \t:_/@[`{\x01\x7f\x80\xff\r\n";
  std::string line;
  for (auto n = random() % 24; n-- > 0;) line.push_back(kName[random() % kName.size()]);
  if (random() % 8 != 0) line.push_back(':');
  for (auto n = random() % 40; n-- > 0;) line.push_back(static_cast<char>(' ' + random() % 95));
  for (auto n = random() % 3; n-- > 0 && !line.empty();) line[random() % line.size()] = kOdd[random() % kOdd.size()];
  return line;
}

TEST(Syntax, BeforeControlIsWhereTheFirstControlOctetIs) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50000; ++round) {
    const std::string line = line_of(random);
    std::size_t expected = 0;
    while (expected < line.size() && static_cast<unsigned char>(line[expected]) >= 0x20 && line[expected] != 0x7f) ++expected;
    ASSERT_EQ(before_control(line), expected) << line;
  }
}

TEST(Syntax, APlainFieldLineSaysWhatAnyFieldLineSays) {
  std::mt19937_64 random(2);
  int plain = 0;
  for (int round = 0; round < 50000; ++round) {
    const std::string line = line_of(random);
    const std::string_view clean = std::string_view(line).substr(0, before_control(line));
    if (clean.empty()) continue;
    if (plain_name_length(clean) != 0) ++plain;
    const ParsedField any = parse_field(clean), parsed = parse_clean_field(clean);
    ASSERT_EQ(parsed.name, any.name) << clean;
    ASSERT_EQ(parsed.value, any.value) << clean;
    ASSERT_EQ(parsed.violations, any.violations) << clean;
  }
#if defined(__SSE2__)
  EXPECT_GT(plain, 5000);
#endif
}

}  // namespace
}  // namespace weir::http
