#include "engine/base/json_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "engine/base/base64.h"
#include "engine/base/utf8.h"

namespace weir::base {
namespace {

using nlohmann::json;
using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

std::string escaped(std::string_view s) {
  std::string out;
  append_json_escaped(out, s);
  return out;
}

TEST(JsonWriter, Escapes) {
  EXPECT_EQ(escaped("plain"), "plain");
  EXPECT_EQ(escaped("\"\\\b\f\n\r\t"), "\\\"\\\\\\b\\f\\n\\r\\t");
  EXPECT_EQ(escaped("\0\x01\x1f\x7f"sv), "\\u0000\\u0001\\u001f\\u007f");
  EXPECT_EQ(escaped("\u00e9\u20AC\U0001F600"), "\u00e9\u20AC\U0001F600");
  EXPECT_EQ(escaped("\xFF"), "\\u00ff");
  EXPECT_EQ(escaped("a\xC3"), "a\\u00c3");
  EXPECT_EQ(escaped("\xC0\xAF"), "\\u00c0\\u00af");
  EXPECT_EQ(escaped("\xED\xA0\x80"), "\\u00ed\\u00a0\\u0080");
  EXPECT_EQ(escaped("\xE2\x82x"), "\\u00e2\\u0082x");
}

TEST(JsonWriter, Structure) {
  std::string out;
  JsonWriter w(out);
  w.begin_object();
  w.field("a", 1);
  w.field("b", "x");
  w.field("c", std::string("y"));
  w.field("d", true);
  w.field("e", 1.5);
  w.field("f", std::uint64_t{18446744073709551615ULL});
  w.field("g", std::numeric_limits<std::int64_t>::min());
  w.key("h");
  w.null();
  w.key("i");
  w.begin_array();
  w.number(1);
  w.begin_object();
  w.end_object();
  w.begin_array();
  w.end_array();
  w.string("z");
  w.end_array();
  w.field("nan", std::numeric_limits<double>::quiet_NaN());
  w.field("inf", std::numeric_limits<double>::infinity());
  w.end_object();
  EXPECT_EQ(out,
            R"({"a":1,"b":"x","c":"y","d":true,"e":1.5,"f":18446744073709551615,)"
            R"("g":-9223372036854775808,"h":null,"i":[1,{},[],"z"],"nan":null,"inf":null})");
}

TEST(JsonWriter, FinishClosesWhatIsOpen) {
  std::string out;
  JsonWriter w(out);
  w.begin_object();
  w.key("a");
  w.begin_array();
  w.begin_object();
  w.key("b");
  w.finish();
  EXPECT_EQ(out, R"({"a":[{"b":null}]})");
}

TEST(JsonWriter, TextOrBytes) {
  const auto write = [](std::string_view value, std::size_t limit = SIZE_MAX) {
    std::string out;
    JsonWriter w(out);
    w.text_or_bytes(value, limit);
    return out;
  };
  EXPECT_EQ(write("abc"), R"({"text":"abc"})");
  EXPECT_EQ(write(""), R"({"text":""})");
  EXPECT_EQ(write("a\0b"sv), R"({"text":"a\u0000b"})");
  EXPECT_EQ(write("abc\xFF"), R"({"bytes":"YWJj/w=="})");
  EXPECT_EQ(write("abc", 3), R"({"text":"abc"})");
  EXPECT_EQ(write("abcd", 3), R"({"text":"abc","truncated":true})");
  EXPECT_EQ(write("ab\u00e9", 3), R"({"text":"ab","truncated":true})");
  EXPECT_EQ(write("a\U0001F600", 4), R"({"text":"a","truncated":true})");
  EXPECT_EQ(write("\xFF\xFE\xFD", 2), R"({"bytes":"//4=","truncated":true})");
  EXPECT_EQ(write("abc\xFF", 3), R"({"text":"abc","truncated":true})");
}

// Any bytes in, valid JSON out; valid UTF-8 comes back as it was.
TEST(JsonWriter, AnyBytesGiveValidJson) {
  std::mt19937 random(1);
  for (int run = 0; run < 50'000; ++run) {
    std::string value(random() % 12, '\0');
    for (char& c : value) {
      c = static_cast<char>(random() % 3 == 0 ? random() : "\xE2\x82\xAC\xF0\x9F\"\\a"[random() % 8]);
    }
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    w.field(value, value);
    w.key("t");
    w.text_or_bytes(value);
    w.end_object();
    const json parsed = json::parse(out);
    if (is_valid_utf8(value)) {
      ASSERT_EQ(parsed["t"]["text"], value);
      if (value != "t") {
        ASSERT_EQ(parsed[value], value);
      }
    } else {
      ASSERT_EQ(*decode_base64(parsed["t"]["bytes"].get<std::string>()), value);
    }
  }
}

TEST(Base64, Vectors) {  // RFC 4648 section 10
  const std::vector<std::pair<std::string, std::string>> vectors = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  for (const char* wrong : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "=Zg=", "Zm9-"}) {
    EXPECT_FALSE(decode_base64(wrong)) << wrong;
  }
  std::mt19937 random(1);
  for (int run = 0; run < 20'000; ++run) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    ASSERT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
}

// The oracle: encode every code point; everything else is invalid.
TEST(Utf8, EveryCodePointAndNothingElse) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string s;
    append_utf8(s, c);
    const Utf8Char back = decode_utf8(s, 0);
    ASSERT_EQ(back.code_point, c);
    ASSERT_EQ(back.length, s.size());
    ASSERT_TRUE(is_valid_utf8(s));
    for (std::size_t i = 1; i < s.size(); ++i) {
      ASSERT_EQ(decode_utf8(s.substr(0, i), 0).length, 0);
      ASSERT_EQ(cut_utf8(s, i), "");
    }
  }
  std::size_t valid = 0;
  for (unsigned a = 0x80; a < 0x100; ++a) {
    for (unsigned b = 0; b < 0x100; ++b) {
      const std::string two{static_cast<char>(a), static_cast<char>(b)};
      valid += decode_utf8(two, 0).length == 2 ? 1 : 0;
      for (unsigned c = 0; c < 0x100; ++c) {
        const std::string three = two + static_cast<char>(c);
        valid += decode_utf8(three, 0).length == 3 ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(valid, (0x800U - 0x80U) + (0x10000U - 0x800U - 0x800U));
  std::string bad;
  append_utf8(bad, 0xD800);
  append_utf8(bad, 0x110000);
  EXPECT_EQ(bad, "\uFFFD\uFFFD");
}

TEST(Utf8, Prefix) {
  EXPECT_EQ(valid_utf8_prefix("12345678abc\xFF"), 11U);
  EXPECT_EQ(valid_utf8_prefix("12345678\u20ACabcdefgh\xE2\x82"), 19U);
  EXPECT_EQ(cut_utf8("a\u20AC", 3), "a");
  EXPECT_EQ(cut_utf8("a\u20AC", 4), "a\u20AC");
  EXPECT_EQ(cut_utf8("\xFF\xFF\xFF\xFF", 2), "\xFF\xFF");
}

}  // namespace
}  // namespace weir::base
