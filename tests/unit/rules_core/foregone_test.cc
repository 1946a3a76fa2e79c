// What is foregone (rules/foregone.h) is as if every rule had been run: rules that look at nothing of a message between
// others that jump over them, remove them, end the phase or set what they read.

#include "rules/foregone.h"

#include <algorithm>
#include <random>

#include "rules/program.h"
#include "rules/transaction_state.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

LoadOptions with_foregone(bool on, bool prefilter = true) {
  LoadOptions options;
  options.optimisations.foregone = on;
  options.optimisations.prefilter = prefilter;
  return options;
}

// Everything that rules leave behind.
std::string state_of(Waf& waf) {
  std::string out;
  for (const Match& m : waf.transaction().matches()) {
    out += std::to_string(m.rule_id) + "|" + std::string(m.message) + "|" + std::string(m.data) + "|" + std::string(m.target) +
           "|" + std::string(m.value) + "|" + std::string(m.file) + ":" + std::to_string(m.line);
    for (const std::string_view tag : m.tags) out += "|" + std::string(tag);
    out += "\n";
  }
  const Decision& d = waf.transaction().decision();
  out += std::to_string(static_cast<int>(d.kind)) + " by " + std::to_string(d.rule_id) + "\n";
  for (const char* name : {"a", "b", "c", "d", "e", "f", "all", "level", "score", "0"}) {
    out += std::string(name) + "=" + waf.tx(name) + " ";
  }
  return out + waf.var("MATCHED_VAR_NAME") + "=" + waf.var("MATCHED_VAR") + " " + waf.var("HIGHEST_SEVERITY");
}

// Is something of the transaction to be logged that may_have_logged() denies?
bool denies_logged(Waf& waf) {
  const auto matches = waf.transaction().matches();
  return !waf.transaction().may_have_logged() && std::any_of(matches.begin(), matches.end(), [](const Match& m) { return m.log; });
}

// The same rules with what is foregone put in place, also without hope, and with every rule run.
class Pair {
 public:
  explicit Pair(const std::string& rules, bool prefilter = true)
      : fast(rules, with_foregone(true, prefilter)), plain(rules, with_foregone(false, prefilter)), strict(rules, without_hope()) {}
  static LoadOptions without_hope() {
    LoadOptions options;
    options.optimisations.hopeful = false;
    return options;
  }
  void same(const Request& r) {
    fast.run(r);
    plain.run(r);
    strict.run(r);
    EXPECT_EQ(state_of(fast), state_of(plain)) << r.target;
    EXPECT_EQ(state_of(strict), state_of(plain)) << r.target;
    for (Waf* const waf : {&fast, &plain, &strict}) EXPECT_FALSE(denies_logged(*waf)) << r.target;
  }
  void same_everywhere() {
    for (const char* target : {"/", "/?q=jump", "/?q=remove", "/?q=deny", "/?q=off", "/?q=allow", "/?q=phase", "/?q=set",
                               "/?q=untarget", "/?q=many", "/?q=level", "/?q=detect"}) {
      same(get(target));
      same(form(std::string(target).substr(target[1] == '\0' ? 1 : 2)));
    }
  }
  // The rule is not looked at in a transaction that stays on its course.
  bool closed(std::uint64_t id, Foregone::Way way = Foregone::Way::Strict) const {
    const Program& p = fast.rules()->program();
    for (std::uint32_t r = 0; r < p.rules.size(); ++r) {
      if (p.rules[r].id == id) return p.foregone->closed(r, way);
    }
    return false;
  }
  bool disappointed() { return fast.transaction().state().disappointed; }
  Waf fast, plain, strict;
};

const std::string kRules = R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=1,setvar:tx.score=0,setvar:'tx.b=%{tx.a}2'"
SecRule &TX:a "@eq 0" "id:2,phase:1,nolog,pass,setvar:tx.a=9"
SecRule &TX:c "@eq 0" "id:3,phase:1,log,pass,msg:'c is %{tx.b}',tag:'one',severity:5,setvar:tx.c=5"
SecRule ARGS:q "@streq jump" "id:4,phase:1,pass,capture,setvar:tx.score=+2,skipAfter:THERE"
SecRule ARGS:q "@streq remove" "id:5,phase:1,pass,ctl:ruleRemoveById=7"
SecRule ARGS:q "@streq untarget" "id:6,phase:1,pass,ctl:ruleRemoveTargetById=8;TX:a"
SecRule TX:a "@eq 1" "id:7,phase:1,pass,severity:3,setvar:tx.d=%{tx.c}"
SecRule TX:a|TX:b "@ge 1" "id:8,phase:1,pass,chain,setvar:tx.e=+1"
SecRule TX:c "@lt 5" "setvar:tx.f=1"
SecMarker THERE
SecRule ARGS:q "@streq deny" "id:9,phase:1,deny"
SecRule ARGS:q "@streq off" "id:10,phase:1,pass,ctl:ruleEngine=Off"
SecRule ARGS:q "@streq detect" "id:11,phase:1,pass,ctl:ruleEngine=DetectionOnly"
SecRule ARGS:q "@streq allow" "id:12,phase:1,allow"
SecRule ARGS:q "@streq phase" "id:13,phase:1,allow:phase"
SecAction "id:14,phase:1,nolog,pass,setvar:!tx.d"
SecRule TX:a "@lt 2" "id:20,phase:2,nolog,pass,skipAfter:LEVEL"
SecRule ARGS "@contains e" "id:21,phase:2,pass,setvar:tx.all=+7"
SecMarker LEVEL
SecRule ARGS "@rx (a)" "id:22,phase:2,pass,capture,severity:2,setvar:tx.score=+5,setvar:tx.x_%{MATCHED_VAR}=1"
SecRule TX:c "@gt 4" "id:23,phase:2,pass,skip:1,setvar:tx.e=+3"
SecAction "id:24,phase:2,pass,setvar:tx.f=3"
SecRule TX:score "@ge 5" "id:25,phase:2,pass,log,msg:'%{tx.score}',setvar:tx.all=%{tx.score}"
SecRule TX:b "@streq 12" "id:26,phase:2,pass,setvar:tx.score=0"
SecRule TX:f "!@eq 3" "id:27,phase:4,pass,log,setvar:tx.f=4"
SecRule TX:f "@eq 4" "id:28,phase:5,pass,log,setvar:tx.f=5"
)conf";

TEST(Foregone, IsAsIfEveryRuleHadBeenRun) {
  for (const bool prefilter : {true, false}) {
    Pair pair(kRules, prefilter);
    LOADED(pair.fast);
    LOADED(pair.plain);
    for (const std::uint64_t id : {1, 2, 3, 7, 8, 14, 20, 23, 24, 26, 27, 28}) EXPECT_TRUE(pair.closed(id)) << id;
    for (const std::uint64_t id : {4, 5, 9, 21, 22, 25}) EXPECT_FALSE(pair.closed(id)) << id;
    pair.same_everywhere();
  }
}

TEST(Foregone, WorkIsCountedAlike) {
  Pair pair(kRules, false);
  LOADED(pair.fast);
  ASSERT_NE(pair.fast.rules()->program().foregone->course(0, Phase::RequestHeaders), nullptr);
  for (const char* target : {"/", "/?q=many", "/?q=jump"}) {
    pair.same(get(target));
    EXPECT_EQ(pair.fast.transaction().work(), pair.plain.transaction().work()) << target;
  }
}

TEST(Foregone, ClosedRulesReadWhatOnlyTheirKindSets) {
  Pair pair(R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=1,setvar:tx.b=1,setvar:tx.c=0"
SecRule ARGS "@rx x" "id:2,phase:1,pass,setvar:tx.b=2"
SecRule ARGS "@rx x" "id:3,phase:1,pass,setvar:tx.counter_%{MATCHED_VAR}=2"
SecRule TX:a "@eq 1" "id:4,phase:1,pass,setvar:tx.c=+1"
SecRule TX:b "@eq 1" "id:5,phase:1,pass,setvar:tx.d=1"
SecRule TX:d "@eq 1" "id:6,phase:1,pass"
SecRule TX:counter_1 "@eq 1" "id:7,phase:1,pass"
SecRule TX:0 "@eq 1" "id:8,phase:1,pass"
SecRule TX:a "@eq 1" "id:9,phase:1,pass,setvar:'tx.c=%{tx.b}'"
SecRule TX:a "@eq 1" "id:10,phase:1,pass,msg:'%{REMOTE_ADDR}'"
SecRule TX:a "@eq 1" "id:11,phase:1,pass,setenv:x=1"
SecRule TX:/a/ "@eq 1" "id:12,phase:1,pass"
SecRule TX:a "@rx 1" "id:13,phase:1,pass"
SecRule TX:a "@eq %{tx.a}" "id:14,phase:1,pass,setvar:tx.e=+1,setvar:!tx.f"
SecRule TX:a "@eq 2" "id:15,phase:1,deny"
)conf");
  LOADED(pair.fast);
  std::vector<std::uint64_t> closed;
  for (std::uint64_t id = 1; id <= 15; ++id) {
    if (pair.closed(id)) closed.push_back(id);
  }
  // 4 adds to what 9 sets, which is not foregone.
  EXPECT_EQ(closed, (std::vector<std::uint64_t>{1, 14, 15}));
  pair.same(get("/?a=x"));
  pair.same(get("/"));
}

TEST(Foregone, ATransactionStraysForGood) {
  Pair pair(R"conf(
SecRule ARGS:q "@streq jump" "id:1,phase:1,pass,nolog,skipAfter:THERE"
SecAction "id:2,phase:1,nolog,pass,setvar:tx.a=1"
SecMarker THERE
SecRule TX:a "@eq 1" "id:3,phase:2,pass,setvar:tx.b=1"
SecRule &TX:a "@eq 0" "id:4,phase:2,pass,setvar:tx.c=1"
)conf");
  LOADED(pair.fast);
  EXPECT_TRUE(pair.closed(2) && pair.closed(3) && pair.closed(4));
  for (int i = 0; i < 2; ++i) {
    pair.same(get("/?q=jump"));
    EXPECT_EQ(pair.fast.tx("c"), "1");
    EXPECT_EQ(pair.fast.tx("b"), "(none)");
    pair.same(get("/"));
    EXPECT_EQ(pair.fast.tx("b"), "1");
    EXPECT_EQ(pair.fast.tx("c"), "(none)");
  }
}

TEST(Foregone, MatchedVarStaysThatOfTheLastMatch) {
  Pair pair(R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=1"
SecRule ARGS "@rx x" "id:2,phase:1,pass"
SecRule TX:a "@streq 2" "id:3,phase:1,pass"
)conf");
  LOADED(pair.fast);
  EXPECT_TRUE(pair.closed(1) && pair.closed(3));
  pair.same(get("/?q=x"));
  EXPECT_EQ(pair.fast.var("MATCHED_VAR_NAME"), "ARGS:q");
  pair.same(get("/"));
  EXPECT_EQ(pair.fast.var("MATCHED_VAR_NAME"), "REMOTE_ADDR");
}

// As CRS counts: what reads scores is foregone until a rule of the message adds to one.
TEST(Foregone, ScoresAreHopedToStay) {
  Pair pair(R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.score=0,setvar:tx.all=0,setvar:tx.level=1"
SecRule ARGS:q "@rx first" "id:2,phase:1,pass,setvar:tx.score=+3"
SecRule TX:level "@ge 1" "id:3,phase:1,nolog,pass,setvar:'tx.all=+%{tx.score}'"
SecRule ARGS:q "@rx between" "id:4,phase:1,pass,setvar:tx.score=+2"
SecRule TX:all "@ge 5" "id:5,phase:1,deny,status:451"
SecRule ARGS:q "@rx named" "id:6,phase:2,pass,setvar:'tx.s%{ARGS.r}=9'"
SecRule ARGS:q "@rx gone" "id:7,phase:2,pass,setvar:!tx.score"
SecRule ARGS:q "@rx other" "id:8,phase:2,pass,setvar:tx.f=1"
SecRule TX:level "@ge 1" "id:9,phase:2,nolog,pass,setvar:'tx.all=+%{tx.score}'"
SecRule &TX:score "@eq 0" "id:10,phase:2,pass,log,msg:'no score'"
SecRule TX:all "@ge 5" "id:11,phase:2,pass,log,msg:'%{tx.all}'"
SecRule TX:all "@eq 0" "id:12,phase:5,nolog,pass,skipAfter:END"
SecRule ARGS:q "@rx ." "id:13,phase:5,pass,log,msg:'%{tx.all}'"
SecMarker END
)conf");
  LOADED(pair.fast);
  for (const std::uint64_t id : {3, 5, 9, 10, 11, 12}) {
    EXPECT_FALSE(pair.closed(id)) << id;
    EXPECT_TRUE(pair.closed(id, Foregone::Way::Hopeful)) << id;
  }
  for (const std::uint64_t id : {2, 4, 6, 7, 8, 13}) EXPECT_FALSE(pair.closed(id, Foregone::Way::Hopeful)) << id;
  for (const char* target : {"/", "/?q=x", "/?q=other", "/?q=named&r=illy"}) {
    pair.same(get(target));
    EXPECT_FALSE(pair.disappointed()) << target;
    EXPECT_FALSE(pair.fast.matched(13)) << target;
  }
  for (const char* target : {"/?q=first", "/?q=between", "/?q=first+between", "/?q=named&r=core", "/?q=gone", "/?q=named+first&r=core",
                             "/?q=first+gone"}) {
    pair.same(get(target));
    EXPECT_TRUE(pair.disappointed()) << target;
  }
  pair.same(get("/?q=first+between"));
  EXPECT_EQ(pair.fast.tx("all"), "8");
}

// Whether a rule that looks at the message is worth looking at may be hoped for, too.
TEST(Foregone, RulesThatAskAreAskedAgain) {
  Pair pair(R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=0"
SecRule ARGS:q "@rx set" "id:2,phase:1,nolog,pass,setvar:tx.a=1"
SecRule TX:a "@eq 1" "id:3,phase:1,nolog,pass,chain"
  SecRule ARGS:r "@rx ." "setvar:tx.b=1"
)conf");
  LOADED(pair.fast);
  EXPECT_FALSE(pair.closed(3, Foregone::Way::Hopeful));
  for (const char* target : {"/", "/?r=1", "/?q=set", "/?q=set&r=1"}) pair.same(get(target));
  EXPECT_EQ(pair.fast.tx("b"), "1");
}

// Where hope has jumped over what is done on the strict course, that course must not be gone on with.
TEST(Foregone, HopeJumpsOverNothingThatIsForegone) {
  Pair pair(R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.score=0"
SecRule TX:score "@eq 0" "id:2,phase:1,nolog,pass,skipAfter:THERE"
SecAction "id:3,phase:1,nolog,pass,setvar:tx.c=1"
SecMarker THERE
SecRule ARGS "@rx x" "id:4,phase:1,nolog,pass,setvar:tx.score=+5"
SecRule TX:c "@eq 1" "id:5,phase:1,nolog,pass,setvar:tx.d=1"
SecRule &TX:c "@eq 0" "id:6,phase:2,nolog,pass,setvar:tx.e=1"
SecRule TX:score "@eq 0" "id:7,phase:2,nolog,pass,setvar:tx.f=1"
)conf");
  LOADED(pair.fast);
  for (const char* target : {"/", "/?q=x", "/?q=y"}) {
    pair.same(get(target));
    EXPECT_EQ(pair.fast.tx("d"), "(none)");
    EXPECT_EQ(pair.fast.tx("e"), "1");
  }
}

TEST(Foregone, WhatCtlRemovesIsNotHopedFor) {
  Pair pair(R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.score=0,setvar:tx.a=1"
SecRule ARGS:q "@rx remove" "id:2,phase:1,nolog,pass,ctl:ruleRemoveById=4"
SecRule ARGS:q "@rx add" "id:3,phase:1,nolog,pass,setvar:tx.score=+1"
SecRule TX:score "@eq 0" "id:4,phase:1,nolog,pass,setvar:tx.b=1"
SecRule ARGS:q "@rx jump" "id:5,phase:2,nolog,pass,skipAfter:THERE"
SecRule TX:score "@eq 0" "id:6,phase:2,nolog,pass,setvar:tx.c=1"
SecMarker THERE
SecRule TX:a "@eq 1" "id:7,phase:2,nolog,pass,setvar:tx.d=1"
)conf");
  LOADED(pair.fast);
  for (const char* target : {"/", "/?q=remove", "/?q=add", "/?q=jump", "/?q=jump+remove", "/?q=jump+add"}) {
    pair.same(get(target));
    EXPECT_EQ(pair.fast.tx("d"), "1");
    EXPECT_FALSE(pair.fast.transaction().state().astray) << target;
  }
}

// A hostile request may leave no room for what closed rules set.
TEST(Foregone, TxMayBeFull) {
  Pair pair(R"conf(
SecArgumentsLimit 70000
SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=1"
SecRule ARGS_NAMES "@rx ." "id:2,phase:2,nolog,pass,setvar:tx.x_%{MATCHED_VAR}=1"
SecAction "id:3,phase:2,nolog,pass,setvar:tx.b=1"
SecRule &TX:b "@eq 0" "id:4,phase:2,nolog,pass,setvar:tx.a=2"
)conf");
  LOADED(pair.fast);
  EXPECT_TRUE(pair.closed(1) && pair.closed(3) && pair.closed(4));
  std::string body;
  for (std::size_t i = 0; i < VarTable::kMaxVariables; ++i) body += "n" + std::to_string(i) + "=&";
  pair.same(form(body));
  EXPECT_EQ(pair.fast.tx("b"), "(none)");
  EXPECT_EQ(pair.fast.tx("a"), "2");
  pair.same(form("n=1"));
  EXPECT_EQ(pair.fast.tx("a"), "1");
}

TEST(Foregone, AClosedRuleThatWouldDenyIsRun) {
  Pair pair(R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=1"
SecRule TX:a "@eq 1" "id:2,phase:1,deny,status:451"
)conf");
  LOADED(pair.fast);
  pair.same(get("/"));
  EXPECT_EQ(pair.fast.transaction().decision().status, 451);
}

TEST(Foregone, PhasesMayBeLeftOutOrComeAgain) {
  Pair pair(kRules);
  LOADED(pair.fast);
  const Timestamp now{1'700'000'000'000'000'000};
  for (const int way : {0, 1, 2, 3}) {
    for (Waf* waf : {&pair.fast, &pair.plain}) {
      waf->begin(now);
      Transaction& tx = waf->transaction();
      tx.request_line("GET", "/?q=many", "HTTP/1.1");
      if (way != 1) tx.request_headers_done(now);
      if (way != 0) tx.request_body_done(now, false, true);
      if (way == 3) {
        tx.request_header("X", "y");
        tx.request_trailers_done(now);
      }
      tx.finish(now);
    }
    EXPECT_EQ(state_of(pair.fast), state_of(pair.plain)) << way;
  }
}

// Rules made at random of the words above.
TEST(Foregone, RandomRules) {
  std::mt19937 random(4);
  const auto one_of = [&](std::initializer_list<const char*> list) {
    return std::string(*(list.begin() + static_cast<std::ptrdiff_t>(random() % list.size())));
  };
  std::size_t closed = 0;
  for (int round = 0; round < 120; ++round) {
    std::string rules;
    for (int id = 1; id <= 30; ++id) {
      const std::string action = "\"id:" + std::to_string(id) + ",phase:" + one_of({"1", "2", "2", "5"}) + ",pass," +
                                 one_of({"nolog", "log", "severity:4", "skip:1", "skip:2", "t:none"}) + ",setvar:" +
                                 one_of({"tx.a=1", "tx.b=%{tx.a}", "tx.c=+1", "tx.d=-1", "!tx.e", "tx.e=+%{tx.c}"}) + "\"\n";
      const std::string test = one_of({"@eq 0", "@ge 1", "@lt 2", "!@eq 1", "@gt %{tx.a}"});
      switch (random() % 4) {
        case 0: rules += "SecAction " + action; break;
        case 1: rules += "SecRule ARGS \"@rx " + one_of({"a", "b", "many", "x"}) + "\" \"id:" + std::to_string(id) + ",phase:" +
                         one_of({"1", "2"}) + ",pass," + one_of({"skip:1", "skip:3", "t:none", "setvar:tx.f=1", "allow:phase", "setvar:tx.a=+1", "setvar:tx.c=7",
                                 "setvar:'tx.%{MATCHED_VAR}=2'", "setvar:!tx.d"}) + "\"\n"; break;
        default: rules += "SecRule " + one_of({"", "&"}) + "TX:" + one_of({"a", "b", "c", "d", "e", "f"}) + " \"" + test + "\" " + action;
      }
    }
    Pair pair(rules);
    LOADED(pair.fast);
    for (std::uint64_t id = 1; id <= 30; ++id) closed += pair.closed(id) ? 1 : 0;
    for (const char* target : {"/", "/?q=a", "/?q=many", "/?q=b&r=x"}) pair.same(get(target));
    ASSERT_FALSE(HasFailure()) << rules;
  }
  EXPECT_GT(closed, 300U);
}

TEST(Foregone, ItsMemoryIsCounted) {
  std::string rules;
  std::size_t before = 0;
  for (std::size_t n = 0; n < 120;) {
    for (int i = 0; i < 40; ++i) {
      const std::string id = std::to_string(++n);
      rules += "SecAction \"id:" + id + ",phase:1,pass,nolog,setvar:'tx.name" + id + "=a value'\"\n";
    }
    const Pair pair(rules);
    const std::size_t counted = pair.fast.rules()->stats().memory_bytes - pair.plain.rules()->stats().memory_bytes;
    EXPECT_GE(counted, n * (sizeof(Course::Set) + sizeof(Course::Turn))) << "each sets a variable, somewhere on the way";
    EXPECT_GT(counted, before);
    EXPECT_LT(counted, 1U << 20U);
    before = counted;
  }
}

// No more is kept of what is foregone than of rules that are run.
TEST(Foregone, WhereSoManyMatchesAreKept) {
  Pair pair(R"rules(
SecAction "id:1,phase:1,pass,log,setvar:tx.a=2,setvar:tx.b=3"
SecRule ARGS|ARGS_NAMES "@rx ." "id:2,phase:1,pass,log"
SecRule TX:a|TX:b "@ge 1" "id:3,phase:1,pass,log,setvar:tx.c=1"
SecAction "id:4,phase:1,pass,log"
SecRule TX:a|TX:b|TX:c "@ge 1" "id:5,phase:1,pass,log"
)rules");
  for (const int args : {0, 500, 507, 508, 509, 510, 511, 512, 600}) {
    std::string target = "/?";
    for (int i = 0; i < args; ++i) target += "a=1&";
    pair.same(get(target));
  }
}

}  // namespace
}  // namespace weir::rules::testing
