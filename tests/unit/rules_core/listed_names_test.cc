// Chains that ask for names on a list (rules/listed_names.h): no rule can tell that they were not run.

#include "rules/listed_names.h"

#include <filesystem>
#include <random>

#include "rules/program.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

// What rules behind the chain can see, and what comes of it.
constexpr const char* kBehind = R"rules(
SecRule TX:0|TX:1|TX:2 "@rx ^(.*)" "id:31,phase:1,pass,log,msg:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR}'"
SecRule MATCHED_VAR|MATCHED_VAR_NAME|MATCHED_VARS|MATCHED_VARS_NAMES "@rx ." "id:32,phase:1,pass,log,msg:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR}'"
SecRule TX:/param_/|TX:/^par/ "@rx (.)$" "id:33,phase:1,pass,log,capture,msg:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR}%{TX.1}'"
)rules";

std::string first_matched(const std::string& what) {  // before another rule matches
  return "SecRule MATCHED_VAR_NAME|MATCHED_VAR \"@rx .\" \"id:" + what + ",phase:1,pass,log,msg:'%{MATCHED_VAR}'\"\n";
}

std::string chain(const std::string& variable, const std::string& pattern, const std::string& transform, const std::string& list) {
  return "SecRule " + variable + " \"@rx " + pattern + "\" \"id:20,phase:1,pass,log,capture,t:none," + transform +
         "msg:'%{MATCHED_VAR} %{TX.0}',setvar:'tx.own_%{tx.0}=/%{tx.0}/',chain\"\nSecRule TX:/^own_/ \"@within " + list +
         "\" \"setvar:'tx.score=+5'\"\n";
}

std::string before(const std::string& list) {
  return "SecRuleEngine On\nSecAction \"id:10,phase:1,nolog,pass,setvar:'tx.list=" + list + "',setvar:tx.score=0\"\n"
         "SecRule REQUEST_HEADERS:Mode \"@rx (u)(n)\" \"id:11,phase:1,pass,log,capture\"\n"
         "SecRule REQUEST_HEADERS:Mode \"@rx untarget\" \"id:12,phase:1,pass,log,ctl:ruleRemoveTargetById=20;REQUEST_HEADERS_NAMES:Proxy\"\n"
         "SecRule REQUEST_HEADERS:Mode \"@rx unrule\" \"id:13,phase:1,pass,log,ctl:ruleRemoveById=20\"\n"
         "SecRule REQUEST_HEADERS:Mode \"@rx relist\" \"id:14,phase:1,pass,log,setvar:'tx.list=/y/ /rest/'\"\n";
}

std::string state_of(Waf& waf) {
  std::string out;
  for (const Match& m : waf.transaction().matches()) {
    out += std::to_string(m.rule_id) + "|" + std::string(m.message) + "|" + std::string(m.target) + "|" + std::string(m.value) + "\n";
  }
  for (const char* name : {"0", "1", "2", "score", "list"}) out += std::string(name) + "=" + waf.tx(name) + " ";
  return out + waf.var("MATCHED_VAR_NAME") + "=" + waf.var("MATCHED_VAR");
}

class Pair {
 public:
  explicit Pair(const std::string& rules, Semantics semantics = Semantics::ModSecurity2)
      : fast(rules, options(true, semantics)), plain(rules, options(false, semantics)) {}
  static LoadOptions options(bool on, Semantics semantics) {
    LoadOptions o;
    o.semantics = semantics;
    o.optimisations.listed = on;
    return o;
  }
  [[nodiscard]] std::size_t known() const { return fast.rules()->program().listed_names.size(); }
  // True: the chain's variables were left out.
  bool same(const Request& r) {
    fast.run(r);
    plain.run(r);
    EXPECT_EQ(state_of(fast), state_of(plain)) << r.target;
    const auto left_out = [&](const char* name) { return plain.tx(name) != "(none)" && fast.tx(name) == "(none)"; };
    return left_out("own_host") || left_out("own_b") || left_out("own_c");
  }
  Waf fast, plain;
};

std::vector<Request> requests() {
  std::vector<Request> out;
  out.push_back(get("/"));
  for (const char* name : {"Proxy", "proxy", "PROXY", "Lock-Token", "Token", "Lock", "X", "x", "y", "Prox", "Proxyy", "a/b", "/", "X-Param_y",
                           "Par_", "own_", "0", "Rest", "lock-token/", "Own_Host"}) {
    out.push_back(get("/?" + std::string(name) + "=1&b=2").header(name, "1").header("Cookie", std::string(name) + "=2; c=3"));
    out.push_back(get("/?c=1&" + std::string(name) + "=2").header("B", "1").header(name, "1").header("Zz", "2"));
    for (const char* what : {"un", "untarget", "unrule", "relist"}) out.push_back(get("/").header("Mode", what).header(name, "1"));
  }
  out.push_back(get("/?=1&=2").header("", "1"));
  return out;
}

TEST(ListedNames, NoRuleCanTell) {
  const std::string list = "/proxy/ /lock-token/ /X/ /a/b/ /if/rest";
  std::size_t left_out = 0;
  std::size_t all = 0;
  for (const Semantics semantics : {Semantics::ModSecurity2, Semantics::ModSecurity3}) {
    for (const char* variable : {"REQUEST_HEADERS_NAMES", "REQUEST_COOKIES_NAMES", "ARGS_NAMES"}) {
      for (const char* pattern : {"^.*$", "^(.*)$"}) {
        for (const char* transform : {"", "t:lowercase,"}) {
          for (const std::string& given : {std::string("%{tx.list}"), list, std::string("%{tx.nothing}")}) {
            Pair pair(before(list) + chain(variable, pattern, transform, given) + first_matched("30") + kBehind, semantics);
            LOADED(pair.fast);
            EXPECT_EQ(pair.known(), semantics == Semantics::ModSecurity2 ? 1U : 0U);
            for (const Request& r : requests()) {
              left_out += pair.same(r) ? 1U : 0U;
              ++all;
            }
            if (HasFailure()) return;
          }
        }
      }
    }
  }
  EXPECT_GT(left_out, 500U);
  EXPECT_LT(left_out, all);
}

TEST(ListedNames, WhereNoNameIsOnTheListItsVariablesAreLeftOut) {
  Pair pair(before("/proxy/ /x/") + chain("REQUEST_HEADERS_NAMES", "^.*$", "t:lowercase,", "%{tx.list}"));
  LOADED(pair.fast);
  pair.fast.run(get("/"));
  EXPECT_EQ(pair.fast.tx("own_host"), "(none)");
  EXPECT_EQ(pair.fast.tx("0"), "host");
  pair.fast.run(get("/").header("Proxy", "1"));
  EXPECT_EQ(pair.fast.tx("own_host"), "/host/");
  EXPECT_EQ(pair.fast.tx("score"), "5");
}

// Whatever else looks at the variables, or may make some.
TEST(ListedNames, NotWhereOthersReadTheVariables) {
  const std::string rules = before("/proxy/ /x/") + chain("REQUEST_HEADERS_NAMES", "^.*$", "t:lowercase,", "%{tx.list}");
  for (const char* other :
       {"SecRule TX:own_host \"@rx .\" \"id:40,phase:1,pass,log\"", "SecRule TX \"@rx host\" \"id:40,phase:1,pass,log\"",
        "SecRule &TX \"@gt 9\" \"id:40,phase:1,pass,log\"", "SecRule TX:/^ow/ \"@rx .\" \"id:40,phase:1,pass,log\"",
        "SecRule &TX:/^own_host/ \"@gt 0\" \"id:40,phase:1,pass,log\"", "SecRule TX:/wn_/ \"@rx .\" \"id:40,phase:1,pass,log\"",
        "SecRule TX:/_host/ \"@rx .\" \"id:40,phase:1,pass,log\"", "SecRule TX:/host/ \"@rx .\" \"id:40,phase:1,pass,log\"",
        "SecRule TX:/h.st/ \"@rx .\" \"id:40,phase:1,pass,log\"", "SecAction \"id:40,phase:1,pass,log,msg:'%{TX.own_host}'\"",
        "SecAction \"id:40,phase:1,pass,log,setvar:'tx.own_host=+1'\"", "SecAction \"id:40,phase:1,pass,log,setvar:'tx.%{tx.list}=1'\"",
        "SecAction \"id:40,phase:1,pass,log,setvar:'tx.own%{tx.list}=1'\"",
        "SecAction \"id:40,phase:1,pass,log,setvar:'tx.own_a%{tx.list}=1'\""}) {
    Pair pair(rules + other + "\n" + kBehind);
    LOADED(pair.fast);
    EXPECT_EQ(pair.known(), 0U) << other;
    for (const Request& r : requests()) pair.same(r);
  }
  // And chains that are only like it.
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"^.*$", "^.+$"}, {"^.*$", "^.*"}, {"tx.own_%{tx.0}", "tx.own_%{tx.1}"}, {"=/%{tx.0}/", "=/%{tx.0}"},
           {"=/%{tx.0}/", "=a%{tx.0}a"}, {"=/%{tx.0}/", "=+%{tx.0}"}, {"TX:/^own_/", "TX:/^own/"}, {"TX:/^own_/", "TX:/own_/"},
           {"@within", "!@within"}, {"%{tx.list}", "%{tx.0}"}, {"%{tx.list}", "%{tx.own_x}"}, {"%{tx.list}", "%{request_headers.host}"},
           {"capture,", ""}, {"t:lowercase,", "t:lowercase,multiMatch,"}, {"t:lowercase,", "t:uppercase,"},
           {"t:lowercase,", "t:lowercase,setvar:tx.b=1,"}, {"HEADERS_NAMES \"", "HEADERS_NAMES|ARGS_NAMES \""},
           {"SecRule REQUEST_HEADERS_NAMES", "SecRule &REQUEST_HEADERS_NAMES"}, {"SecRule REQUEST_HEADERS_NAMES", "SecRule REQUEST_HEADERS"}}) {
    std::string changed = rules;
    const std::size_t at = changed.find(from, changed.find("id:20") - 60);
    ASSERT_NE(at, std::string::npos) << from;
    changed.replace(at, from.size(), to);
    Pair pair(changed + kBehind);
    LOADED(pair.fast);
    EXPECT_EQ(pair.known(), 0U) << from << " as " << to;
    for (const Request& r : requests()) pair.same(r);
  }
}

TEST(ListedNames, RandomNamesAndLists) {
  std::mt19937 random(3);
  constexpr const char* kPieces[] = {"proxy", "lock", "-", "token", "x", "X", "/", "/", "_", "a", "Param_", "P", " "};
  const auto text = [&](std::size_t most) {
    std::string out;
    for (std::size_t n = random() % (most + 1); n > 0; --n) out += kPieces[random() % std::size(kPieces)];
    return out;
  };
  std::size_t left_out = 0;
  for (int i = 0; i < 60; ++i) {
    Pair pair(before(text(12)) + chain("REQUEST_HEADERS_NAMES", "^.*$", i % 2 == 0 ? "t:lowercase," : "", "%{tx.list}") +
              first_matched("30") + kBehind);
    LOADED(pair.fast);
    for (int k = 0; k < 60; ++k) {
      Request r = get("/");
      for (std::size_t n = random() % 4; n > 0; --n) r.header(text(3), "1");
      left_out += pair.same(r) ? 1U : 0U;
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(left_out, 300U);
  EXPECT_LT(left_out, 3300U);
}

TEST(ListedNames, CrsHasSome) {
  const std::string folder = "/usr/share/modsecurity-crs/rules";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "CRS 3 is not installed";
  auto loaded = RuleSet::load({Source::file("/etc/modsecurity/crs/crs-setup.conf"), Source::memory("all", "Include " + folder + "/*.conf\n")}, {});
  ASSERT_NE(loaded.rules, nullptr);
  const Program& program = loaded.rules->program();
  ASSERT_EQ(program.listed_names.size(), 1U);
  EXPECT_EQ(program.rules[program.listed_names.front().rule].id, 920450U);
}

}  // namespace
}  // namespace weir::rules::testing
