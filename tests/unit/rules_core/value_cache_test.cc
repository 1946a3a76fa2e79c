// What is remembered of values that recur: only for exactly their bytes, and nothing that a request
// says changes what is said of another.

#include "rules/value_cache.h"

#include <map>
#include <random>
#include <utility>

#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

using Kind = ValueCache::Kind;

TEST(ValueCache, KnowsExactlyWhatItWasTold) {
  ValueCache cache;
  cache.prepare(true, 2);
  const std::uint64_t wanted[2] = {1, 2};
  const std::uint64_t hits[2] = {5, 0};
  const std::uint64_t none[2] = {0, 0};
  EXPECT_EQ(cache.find({"abc", wanted, Kind::Head}), nullptr);
  cache.add({"abc", wanted, Kind::Head}, hits, 2);
  cache.add({"", wanted, Kind::Head}, none, 2);
  ValueCache::Entry* e = cache.find({"abc", wanted, Kind::Head});
  ASSERT_NE(e, nullptr);
  EXPECT_EQ(e->hits[0], 5U);
  EXPECT_FALSE(e->none);
  ASSERT_NE(cache.find({"", wanted, Kind::Head}), nullptr);
  EXPECT_TRUE(cache.find({"", wanted, Kind::Head})->none);
  EXPECT_EQ(cache.find({"abd", wanted, Kind::Head}), nullptr);
  EXPECT_EQ(cache.find({"ab", wanted, Kind::Head}), nullptr);
  EXPECT_EQ(cache.find({"abc", wanted + 1, Kind::Head}), nullptr);
  EXPECT_EQ(cache.find({"abc", wanted, Kind::Argument}), nullptr);
  cache.prepare(true, 2);
  EXPECT_EQ(cache.find({"abc", wanted, Kind::Head}), nullptr);
  EXPECT_TRUE(cache.serves(1));
  EXPECT_FALSE(cache.serves(3));
  cache.prepare(true, ValueCache::kMostWords + 1);
  EXPECT_FALSE(cache.serves(1));
  cache.prepare(false, 2);
  EXPECT_FALSE(cache.serves(1));
}

TEST(ValueCache, TellsWhatRecurs) {
  ValueCache cache;
  cache.prepare(true, 1);
  const std::uint64_t wanted[2] = {};
  const auto recurs = [&](std::string_view text, int which) { return cache.recurs({text, wanted + which, Kind::Argument}); };
  EXPECT_FALSE(recurs("a", 0));
  EXPECT_FALSE(recurs("b", 0));
  EXPECT_FALSE(recurs("a", 1));
  EXPECT_TRUE(recurs("a", 0));
  EXPECT_TRUE(recurs("b", 0));
  // A thousand at a time are mostly still known when they come again, a million are not.
  std::size_t again = 0;
  for (int i = 0; i < 2000; ++i) again += recurs("value " + std::to_string(i % 1000), 0) ? 1U : 0U;
  EXPECT_GT(again, 600U);
  again = 0;
  for (int i = 0; i < 200000; ++i) again += recurs("other " + std::to_string(i % 100000), 0) ? 1U : 0U;
  EXPECT_LT(again, 200U);
}

// More values than fit, of all lengths: what is found is what was added last.
TEST(ValueCache, NeverMixesValuesUp) {
  ValueCache cache;
  cache.prepare(true, 2);
  const std::uint64_t wanted[2] = {};
  std::map<std::pair<std::string, int>, std::uint64_t> added;
  std::mt19937_64 random(3);
  std::size_t found = 0;
  std::map<std::uint32_t, int> stamps;
  for (int i = 0; i < 50000; ++i) {
    std::string text(random() % (ValueCache::kLongest + 1), 'x');
    if (random() % 2 == 0) text.resize(text.size() % 3);
    for (char& c : text) c = static_cast<char>("ab\0"[random() % 3]);
    const int which = static_cast<int>(random() % 2);
    const Kind kind = random() % 2 == 0 ? Kind::Head : Kind::Argument;
    const auto key = std::make_pair(text, which * 2 + static_cast<int>(kind));
    if (const ValueCache::Entry* e = cache.find({text, wanted + which, kind}); e != nullptr) {
      ++found;
      ASSERT_EQ(e->hits[0], added[key]);
      continue;
    }
    const std::uint64_t hits = random();
    EXPECT_EQ(++stamps[cache.add({text, wanted + which, kind}, &hits, 1).added], 1);
    added[key] = hits;
  }
  EXPECT_GT(found, 1000U);
}

// The same few values again and again, in all places, so that most have been judged before: nothing
// differs from an engine that sees each request as its first.
TEST(ValueCache, ChangesNoVerdict) {
  const std::string rules =
      "SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS \"@rx attack(\\d)\" \"id:100,phase:1,pass,log,capture,t:none,t:lowercase,"
      "setvar:tx.n=+%{TX.1}\"\n"
      "SecRule ARGS|REQUEST_HEADERS:User-Agent \"@rx attack(\\d)\" \"id:101,phase:2,pass,log,t:none,t:lowercase\"\n"
      "SecRule REQUEST_HEADERS:Referer \"@detectSQLi\" \"id:102,phase:2,pass,log,capture\"\n"
      "SecRule ARGS \"@detectSQLi\" \"id:103,phase:2,pass,log,multiMatch,t:none,t:urlDecodeUni,t:removeWhitespace\"\n"
      "SecRule ARGS \"!@rx ^[a-z0-9 ]*$\" \"id:104,phase:2,pass,log\"\n"
      "SecRule ARGS \"@within %{tx.allowed}\" \"id:105,phase:2,pass,log\"\n"
      "SecRule ARGS:set \"@rx ^(.*)$\" \"id:106,phase:1,pass,nolog,capture,setvar:tx.allowed=%{TX.1}\"\n"
      "SecRule ARGS \"@pm one two three\" \"id:107,phase:2,pass,log,chain\"\n"
      "SecRule ARGS|REQUEST_HEADERS \"@endsWith 7\" \"t:none,t:length\"\n"
      "SecRule ARGS \"@rx (a+)+$\" \"id:108,phase:2,pass,log\"\n";
  const std::vector<std::string> values = {"attack1", "ATTACK2", "1' or '1'='1", "one", "two words", "harmless", "", "7",
                                           "seven77", "one two three", "x%20y", "' or 1=1 --", "aaaaaaaaaaaa!",
                                           std::string(150, 'a'), std::string(300, 'b') + "attack3", "union select"};
  LoadOptions options;
  options.optimisations.recurring = false;
  Waf fast(rules);
  Waf plain(rules, options);
  LOADED(fast);
  LOADED(plain);
  std::mt19937 random(1);
  const auto value = [&] { return values[random() % values.size()]; };
  const auto escaped = [](const std::string& s) {
    std::string out;
    for (const char c : s) out += c == ' ' ? std::string("+") : c == '%' ? std::string("%25") : std::string(1, c);
    return out;
  };
  std::size_t matches = 0;
  for (int i = 0; i < 3000; ++i) {
    Request r = get("/?a=" + escaped(value()) + "&" + escaped(value()) + "=" + escaped(value()) + "&set=" + escaped(value()));
    r.header("User-Agent", value()).header("Referer", value());
    if (random() % 2 == 0) r.header("X-Other", value());
    fast.run(r);
    plain.run(r);
    const auto a = fast.transaction().matches();
    const auto b = plain.transaction().matches();
    ASSERT_EQ(a.size(), b.size()) << r.target;
    for (std::size_t m = 0; m < a.size(); ++m) {
      ASSERT_EQ(a[m].rule_id, b[m].rule_id) << r.target;
      ASSERT_EQ(a[m].value, b[m].value) << r.target;
      ASSERT_EQ(a[m].target, b[m].target) << r.target;
    }
    ASSERT_EQ(fast.tx("n"), plain.tx("n"));
    matches += a.size();
  }
  EXPECT_GT(matches, 3000U);
}

}  // namespace
}  // namespace weir::rules::testing
