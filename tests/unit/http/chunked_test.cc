#include "engine/http/chunked.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/http/oracle.h"

namespace weir::http {
namespace {

struct Outcome {
  std::string body;
  ViolationSet violations;
  std::size_t used = 0;
  bool last = false;
  bool broken = false;
  bool operator==(const Outcome& o) const {
    bool same = body == o.body && used == o.used && last == o.last && broken == o.broken;
    for (std::size_t i = 0; i < kViolationCount; ++i) {
      const auto v = static_cast<Violation>(i);
      same = same && violations.contains(v) == o.violations.contains(v);
    }
    return same;
  }
};

Outcome decode(std::string_view in, std::size_t piece, std::size_t max_extension = 256) {
  ChunkDecoder decoder(max_extension);
  Outcome out;
  while (!in.empty() && !out.last && !out.broken) {
    std::string_view part = in.substr(0, piece);
    while (!part.empty() && !out.last && !out.broken) {
      const ChunkStep step = decoder.step(part);
      EXPECT_GE(step.consumed, 1U);
      if (step.violation) out.violations.insert(*step.violation);
      if (step.event == ChunkEvent::Data) out.body += part.substr(0, step.consumed);
      out.last = step.event == ChunkEvent::Last;
      out.broken = step.event == ChunkEvent::Broken;
      EXPECT_TRUE(!out.broken || step.violation);
      part.remove_prefix(step.consumed);
      in.remove_prefix(step.consumed);
      out.used += step.consumed;
    }
  }
  return out;
}

TEST(ChunkDecoder, AgreesWithTheGrammar) {
  const std::string alphabet = "0123aF;=\"\\ \t\r\n\rx\n\r\n-+\x01\x80";
  std::mt19937 random(7);
  int accepted = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string text = round % 2 == 0 ? "3;a=b\r\nabc\r\n0\r\n" : "2\r\nxy\r\n0;q=\"\\\"\"\r\n";
    for (unsigned n = random() % 4; n > 0; --n) {
      const std::size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1);
          break;
      }
    }
    const Outcome whole = decode(text, text.size());
    ASSERT_TRUE(whole == decode(text, 1)) << text;
    ASSERT_TRUE(whole == decode(text, 1 + random() % 5)) << text;
    const test::OracleChunks oracle = test::parse_chunks(text);
    ViolationSet serious = whole.violations;
    serious.erase(Violation::ChunkExtension);
    if (oracle.status == test::OracleStatus::Complete) {
      ++accepted;
      ASSERT_TRUE(whole.last && serious.empty()) << text;
      ASSERT_EQ(whole.body, oracle.body) << text;
      ASSERT_EQ(whole.used, oracle.used) << text;
      ASSERT_EQ(whole.violations.contains(Violation::ChunkExtension), oracle.extensions) << text;
    } else {
      ASSERT_FALSE(whole.last && serious.empty())
          << "taken although the grammar does not: " << text;
    }
  }
  EXPECT_GT(accepted, 10000);
}

TEST(ChunkDecoder, SkipsOnlyWithinTheDataOfAChunk) {
  ChunkDecoder decoder(256);
  EXPECT_FALSE(ChunkDecoder(256).skip(1)) << "in the framing";
  EXPECT_EQ(decoder.step("5\r\n").consumed, 3U);
  EXPECT_FALSE(decoder.skip(6));
  EXPECT_TRUE(decoder.skip(2));
  EXPECT_EQ(decoder.step("cde\r\n").consumed, 3U);
  EXPECT_FALSE(decoder.skip(1)) << "between data and CRLF";
}

TEST(ChunkDecoder, LargestSizes) {
  EXPECT_FALSE(decode("7fffffffffffffff\r\nx", 100).broken);
  EXPECT_TRUE(decode("8000000000000000\r\nx", 100).broken);
  EXPECT_TRUE(decode("00000000000000000\r\n", 100).broken);
  EXPECT_TRUE(decode("0000000000000000\r\n", 100).last);
}

TEST(ChunkDecoder, DataIsGivenInOneStep) {
  ChunkDecoder decoder(256);
  EXPECT_EQ(decoder.step("10\r\n0123456789abcdef\r\n").consumed, 4U);
  const ChunkStep step = decoder.step("0123456789abcdef\r\n");
  EXPECT_EQ(step.event, ChunkEvent::Data);
  EXPECT_EQ(step.consumed, 16U);
}

}  // namespace
}  // namespace weir::http
