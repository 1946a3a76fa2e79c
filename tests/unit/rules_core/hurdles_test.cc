// What is asked of rules before they are run (rules/hurdles.h) changes nothing that comes of them.

#include "rules/hurdles.h"

#include <random>

#include "rules/explain.h"
#include "rules/program.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

LoadOptions with_hurdles(bool on) {
  LoadOptions options;
  options.optimisations.hurdles = on;
  return options;
}

std::string state_of(Waf& waf) {
  std::string out;
  for (const Match& m : waf.transaction().matches()) {
    out += std::to_string(m.rule_id) + "|" + std::string(m.message) + "|" + std::string(m.target) + "|" + std::string(m.value) + "\n";
  }
  for (const char* name : {"0", "1", "a", "b", "c", "score"}) out += std::string(name) + "=" + waf.tx(name) + " ";
  return out + waf.var("HIGHEST_SEVERITY");
}

// Every evaluation, and every rule that was left out.
class Log final : public TraceSink {
 public:
  void on_evaluation(const Evaluation& e) override {
    text += std::to_string(e.rule.rule_id) + ":" + std::to_string(e.rule.link) + " " + std::string(e.target) + (e.matched ? " yes\n" : " no\n");
  }
  void on_skipped(const RuleStep& rule, Skipped why) override {
    text += std::to_string(rule.rule_id) + " skipped " + std::to_string(static_cast<int>(why)) + "\n";
  }
  std::string text;
};

class Pair {
 public:
  explicit Pair(const std::string& rules) : fast(rules, with_hurdles(true)), plain(rules, with_hurdles(false)) {}
  void same(const Request& r) {
    fast.run(r);
    plain.run(r);
    EXPECT_EQ(state_of(fast), state_of(plain)) << r.method << " " << r.target;
    fast_work += fast.transaction().work();
    plain_work += plain.transaction().work();
  }
  [[nodiscard]] const Rule& rule(std::uint64_t id) const {
    const auto& all = fast.rules()->program().rules;
    return *std::find_if(all.begin(), all.end(), [&](const Rule& r) { return r.id == id; });
  }
  Waf fast, plain;
  std::uint64_t fast_work = 0, plain_work = 0;
};

std::vector<Request> requests() {
  std::vector<Request> out;
  for (const char* target : {"/", "/?q=x", "/a.b?q=y&n=5"}) {
    out.push_back(get(target));
    out.push_back(get(target).header("Transfer-Encoding", "chunked"));
    out.push_back(get(target).header("Content-Length", "0").header("content-length", "12"));
    out.push_back(get(target).header("User-Agent", "dummy").header("X", "1").header("x", "2"));
    out.push_back(form("q=x&n=7").header("User-Agent", ""));
    out.push_back(form("q=%zz"));
    out.push_back(post("", "q=x"));
    out.push_back(post("application/json", "{\"q\":"));
    out.push_back(post("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"q\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n"));
    out.push_back(post("multipart/form-data; boundary=b", "--b\r\nx"));
    out.back().header("Cookie", "a=b; c=d").method = "PUT";
    out.back().protocol = "HTTP/1.0";
  }
  return out;
}

// What CRS asks, in its words or near.
const std::string kRules = R"conf(
SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=1,setvar:tx.score=0"
SecRule REQUEST_METHOD "@rx ^(?:GET|HEAD)$" "id:2,phase:1,pass,chain"
  SecRule REQUEST_HEADERS:Content-Length "!@rx ^0?$" "setvar:tx.score=+1"
SecRule REQUEST_METHOD "@rx ^(?:GET|HEAD)$" "id:3,phase:1,pass,chain"
  SecRule &REQUEST_HEADERS:Transfer-Encoding "!@eq 0" "setvar:tx.score=+1"
SecRule REQUEST_PROTOCOL "!@within HTTP/2 HTTP/2.0" "id:4,phase:1,pass,chain"
  SecRule REQUEST_METHOD "@streq POST" "chain"
    SecRule &REQUEST_HEADERS:Content-Length "@eq 0" "chain"
      SecRule &REQUEST_HEADERS:Transfer-Encoding "@eq 0" "setvar:tx.score=+1"
SecRule &REQUEST_HEADERS:X "@gt 1" "id:5,phase:1,pass,log,msg:'%{MATCHED_VAR}'"
SecRule &REQUEST_HEADERS:User-Agent "@eq 0" "id:6,phase:1,pass,skipAfter:AGENT"
SecRule REQUEST_HEADERS:User-Agent "@rx ^$" "id:7,phase:1,pass,severity:3"
SecMarker AGENT
SecRule REMOTE_ADDR "@ipMatch 192.0.2.0/24" "id:8,phase:1,pass,chain"
  SecRule REQUEST_HEADERS:User-Agent "@endsWith mmy" "chain"
    SecRule REQUEST_LINE "@rx ^GET" "setvar:tx.b=1"
SecRule REQBODY_ERROR "!@eq 0" "id:9,phase:2,pass,log"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:10,phase:2,pass,log"
SecRule REQUEST_BODY_LENGTH "@gt 0" "id:11,phase:2,pass,chain"
  SecRule &REQUEST_HEADERS:Content-Type "@eq 0" "setvar:tx.c=1"
SecRule &MULTIPART_PART_HEADERS "@gt 0" "id:12,phase:2,pass,log"
SecRule &MULTIPART_PART_HEADERS:q "!@eq 0" "id:13,phase:2,pass,log"
SecRule TX:a "@eq 1" "id:14,phase:2,pass,chain"
  SecRule ARGS|ARGS_NAMES "@rx ^xy?$" "setvar:tx.score=+1"
SecRule &REQUEST_COOKIES "@eq 0" "id:15,phase:2,pass,log"
SecRule ARGS:n "@gt 4" "id:16,phase:2,pass,chain"
  SecRule TX:score "@ge 1" "setvar:tx.c=%{MATCHED_VAR}"
SecRule RESPONSE_STATUS "!@rx ^404$" "id:17,phase:4,pass,capture,chain"
  SecRule RESPONSE_BODY "@rx never" "capture"
)conf";

TEST(Hurdles, RulesThatCannotMatchNeedNotBeRun) {
  Pair pair(kRules);
  LOADED(pair.fast);
  for (const std::uint64_t id : {2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 15}) EXPECT_GT(pair.rule(id).hurdles, 0U) << id;
  EXPECT_EQ(pair.rule(4).gate, 1U);
  EXPECT_EQ(pair.rule(8).gate, 1U);
  EXPECT_EQ(pair.rule(14).gate, 1U);
  EXPECT_EQ(pair.rule(17).gate, 0U);  // what it captures can be seen
  EXPECT_EQ(pair.rule(16).gate, 0U);
  for (const Request& r : requests()) pair.same(r);
  EXPECT_LT(pair.fast_work, pair.plain_work);
}

// What a link leaves behind that matches while a later one does not.
TEST(Hurdles, WhatLinksLeaveBehindIsLeft) {
  Pair pair(R"conf(
SecRule REQUEST_METHOD "@rx ^(G)" "id:1,phase:1,pass,capture,chain"
  SecRule &REQUEST_HEADERS:X "@gt 0" "setvar:tx.a=1"
SecRule REQUEST_METHOD "@rx ^G" "id:2,phase:1,pass,chain,setvar:tx.b=+1"
  SecRule &REQUEST_HEADERS:X "@gt 0" "setvar:tx.a=1"
SecRule REQUEST_METHOD "@rx ^G" "id:3,phase:1,pass,chain"
  SecRule REQUEST_URI "@beginsWith /" "chain,setvar:tx.c=+1"
    SecRule &REQUEST_HEADERS:X "@gt 0" "setvar:tx.a=1"
SecRule REMOTE_ADDR "@ipMatch 192.0.2.1" "id:4,phase:1,pass,chain,setvar:tx.b=+1"
  SecRule REQUEST_URI "@contains zz" "t:none"
)conf");
  LOADED(pair.fast);
  for (const std::uint64_t id : {1, 2, 3, 4}) EXPECT_EQ(pair.rule(id).hurdles + pair.rule(id).gate, 0U) << id;
  for (const Request& r : requests()) pair.same(r);
}

// A rule that reads what another one matched sees the head of a chain that did not match as a whole.
TEST(Hurdles, WhoReadsOlderMatchesSeesThem) {
  for (const char* reader : {"SecRule MATCHED_VAR \"@rx (.*)\"", "SecRule MATCHED_VAR_NAME \"@rx (.*)\"",
                             "SecRule ARGS:n \"!@streq %{MATCHED_VAR}\""}) {
    Pair pair(std::string("SecRule REQUEST_METHOD \"@rx ^G\" \"id:1,phase:1,pass,chain\"\n"
                          "SecRule &REQUEST_HEADERS:X \"@gt 0\"\n") +
              reader + " \"id:2,phase:1,pass,log,msg:'%{MATCHED_VAR}'\"\n");
    LOADED(pair.fast);
    EXPECT_EQ(pair.rule(1).hurdles, 0U);
    for (const Request& r : requests()) pair.same(r);
  }
}

TEST(Hurdles, ATraceShowsWhatItWouldShowWithoutThem) {
  Pair pair(kRules);
  LOADED(pair.fast);
  for (const Request& r : requests()) {
    Log fast;
    Log plain;
    pair.fast.transaction().trace_to(&fast);
    pair.plain.transaction().trace_to(&plain);
    // begin() does not end a trace.
    pair.fast.run(r);
    pair.plain.run(r);
    EXPECT_EQ(fast.text, plain.text) << r.method << " " << r.target;
  }
}

// A negated operator that said yes of a value is not asked about it again; who matches still does.
TEST(Hurdles, NegatedOperatorsAreRemembered) {
  LoadOptions none;
  none.optimisations.recurring = false;
  const std::string rules = R"conf(
SecRule REQUEST_HEADERS:Accept "!@rx ^(a|b)+$" "id:1,phase:1,pass,log"
SecRule REQUEST_HEADERS:Accept "!@rx ^(b)+$" "id:2,phase:1,pass,log,capture"
SecRule REQUEST_HEADERS:Accept|REQUEST_PROTOCOL "!@rx ^[a-z]+$" "id:3,phase:1,pass,log,t:lowercase"
SecRule REQUEST_HEADERS:Accept|REQUEST_HEADERS:Other "!@within ab abb HTTP/1.1" "id:4,phase:1,pass,log"
SecRule REQUEST_HEADERS:Accept "!@within %{REQUEST_HEADERS.Other}" "id:5,phase:1,pass,log"
SecRule REQUEST_HEADERS:Accept "@rx ^ab$" "id:6,phase:1,pass,log"
)conf";
  Waf fast(rules);
  Waf plain(rules, none);
  LOADED(fast);
  std::mt19937 random(3);
  for (int i = 0; i < 400; ++i) {
    const auto value = [&] { return std::string(std::vector<const char*>{"ab", "abb", "bb", "c", "ABC", "a b"}[random() % 6]); };
    Request r = get("/");
    if (random() % 4 != 0) r.header("Accept", value());
    if (random() % 2 != 0) r.header("Other", value());
    fast.run(r);
    plain.run(r);
    ASSERT_EQ(state_of(fast), state_of(plain)) << i;
  }
  const auto work = [&](const char* accept) {
    fast.run(get("/").header("Accept", accept));
    return fast.transaction().work();
  };
  work("aabbaabb");
  const std::uint64_t second = work("aabbaabb");
  EXPECT_LT(second, work("aabbaabba"));
}

}  // namespace
}  // namespace weir::rules::testing
