#include <algorithm>
#include <stdexcept>

#include <gtest/gtest.h>

#include "rules/operators/geo.h"
#include "rules/operators/injection.h"
#include "rules/operators/operator.h"
#include "test_context.h"

namespace weir::rules {
namespace {

using std::string_literals::operator""s;
using Groups = std::vector<std::string>;

TEST(Operators, TheTableIsSortedAndEachNameMakes) {
  const auto& names = operator_names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const std::string_view name : names) {
    EXPECT_TRUE(operator_exists(name));
    EXPECT_TRUE(operator_left_out(name).empty()) << name;
    TestFiles files;
    files.contents["x"] = "192.0.2.1\n";
    const std::string argument = name == "ipmatch"             ? "192.0.2.1"
                                 : name == "validatenid"       ? "us x"
                                 : name == "validatebyterange" ? "1-2"
                                                               : "x";
    TestOperator op(files, std::string(name), argument);
    EXPECT_NE(op.op, nullptr) << name << ": " << op.error;
  }
  EXPECT_FALSE(operator_exists("Rx"));  // lower case is the caller's duty
  EXPECT_FALSE(operator_exists("fuzzyhash"));
  for (const char* name : {"fuzzyhash", "gsblookup", "inspectfile", "rsub", "validatedtd",
                           "validatehash", "validateschema"}) {
    EXPECT_FALSE(operator_left_out(name).empty()) << name;
    EXPECT_NE(TestOperator(name).error.find("is not supported"), std::string::npos);
  }
  EXPECT_NE(TestOperator("rxx").error.find("no operator @rxx"), std::string::npos);
}

struct Case {
  const char* name;
  std::string argument, value;
  bool match;
};

TEST(Operators, Cases) {
  const Case cases[] = {
      {"beginswith", "ab", "abc", true},
      {"beginswith", "ab", "aab", false},
      {"beginswith", "", "", true},
      {"beginswith", "abc", "ab", false},
      {"endswith", "bc", "abc", true},
      {"endswith", "bc", "abcd", false},
      {"endswith", "", "x", true},
      {"streq", "a", "a", true},
      {"streq", "a", "A", false},
      {"streq", "", "", true},
      {"contains", "b", "abc", true},
      {"contains", "B", "abc", false},
      {"contains", "b", "", false},  // trap 16
      {"contains", "", "", true},
      {"contains", "x\0y"s, "ax\0yb"s, true},
      {"within", "GET POST", "GET", true},
      {"within", "GET POST", "ET P", true},  // a substring, not an item (trap 16)
      {"within", "GET POST", "", true},      // trap 16
      {"within", "GET", "GET POST", false},
      {"containsword", "test", "a test b", true},
      {"containsword", "test", "test", true},
      {"containsword", "test", "testing test_", false},
      {"containsword", "test", "a-test-b", true},
      {"containsword", "-x", "-x", true},
      {"containsword", "a a", "a a a", true},
      {"containsword", "", "x", true},
      {"strmatch", "a|42|c", "xaBcx", true},
      {"strmatch", "abc", "ABC", false},
      {"nomatch", "", "x", false},
      {"unconditionalmatch", "", "", true},
      // Trap 14: atoi on both sides.
      {"eq", "1", "01", true},
      {"eq", "0", "zz", true},
      {"eq", "0", "", true},
      {"eq", "15", " \t+15abc", true},
      {"eq", "-3", "-3", true},
      {"ge", "5", "5", true},
      {"ge", "5", "4", false},
      {"gt", "5", "5", false},
      {"gt", "5", "6", true},
      {"le", "5", "5", true},
      {"lt", "5", "4", true},
      {"lt", "0", "-1", true},
      {"gt", "1000", "4294967296", true},            // 32 bits would make it 0
      {"gt", "1000", "99999999999999999999", true},  // and this -1
      {"lt", "0", "-99999999999999999999", true},
      {"eq", "%{x}", "0", true},  // no macros announced: the text itself, which is 0
      // Trap 38.
      {"validatebyterange", "32-126, 9,10", "plain\ttext\n", false},
      {"validatebyterange", "32-126", "a\x7f", true},
      {"validatebyterange", "1-255", "a\0b"s, true},
      {"validatebyterange", "1-255", "", false},
      {"validatebyterange", "", "a", true},
      {"validateurlencoding", "", "%41%4", true},
      {"validateurlencoding", "", "%41%", true},
      {"validateurlencoding", "", "%4g", true},
      {"validateurlencoding", "", "%41%5A100%25", false},
      {"validateurlencoding", "", "", false},
      {"validateutf8encoding", "", "aé€😀", false},
      {"validateutf8encoding", "", "\xc0\xaf", true},          // overlong
      {"validateutf8encoding", "", "\xe0\x80\xaf", true},      // overlong
      {"validateutf8encoding", "", "\xf0\x80\x80\xaf", true},  // overlong
      {"validateutf8encoding", "", "\xed\xa0\x80", true},      // surrogate
      {"validateutf8encoding", "", "\xf5\x80\x80\x80", true},
      {"validateutf8encoding", "", "a\xc3", true},
      {"validateutf8encoding", "", "\x80", true},
      {"validateutf8encoding", "", "", false},
      {"rx", "^b.c$", "b\nc", true},  // DOTALL
      {"rx", "^b$", "a\nb", false},   // trap 2: not MULTILINE
      {"rx", "^b$", "b\n", false},    // trap 2: DOLLAR_ENDONLY
      {"rx", "", "", true},
      {"rx", "a\\x00b", "a\0b"s, true},
      {"rx", "\xff", "\xff", true},  // bytes
      {"rbl", "example.org", "192.0.2.1", false},
      {"geolookup", "", "192.0.2.1", false},
      {"restpath", "^/users/{id}/posts$", "/users/17/posts", true},
      {"restpath", "^/users/{id}/posts$", "/users/1/7/posts", false},
  };
  for (const Case& c : cases) {
    TestOperator op(c.name, c.argument);
    ASSERT_NE(op.op, nullptr) << c.name << " " << c.argument << ": " << op.error;
    EXPECT_EQ(op.matches(c.value), c.match)
        << "@" << c.name << " " << c.argument << " on " << c.value;
  }
}

TEST(Operators, ModSecurity3CompilesMultiline) {
  TestOperator op("rx", "^b$", false, true);
  EXPECT_TRUE(op.matches("a\nb"));
  EXPECT_TRUE(op.matches("b\n"));
}

TEST(Operators, MacrosComeWithTheEvaluation) {
  for (const auto& [name, value, yes, no] :
       std::vector<std::tuple<const char*, const char*, const char*, const char*>>{
           {"streq", "a", "a", "b"},
           {"contains", "xax", "a", "b"},
           {"within", "a", "xax", "x"},
           {"beginswith", "ab", "a", "b"},
           {"endswith", "ab", "b", "a"},
           {"strmatch", "ab", "b", "c"},
           {"containsword", "a b", "b", "c"},
           {"eq", "5", "5", "6"},
           {"ge", "5", "", "6"},  // an undefined macro is 0 (trap 14)
           {"lt", "5", "6", "5"},
           {"rx", "abc", "^a.c$", "^b"},
           {"rxglobal", "abc", "^a.c$", "^b"}}) {
    TestOperator op(name, "%{tx.x}", true);
    ASSERT_NE(op.op, nullptr) << name << op.error;
    EXPECT_TRUE(op.matches(value, yes)) << name;
    EXPECT_FALSE(op.matches(value, no)) << name;
    EXPECT_EQ(op.op->regex(), nullptr) << name;  // cannot be scanned ahead
  }
  TestOperator rx("rx", "%{tx.x}", true);
  EXPECT_FALSE(rx.matches("x", "("));  // does not compile: no match
  EXPECT_FALSE(rx.matches("x", std::string(100'000, 'x')));
  for (int i = 0; i < 200; ++i) {  // more than the cache holds, in two rounds
    const std::string n = std::to_string(i % 100);
    EXPECT_EQ(rx.run("<" + n + ">", "<(" + n + ")>").groups, (Groups{"<" + n + ">", n}));
  }
}

TEST(Operators, Captures) {
  // Trap 9: all groups up to the highest set one, ten at most.
  EXPECT_EQ(TestOperator("rx", "(a)(x)?(b)").run("ab").groups, (Groups{"ab", "a", "", "b"}));
  EXPECT_EQ(TestOperator("rx", "(a)|(b)").run("a").groups, (Groups{"a", "a"}));
  EXPECT_EQ(TestOperator("rx", "(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)").run("abcdefghijk").groups,
            (Groups{"abcdefghijk", "a", "b", "c", "d", "e", "f", "g", "h", "i"}));
  EXPECT_EQ(TestOperator("rx", "(a)").run("b").groups, Groups{});
  EXPECT_EQ(TestOperator("rxglobal", "(\\d)(x)?").run("1x2").groups, (Groups{"2", "2", "x"}));
  // Trap 10: the phrase as the list has it.
  EXPECT_EQ(TestOperator("pm", "foo BAR").run("a Bar").groups, Groups{"BAR"});
  // Trap 11.
  EXPECT_EQ(TestOperator("detectsqli").run("1' or '1'='1").groups, Groups{"s&sos"});
  EXPECT_EQ(TestOperator("detectxss").run("<script>alert(1)</script>").groups,
            Groups{"<script>alert(1)</script>"});
  EXPECT_EQ(TestOperator("verifycc", "\\d{13,16}").run("x 5484605089158216").groups,
            Groups{"5484605089158216"});
  EXPECT_EQ(TestOperator("contains", "a").run("a").groups, Groups{});  // captures nothing in v2
  EXPECT_EQ(TestOperator("eq", "1").run("1").groups, Groups{});
  EXPECT_EQ(TestOperator("restpath", "/u/{id}/{what}").run("/u/7/x?y").groups,
            (Groups{"/u/7/x", "7", "x"}));
}

TEST(Operators, ArgumentsThatAreRefused) {
  const std::pair<const char*, const char*> wrong[] = {{"rx", "(a"},
                                                       {"rx", "(*UTF)a"},
                                                       {"ipmatch", "10.0.0.0/33"},
                                                       {"ipmatch", "hello"},
                                                       {"validatebyterange", "1-256"},
                                                       {"validatebyterange", "9-1"},
                                                       {"validatebyterange", "x"},
                                                       {"pm", ""},
                                                       {"pmfromfile", "no.data"},
                                                       {"pmfromfile", "https://example.org/x"},
                                                       {"pmfromfile", " "},
                                                       {"ipmatchfromfile", "no.data"},
                                                       {"strmatch", "\\x"},
                                                       {"validatenid", "de x"},
                                                       {"verifycc", "["}};
  for (const auto& [name, argument] : wrong) {
    TestOperator op(name, argument);
    EXPECT_EQ(op.op, nullptr) << name << " " << argument;
    EXPECT_FALSE(op.error.empty());
    EXPECT_NE(op.error.back(), '.');
  }
  EXPECT_NE(TestOperator("rx", "ab(c").error.find("at 4"), std::string::npos);
  EXPECT_NE(TestOperator("rbl", "x").op->warning().find("never matches"), std::string::npos);
  EXPECT_TRUE(TestOperator("rx", "x").op->warning().empty());
}

TEST(Operators, LimitsAreReportedAndDoNotMatch) {
  TestOperator op("rx", "^(a+)+$");
  const std::string value = std::string(64, 'a') + "b";
  const Evaluation e = op.run(value, {}, {1000, 1000});
  EXPECT_FALSE(e.matched);
  EXPECT_TRUE(e.limit_exceeded);
  EXPECT_FALSE(op.run("aaa", {}, {1000, 1000}).limit_exceeded);
}

TEST(Operators, Addresses) {
  TestOperator op("ipmatch", "192.0.2.0/24, 198.51.100.7,2001:db8::/32,10.0.0.0/9,10.128.0.0/9");
  for (const char* in : {"192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8::1",
                         "10.255.255.255", "10.0.0.0", "::ffff:192.0.2.9"}) {
    EXPECT_TRUE(op.matches(in)) << in;
  }
  for (const char* out : {"192.0.1.255", "192.0.3.0", "198.51.100.8", "2001:db9::", "11.0.0.0", "",
                          "host", "192.0.2", " 192.0.2.1", "::1"}) {
    EXPECT_FALSE(op.matches(out)) << out;
  }
  TestFiles files;
  files.contents["list.txt"] = "# bad ones\n192.0.2.1 # comment\r\n\n  2001:db8::/33\n";
  TestOperator from_file(files, "ipmatchfromfile", "list.txt");
  ASSERT_NE(from_file.op, nullptr) << from_file.error;
  EXPECT_TRUE(from_file.matches("192.0.2.1"));
  EXPECT_TRUE(from_file.matches("2001:db8:7fff::"));
  EXPECT_FALSE(from_file.matches("2001:db8:8000::"));
  files.contents["list.txt"] = "192.0.2.1\nnonsense\n";
  EXPECT_NE(TestOperator(files, "ipmatchf", "list.txt").error.find("line 2"), std::string::npos);
}

TEST(Operators, GeoLookupAsksTheDatabase) {
  struct Fake : GeoDatabase {
    bool lookup(const IpAddress& a, GeoRecord& out) const override {
      if (a.to_string() != "192.0.2.1") return false;
      out.country_code = "XX";
      return true;
    }
  } database;
  TestFiles files;
  auto op = make_operator({"geolookup", "", false, false}, files);
  ASSERT_TRUE(op);
  ReScratch re;
  base::Arena arena;
  GeoRecord record;
  OperatorContext context{re, arena, {}};
  context.geo = &database;
  context.geo_record = &record;
  EXPECT_TRUE((*op)->match("192.0.2.1", context));
  EXPECT_EQ(record.country_code, "XX");
  EXPECT_FALSE((*op)->match("192.0.2.2", context));
  EXPECT_FALSE((*op)->match("host.example", context));
  EXPECT_FALSE(open_geo_database("/nonexistent.mmdb"));
}

TEST(Operators, NumbersOfPeople) {
  TestOperator cc("verifycc", "\\d{4}-?\\d{4}-?\\d{2}-?\\d{2}-?\\d{1,4}");
  EXPECT_TRUE(cc.matches("cards: 1234123412341234 and 5484-6050-8915-8216"));
  EXPECT_FALSE(cc.matches("5484-6050-8915-8217"));
  EXPECT_TRUE(
      TestOperator("verifycpf", "([0-9]{3}\\.){2}[0-9]{3}-[0-9]{2}").matches("x 010.817.514-60"));
  EXPECT_FALSE(TestOperator("verifycpf", "\\d{11}").matches("11111111111"));
  EXPECT_TRUE(TestOperator("verifyssn", "\\d{3}-?\\d{2}-?\\d{4}").matches("574-57-8065"));
  EXPECT_FALSE(TestOperator("verifyssn", "\\d{3}-?\\d{2}-?\\d{4}").matches("666-57-8065"));
  EXPECT_TRUE(TestOperator("verifysvnr", "([0-9]{4} ?[0-9]{6})").matches("1237010180"));
  EXPECT_FALSE(TestOperator("verifysvnr", "([0-9]{4} ?[0-9]{6})").matches("1238010180"));
  EXPECT_TRUE(TestOperator("validatenid", "cl [0-9]{7,8}-[0-9kK]").matches("rut 11111111-1"));
  EXPECT_FALSE(TestOperator("validatenid", "cl [0-9]{7,8}-[0-9kK]").matches("rut 11111111-k"));
  EXPECT_TRUE(
      TestOperator("validatenid", "us [0-9]{3}-[0-9]{2}-[0-9]{4}").matches("x 136-21-5437"));
  // A pattern that takes everything costs a bounded amount.
  const Evaluation e = TestOperator("verifyssn", "\\d+").run(std::string(200'000, '1'));
  EXPECT_FALSE(e.matched);
  EXPECT_TRUE(e.limit_exceeded);
}

// libinjection's version and verdicts: other objects in the archive must not go unnoticed.
TEST(Libinjection, SelfTest) {
  EXPECT_EQ(operators::libinjection_release(), "3.9.2");
  const std::pair<const char*, const char*> sqli[] = {
      {"1' or '1'='1", "s&sos"},
      {"1 union select 1,2,3 --", "1UE1,"},
      {"' or 1=1 --", "s&1c"},
      {"1;drop table users", "1;T"},
      {"-1 and 1=1 union/* foo */select load_file('/etc/passwd')--", "1&1UE"},
      {"1' and sleep(5)#", "s&f(1"},
      {"admin'--", "sc"}};
  for (const auto& [text, fingerprint] : sqli) {
    const auto verdict = operators::detect_sqli(text);
    EXPECT_TRUE(verdict.found) << text;
    EXPECT_EQ(std::string(verdict.fingerprint.data()).substr(0, 2),
              std::string(fingerprint).substr(0, 2))
        << text << " " << verdict.fingerprint.data();
  }
  for (const char* text : {"", "hello world", "O'Reilly", "2024-01-01", "select a book", "a+b=c"}) {
    EXPECT_FALSE(operators::detect_sqli(text).found) << text;
  }
  for (const char* text :
       {"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)//",
        "<a href=javascript:x>", "<svg onload=1>", "\" onmouseover=\"x"}) {
    EXPECT_EQ(operators::detect_xss(text), std::string(text) != "javascript:alert(1)//") << text;
  }
  for (const char* text : {"", "hello", "a < b > c", "<b>bold</b>", "x=1&y=2"}) {
    EXPECT_FALSE(operators::detect_xss(text)) << text;
  }
}

}  // namespace
}  // namespace weir::rules
