#include "rules/body/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "engine/base/utf8.h"
#include "tests/unit/rules_body/recorder.h"

namespace weir::rules::body::test {
namespace {

using Pairs = Recorder::Pairs;
using std::string_literals::operator""s;
using testing::HasSubstr;

struct Parser {
  JsonNames names = JsonNames::ModSecurity2;
  BodyLimits limits = {};
  bool truncated = false;
  std::uint64_t* work = nullptr;

  void operator()(const std::vector<std::string_view>& pieces, Recorder& sink) const {
    JsonProcessor json;
    json.begin(limits, names, sink);
    bool ok = true;
    for (const auto piece : pieces) ok = json.feed(piece);
    ok = json.finish(truncated);
    EXPECT_EQ(ok, sink.errors.empty());
    EXPECT_LE(sink.errors.size(), 1U);
    if (work != nullptr) *work = json.work();
  }
};

void same(const Recorder& expected, const Recorder& got, const std::string& how) {
  ASSERT_EQ(got.calls, expected.calls) << how;
}

Recorder parse(std::string_view text, const Parser& run = {}) { return every_cut(text, run, same, 200); }

struct Case {
  std::string text;
  Pairs v2, v3;
};

TEST(Json, Names) {
  const std::vector<Case> cases = {
      {R"({"a":1})", {{"a", "1"}}, {{"json.a", "1"}}},
      {R"({"a":"x","b":{"b":true}})",
       {{"a", "x"}, {"b.b", "true"}},
       {{"json.a", "x"}, {"json.b.b", "true"}}},
      {R"([1,"x",null])",
       {{"array.array", "1"}, {"array.array", "x"}, {"array.array", ""}},
       {{"json.array_0", "1"}, {"json.array_1", "x"}, {"json.array_2", ""}}},
      {R"({"a":{"b":[1,{"c":2}]}})",
       {{"a.b.b", "1"}, {"a.b.b.c", "2"}},
       {{"json.a.b.array_0", "1"}, {"json.a.b.array_1.c", "2"}}},
      {R"([[1,[2]],3])",
       {{"array.array.array", "1"}, {"array.array.array.array", "2"}, {"array.array", "3"}},
       {{"json.array_0.array_0", "1"}, {"json.array_0.array_1.array_0", "2"}, {"json.array_1", "3"}}},
      {R"([{"k":1},{"k":2}])",
       {{"array.array.k", "1"}, {"array.array.k", "2"}},
       {{"json.array_0.k", "1"}, {"json.array_1.k", "2"}}},
      {R"({"a":[{"k":[1]},2],"b":3})",
       {{"a.a.k.k", "1"}, {"a.a", "2"}, {"b", "3"}},
       {{"json.a.array_0.k.array_0", "1"}, {"json.a.array_1", "2"}, {"json.b", "3"}}},
      {R"({"":1,"x":{"":2}})",
       {{"", "1"}, {"x.", "2"}},
       {{"json.empty-key", "1"}, {"json.x.empty-key", "2"}}},
      {R"({"":{"x":1}})", {{".x", "1"}}, {{"json.empty-key.x", "1"}}},
      {R"({"a":{},"b":[],"c":1})", {{"c", "1"}}, {{"json.c", "1"}}},
      {R"("top")", {{"", "top"}}, {{"json", "top"}}},
      {"17", {{"", "17"}}, {{"json", "17"}}},
      {"null", {{"", ""}}, {{"json", ""}}},
      {"false", {{"", "false"}}, {{"json", "false"}}},
      {"{}", {}, {}},
      {"[]", {}, {}},
      // Repeated keys are all seen (a bypass where the last one wins).
      {R"({"a":1,"a":2,"a":{"a":3}})",
       {{"a", "1"}, {"a", "2"}, {"a.a", "3"}},
       {{"json.a", "1"}, {"json.a", "2"}, {"json.a.a", "3"}}},
      {R"({"a.b":{"c":1},"d":2})",
       {{"a.b.c", "1"}, {"d", "2"}},
       {{"json.a.b.c", "1"}, {"json.d", "2"}}},
      {R"({"$where":"1","__proto__":{"x":1},"@type":"java.lang.X"})",
       {{"$where", "1"}, {"__proto__.x", "1"}, {"@type", "java.lang.X"}},
       {{"json.$where", "1"}, {"json.__proto__.x", "1"}, {"json.@type", "java.lang.X"}}},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(parse(c.text).arguments, c.v2) << c.text;
    EXPECT_EQ(parse(c.text, {JsonNames::ModSecurity3}).arguments, c.v3) << c.text;
    EXPECT_EQ(parse(c.text).error(), "") << c.text;
  }
}

TEST(Json, Values) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("")", ""},
      {R"("a\u0000b")", "a\0b"s},
      {R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
      {R"("\u003cscript\u003E")", "<script>"},
      {R"("\u00e9\u20AC\ud83d\ude00")", "\u00e9\u20AC\U0001F600"},
      {"\"\u00e9\u20AC\U0001F600\"", "\u00e9\u20AC\U0001F600"},
      {R"("\ud800")", "?"},
      {R"("\ud800x")", "?x"},
      {R"("\ud800\n")", "?\n"},
      {R"("\ud800\u003c")", "?<"},  // yajl would swallow the second escape
      {R"("\ud800\ud83d\ude00")", "?\U0001F600"},
      {R"("\udc00")", "\xED\xB0\x80"},
      {"\"\x7f\"", "\x7f"},
      {"0", "0"},
      {"-0", "-0"},
      {"1.50", "1.50"},
      {"1e5", "1e5"},
      {"-12.3E-07", "-12.3E-07"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {" \t\r\n 1 \n", "1"},
  };
  for (const auto& [text, value] : cases) {
    EXPECT_EQ(parse(text).arguments, (Pairs{{"", value}})) << text;
    EXPECT_EQ(parse(" [" + text + " ] ").arguments, (Pairs{{"array.array", value}})) << text;
    EXPECT_EQ(parse("{\"k\":" + text + "}").arguments, (Pairs{{"k", value}})) << text;
  }
}

TEST(Json, Errors) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {" ", "premature EOF"},
      {"{", "premature EOF"},
      {"[1", "premature EOF"},
      {"\"abc", "premature EOF"},
      {"{\"a\"", "premature EOF"},
      {"{\"a\":", "premature EOF"},
      {"tru", "premature EOF"},
      {"-", "after the minus sign"},
      {"1.", "after the decimal point"},
      {"1e", "after the exponent"},
      {"1e+", "after the exponent"},
      {"1.e5", "after the decimal point"},
      {"-x", "after the minus sign"},
      {"01", "trailing garbage"},
      {"1 2", "trailing garbage"},
      {"{}{}", "trailing garbage"},
      {"{}x", "trailing garbage"},
      {"truex", "trailing garbage"},
      {"trux", "invalid string in json text"},
      {"nul1", "invalid string in json text"},
      {"True", "invalid char in json text"},
      {"NaN", "invalid char in json text"},
      {"Infinity", "invalid char in json text"},
      {"+1", "invalid char in json text"},
      {".5", "invalid char in json text"},
      {"0x10", "trailing garbage"},
      {"'a'", "invalid char in json text"},
      {"{a:1}", "must be a string"},
      {"{'a':1}", "must be a string"},
      {"{1:1}", "must be a string"},
      {"{\"a\" 1}", "separated by a colon"},
      {"{\"a\"=1}", "separated by a colon"},
      {"{\"a\":}", "unallowed token"},
      {"{\"a\":1,}", "must be a string"},
      {"{,}", "must be a string"},
      {"[1,]", "unallowed token"},
      {"[,1]", "unallowed token"},
      {"[1 2]", "after array element"},
      {"{\"a\":1 \"b\":2}", "after key and value"},
      {"[1}", "after array element"},
      {"{\"a\":1]", "after key and value"},
      {"]", "unallowed token"},
      {"/*c*/1", "invalid char in json text"},
      {"[1]//c", "trailing garbage"},
      {"[1/*c*/]", "after array element"},
      {"\xEF\xBB\xBF{}", "invalid char in json text"},
      {"\"a\nb\"", "invalid character inside string"},
      {"\"a\0b\""s, "invalid character inside string"},
      {"[1]\0"s, "trailing garbage"},
      {"\"\\x41\"", "occurs before a character which it may not"},
      {"\"\\'\"", "occurs before a character which it may not"},
      {"\"\\u12g4\"", "non-hex"},
      {"\"\\u{41}\"", "non-hex"},
      {"\"\x80\"", "invalid bytes in UTF8"},
      {"\"\xC0\xAF\"", "invalid bytes in UTF8"},
      {"\"\xE0\x80\xAF\"", "invalid bytes in UTF8"},
      {"\"\xED\xA0\x80\"", "invalid bytes in UTF8"},
      {"\"\xF4\x90\x80\x80\"", "invalid bytes in UTF8"},
      {"\"\xF8\x88\x80\x80\x80\"", "invalid bytes in UTF8"},
      {"\"\xE2\x82\"", "invalid bytes in UTF8"},
      {"\"\xE9\"", "invalid bytes in UTF8"},
      {"{\"\xFF\":1}", "invalid bytes in UTF8"},
      {"{\0\"\0a\0\"\0:\0001\0}\0"s, "must be a string"},  // UTF-16
      {"\v1", "invalid char in json text"},
  };
  for (const auto& [text, message] : cases) {
    const Recorder got = parse(text);
    ASSERT_EQ(got.errors.size(), 1U) << text;
    EXPECT_THAT(got.error(), testing::StartsWith("JSON parsing error: ")) << text;
    EXPECT_THAT(got.error(), HasSubstr(message)) << text;
  }
}

TEST(Json, EmptyBodyIsFine) { EXPECT_TRUE(parse("").calls.empty()); }

TEST(Json, WhatIsReadBeforeAnErrorIsReported) {
  EXPECT_EQ(parse(R"({"a":"<script>","b":)").arguments, (Pairs{{"a", "<script>"}}));
}

TEST(Json, Truncated) {
  Parser run;
  run.truncated = true;
  EXPECT_EQ(parse(R"({"a":"abc)", run).arguments, (Pairs{{"a", "abc"}}));
  EXPECT_EQ(parse(R"({"a":"abc\)", run).arguments, (Pairs{{"a", "abc"}}));
  EXPECT_EQ(parse(R"({"a":12)", run).arguments, (Pairs{{"a", "12"}}));
  EXPECT_EQ(parse(R"({"a":-)", run).arguments, (Pairs{{"a", "-"}}));
  EXPECT_EQ(parse(R"({"a":1,"bc)", run).arguments, (Pairs{{"a", "1"}}));
  EXPECT_EQ(parse(R"({"a":[1,{"b)", run).arguments, (Pairs{{"a.a", "1"}}));
  EXPECT_EQ(parse("[1}", run).errors.size(), 1U);
}

std::string nested(std::size_t depth, std::string_view open, std::string_view close,
                   std::string_view inside) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  text += inside;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

Recorder parse_once(std::string_view text, const Parser& run = {}) {
  Recorder sink;
  run({text}, sink);
  return sink;
}

TEST(Json, DepthLimit) {
  BodyLimits limits;
  limits.json_depth = 3;
  const Parser v2{JsonNames::ModSecurity2, limits}, v3{JsonNames::ModSecurity3, limits};
  EXPECT_EQ(parse("[[[1]]]", v2).error(), "");
  EXPECT_EQ(parse("[[[[1]]]]", v2).error(), "JSON parsing error: JSON depth limit exceeded");
  // ModSecurity 2 does not count the outermost object, ModSecurity 3 does.
  EXPECT_EQ(parse(nested(4, "{\"a\":", "}", "1"), v2).error(), "");
  EXPECT_EQ(parse(nested(5, "{\"a\":", "}", "1"), v2).errors.size(), 1U);
  EXPECT_EQ(parse(nested(3, "{\"a\":", "}", "1"), v3).error(), "");
  EXPECT_EQ(parse(nested(4, "{\"a\":", "}", "1"), v3).errors.size(), 1U);
  // Closed containers do not count.
  EXPECT_EQ(parse("[[],[],[],[[]],[]]", v2).error(), "");
  for (const std::size_t depth : {600U, 20'000U, 100'000U}) {
    const Recorder got = parse_once(nested(depth, "[", "]", "1"));
    EXPECT_EQ(got.error(), "JSON parsing error: JSON depth limit exceeded");
    const Recorder objects = parse_once(nested(depth, "{\"a\":", "}", "1"));
    EXPECT_EQ(objects.error(), "JSON parsing error: JSON depth limit exceeded");
  }
}

TEST(Json, ArgumentLimit) {
  std::string text = "[0";
  for (int i = 1; i < 1001; ++i) text += ",1";
  const Recorder got = parse_once(text + "]");
  EXPECT_EQ(got.error(), "SecArgumentsLimit exceeded");
  EXPECT_EQ(got.arguments.size(), 1000U);
  Recorder sink;
  sink.stop_after = 2;
  Parser{}({"[1,2,3,4]"}, sink);
  EXPECT_EQ(sink.error(), "SecArgumentsLimit exceeded");
  EXPECT_EQ(sink.arguments.size(), 2U);
}

TEST(Json, LongNamesOverManyValuesCostLittle) {
  BodyLimits limits;
  limits.arguments = 1'000'000;
  std::uint64_t work = 0;
  const Parser run{JsonNames::ModSecurity2, limits, false, &work};
  const auto check = [&](const std::string& text) {
    const Recorder got = parse_once(text, run);
    // 256 KiB and 8 times the body are the names' allowance.
    EXPECT_LT(work, 24 * text.size() + 800'000) << text.substr(0, 40);
    EXPECT_LT(got.bytes, 10 * text.size() + 300'000) << text.substr(0, 40);
  };
  const std::string key(4000, 'k');
  std::string values = "1";
  for (int i = 0; i < 30'000; ++i) values += ",1";
  check("{\"" + key + "\":[" + values + "]}");
  check(nested(500, "[", "]", values));
  std::string objects = "{}";
  for (int i = 0; i < 20'000; ++i) objects += ",{}";
  check("{\"" + key + "\":[" + objects + "]}");
  std::string arrays = "[1]";
  for (int i = 0; i < 15'000; ++i) arrays += ",[1]";
  check("{\"" + key + "\":[" + arrays + "]}");
  check(nested(511, "[", "]", arrays));
  check("{\"" + std::string(60'000, 'k') + "\":" + nested(511, "[", "]", "1") + "}");
  check("[" + nested(400, "{\"" + std::string(100, 'k') + "\":", "}", "1") + "]");
}

TEST(Json, LongNameIsAnError) {
  EXPECT_THAT(parse_once("{\"" + std::string(5000, 'k') + "\":1}").error(),
              HasSubstr("longer than 4096 bytes"));
  EXPECT_EQ(parse_once("{\"" + std::string(4096, 'k') + "\":1}").error(), "");
}

// Another opinion: what nlohmann::json accepts, and the scalars in its order.
class Scalars : public nlohmann::json::json_sax_t {
 public:
  std::vector<std::string> values;
  bool null() override { return add(""); }
  bool boolean(bool v) override { return add(v ? "true" : "false"); }
  bool number_integer(number_integer_t) override { return add("#"); }
  bool number_unsigned(number_unsigned_t) override { return add("#"); }
  bool number_float(number_float_t, const string_t& text) override { return add("#" + text); }
  bool string(string_t& v) override { return add(v); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

 private:
  bool add(std::string v) {
    values.push_back(std::move(v));
    return true;
  }
};

std::string random_json(std::mt19937& random, int depth) {
  const auto blank = [&] { return std::string(random() % 8 == 0 ? " \n" : ""); };
  const auto text = [&] {
    static const std::vector<std::string> pieces = {
        "a", "b", "\\n", "\\u0041", "\\u0000", "\\ud83d\\ude00", "\xC3\xA9", "\xE2\x82\xAC",
        "\xF0\x9F\x98\x80", "\\\"", "\\\\", "/", "."};
    std::string s = "\"";
    for (auto n = random() % 5; n > 0; --n) s += pieces[random() % pieces.size()];
    return s + "\"";
  };
  switch (depth <= 0 ? random() % 5 : random() % 9) {
    case 0: return text();
    case 1: return std::vector<std::string>{"0", "-1", "12.5", "1e3", "2E-2"}[random() % 5];
    case 2: return "true";
    case 3: return "null";
    case 4: return blank() + "false" + blank();
    case 5:
    case 6: {
      std::string s = "[" + blank();
      for (auto n = random() % 4; n > 0; --n) {
        s += random_json(random, depth - 1) + blank() + (n > 1 ? "," : "");
      }
      return s + "]";
    }
    default: {
      std::string s = "{";
      for (auto n = random() % 4; n > 0; --n) {
        s += blank() + text() + blank() + ":" + random_json(random, depth - 1) + (n > 1 ? "," : "");
      }
      return s + "}";
    }
  }
}

bool simdjson_accepts(const std::string& text) {
  simdjson::dom::parser parser;
  return parser.parse(text).error() == simdjson::SUCCESS;
}

TEST(Json, AgreesWithOtherParsers) {
  std::mt19937 random(11);
  const std::string noise = "{}[]\",:\\u0d8tfn1-.e \n\x80\xC3\xA9\xED\xA0";
  int accepted = 0, refused = 0;
  for (int run = 0; run < 60'000; ++run) {
    std::string text = random_json(random, 4);
    for (auto n = random() % 3; n > 0 && !text.empty(); --n) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = noise[random() % noise.size()]; break;
        case 1: text.erase(at, 1); break;
        default: text.insert(at, 1, noise[random() % noise.size()]);
      }
    }
    if (text.empty()) continue;
    Scalars reference;
    const bool valid = nlohmann::json::sax_parse(text, &reference, nlohmann::json::input_format_t::json);
    const Recorder got = parse_once(text);
    if (valid) {
      ++accepted;
      ASSERT_EQ(got.error(), "") << text;
      ASSERT_EQ(got.arguments.size(), reference.values.size()) << text;
      for (std::size_t i = 0; i < reference.values.size(); ++i) {
        const std::string& expected = reference.values[i];
        if (!expected.empty() && expected.front() == '#') {
          if (expected.size() > 1) {
            ASSERT_EQ(got.arguments[i].second, expected.substr(1)) << text;
          }
        } else {
          ASSERT_EQ(got.arguments[i].second, expected) << text;
        }
      }
    } else {
      ++refused;
      // nlohmann refuses two things that the grammar allows: lone surrogates and numbers beyond a double.
      if (got.errors.empty()) {
        ASSERT_THAT(text, testing::ContainsRegex("(\\\\u[dD])|([0-9][eE][+-]?[0-9][0-9][0-9])"));
      }
    }
    if (simdjson_accepts(text)) {
      ASSERT_EQ(got.error(), "") << text;
    }
  }
  EXPECT_GT(accepted, 10'000);
  EXPECT_GT(refused, 10'000);
}

// All strings over a small alphabet: accepted exactly when nlohmann accepts them.
TEST(Json, AgreesOnAllShortTexts) {
  const std::string alphabet = "[]{}:,\"1-.e0 tn\\";
  for (std::size_t length = 1; length <= 5; ++length) {
    std::vector<std::size_t> digits(length, 0);
    for (;;) {
      std::string text;
      for (const auto d : digits) text += alphabet[d];
      const bool valid = nlohmann::json::accept(text);
      ASSERT_EQ(parse_once(text).errors.empty(), valid) << text;
      std::size_t i = 0;
      while (i < length && ++digits[i] == alphabet.size()) digits[i++] = 0;
      if (i == length) break;
    }
  }
}

}  // namespace
}  // namespace weir::rules::body::test
