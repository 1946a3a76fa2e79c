#include "rules/body/urlencoded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "rules/body/cookies.h"
#include "tests/unit/rules_body/recorder.h"

namespace weir::rules::body::test {
namespace {

using Pairs = Recorder::Pairs;
using std::string_literals::operator""s;

struct Parsed {
  Pairs pairs;
  UrlencodedResult result;
  std::vector<std::string> calls;
};

Parsed parse(std::string_view text, const BodyLimits& limits = {}) {
  base::Arena arena;
  Recorder sink;
  Parsed out;
  out.result = parse_urlencoded(text, limits, arena, sink);
  out.pairs = sink.arguments;
  out.calls = sink.calls;
  return out;
}

struct Case {
  std::string text;
  Pairs expected;
  std::uint32_t invalid = 0;
};

TEST(Urlencoded, Table) {
  const std::vector<Case> cases = {
      {"", {}},
      {"a=1", {{"a", "1"}}},
      {"a=1&b=2", {{"a", "1"}, {"b", "2"}}},
      {"b=2&a=1&b=3", {{"b", "2"}, {"a", "1"}, {"b", "3"}}},
      {"a", {{"a", ""}}},
      {"a=", {{"a", ""}}},
      {"=", {{"", ""}}},
      {"=x", {{"", "x"}}},
      {"&", {{"", ""}}},
      {"&&", {{"", ""}, {"", ""}}},
      {"a&", {{"a", ""}}},
      {"a=1&", {{"a", "1"}}},
      {"a&&b", {{"a", ""}, {"", ""}, {"b", ""}}},
      {"a=b=c", {{"a", "b=c"}}},
      {"a;b=1", {{"a;b", "1"}}},
      {"a=1;b=2", {{"a", "1;b=2"}}},
      {"a+b=c+d", {{"a b", "c d"}}},
      {"a%3Db=%26", {{"a=b", "&"}}},
      {"%61=%41", {{"a", "A"}}},
      {"a=%00b", {{"a", "\0b"s}}},
      {"a=%", {{"a", "%"}}, 1},
      {"a=%4", {{"a", "%4"}}, 1},
      {"a=%zz", {{"a", "%zz"}}, 1},
      {"a=%4z", {{"a", "%4z"}}, 1},
      {"a=%z4", {{"a", "%z4"}}, 1},
      {"a=%%41", {{"a", "%A"}}, 1},
      {"a=%25%34%31", {{"a", "%41"}}},
      {"a=%u0041", {{"a", "%u0041"}}, 1},
      {"%=%", {{"%", "%"}}, 2},
      {"a=%C0%AF", {{"a", "\xC0\xAF"}}},
      {"a[]=1&a[]=2", {{"a[]", "1"}, {"a[]", "2"}}},
      {"a=1\r\n", {{"a", "1\r\n"}}},
      {"a\0b=c\0d"s, {{"a\0b"s, "c\0d"s}}},
      // A percent sequence does not reach over a separator.
      {"a=%4&1", {{"a", "%4"}, {"1", ""}}, 1},
      {"%=41", {{"%", "41"}}, 1},
  };
  for (const Case& c : cases) {
    const Parsed got = parse(c.text);
    EXPECT_EQ(got.pairs, c.expected) << c.text;
    EXPECT_EQ(got.result.invalid, c.invalid) << c.text;
    EXPECT_EQ(std::count(got.calls.begin(), got.calls.end(), "urlencoded error"),
              c.invalid > 0 ? 1 : 0)
        << c.text;
    EXPECT_TRUE(got.result.ok);
  }
}

TEST(Urlencoded, Separator) {
  BodyLimits limits;
  limits.argument_separator = ';';
  EXPECT_EQ(parse("a=1;b=2&c=3", limits).pairs, (Pairs{{"a", "1"}, {"b", "2&c=3"}}));
}

TEST(Urlencoded, ArgumentLimit) {
  BodyLimits limits;
  limits.arguments = 3;
  const Parsed three = parse("a&b&c", limits);
  EXPECT_TRUE(three.result.ok);
  const Parsed four = parse("a&b&c&d", limits);
  EXPECT_FALSE(four.result.ok);
  EXPECT_EQ(four.pairs.size(), 3U);
  EXPECT_EQ(four.calls.back(), "error [SecArgumentsLimit exceeded]");

  base::Arena arena;
  Recorder sink;
  sink.stop_after = 1;
  EXPECT_FALSE(parse_urlencoded("a&b&c", {}, arena, sink).ok);
  EXPECT_EQ(sink.error(), "SecArgumentsLimit exceeded");
}

TEST(Urlencoded, TwentyThousandParametersStopAtTheLimit) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "p" + std::to_string(i) + "=%41&";
  const Parsed got = parse(text);
  EXPECT_FALSE(got.result.ok);
  EXPECT_EQ(got.pairs.size(), 1000U);
  EXPECT_LT(got.result.work, 40000U);
}

TEST(Urlencoded, FullArenaIsAnError) {
  base::Arena arena(1024, 512);
  Recorder sink;
  EXPECT_FALSE(parse_urlencoded("a=" + std::string(5000, '+'), {}, arena, sink).ok);
  EXPECT_EQ(sink.errors.size(), 1U);
  EXPECT_TRUE(sink.arguments.empty());
}

TEST(Urlencoded, TextWithoutEscapesIsNotCopied) {
  base::Arena arena;
  struct : BodySink {
    const char* at = nullptr;
    bool on_argument(std::string_view, std::string_view value) override {
      at = value.data();
      return true;
    }
    void on_error(std::string_view) override {}
  } sink;
  const std::string text = "a=plain";
  parse_urlencoded(text, {}, arena, sink);
  EXPECT_EQ(sink.at, text.data() + 2);
  EXPECT_EQ(arena.reserved(), 0U);
}

// The naive oracle: one character at a time, no views.
Pairs naive(std::string_view text, std::uint32_t& invalid) {
  const auto decode = [&invalid](const std::string& s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
      if (s[i] == '+') {
        out += ' ';
      } else if (s[i] == '%' && i + 2 < s.size() && isxdigit(static_cast<unsigned char>(s[i + 1])) &&
                 isxdigit(static_cast<unsigned char>(s[i + 2]))) {
        out += static_cast<char>(std::stoi(s.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else {
        if (s[i] == '%') ++invalid;
        out += s[i];
      }
    }
    return out;
  };
  Pairs pairs;
  std::string name, value;
  bool in_value = false, open = false;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool end = i == text.size();
    if (end && !open) break;
    if (end || text[i] == '&') {
      const std::string decoded = decode(name);
      pairs.emplace_back(decoded, decode(value));
      name.clear(), value.clear();
      in_value = open = false;
    } else if (text[i] == '=' && !in_value) {
      in_value = open = true;
    } else {
      (in_value ? value : name) += text[i];
      open = true;
    }
  }
  return pairs;
}

TEST(Urlencoded, AgreesWithANaiveParser) {
  std::mt19937 random(7);
  const std::string alphabet = "ab=&%+4fZ;\0"s;
  BodyLimits limits;
  limits.arguments = 1'000'000;
  for (int run = 0; run < 100'000; ++run) {
    std::string text(random() % 24, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    std::uint32_t invalid = 0;
    const Pairs expected = naive(text, invalid);
    const Parsed got = parse(text, limits);
    ASSERT_EQ(got.pairs, expected) << text;
    ASSERT_EQ(got.result.invalid, invalid) << text;
  }
}

// Cookies.

struct CookieRecorder : CookieSink {
  Pairs cookies;
  bool on_cookie(std::string_view name, std::string_view value) override {
    cookies.emplace_back(name, value);
    return true;
  }
};

Pairs v0(std::string_view header) {
  CookieRecorder sink;
  parse_cookies_v0(header, kAutomaticSeparator, sink);
  return sink.cookies;
}

Pairs v1(std::string_view header) {
  CookieRecorder sink;
  base::Arena arena;
  parse_cookies_v1(header, arena, sink);
  return sink.cookies;
}

TEST(Cookies, Version0) {
  const std::vector<std::pair<std::string, Pairs>> cases = {
      {"", {}},
      {"a=1", {{"a", "1"}}},
      {"a=1; b=2", {{"a", "1"}, {"b", "2"}}},
      {"a=1;b=2;", {{"a", "1"}, {"b", "2"}}},
      {"a=1;;b=2", {{"a", "1"}, {"b", "2"}}},
      {";;", {}},
      {" ; ", {}},
      {"=x", {}},
      {" =x; a=1", {{"a", "1"}}},
      {"a", {{"a", ""}}},
      {"a=", {{"a", ""}}},
      {"a = 1 ; b", {{"a ", " 1 "}, {"b", ""}}},
      {"a=b=c", {{"a", "b=c"}}},
      {"a=\"x;y\"", {{"a", "\"x"}, {"y\"", ""}}},
      {"a=1, b=2", {{"a", "1"}, {"b", "2"}}},
      {"a=1,b=2", {{"a", "1,b=2"}}},
      {"a=1,b=2, c=3", {{"a", "1,b=2, c=3"}}},
      {"a=1, b=2; c=3", {{"a", "1, b=2"}, {"c", "3"}}},
      {"a=1,", {{"a", "1,"}}},
      {"a=%41+", {{"a", "%41+"}}},
      {"$Version=1; a=1; $Path=/", {{"$Version", "1"}, {"a", "1"}, {"$Path", "/"}}},
      {"a=1; a=2", {{"a", "1"}, {"a", "2"}}},
      {"\t\v a=1", {{"a", "1"}}},
      {"a[]=1", {{"a[]", "1"}}},
      {"a=1\0b"s, {{"a", "1\0b"s}}},
  };
  for (const auto& [header, expected] : cases) EXPECT_EQ(v0(header), expected) << header;
}

TEST(Cookies, Version0Separator) {
  CookieRecorder sink;
  parse_cookies_v0("a=1;b=2|c=3", '|', sink);
  EXPECT_EQ(sink.cookies, (Pairs{{"a", "1;b=2"}, {"c", "3"}}));
  sink.cookies.clear();
  parse_cookies_v0("a=1, b=2", ';', sink);
  EXPECT_EQ(sink.cookies, (Pairs{{"a", "1, b=2"}}));
}

TEST(Cookies, Version1) {
  const std::vector<std::pair<std::string, Pairs>> cases = {
      {"", {}},
      {"a=1; b=2", {{"a", "1"}, {"b", "2"}}},
      {"a=1, b=2", {{"a", "1"}, {"b", "2"}}},
      {"a = 1 ; b = 2 ", {{"a", "1"}, {"b", "2"}}},
      {"a=\"x;y,z\"; b=2", {{"a", "x;y,z"}, {"b", "2"}}},
      {"a=\"x", {{"a", "x"}}},
      {"a=\"", {{"a", ""}}},
      {"a=\"x\"y; b=2", {{"a", "x"}, {"y", ""}, {"b", "2"}}},
      {"$Version=\"1\"; a=1; $Path=\"/\"; $Domain=d; b=2; $Path=/b",
       {{"$Version", "1"}, {"a", "1"}, {"$a_Path", "/"}, {"$a_Domain", "d"}, {"b", "2"},
        {"$b_Path", "/b"}}},
      {"a", {{"a", ""}}},
      {"a; b", {{"a", ""}, {"b", ""}}},
      {"=x; a=1", {{"a", "1"}}},
      {",;, a=1", {{"a", "1"}}},
  };
  for (const auto& [header, expected] : cases) EXPECT_EQ(v1(header), expected) << header;
}

TEST(Cookies, CostIsLinear) {
  const std::string many = "x" + std::string(30'000, 'n') + "=1;";
  std::string header = many;
  for (int i = 0; i < 10'000; ++i) header += "$a;";
  CookieRecorder sink;
  base::Arena arena;
  const CookieResult result = parse_cookies_v1(header, arena, sink);
  EXPECT_EQ(result.cookies, 10'001U);
  EXPECT_LT(result.work, header.size() + 10'000U * 300);
}

}  // namespace
}  // namespace weir::rules::body::test
