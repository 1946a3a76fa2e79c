// Transformations: tables of cases, exhaustive tests over small alphabets against naive versions,
// and the promises of transform.h (bound, changed, no copy where nothing changes, arena limit).
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/transforms/effect.h"
#include "rules/transforms/transform.h"

namespace weir::rules {
namespace {

using std::string_literals::operator""s;

const Transform kAll[] = {Transform::None,
                          Transform::Base64Decode,
                          Transform::Base64DecodeExt,
                          Transform::Base64Encode,
                          Transform::CmdLine,
                          Transform::CompressWhitespace,
                          Transform::CssDecode,
                          Transform::EscapeSeqDecode,
                          Transform::HexDecode,
                          Transform::HexEncode,
                          Transform::HtmlEntityDecode,
                          Transform::JsDecode,
                          Transform::Length,
                          Transform::Lowercase,
                          Transform::Md5,
                          Transform::NormalisePath,
                          Transform::NormalisePathWin,
                          Transform::ParityEven7bit,
                          Transform::ParityOdd7bit,
                          Transform::ParityZero7bit,
                          Transform::PhpArgsNames,
                          Transform::RemoveComments,
                          Transform::RemoveCommentsChar,
                          Transform::RemoveNulls,
                          Transform::RemoveWhitespace,
                          Transform::ReplaceComments,
                          Transform::ReplaceNulls,
                          Transform::Sha1,
                          Transform::SqlHexDecode,
                          Transform::Trim,
                          Transform::TrimLeft,
                          Transform::TrimRight,
                          Transform::Uppercase,
                          Transform::UrlDecode,
                          Transform::UrlDecodeUni,
                          Transform::UrlEncode,
                          Transform::Utf8ToUnicode};

std::string run(Transform t, const std::string& in, const UnicodeMap* map = nullptr) {
  base::Arena arena;
  const Transformed out = apply(t, in, arena, map);
  EXPECT_EQ(out.changed, out.value != in) << transform_name(t) << " of " << in;
  EXPECT_LE(out.value.size(), output_bound(t, in.size())) << transform_name(t) << " of " << in;
  if (!out.changed && !in.empty()) {
    EXPECT_EQ(out.value.data(), in.data()) << transform_name(t) << " of " << in;
  }
  return std::string(out.value);
}

// Every string over `alphabet` of up to `longest` bytes.
void for_all(const std::string& alphabet, std::size_t longest,
             const std::function<void(const std::string&)>& each) {
  std::vector<std::size_t> digits;
  std::string text;
  for (std::size_t length = 0; length <= longest; ++length) {
    digits.assign(length, 0);
    for (bool more = true; more;) {
      text.clear();
      for (const std::size_t d : digits)
        text.push_back(alphabet[d]);
      each(text);
      std::size_t k = 0;
      while (k < length && ++digits[k] == alphabet.size())
        digits[k++] = 0;
      more = k < length;
    }
  }
}

TEST(Transforms, NamesAreFoundInAnyCaseAndSpelling) {
  for (const Transform t : kAll)
    EXPECT_EQ(find_transform(transform_name(t)), t);
  EXPECT_EQ(find_transform("LOWERCASE"), Transform::Lowercase);
  EXPECT_EQ(find_transform("cmdline"), Transform::CmdLine);
  EXPECT_EQ(find_transform("Utf8toUnicode"), Transform::Utf8ToUnicode);
  EXPECT_EQ(find_transform("normalizePath"), Transform::NormalisePath);
  EXPECT_EQ(find_transform("normalizepathwin"), Transform::NormalisePathWin);
  EXPECT_EQ(transform_name(Transform::NormalisePath), "normalisePath");
  EXPECT_EQ(find_transform("lowercas"), std::nullopt);
  EXPECT_EQ(find_transform(""), std::nullopt);
}

struct Case {
  Transform transform;
  std::string in, out;
};

TEST(Transforms, Cases) {
  const Case cases[] = {
      {Transform::None, "As Is", "As Is"},
      {Transform::Lowercase, "GRÜSSE\xc4", "grÜsse\xc4"},  // ASCII only
      {Transform::Uppercase, "abcÄz{", "ABCÄZ{"},
      {Transform::Trim, " \t\v\f\r\n a b \n", "a b"},
      {Transform::TrimLeft, "  a ", "a "},
      {Transform::TrimRight, " a  ", " a"},
      {Transform::Trim, "\xa0 a", "\xa0 a"},  // no-break space counts only in the next two
      {Transform::RemoveWhitespace, "a \xa0\tb\v", "ab"},
      {Transform::CompressWhitespace, "a \xa0\tb\tc d", "a b c d"},
      {Transform::RemoveNulls, "a\0b\0"s, "ab"},
      {Transform::ReplaceNulls, "a\0b\0"s, "a b "},
      {Transform::CmdLine, "C^OM\"MAND  /C\t;,DIR", "command/c dir"},
      {Transform::CmdLine, "cat ^ ' (x)", "cat(x)"},
      {Transform::CmdLine, "a\0;B"s, "a\0 b"s},  // does not stop at NUL
      {Transform::ParityEven7bit, "a\x01"s, "\xe1\x81"s},
      {Transform::ParityOdd7bit, "a\x01"s, "a\x01"s},
      {Transform::ParityZero7bit, "\xe1\x81"s, "a\x01"s},
      {Transform::Length, "12345", "5"},
      {Transform::Length, "", "0"},
      {Transform::Base64Encode, "TestCase12", "VGVzdENhc2UxMg=="},
      {Transform::Base64Decode, "VGVzdENhc2UxMg==", "TestCase12"},
      {Transform::Base64Decode, "VGVz dENhc2U=", "Tes"},  // up to the first foreign byte (trap 34)
      {Transform::Base64Decode, "VGVzd", "Tes"},
      {Transform::Base64DecodeExt, "V.G\r\nVzdA==", "Test"},
      {Transform::Base64DecodeExt, "VGVzd=", ""},  // padding after one character of four
      {Transform::Base64DecodeExt, "VG\0Vz"s, "Tes"},
      {Transform::HexEncode, "\x01\xffZ"s, "01ff5a"},
      {Transform::HexDecode, "01ff5a", "\x01\xffZ"s},
      {Transform::HexDecode, "414", "A"},
      {Transform::SqlHexDecode, "x=0x414243 or 0X", "x=ABC or 0X"},
      {Transform::SqlHexDecode, "0x410x42", "A0x42"},
      {Transform::SqlHexDecode, "0x4100420xG", "A\0B0xG"s},
      {Transform::PhpArgsNames, " . a_b]c", "__a_b]c"},
      {Transform::PhpArgsNames, "a.b c", "a_b_c"},
      {Transform::PhpArgsNames, "a[b.c d", "a_b.c d"},
      {Transform::PhpArgsNames, "a.[b.c][ ][ x]y.z", "a_[b.c][][ x]"},
      {Transform::PhpArgsNames, "a[b][c", "a[b]"},
      {Transform::PhpArgsNames, " [a]", ""},
      {Transform::PhpArgsNames, "   ", ""},
      {Transform::UrlEncode, "a b*-_é", "a+b*%2d%5f%c3%a9"},
      {Transform::UrlDecode, "a+b%20%4g%", "a b %4g%"},
      {Transform::UrlDecode, "%u0041%2", "%u0041%2"},
      {Transform::UrlDecodeUni, "%u0041%U0042%41+", "ABA "},
      {Transform::UrlDecodeUni, "%uff1cx%uff1e", "<x>"},
      {Transform::UrlDecodeUni, "%u00%41%u", "%u00A%u"},
      {Transform::CssDecode, "\\41\\000042 \\00ff1c\\fF1e \\z\\", "AB<>z"},
      {Transform::CssDecode, "a\\\nb\\0ff1cx\\12345x", "ab<x\x45x"},
      {Transform::JsDecode, "\\u0041\\x42\\103\\n\\q\\'\\uff1c\\400\\", "ABC\nq'< 0\\"},
      {Transform::EscapeSeqDecode, "\\a\\x41\\X42\\103\\?\\z\\xg\\777\\", "\aABC?zxg\xff\\"},
      {Transform::HtmlEntityDecode, "&lt;&GT&quot;&amp;&nbsp;&#65&#x42;&#X43;&#",
       "<>\"&\xa0"
       "ABC&#"},
      {Transform::HtmlEntityDecode, "&ltx;&#x;&&;&#99999999999999999999;", "&ltx;&#x;&&;\xff"},
      {Transform::Utf8ToUnicode, "aé€😀", "a%u00e9%u20ac%u1f600"},
      {Transform::Utf8ToUnicode, "\xc3(\x80\0\xc0\xaf"s, "(\x80%u002f\xc0"},
      {Transform::RemoveComments, "a/*b*/c", "ac"},
      {Transform::RemoveComments, "/* b */", "\0"s},  // as the language tests have it
      {Transform::RemoveComments, "a<!--b-->c--d", "ac"},
      {Transform::RemoveComments, "a#b", "a"},
      {Transform::RemoveComments, "a/*b", "a "},
      {Transform::RemoveCommentsChar, "a/*b*/<!--c-->--d#e", "abcde"},
      {Transform::ReplaceComments, "un/*b*/ion/**/x/*y", "un ion x "},
      {Transform::ReplaceComments, "/*/ x", " "},
      {Transform::NormalisePath, "/a//b/./c/../d/", "/a/b/d/"},
      {Transform::NormalisePath, "../../a/../b", "../../b"},
      {Transform::NormalisePath, "/../../etc/passwd", "/etc/passwd"},
      {Transform::NormalisePath, "/a../b", "/b"},
      {Transform::NormalisePath, "a../b", "a../b"},
      {Transform::NormalisePath, "/a/.", "/a"},
      {Transform::NormalisePath, "./a/..", ""},
      {Transform::NormalisePathWin, "\\a\\\\b\\..\\c", "/a/c"},
      {Transform::NormalisePathWin, "/\\\\a", "/a"},  // ModSecurity leaves the last backslash
  };
  for (const Case& c : cases) {
    EXPECT_EQ(run(c.transform, c.in), c.out) << transform_name(c.transform) << " of " << c.in;
  }
}

TEST(Transforms, Digests) {
  // RFC 1321 A.5 and FIPS 180-1 A.
  EXPECT_EQ(run(Transform::HexEncode, run(Transform::Md5, "abc")),
            "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(run(Transform::HexEncode, run(Transform::Md5, "")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(run(Transform::HexEncode, run(Transform::Sha1, "abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Transforms, UnicodeMapOfOneCodePage) {
  const std::string text =
      "1250 (ANSI)\n00a1:21 2019:22\n\n20127 (US-ASCII)\n00a0:20 2019:27\n2c:3c ff1c:3c\n20261 "
      "(T.61)\n"
      "2019:99\n";
  UnicodeMap map;
  ASSERT_TRUE(parse_unicode_map(text, 20127, map));
  EXPECT_EQ(map[0x2019], 0x27);
  EXPECT_EQ(map[0x2c], 0x3c);
  EXPECT_EQ(map[0x00a1], -1);
  EXPECT_EQ(map[0x3002], 0x2e);  // RFC 3490, section 3.1
  // Trap 32: best fit, else the low byte.
  EXPECT_EQ(run(Transform::UrlDecodeUni, "%u2019%uff1c%u1241%u3002", &map), "'<A.");
  EXPECT_EQ(run(Transform::UrlDecodeUni, "%u2019%u1241", nullptr),
            "\x19"
            "A");
  EXPECT_FALSE(parse_unicode_map(text, 932, map));
  EXPECT_FALSE(parse_unicode_map("", 20127, map));
}

TEST(Transforms, ExhaustiveAgainstNaiveVersions) {
  const auto is_space = [](char c) {
    return std::string(" \t\n\v\f\r").find(c) != std::string::npos;
  };
  for_all("aA \t\xa0"s + '\0', 6, [&](const std::string& s) {
    std::string lower, no_nulls, spaces_for_nulls, no_blanks, one_blank;
    for (const char c : s) {
      lower += c == 'A' ? 'a' : c;
      if (c != 0) no_nulls += c;
      spaces_for_nulls += c == 0 ? ' ' : c;
      const bool blank = is_space(c) || c == '\xa0';
      if (!blank) no_blanks += c;
      if (!blank || one_blank.empty() || one_blank.back() != '\1') one_blank += blank ? '\1' : c;
    }
    for (char& c : one_blank)
      c = c == '\1' ? ' ' : c;
    std::size_t from = 0, to = s.size();
    while (from < to && is_space(s[from]))
      ++from;
    ASSERT_EQ(run(Transform::TrimLeft, s), s.substr(from));
    while (to > from && is_space(s[to - 1]))
      --to;
    ASSERT_EQ(run(Transform::Trim, s), s.substr(from, to - from));
    ASSERT_EQ(run(Transform::Lowercase, s), lower);
    ASSERT_EQ(run(Transform::RemoveNulls, s), no_nulls);
    ASSERT_EQ(run(Transform::ReplaceNulls, s), spaces_for_nulls);
    ASSERT_EQ(run(Transform::RemoveWhitespace, s), no_blanks);
    ASSERT_EQ(run(Transform::CompressWhitespace, s), one_blank);
  });
}

// Texts of several blocks of vector code, with words of all lengths between.
TEST(Transforms, RemoveWhitespaceOfLongTexts) {
  std::mt19937 random(11);
  for (std::size_t length = 0; length < 130; ++length) {
    for (int i = 0; i < 200; ++i) {
      const unsigned rare = 1 + random() % 12;
      std::string text(length, 'a');
      std::string packed;
      for (char& c : text) {
        c = random() % rare == 0 ? " \t\n\v\f\r\xa0"[random() % 7] : static_cast<char>(random());
        const bool blank = c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
        if (!blank) packed += c;
      }
      ASSERT_EQ(run(Transform::RemoveWhitespace, text), packed) << length;
    }
  }
}

std::string naive_replace_comments(const std::string& s) {
  const std::size_t open = s.find("/*");
  if (open == std::string::npos) return s;
  const std::size_t close = s.find("*/", open + 2);
  if (close == std::string::npos) return s.substr(0, open) + ' ';
  return s.substr(0, open) + ' ' + naive_replace_comments(s.substr(close + 2));
}

std::string naive_remove_comment_marks(const std::string& s) {
  if (s.empty()) return s;
  for (const char* mark : {"/*", "*/", "<!--", "-->", "--", "#"}) {
    if (s.rfind(mark, 0) == 0)
      return naive_remove_comment_marks(s.substr(std::string(mark).size()));
  }
  return s[0] + naive_remove_comment_marks(s.substr(1));
}

TEST(Transforms, ExhaustiveComments) {
  for_all("/*-<!>#a", 5, [](const std::string& s) {
    ASSERT_EQ(run(Transform::ReplaceComments, s), naive_replace_comments(s)) << s;
    ASSERT_EQ(run(Transform::RemoveCommentsChar, s), naive_remove_comment_marks(s)) << s;
    run(Transform::RemoveComments, s);
  });
}

std::string naive_url_decode(const std::string& s, bool uni) {
  const std::string digits = "0123456789abcdef";
  const auto hex = [&](std::size_t i) {
    return i < s.size() ? static_cast<int>(digits.find(static_cast<char>(s[i] | 0x20))) : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const bool u = uni && i + 1 < s.size() && s[i] == '%' && (s[i + 1] | 0x20) == 'u';
    if (u && hex(i + 2) >= 0 && hex(i + 3) >= 0 && hex(i + 4) >= 0 && hex(i + 5) >= 0) {
      int low = hex(i + 4) * 16 + hex(i + 5);
      if (hex(i + 2) == 15 && hex(i + 3) == 15 && low > 0 && low < 0x5f) low += 0x20;
      out += static_cast<char>(low);
      i += 5;
    } else if (s[i] == '%' && !u && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
      out += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
      i += 2;
    } else {
      out += s[i] == '+' ? ' ' : s[i];
    }
  }
  return out;
}

TEST(Transforms, ExhaustiveUrlDecoding) {
  for_all("%+u0fG", 6, [](const std::string& s) {
    ASSERT_EQ(run(Transform::UrlDecode, s), naive_url_decode(s, false)) << s;
    ASSERT_EQ(run(Transform::UrlDecodeUni, s), naive_url_decode(s, true)) << s;
  });
}

std::string naive_cmd_line(const std::string& s) {
  std::string out;
  bool blank = false;
  for (const char c : s) {
    if (std::string("\"'\\^").find(c) != std::string::npos) continue;
    if (std::string(" ,;\t\r\n").find(c) != std::string::npos) {
      if (!blank) out += ' ';
      blank = true;
      continue;
    }
    if ((c == '/' || c == '(') && blank) out.pop_back();
    blank = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

std::string naive_base64_decode(std::string_view s) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, have = 0;
  for (const char c : s) {
    const std::size_t six = kAlphabet.find(c);
    if (six == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(six);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> have);
  }
  return out;
}

// Texts of several blocks of vector code, with more or fewer of what matters in them.
TEST(Transforms, LongTextsAgainstNaiveVersions) {
  std::mt19937 random(17);
  const auto text = [&](std::size_t length, const std::string& plain, const std::string& special) {
    const unsigned rare = 1 + random() % 40;
    std::string out;
    while (out.size() < length) out += random() % rare == 0 ? special[random() % special.size()] : plain[random() % plain.size()];
    return out;
  };
  for (std::size_t length = 0; length < 130; ++length) {
    for (int i = 0; i < 150; ++i) {
      const std::string command = text(length, "aZz.\x80\xff@[`{ ", "\"'\\^ ,;\t\r\n/(\v\f A  "s + '\0');
      ASSERT_EQ(run(Transform::CmdLine, command), naive_cmd_line(command)) << command;
      const std::string url = text(length, "ab+u0fG \x80\xa5*", "%%%+u2f"s);
      ASSERT_EQ(run(Transform::UrlDecode, url), naive_url_decode(url, false)) << url;
      ASSERT_EQ(run(Transform::UrlDecodeUni, url), naive_url_decode(url, true)) << url;
      const std::string base64 = text(4 * length, "AZaz09+/qKxy", i % 3 == 0 ? "Z" : "=\x80 -_");
      ASSERT_EQ(run(Transform::Base64Decode, base64), naive_base64_decode(base64)) << base64;
    }
  }
}

TEST(Transforms, EncodersAndDecodersAreInverse) {
  for_all("a \xff%+"s + '\0', 5, [](const std::string& s) {
    ASSERT_EQ(run(Transform::Base64Decode, run(Transform::Base64Encode, s)), s);
    ASSERT_EQ(run(Transform::Base64DecodeExt, run(Transform::Base64Encode, s)), s);
    ASSERT_EQ(run(Transform::HexDecode, run(Transform::HexEncode, s)), s);
    ASSERT_EQ(run(Transform::UrlDecode, run(Transform::UrlEncode, s)), s);
  });
}

// For absolute paths without segments such as "a..", the result is the textbook one.
std::string naive_path(const std::string& s) {
  std::vector<std::string> segments;
  std::string segment;
  for (const char c : s + "/") {
    if (c != '/') {
      segment += c;
      continue;
    }
    if (segment == ".." && !segments.empty()) segments.pop_back();
    if (!segment.empty() && segment != "." && segment != "..") segments.push_back(segment);
    segment.clear();
  }
  std::string out;
  for (const std::string& x : segments)
    out += "/" + x;
  return s.back() == '/' ? out + "/" : out;
}

TEST(Transforms, ExhaustivePaths) {
  for_all("/.a", 9, [](const std::string& tail) {
    if (tail.find("a.") != std::string::npos || tail.find("...") != std::string::npos) return;
    const std::string s = "/" + tail;
    std::string got = run(Transform::NormalisePath, s);
    // "/" and "" both mean the root: ModSecurity keeps or drops the slash by how the path ended.
    if (got == "/") got.clear();
    std::string want = naive_path(s);
    if (want == "/") want.clear();
    ASSERT_EQ(got, want) << s;
  });
  for_all("/\\.a", 7, [](const std::string& s) {
    std::string slashes = s;
    for (char& c : slashes)
      c = c == '\\' ? '/' : c;
    ASSERT_EQ(run(Transform::NormalisePathWin, s), run(Transform::NormalisePath, slashes)) << s;
  });
}

TEST(Transforms, NothingIsCopiedWherePlainTextStaysAsItIs) {
  const std::string plain = "just_some-words0123456789and_more_of_them_beyond_a_vector's_width";
  const std::string no_quote = "just_some.words0123456789and_more_of_them_beyond_a_vector_width";
  for (const Transform t : {Transform::Lowercase,
                            Transform::Trim,
                            Transform::TrimLeft,
                            Transform::TrimRight,
                            Transform::RemoveNulls,
                            Transform::ReplaceNulls,
                            Transform::RemoveWhitespace,
                            Transform::CompressWhitespace,
                            Transform::UrlDecode,
                            Transform::UrlDecodeUni,
                            Transform::HtmlEntityDecode,
                            Transform::JsDecode,
                            Transform::CssDecode,
                            Transform::EscapeSeqDecode,
                            Transform::Utf8ToUnicode,
                            Transform::NormalisePath,
                            Transform::NormalisePathWin,
                            Transform::ReplaceComments,
                            Transform::ParityZero7bit,
                            Transform::SqlHexDecode,
                            Transform::None}) {
    base::Arena arena;
    const Transformed out = apply(t, plain, arena, nullptr);
    EXPECT_FALSE(out.changed) << transform_name(t);
    EXPECT_EQ(out.value.data(), plain.data()) << transform_name(t);
    EXPECT_EQ(arena.reserved(), 0U) << transform_name(t);
  }
  base::Arena arena;
  EXPECT_FALSE(apply(Transform::CmdLine, no_quote, arena, nullptr).changed);
  EXPECT_EQ(arena.reserved(), 0U);
}

Glimpse told_of_base64(std::string_view value, bool solid, std::size_t least = 0) {
  Glimpse out;
  decode_base64(value, solid, least, out);
  return out;
}

// What is told of base64 without making it is what comes of making it.
TEST(Transforms, DecodedBase64IsToldWithoutMakingIt) {
  for (const std::string& alphabet : {"aZ9+ =\xa0"s, "/\tQk"s}) {
    for_all(alphabet, 7, [](const std::string& in) {
      for (const bool solid : {false, true}) {
        const std::string made = naive_base64_decode(solid ? run(Transform::RemoveWhitespace, in) : in);
        const Glimpse told = told_of_base64(in, solid);
        ASSERT_EQ(told.length, made.size()) << in;
        ASSERT_EQ(told.mask, classes_of(made)) << in;
        ASSERT_EQ(std::string_view(told.begins.data(), told.length), made) << in;
        const Base64Bound bound = base64_bound(in);
        ASSERT_EQ(solid ? bound.solid : bound.plain, made.size()) << in;  // all of it was seen
        for (const std::size_t least : {made.size(), made.size() + 1}) {
          const Glimpse longer = told_of_base64(in, solid, least);
          ASSERT_EQ(longer.length, made.size()) << in;
          if (least <= made.size()) { ASSERT_EQ(longer.mask, classes_of(made)) << in; }
        }
      }
    });
  }
  // Longer than what is taken in one go, with white space and an end anywhere.
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string in;
    const std::size_t length = random() % (i % 4 == 0 ? 2500 : 600);
    const std::size_t blanks = 1 + random() % 30;
    while (in.size() < length) in += random() % blanks == 0 ? " \t\xa0\n"[random() % 4] : "AZaz09+/qK"[random() % 10];
    if (length > 0 && random() % 3 == 0) in[random() % length] = "=\0-_\x80\xff"[random() % 6];
    for (const bool solid : {false, true}) {
      const std::string made = naive_base64_decode(solid ? run(Transform::RemoveWhitespace, in) : in);
      const Glimpse told = told_of_base64(in, solid);
      ASSERT_EQ(told.length, made.size()) << in;
      ASSERT_EQ(told.mask, classes_of(made)) << in;
      const Base64Bound bound = base64_bound(in);
      ASSERT_GE(solid ? bound.solid : bound.plain, made.size()) << in;
      for (const std::size_t least : {std::size_t{10}, Glimpse::kLeast}) {
        const Glimpse longer = told_of_base64(in, solid, least);
        ASSERT_EQ(longer.length, made.size()) << in;
        if (least <= made.size()) { ASSERT_EQ(longer.mask, classes_of(made)) << in; }
      }
      const std::size_t begins = std::min(made.size(), told.begins.size());
      ASSERT_EQ(std::string_view(told.begins.data(), begins), std::string_view(made).substr(0, begins)) << in;
    }
  }
  const std::string longer(3 * Glimpse{}.begins.size(), 'k');
  const Glimpse told = told_of_base64(longer, false);
  const std::string made = run(Transform::Base64Decode, longer);
  EXPECT_EQ(told.length, made.size());
  EXPECT_EQ(std::string_view(told.begins.data(), told.begins.size()), std::string_view(made).substr(0, told.begins.size()));
}

// Where it is known which classes come of a value's, those are the classes of what comes of it.
TEST(Transforms, TellTheClassesOfTheirResults) {
  std::size_t told = 0;
  for (const Transform t : kAll) {
    if (!tells_classes(t)) continue;
    ++told;
    for_all("aZ\xa0 \v\xe9+"s, 5, [&](const std::string& in) { ASSERT_EQ(outcome(t, classes_of(in)), classes_of(run(t, in))) << in; });
    std::string all;
    for (unsigned c = 0; c < 256; ++c) all += static_cast<char>(c);
    EXPECT_EQ(outcome(t, classes_of(all)), classes_of(run(t, all)));
  }
  EXPECT_EQ(told, 2U);
}

// Whatever order they come in, and however often, they take backslashes away and make spaces of plus signs.
TEST(Transforms, WhereNothingIsEncodedTheClassesAreKnown) {
  constexpr Transform kDecoders[] = {Transform::UrlDecode, Transform::UrlDecodeUni, Transform::JsDecode};
  std::size_t plain = 0;
  const auto without = [](const std::string& in, bool plus, bool backslash) {
    std::string out;
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (backslash && in[i] == '\\' && i + 1 < in.size()) continue;
      out += plus && in[i] == '+' ? ' ' : in[i];
    }
    return out;
  };
  std::size_t plain_with_both = 0;
  for_all("%+\\481ux n"s, 5, [&](const std::string& in) {
    const ClassMask present = classes_of(in);
    if (!nothing_encoded(in, present)) return;
    ++plain;
    if ((present & class_of('%')) != 0 && (present & class_of('\\')) != 0) ++plain_with_both;
    const ClassMask may = (present & class_of('+')) != 0 ? present | class_of(' ') : present;
    const std::array<std::string, 4> outcomes = {in, without(in, true, false), without(in, false, true), without(in, true, true)};
    for (const Transform a : kDecoders) {
      for (const Transform b : kDecoders) {
        for (const Transform c : kDecoders) {
          const std::string out = run(c, run(b, run(a, in)));
          ASSERT_EQ(classes_of(out) & ~may, 0U) << in << " -> " << out;
          ASSERT_NE(std::find(outcomes.begin(), outcomes.end(), out), outcomes.end()) << in << " -> " << out;
        }
      }
    }
  });
  EXPECT_GT(plain, 1000U);
  EXPECT_GT(plain_with_both, 1000U);
}

TEST(Transforms, ArenaLimitYieldsEmptyAndIsVisible) {
  const std::string in(100'000, '%');
  for (const Transform t : kAll) {
    base::Arena arena(1024, 1024);
    const Transformed out = apply(t, in, arena, nullptr);
    if (arena.exhausted()) {
      EXPECT_TRUE(out.value.empty()) << transform_name(t);
      EXPECT_TRUE(out.changed) << transform_name(t);
    }
  }
  base::Arena arena(1024, 1024);
  EXPECT_TRUE(apply(Transform::HexEncode, in, arena, nullptr).value.empty());
  EXPECT_TRUE(arena.exhausted());
}

TEST(Transforms, TheUnusedRoomIsGivenBack) {
  base::Arena arena(SIZE_MAX, 64 * 1024);
  const std::string in = "%41" + std::string(10'000, 'a');
  for (int i = 0; i < 6; ++i) {
    const Transformed out = apply(Transform::Utf8ToUnicode, "\xc3\xa9" + in, arena, nullptr);
    ASSERT_TRUE(out.changed);
  }
  EXPECT_EQ(arena.reserved(), 64U * 1024);  // 6 x 10 kB, although 40 kB were asked for each time
}

// Bad cases of a quadratic implementation: hours if one were (rules_match_bench has figures).
TEST(Transforms, LongHostileValues) {
  const char* const units[] = {"../", "/*", "&#",   "&a",   "\\",    "%u",  "%",
                               "0x4", " ",  "/",    "--",   "<!-",   "\\7", "&#9",
                               "\\0", "=",  "\xf0", "\xc3", "a/../", "./"};
  for (const std::size_t size : {std::size_t{64} << 10, std::size_t{256} << 10}) {
    for (const char* unit : units) {
      std::string in;
      while (in.size() < size)
        in += unit;
      for (const Transform t : kAll)
        run(t, in);
    }
  }
}

}  // namespace
}  // namespace weir::rules
