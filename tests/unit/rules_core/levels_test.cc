// Filters by level: rules above the present level are not looked for, and nothing that rules say
// changes, whenever and however the level is set.

#include "rules/levels.h"

#include <random>

#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

std::string guard(int id, const std::string& name, int least, int phase, const std::string& to) {
  return "SecRule TX:" + name + " \"@lt " + std::to_string(least) + "\" \"id:" + std::to_string(id) +
         ",phase:" + std::to_string(phase) + ",pass,nolog,skipAfter:" + to + "\"\n";
}

std::string look_for(int id, const std::string& word, int phase) {
  return "SecRule ARGS|REQUEST_HEADERS:User-Agent \"@rx " + word + "\\d\" \"id:" + std::to_string(id) + ",phase:" +
         std::to_string(phase) + ",pass,log,t:none,t:lowercase,setvar:tx.seen=+1\"\n";
}

// As CRS is made up: the levels' rules one after the other, each behind its guard.
std::string levels_text() {
  return "SecRule &TX:level \"@eq 0\" \"id:1,phase:1,pass,nolog,setvar:tx.level=1\"\n" + look_for(2, "always", 1) +
         guard(10, "LEVEL", 1, 2, "END") + look_for(11, "first", 2) + guard(20, "LEVEL", 2, 2, "END") +
         look_for(21, "second", 2) + guard(30, "LEVEL", 3, 2, "END") + look_for(31, "third", 2) + "SecMarker END\n" +
         look_for(40, "everywhere", 2);
}

TEST(Levels, AreFoundInTheGuards) {
  Waf waf(levels_text());
  LOADED(waf);
  const Program& program = waf.rules()->program();
  const Levels levels = find_levels(program);
  EXPECT_EQ(levels.name, "level");
  EXPECT_EQ(levels.steps, (std::vector<std::int64_t>{1, 2, 3}));
  for (std::size_t i = 0; i < program.rules.size(); ++i) {
    const std::uint64_t id = program.rules[i].id;
    if (id == 21) {
      EXPECT_EQ(levels.of_rule[i], 2);
    }
    if (id == 40 || id == 2) {
      EXPECT_LT(levels.of_rule[i], 0);
    }
  }
  const Prefilters& p = program.prefilter;
  ASSERT_EQ(p.filters.size(), 5U);
  EXPECT_EQ(p.filters[0].items(), 2U);
  EXPECT_EQ(p.filters[1].items(), 3U);
  EXPECT_EQ(p.filters[3].items(), 5U);
  EXPECT_EQ(p.filters[p.response()].items(), 0U);
  EXPECT_EQ(p.for_level(0), 0U);
  EXPECT_EQ(p.for_level(2), 2U);
  EXPECT_EQ(p.for_level(9), p.whole_request());
}

TEST(Levels, WhatIsNoGuardIsNone) {
  const char* const others[] = {
      "SecRule TX:level \"@gt 1\" \"id:10,phase:2,pass,nolog,skipAfter:END\"\n",
      "SecRule TX:level \"!@lt 1\" \"id:10,phase:2,pass,nolog,skipAfter:END\"\n",
      "SecRule TX:level \"@lt %{tx.x}\" \"id:10,phase:2,pass,nolog,skipAfter:END\"\n",
      "SecRule &TX:level \"@lt 1\" \"id:10,phase:2,pass,nolog,skipAfter:END\"\n",
      "SecRule ARGS:level \"@lt 1\" \"id:10,phase:2,pass,nolog,skipAfter:END\"\n",
      "SecRule TX:level \"@lt 1\" \"id:10,phase:2,pass,nolog,chain,skipAfter:END\"\nSecRule ARGS \"@rx x\"\n"};
  for (const char* other : others) {
    Waf waf(other + look_for(11, "first", 2) + "SecMarker END\n");
    LOADED(waf);
    EXPECT_TRUE(find_levels(waf.rules()->program()).steps.empty()) << other;
  }
}

TEST(Levels, EachLevelSeesItsRules) {
  for (int level = 0; level < 5; ++level) {
    Waf waf("SecAction \"id:9,phase:1,pass,nolog,setvar:tx.level=" + std::to_string(level) + "\"\n" + levels_text());
    LOADED(waf);
    waf.run(get("/?a=always1+first1+second1+third1+everywhere1"));
    std::vector<std::uint64_t> want{2};
    for (int l = 1; l <= std::min(level, 3); ++l) want.push_back(static_cast<std::uint64_t>(l * 10 + 1));
    want.push_back(40);
    EXPECT_EQ(waf.logged(), want) << "level " << level;
  }
}

// Rules of every kind in any order: guards of two variables in both phases, levels set, raised,
// lowered and removed by what a request says.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  std::string text() {
    std::string out;
    const int blocks = 1 + pick(4);
    for (int b = 0; b < blocks; ++b) {
      const std::string marker = "END" + std::to_string(b);
      for (int i = pick(8); i >= 0; --i) out += rule(marker);
      out += "SecMarker " + marker + "\n";
    }
    return out;
  }
  Request request() {
    Request r = get("/?" + words() + "=" + words() + "&level=" + std::to_string(pick(5)));
    r.header("User-Agent", words());
    return r;
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string name() { return pick(4) == 0 ? "other" : "level"; }
  std::string words() {
    std::string out;
    for (int i = pick(4); i >= 0; --i) out += "w" + std::string(1, static_cast<char>('a' + pick(4))) + std::to_string(pick(3));
    return out;
  }
  std::string rule(const std::string& marker) {
    const int id = ++id_;
    const std::string head = "\"id:" + std::to_string(id) + ",phase:" + std::to_string(1 + pick(2));
    switch (pick(7)) {
      case 0:
      case 1: return guard(id, name(), pick(4), 1 + pick(2), marker);
      case 2: return "SecAction " + head + ",pass,nolog,setvar:tx." + name() + "=" + std::to_string(pick(4)) + "\"\n";
      case 3:
        return "SecRule ARGS:level \"@rx " + std::to_string(pick(5)) + "\" " + head + ",pass,nolog,setvar:tx." + name() +
               (pick(2) == 0 ? "=%{ARGS.level}" : "=+1") + "\"\n";
      case 4: return "SecRule ARGS \"@rx w" + std::string(1, static_cast<char>('a' + pick(4))) + "1\" " + head + ",pass,log,chain\"\nSecRule ARGS|ARGS_NAMES \"@contains wb\" \"t:none,t:lowercase\"\n";
      case 5: return "SecRule ARGS \"@rx wc2\" " + head + ",pass,nolog,setvar:!tx." + name() + "\"\n";
      default: return look_for(id, std::string("w") + static_cast<char>('a' + pick(4)), 1 + pick(2));
    }
  }

  std::mt19937 random_;
  int id_ = 100;
};

TEST(Levels, ChangeNothingHoweverTheyAreSet) {
  std::size_t matched = 0;
  std::size_t levelled = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    Maker maker(seed);
    const std::string text = maker.text();
    LoadOptions without;
    without.optimisations.levels = false;
    LoadOptions plain;
    plain.optimisations.prefilter = false;
    Waf fast(text);
    Waf other(text, without);
    Waf slow(text, plain);
    LOADED(fast);
    LOADED(other);
    LOADED(slow);
    if (fast.rules()->program().prefilter.filters.size() > 2) ++levelled;
    for (int i = 0; i < 20; ++i) {
      const Request r = maker.request();
      slow.run(r);
      fast.run(r);
      other.run(r);
      ASSERT_EQ(fast.ids(), slow.ids()) << text << r.target;
      ASSERT_EQ(other.ids(), slow.ids()) << text << r.target;
      matched += slow.ids().size();
    }
  }
  EXPECT_GT(levelled, 150U);
  EXPECT_GT(matched, 3000U);
}

}  // namespace
}  // namespace weir::rules::testing
