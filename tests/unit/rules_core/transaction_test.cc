// Transactions: limits, decisions, variables, bounds, and what a worker may rely on.

#include "rules/explain.h"
#include "tests/support/allocations.h"
#include "tests/unit/rules_core/waf.h"


namespace weir::rules::testing {
namespace {

using Ids = std::vector<std::uint64_t>;

TEST(Decision, RedirectDropAndAllow) {
  Waf waf(R"~(SecRule ARGS:r "@rx ." "id:1,phase:1,redirect:'http://x/%{ARGS.r}'"
SecRule ARGS:s "@rx ." "id:2,phase:1,redirect:/there,status:307"
SecRule ARGS:d "@rx ." "id:3,phase:1,drop"
SecRule ARGS:a "@rx ." "id:4,phase:1,allow"
SecRule ARGS:p "@rx ." "id:5,phase:1,allow:phase"
SecRule ARGS:q "@rx ." "id:6,phase:1,allow:request"
SecAction "id:10,phase:1,pass,nolog"
SecAction "id:20,phase:2,pass,nolog"
SecAction "id:30,phase:3,pass,nolog"
SecAction "id:50,phase:5,pass,nolog")~");
  LOADED(waf);
  const Decision& d = waf.run(get("/?r=abc"));
  EXPECT_EQ(d.kind, DecisionKind::Redirect);
  EXPECT_EQ(d.status, 302);
  EXPECT_EQ(d.redirect, "http://x/abc");
  EXPECT_EQ(waf.run(get("/?s=1")).status, 307);
  EXPECT_EQ(waf.run(get("/?d=1")).kind, DecisionKind::Drop);
  EXPECT_EQ(waf.run(get("/?a=1")).kind, DecisionKind::Allow);
  EXPECT_EQ(waf.ids(), (Ids{4, 50}));
  waf.run(get("/?p=1"));
  EXPECT_EQ(waf.ids(), (Ids{5, 20, 30, 50}));
  waf.run(get("/?q=1"));
  EXPECT_EQ(waf.ids(), (Ids{6, 30, 50}));
  waf.mode = EngineMode::DetectionOnly;
  waf.run(get("/?a=1"));
  EXPECT_EQ(waf.ids(), (Ids{4, 10, 20, 30, 50}));
}

TEST(Decision, CtlChangesTheEngineForTheTransaction) {
  Waf waf(R"~(SecRule ARGS:off "@rx ." "id:1,phase:1,pass,ctl:ruleEngine=Off"
SecRule ARGS:detect "@rx ." "id:2,phase:1,pass,ctl:ruleEngine=DetectionOnly"
SecAction "id:3,phase:1,deny"
SecAction "id:4,phase:5,pass")~");
  LOADED(waf);
  waf.run(get("/?off=1"));
  EXPECT_EQ(waf.ids(), (Ids{1}));
  EXPECT_EQ(waf.transaction().mode(), EngineMode::Off);
  waf.run(get("/?detect=1"));
  EXPECT_EQ(waf.ids(), (Ids{2, 3, 4}));
  EXPECT_EQ(waf.returned().kind, DecisionKind::Continue);
  EXPECT_EQ(waf.run(get("/")).kind, DecisionKind::Deny);
  EXPECT_EQ(waf.transaction().mode(), EngineMode::On);
}

TEST(Limits, RequestBodyIsRejectedOrPartlyRead) {
  const std::string rules = "SecRequestBodyLimit 10\nSecRule ARGS:b \"@streq 3\" \"id:1,phase:2,pass\"\n"
                            "SecRule INBOUND_DATA_ERROR \"@eq 1\" \"id:2,phase:2,pass\"\n";
  Waf reject(rules);
  LOADED(reject);
  EXPECT_EQ(reject.run(form("a=1&b=3")).kind, DecisionKind::Continue);
  EXPECT_EQ(reject.ids(), (Ids{1}));
  EXPECT_EQ(reject.run(form("a=1&b=3&cccccccc")).status, 413);
  EXPECT_EQ(reject.var("INBOUND_DATA_ERROR"), "1");
  reject.mode = EngineMode::DetectionOnly;
  EXPECT_EQ(reject.run(form("a=1&b=3&cccccccc")).kind, DecisionKind::Continue);
  EXPECT_EQ(reject.ids(), (Ids{1, 2}));
  Waf partial(rules + "SecRequestBodyLimitAction ProcessPartial\n");
  LOADED(partial);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{100}}) {
    partial.piece = piece;
    EXPECT_EQ(partial.run(form("a=1&b=3&cccccccc")).kind, DecisionKind::Continue);
    EXPECT_EQ(partial.ids(), (Ids{1, 2}));
    EXPECT_EQ(partial.var("ARGS", "cc"), "");
    EXPECT_EQ(partial.var("REQUEST_BODY"), "a=1&b=3&cc");
  }
}

TEST(Limits, BodyWithoutFilesHasItsOwn) {
  Waf waf("SecRequestBodyNoFilesLimit 10\nSecRequestBodyLimitAction ProcessPartial\n"
          "SecRule REQBODY_ERROR \"@eq 1\" \"id:1,phase:2,pass\"\n");
  LOADED(waf);
  waf.run(form("a=123456789"));
  EXPECT_EQ(waf.ids(), (Ids{1}));
  waf.run(form("a=1"));
  EXPECT_TRUE(waf.ids().empty());
}

// An upload beyond what is inspected passes where the rules say so (ProcessPartial), in a form or not.
TEST(Limits, BytesBeyondTheBodyLimitDoNotCountForTheOneWithoutFiles) {
  for (const bool over : {false, true}) {
    Waf waf(std::string("SecRequestBodyLimit 10\nSecRequestBodyLimitAction ProcessPartial\n") +
            (over ? "SecRequestBodyNoFilesLimit 10\n" : "SecRequestBodyNoFilesLimit 11\n") +
            "SecAction \"id:1,phase:1,pass,ctl:forceRequestBodyVariable=On\"\n"
            "SecRule REQBODY_ERROR \"@eq 1\" \"id:2,phase:2,pass\"\n");
    LOADED(waf);
    EXPECT_EQ(waf.run(post("application/octet-stream", "more than ten bytes")).kind, DecisionKind::Continue);
    EXPECT_EQ(waf.ids(), over ? (Ids{1, 2}) : (Ids{1}));
    EXPECT_EQ(waf.var("REQUEST_BODY"), "more than ");
  }
}

// CRS 920470-12: the boundary is judged although the body that was announced is empty.
TEST(Body, AnAnnouncedEmptyMultipartBodyShowsItsBoundary) {
  Waf waf("SecRule REQUEST_HEADERS:Content-Type \"@beginsWith multipart\" "
          "\"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=MULTIPART\"\n"
          "SecRule MULTIPART_BOUNDARY_WHITESPACE \"@eq 1\" \"id:2,phase:2,pass\"\n"
          "SecRule REQBODY_ERROR \"@eq 1\" \"id:3,phase:2,pass\"\n");
  LOADED(waf);
  Request r = post("multipart/form-data; boundary=  test", "");
  waf.run(r);
  EXPECT_EQ(waf.ids(), (Ids{1, 2}));
  r.headers.pop_back();  // without Content-Length there is no body
  waf.run(r);
  EXPECT_EQ(waf.ids(), (Ids{1}));
}

TEST(Variables, ARequestWithoutVersionIsHttp09) {
  Waf waf("SecRule REQUEST_PROTOCOL \"@streq HTTP/0.9\" \"id:1,phase:1,pass\"\n");
  LOADED(waf);
  Request r = get("/");
  r.protocol.clear();
  waf.run(r);
  EXPECT_EQ(waf.ids(), (Ids{1}));
}

TEST(Limits, ArgumentsAreCountedOverQueryAndBody) {
  Waf waf("SecArgumentsLimit 3\nSecRule REQBODY_ERROR \"@eq 1\" \"id:1,phase:2,pass\"\n"
          "SecRule &ARGS \"@eq 3\" \"id:2,phase:2,pass\"\n");
  LOADED(waf);
  Request r = form("c=3");
  r.target = "/?a=1&b=2";
  waf.run(r);
  EXPECT_EQ(waf.ids(), (Ids{2}));
  r.body = "c=3&d=4";
  waf.run(r);
  EXPECT_EQ(waf.ids(), (Ids{1, 2}));
  EXPECT_EQ(waf.var("REQBODY_ERROR_MSG"), "SecArgumentsLimit exceeded");
}

TEST(Limits, ResponseBodyByTypeAndSize) {
  Waf waf("SecResponseBodyLimit 5\nSecResponseBodyLimitAction ProcessPartial\n"
          "SecRule RESPONSE_BODY \"@streq hello\" \"id:1,phase:4,deny\"\n"
          "SecRule OUTBOUND_DATA_ERROR \"@eq 1\" \"id:2,phase:5,pass\"\n");
  LOADED(waf);
  Request r = get("/");
  r.response_body = "hello world";
  EXPECT_EQ(waf.run(r).rule_id, 1U);
  EXPECT_EQ(waf.ids(), (Ids{1, 2}));
  r.response_headers = {{"Content-Type", "image/png"}};
  EXPECT_EQ(waf.run(r).kind, DecisionKind::Continue);
  r.response_headers = {{"content-type", "TEXT/HTML; charset=x"}};
  EXPECT_EQ(waf.run(r).rule_id, 1U);
}

TEST(Variables, OfRequestResponseAndMoment) {
  Waf waf("SecAction \"id:1,phase:1,pass,nolog,severity:3,setenv:x=%{REQUEST_METHOD}\"\n");
  LOADED(waf);
  Request r = get("/a/b.php?x=1");
  r.headers = {{"Host", "www.example.com:8080"}, {"Authorization", "Basic Ym9iOnNlY3JldA=="},
               {"user-agent", "ua"}};
  r.status = 404;
  r.response_headers = {{"Content-Type", "text/html"}, {"Content-Length", "7"}};
  waf.run(r);
  const std::pair<const char*, const char*> cases[] = {
      {"REQUEST_METHOD", "GET"}, {"REQUEST_PROTOCOL", "HTTP/1.1"}, {"SERVER_NAME", "www.example.com"},
      {"REMOTE_ADDR", "192.0.2.1"}, {"REMOTE_PORT", "50000"}, {"SERVER_ADDR", "198.51.100.2"},
      {"SERVER_PORT", "80"}, {"UNIQUE_ID", "unique-1"}, {"AUTH_TYPE", "Basic"}, {"REMOTE_USER", "bob"},
      {"RESPONSE_STATUS", "404"}, {"STATUS_LINE", "HTTP/1.1 404 OK"}, {"RESPONSE_PROTOCOL", "HTTP/1.1"},
      {"RESPONSE_CONTENT_TYPE", "text/html"}, {"RESPONSE_CONTENT_LENGTH", "7"}, {"TIME", "22:13:20"},
      {"TIME_YEAR", "2023"}, {"TIME_MON", "11"}, {"TIME_DAY", "14"}, {"TIME_WDAY", "2"}, {"TIME_HOUR", "22"},
      {"TIME_EPOCH", "1700000000"}, {"HIGHEST_SEVERITY", "3"}, {"WEBAPPID", "default"}, {"DURATION", "0"},
      {"REQUEST_BODY_LENGTH", "0"}, {"MATCHED_VAR_NAME", "REMOTE_ADDR"}, {"USERID", "(none)"}};
  for (const auto& [name, value] : cases) EXPECT_EQ(waf.var(name), value) << name;
  EXPECT_EQ(waf.var("request_headers", "User-Agent"), "ua");
  EXPECT_EQ(waf.var("ENV", "X"), "GET");
  EXPECT_EQ(waf.var("REQUEST_HEADERS", "none"), "(none)");
}

TEST(Variables, NamesAreEscapedAsModSecurityDoes) {
  Waf waf("SecRule ARGS \"@rx x\" \"id:1,phase:1,pass\"\n");
  LOADED(waf);
  waf.run(get("/?a%00%0a%5c%ff=x"));
  EXPECT_EQ(waf.match(1)->target, "ARGS:a\\x00\\n\\\\\\xff");
}

TEST(Macros, AreExpandedEverywhere) {
  Waf waf(R"~(SecAction "id:1,phase:1,nolog,pass,setvar:tx.who=%{ARGS.who},setvar:'tx.n_%{tx.who}=%{tx.who}-%{tx.none}-%{REQUEST_HEADERS.Host}-%{unknown}-%{open'"
SecRule ARGS:v "@streq %{tx.who}!" "id:2,phase:1,pass,msg:'%{rule.id} %{RULE:msg}',logdata:'100%% %{TX:who}',tag:'x-%{tx.who}',tag:'plain',severity:CRITICAL,rev:2,ver:'v',maturity:3,accuracy:4"
SecRule ARGS:v "@rx ^%{tx.who}.$" "id:3,phase:1,pass")~");
  LOADED(waf);
  waf.run(get("/?who=bob&v=bob!"));
  EXPECT_EQ(waf.tx("n_bob"), "bob--localhost--%{open");
  const Match* m = waf.match(2);
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->message, "2 %{rule.id} %{RULE:msg}");
  EXPECT_EQ(m->data, "100%% bob");
  EXPECT_EQ(m->tags[0], "x-bob");
  EXPECT_EQ(m->tags[1], "plain");
  EXPECT_EQ(m->revision, "2");
  EXPECT_EQ(m->version, "v");
  EXPECT_EQ(m->maturity, 3);
  EXPECT_EQ(m->accuracy, 4);
  EXPECT_TRUE(waf.matched(3));
}

TEST(Bounds, NothingIsAllocatedOnceWarm) {
  Waf waf(R"~(SecAction "id:1,phase:1,nolog,pass,setvar:tx.score=0,setvar:tx.%{ARGS.a}=1"
SecRule ARGS|REQUEST_COOKIES|REQUEST_HEADERS "@rx (?i)union\s+select" "id:2,phase:2,pass,capture,t:urlDecodeUni,t:lowercase,msg:'%{TX.0} in %{MATCHED_VAR_NAME}',tag:'t-%{tx.score}',setvar:tx.score=+5"
SecRule ARGS "@pm select insert" "id:3,phase:2,pass,t:htmlEntityDecode"
SecRule ARGS "@detectSQLi" "id:4,phase:2,pass"
SecRule REQUEST_URI "@rx \.\./" "id:5,phase:1,pass,t:normalisePath")~");
  LOADED(waf);
  Transaction& tx = waf.transaction();
  const auto request = [&] {
    tx.request_line("POST", "/x?a=1%20union%20SELECT%202&b=%41", "HTTP/1.1");
    tx.request_header("Host", "localhost");
    tx.request_header("Cookie", "a=b; c=d");
    tx.request_header("Content-Type", "application/x-www-form-urlencoded");
    tx.request_headers_done({1});
    tx.request_body("c=insert&d=%3Cx%3E");
    tx.request_body_done({2});
    tx.response_line("HTTP/1.1", 200, "OK");
    tx.response_headers_done({3});
    tx.response_body_done({4});
    tx.finish({5});
  };
  for (int i = 0; i < 3; ++i) {
    waf.begin();
    request();
  }
  EXPECT_TRUE(waf.matched(2));
  waf.begin();  // formatting the addresses may allocate
  const std::size_t before = test::allocations();
  request();
  EXPECT_EQ(test::allocations(), before);
  EXPECT_GT(before, 1000U);  // they are counted
}

TEST(Bounds, WorkIsLinearInTheRequest) {
  Waf waf(R"~(SecRule ARGS|ARGS_NAMES "@rx (?i)union.*select.*from" "id:1,phase:2,pass,t:lowercase,t:urlDecodeUni"
SecRule ARGS|ARGS_NAMES "@rx x+x+y" "id:2,phase:2,pass,t:lowercase,t:urlDecodeUni,t:removeWhitespace"
SecRule ARGS "@rx ." "id:3,phase:2,pass,setvar:'tx.%{MATCHED_VAR_NAME}=1'"
SecRule TX:/^ARGS/ "@rx z" "id:4,phase:2,pass"
SecRule ARGS|!ARGS:/^q/ "@rx z" "id:5,phase:2,pass")~");
  LOADED(waf);
  const auto work = [&](std::size_t args) {
    std::string body;
    for (std::size_t i = 0; i < args; ++i) body += "q" + std::to_string(i) + "=xxxxxxxx&";
    waf.run(form(body));
    return waf.transaction().work();
  };
  const std::uint64_t small = work(50);
  const std::uint64_t large = work(800);
  EXPECT_LT(large, small * 20);
  EXPECT_GT(large, small * 8);
}

TEST(Bounds, RepeatedMatchesAreRecordedUpToALimit) {
  Waf waf("SecArgumentsLimit 5000\nSecRule ARGS \"@rx .\" \"id:1,phase:2,pass,setvar:tx.n=+1\"\n"
          "SecRule ARGS \"@rx .\" \"id:2,phase:2,pass\"\n");
  LOADED(waf);
  std::string body;
  for (int i = 0; i < 3000; ++i) body += "a=1&";
  waf.run(form(body));
  EXPECT_EQ(waf.tx("n"), "3000");
  EXPECT_EQ(waf.transaction().matches().size(), 1025U);
  EXPECT_TRUE(waf.matched(2));
}

TEST(Bounds, PcreLimitsAreNoMatchAndAreTold) {
  Waf waf("SecPcreMatchLimit 50\nSecRule ARGS \"@rx (a+)+$\" \"id:1,phase:2,pass\"\n"
          "SecRule TX:/^MSC_/ \"!@streq 0\" \"id:2,phase:2,pass\"\n",
          [] {
            LoadOptions o;
            o.optimisations.prefilter = false;
            return o;
          }());
  LOADED(waf);
  waf.run(get("/?a=" + std::string(200, 'a') + "b"));
  EXPECT_EQ(waf.ids(), (Ids{2}));
  EXPECT_EQ(waf.tx("MSC_PCRE_LIMITS_EXCEEDED"), "1");
}

class Recorder : public TraceSink {
 public:
  void on_phase(Phase p) override { add("phase " + std::to_string(static_cast<int>(p))); }
  void on_skipped(const RuleStep& r, Skipped why) override {
    add("skipped " + std::to_string(r.rule_id) + " " + std::to_string(static_cast<int>(why)));
  }
  void on_target_removed(const RuleStep& r, std::string_view t) override {
    add("removed " + std::to_string(r.rule_id) + " " + std::string(t));
  }
  void on_evaluation(const Evaluation& e) override {
    add(std::to_string(e.rule.rule_id) + "." + std::to_string(e.rule.link) + " " + std::string(e.target) +
        " '" + std::string(e.value) + "' '" + std::string(e.transformed) + "' " + (e.negated ? "!" : "") +
        std::string(e.op) + " " + std::string(e.argument) + (e.matched ? " yes" : " no"));
  }
  void on_action(const RuleStep& r, std::string_view action, std::string_view name,
                 std::string_view value) override {
    add(std::to_string(r.rule_id) + " " + std::string(action) + " " + std::string(name) + "=" +
        std::string(value));
  }
  void on_match(const RuleStep& r, const Decision& d, bool effective) override {
    add("match " + std::to_string(r.rule_id) + " " + std::to_string(static_cast<int>(d.kind)) +
        (effective ? " effective" : ""));
  }
  std::vector<std::string> lines;

 private:
  void add(std::string s) { lines.push_back(std::move(s)); }
};

TEST(Explain, TellsEveryStep) {
  Waf waf(R"~(SecAction "id:1,phase:1,nolog,pass,setvar:tx.n=+2,ctl:ruleRemoveTargetById=3;ARGS:b,ctl:ruleRemoveById=4,skipAfter:M"
SecAction "id:2,phase:1,pass"
SecMarker M
SecRule ARGS "!@streq q%{tx.n}" "id:3,phase:1,deny,t:lowercase,chain"
SecRule REQUEST_METHOD "@streq GET" "t:none"
SecAction "id:4,phase:1,pass")~");
  LOADED(waf);
  Recorder r;
  waf.transaction().trace_to(&r);
  waf.run(get("/?a=X&b=y"));
  EXPECT_EQ(r.lines, (std::vector<std::string>{
                         "phase 1", "1.0 REMOTE_ADDR '192.0.2.1' '192.0.2.1' unconditionalmatch  yes",
                         "1 setvar TX:n=2", "1 ctl ruleRemoveTargetById=3;ARGS:b", "1 ctl ruleRemoveById=4",
                         "match 1 0", "skipped 2 1", "3.0 ARGS:a 'X' 'x' !streq q2 yes", "removed 3 ARGS:b",
                         "3.1 REQUEST_METHOD 'GET' 'GET' streq GET yes", "match 3 2 effective", "phase 5"}));
}

// A set that reads nothing keeps nothing, where only results are asked for; what comes of it is the same.
TEST(ResultsOnly, ChangesNoResult) {
  const std::string sets[] = {
      "SecRuleEngine On\n",
      "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 8\nSecRequestBodyLimitAction Reject\n",
      "SecRuleEngine On\nSecRule ARGS:x|REQUEST_HEADERS:User-Agent \"@contains evil\" \"id:1,phase:1,deny\"\n",
  };
  Scratch scratch;
  for (const std::string& text : sets) {
    const LoadResult loaded = RuleSet::load({Source::memory("rules", text)}, {});
    ASSERT_TRUE(loaded.rules);
    for (const std::string_view target : {"/", "/?x=evil", "/a?y=1"}) {
      for (const bool truncated : {false, true}) {
        std::string outcome[2];
        for (const bool results_only : {false, true}) {
          Transaction tx(scratch);
          std::string& out = outcome[results_only ? 1 : 0];
          const auto add = [&out](const Decision& d) {
            out += std::to_string(static_cast<int>(d.kind)) + ' ' + std::to_string(d.status) + '\n';
          };
          tx.begin(loaded.rules, {}, "id", Timestamp{1}, EngineMode::On, results_only);
          tx.request_line("POST", target, "HTTP/1.1");
          tx.request_header("User-Agent", "any");
          add(tx.request_headers_done(Timestamp{2}));
          if (tx.wants_request_body()) add(tx.request_body("a=1&b=evil"));
          add(tx.request_body_done(Timestamp{3}, truncated));
          tx.response_line("HTTP/1.1", 200, "OK");
          tx.response_header("Content-Type", "text/html");
          add(tx.response_headers_done(Timestamp{4}));
          if (tx.wants_response_body()) add(tx.response_body("<p>"));
          add(tx.response_body_done(Timestamp{5}, truncated));
          tx.finish(Timestamp{6});
          add(tx.decision());
          for (const Match& m : tx.matches()) out += std::to_string(m.rule_id) + std::string(m.value) + '\n';
          out += tx.data_error() ? "error" : "whole";
        }
        EXPECT_EQ(outcome[0], outcome[1]) << text << target;
      }
    }
  }
}

// A file in a form is read as it comes and kept by nobody, as long as no rule looks into it.
TEST(Bounds, AnUploadOf100MBTakesNoMoreMemoryThanASmallOne) {
  const auto held = [](const std::string& rules, std::size_t megabytes) {
    Waf waf("SecRequestBodyLimit 1073741824\n" + rules);
    EXPECT_NE(waf.rules(), nullptr);
    Transaction& tx = waf.transaction();
    waf.begin();
    tx.request_line("POST", "/upload", "HTTP/1.1");
    tx.request_header("Content-Type", "multipart/form-data; boundary=b");
    tx.request_headers_done(Timestamp{1});
    tx.request_body("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"evil.png\"\r\n\r\n");
    std::string some(1448, '\0');
    for (std::size_t i = 0; i < some.size(); ++i) some[i] = static_cast<char>(i * 7 % 251);
    for (std::size_t sent = 0; sent < megabytes << 20; sent += some.size()) tx.request_body(some);
    tx.request_body("\r\n--b--\r\n");
    const std::size_t memory = tx.memory();
    tx.request_body_done(Timestamp{2});
    EXPECT_EQ(waf.ids(), (Ids{1}));
    tx.finish(Timestamp{3});
    return memory;
  };
  const std::string name = "SecRule FILES \"@contains evil\" \"id:1,phase:2,pass\"\n";
  EXPECT_EQ(held(name, 100), held(name, 1));
  const std::string content = name + "SecRule FILES_TMP_CONTENT \"@contains wicked\" \"id:2,phase:2,pass\"\n";
  EXPECT_GE(held(content, 8), held(name, 1) + 50'000);  // the file's beginning, which the rule may read
  EXPECT_EQ(held(content, 100), held(content, 8));
}

// Where the filter knows that none of a negated list of phrases is there, the list itself is not asked.
TEST(Rules, ANegatedListOfPhrasesHoldsWhereNoneIsThere) {
  const std::string rules =
      "SecResponseBodyAccess On\nSecResponseBodyMimeType text/html\n"
      "SecRule RESPONSE_BODY \"!@pm wicked nasty\" \"id:1,phase:4,pass,t:lowercase\"\n"
      "SecRule ARGS \"!@pm wicked nasty\" \"id:2,phase:2,pass,chain\"\nSecRule ARGS \"@rx ^x\" \"t:none\"\n";
  LoadOptions plain;
  plain.optimisations.prefilter = false;
  Waf with(rules);
  Waf without(rules, plain);
  LOADED(with);
  LOADED(without);
  for (const std::string body : {"", "all is well", "how Wicked", "was ted a sty", "na sty nasty"}) {
    for (const std::string arg : {"xyz", "wicked", "y", "xnasty"}) {
      Request r = get("/?a=" + arg);
      r.response_body = body;
      with.run(r);
      without.run(r);
      EXPECT_EQ(with.ids(), without.ids()) << body << ' ' << arg;
    }
  }
}

// A member's name is made once for each variable, whatever is asked for in between.
TEST(Transaction, NamesWhatMatchedAfterItsVariable) {
  Waf waf(R"rules(
SecRule ARGS|ARGS_NAMES|ARGS_GET|ARGS "@rx q" "id:1,phase:1,pass,log,setvar:'tx.a=%{tx.a} %{MATCHED_VAR_NAME}'"
SecRule ARGS_NAMES|ARGS "@rx q" "id:2,phase:1,pass,log,setvar:'tx.b=%{tx.b} %{MATCHED_VAR_NAME}'"
)rules");
  LOADED(waf);
  waf.run(get("/?q%00%0a%5c%7f%e9=q&plain=q"));
  const std::string odd = R"(:q\x00\n\\\x7f\xe9)";
  EXPECT_EQ(waf.tx("a"), " ARGS" + odd + " ARGS:plain ARGS_NAMES" + odd + " ARGS_GET" + odd + " ARGS_GET:plain ARGS" + odd + " ARGS:plain");
  EXPECT_EQ(waf.tx("b"), " ARGS_NAMES" + odd + " ARGS" + odd + " ARGS:plain");
}

}  // namespace
}  // namespace weir::rules::testing
