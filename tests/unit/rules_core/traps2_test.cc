// The traps of SecLang, 21 to 40 (see traps_test.cc).

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

using Ids = std::vector<std::uint64_t>;

LoadOptions v3() {
  LoadOptions o;
  o.semantics = Semantics::ModSecurity3;
  return o;
}

TEST(Trap21, RemovingAChainRemovesAllOfIt) {
  Waf waf(R"~(SecAction "id:1,phase:1,nolog,pass,ctl:ruleRemoveById=10-12,ctl:ruleRemoveById=20"
SecRule ARGS "@rx x" "id:10,phase:1,pass,chain,setvar:tx.head=1"
SecRule ARGS "@rx x" "setvar:tx.link=1"
SecAction "id:13,phase:1,pass"
SecAction "id:20,phase:2,pass"
SecAction "id:21,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?a=x"));
  EXPECT_EQ(waf.ids(), (Ids{1, 13, 21}));
  EXPECT_EQ(waf.tx("head"), "(none)");
  EXPECT_EQ(waf.tx("link"), "(none)");
}

TEST(Trap22, SkipAfterStaysInItsPhase) {
  Waf waf(R"~(SecAction "id:1,phase:1,pass,nolog,skipAfter:M"
SecAction "id:2,phase:1,pass"
SecAction "id:3,phase:2,pass"
SecMarker M
SecAction "id:4,phase:1,pass,skipAfter:NOWHERE"
SecAction "id:5,phase:1,pass"
SecAction "id:6,phase:2,pass")~");
  LOADED(waf);
  EXPECT_TRUE(waf.has("unknown-marker"));
  waf.run(get("/"));
  EXPECT_EQ(waf.ids(), (Ids{1, 4, 3, 6}));
}

TEST(Trap22, SkipAfterAlsoFindsRuleIdsAndSkipCountsChainsAsOne) {
  Waf waf(R"~(SecAction "id:1,phase:1,pass,skipAfter:3"
SecAction "id:2,phase:1,pass"
SecAction "id:3,phase:1,pass"
SecAction "id:4,phase:1,pass,skip:2"
SecMarker IGNORED
SecRule ARGS "@rx ." "id:5,phase:1,pass,chain"
SecRule ARGS "@rx ." "t:none"
SecAction "id:6,phase:1,pass"
SecAction "id:7,phase:1,pass")~");
  LOADED(waf);
  waf.run(get("/?a=b"));
  EXPECT_EQ(waf.ids(), (Ids{1, 4, 7}));
}

TEST(Trap23, PhaseFiveAlwaysRunsAndADenyEndsTheOthers) {
  const std::string rules = R"~(SecAction "id:1,phase:1,deny,status:401"
SecAction "id:2,phase:1,pass"
SecAction "id:3,phase:2,pass"
SecAction "id:4,phase:3,pass"
SecAction "id:5,phase:5,pass")~";
  Waf waf(rules);
  LOADED(waf);
  waf.run(get("/"));
  EXPECT_EQ(waf.ids(), (Ids{1, 5}));
  EXPECT_EQ(waf.returned().kind, DecisionKind::Deny);
  EXPECT_EQ(waf.returned().status, 401);
  EXPECT_EQ(waf.returned().rule_id, 1U);
  EXPECT_TRUE(waf.match(1)->disruptive);
  waf.mode = EngineMode::DetectionOnly;
  waf.run(get("/"));
  EXPECT_EQ(waf.ids(), (Ids{1, 2, 3, 4, 5}));
  EXPECT_EQ(waf.returned().kind, DecisionKind::Continue);
  EXPECT_EQ(waf.transaction().decision().kind, DecisionKind::Deny);  // what On would have done
  EXPECT_TRUE(waf.match(1)->disruptive);
  waf.mode = EngineMode::Off;
  waf.run(get("/"));
  EXPECT_TRUE(waf.ids().empty());
}

TEST(Trap24, BlockIsTheDefaultActionOfThePhase) {
  Waf waf(R"~(SecDefaultAction "phase:1,log,auditlog,pass"
SecDefaultAction "phase:2,log,auditlog,deny,status:406"
SecRule ARGS:a "@rx ." "id:1,phase:1,block"
SecRule ARGS:b "@rx ." "id:2,phase:2,block"
SecRule ARGS:c "@rx ." "id:3,phase:2,deny,status:500"
SecRule ARGS:d "@rx ." "id:4,phase:1,deny"
SecRule ARGS:e "@rx ." "id:5,phase:1,block,status:444")~");
  LOADED(waf);
  EXPECT_EQ(waf.run(get("/?a=1")).kind, DecisionKind::Continue);
  EXPECT_TRUE(waf.matched(1));
  EXPECT_EQ(waf.run(get("/?b=1")).status, 406);
  EXPECT_EQ(waf.run(get("/?c=1")).status, 500);
  EXPECT_EQ(waf.run(get("/?d=1")).status, 403);
  EXPECT_EQ(waf.run(get("/?e=1")).kind, DecisionKind::Continue);
}

TEST(Trap25, NoAuditLogStillWritesTheErrorLog) {
  Waf waf(R"~(SecAction "id:1,phase:1,pass,log,noauditlog"
SecAction "id:2,phase:1,pass,nolog"
SecAction "id:3,phase:1,pass,nolog,auditlog"
SecAction "id:4,phase:1,pass")~");
  LOADED(waf);
  waf.run(get("/"));
  const auto flags = [&](std::uint64_t id) {
    const Match* m = waf.match(id);
    return std::make_pair(m->log, m->audit);
  };
  EXPECT_EQ(flags(1), std::make_pair(true, false));
  EXPECT_EQ(flags(2), std::make_pair(false, false));
  EXPECT_EQ(flags(3), std::make_pair(false, true));
  EXPECT_EQ(flags(4), std::make_pair(true, true));
}

struct UriCase {
  const char* target;
  const char* uri;
  const char* filename;
  const char* basename;
  const char* query;
};

TEST(Trap26, RequestUriIsTheNormalisedPathAndTheRawQuery) {
  Waf waf("SecAction \"id:1,phase:1,pass\"\n");
  LOADED(waf);
  const UriCase cases[] = {
      {"/", "/", "/", "", "(none)"},
      {"/index.html", "/index.html", "/index.html", "index.html", "(none)"},
      {"/a/b/../c%20d%2541//x?q=%2541%20b", "/a/c d%41/x?q=%2541%20b", "/a/c d%41/x", "x",
       "q=%2541%20b"},
      {"/%2e%2e/%2e/etc/passwd", "/etc/passwd", "/etc/passwd", "passwd", "(none)"},
      {"/a/..", "/", "/", "", "(none)"},
      {"/a/b/.", "/a/b/", "/a/b/", "", "(none)"},
      {"/../../x", "/x", "/x", "x", "(none)"},
      {"//a///b", "/a/b", "/a/b", "b", "(none)"},
      {"/a%2fb", "/a/b", "/a/b", "b", "(none)"},
      {"/%%34%31", "/%41", "/%41", "%41", "(none)"},
      {"/%zz%4", "/%zz%4", "/%zz%4", "%zz%4", "(none)"},
      {"/x?", "/x?", "/x", "x", ""},
      {"/x?a#frag", "/x?a", "/x", "x", "a"},
      {"/x#frag?a", "/x", "/x", "x", "(none)"},
      {"http://host:80/p/q?r", "/p/q?r", "/p/q", "q", "r"},
      {"http://host", "/", "/", "", "(none)"},
      {"http://host?x=1", "/?x=1", "/", "", "x=1"},
      {"*", "*", "*", "*", "(none)"},
      {"/a.b/c.d;e=f", "/a.b/c.d;e=f", "/a.b/c.d;e=f", "c.d;e=f", "(none)"},
      {"/...", "/...", "/...", "...", "(none)"},
      {"/x/%5c..%5cy", "/x/\\..\\y", "/x/\\..\\y", "y", "(none)"},
  };
  for (const UriCase& c : cases) {
    waf.run(get(c.target));
    EXPECT_EQ(waf.var("REQUEST_URI"), c.uri) << c.target;
    EXPECT_EQ(waf.var("REQUEST_FILENAME"), c.filename) << c.target;
    EXPECT_EQ(waf.var("REQUEST_BASENAME"), c.basename) << c.target;
    EXPECT_EQ(waf.var("QUERY_STRING"), c.query) << c.target;
    EXPECT_EQ(waf.var("REQUEST_URI_RAW"), c.target);
    EXPECT_EQ(waf.var("REQUEST_LINE"), "GET " + std::string(c.target) + " HTTP/1.1");
  }
}

TEST(Trap26, PhaseOneSeesThePathAsItWasSent) {
  const std::string rules = R"~(SecRule REQUEST_FILENAME "@streq /a//b/../%63" "id:1,phase:1,pass"
SecRule REQUEST_FILENAME "@streq /a/c" "id:2,phase:2,pass"
SecRule REQUEST_URI "@streq /a//b/../c?x=%41" "id:3,phase:1,pass"
SecRule REQUEST_URI "@streq /a//b/../c?x=A" "id:4,phase:1,pass")~";
  Waf waf(rules);
  LOADED(waf);
  waf.run(get("/a//b/../%63?x=%41"));
  EXPECT_EQ(waf.ids(), (Ids{1, 2}));
  Waf other(rules, v3());
  LOADED(other);
  other.run(get("/a//b/../%63?x=%41"));
  EXPECT_EQ(other.ids(), (Ids{4}));
}

// "name=value" of every member that matched, in order.
std::vector<std::string> members(Waf& waf, std::uint64_t id) {
  std::vector<std::string> out;
  for (const Match& m : waf.transaction().matches()) {
    if (m.rule_id == id) out.push_back(std::string(m.target) + "=" + std::string(m.value));
  }
  return out;
}

TEST(Trap27, ArgumentsKeepOrderRepeatsAndEmptyNames) {
  Waf waf(R"~(SecRule ARGS "@unconditionalMatch" "id:1,phase:2,pass"
SecRule ARGS_NAMES "@unconditionalMatch" "id:2,phase:2,pass")~");
  LOADED(waf);
  using V = std::vector<std::string>;
  waf.run(get("/?b=1+2&a=%41&b=3&=e&c&d=x=y&e=%zz&f;g=1&h=%00"));
  EXPECT_EQ(members(waf, 1), (V{"ARGS:b=1 2", "ARGS:a=A", "ARGS:b=3", "ARGS:=e", "ARGS:c=", "ARGS:d=x=y",
                                "ARGS:e=%zz", "ARGS:f;g=1", std::string("ARGS:h=\0", 8)}));
  EXPECT_EQ(waf.var("URLENCODED_ERROR"), "1");
  EXPECT_EQ(members(waf, 2)[0], "ARGS_NAMES:b=b");
  Request r = form("z=9&a=2");
  r.target = "/?q=1";
  waf.run(r);
  EXPECT_EQ(members(waf, 1), (V{"ARGS:q=1", "ARGS:z=9", "ARGS:a=2"}));
  EXPECT_EQ(waf.var("ARGS_COMBINED_SIZE"), "6");
  EXPECT_EQ(waf.var("URLENCODED_ERROR"), "0");
}

TEST(Trap28, JsonNamesHaveTheJsonPrefixAndDuplicatesStay) {
  Waf waf(R"~(SecAction "id:9,phase:1,nolog,pass,ctl:requestBodyProcessor=JSON"
SecRule ARGS "@unconditionalMatch" "id:1,phase:2,pass")~");
  LOADED(waf);
  waf.run(post("application/json", R"~({"a":"1","b":{"c":"2"},"a":"3"})~"));
  EXPECT_EQ(members(waf, 1),
            (std::vector<std::string>{"ARGS:json.a=1", "ARGS:json.b.c=2", "ARGS:json.a=3"}));
  waf.run(post("application/json", R"~({"k":["x",{"y":1}]})~"));
  EXPECT_EQ(members(waf, 1), (std::vector<std::string>{"ARGS:json.k.k=x", "ARGS:json.k.k.y=1"}));
  waf.run(post("application/json", R"~({"a":)~"));
  EXPECT_EQ(waf.var("REQBODY_ERROR"), "1");
  EXPECT_NE(waf.var("REQBODY_ERROR_MSG"), "");
}

TEST(Trap29, XmlTextIsOneValueAndEachAttributeOne) {
  const std::string rules = R"~(SecAction "id:9,phase:1,nolog,pass,ctl:requestBodyProcessor=XML"
SecRule XML:/* "@unconditionalMatch" "id:1,phase:2,pass"
SecRule XML://@* "@unconditionalMatch" "id:2,phase:2,pass")~";
  const Request r = post("text/xml", "<a x='1'><b y='2'>t1</b> t2<![CDATA[cd]]><!-- no --></a>");
  Waf waf(rules);
  LOADED(waf);
  waf.run(r);
  EXPECT_EQ(members(waf, 1), (std::vector<std::string>{"XML=t1 t2cd"}));
  EXPECT_EQ(members(waf, 2), (std::vector<std::string>{"XML=1", "XML=2"}));
  Waf other(rules, v3());
  LOADED(other);
  other.run(r);
  EXPECT_EQ(other.match(1)->target, "XML:/*");
}

const char* const kMultipart =
    "--b\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n"
    "--b\r\nContent-Disposition: form-data; name=\"up\"; filename=\"a.php\"\r\n"
    "Content-Type: text/plain\r\n\r\ncontents\r\n--b--\r\n";

TEST(Trap30, MultipartFilesAreKeyedByPartName) {
  Waf waf(R"~(SecRule FILES "@unconditionalMatch" "id:1,phase:2,pass"
SecRule FILES_NAMES "@unconditionalMatch" "id:2,phase:2,pass"
SecRule ARGS "@unconditionalMatch" "id:3,phase:2,pass"
SecRule MULTIPART_PART_HEADERS "@rx ^Content-Type" "id:4,phase:2,pass"
SecRule FILES_SIZES "@unconditionalMatch" "id:5,phase:2,pass"
SecRule FILES_TMP_CONTENT "@unconditionalMatch" "id:6,phase:2,pass")~");
  LOADED(waf);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
    waf.piece = piece;
    waf.run(post("multipart/form-data; boundary=b", kMultipart));
    using V = std::vector<std::string>;
    EXPECT_EQ(members(waf, 1), (V{"FILES:up=a.php"}));
    EXPECT_EQ(members(waf, 2), (V{"FILES_NAMES:up=up"}));
    EXPECT_EQ(members(waf, 3), (V{"ARGS:field=value"}));
    EXPECT_EQ(members(waf, 4), (V{"MULTIPART_PART_HEADERS:up=Content-Type: text/plain"}));
    EXPECT_EQ(members(waf, 5), (V{"FILES_SIZES:up=8"}));
    EXPECT_EQ(members(waf, 6), (V{"FILES_TMP_CONTENT:up=contents"}));
    EXPECT_EQ(waf.var("MULTIPART_STRICT_ERROR"), "0");
    EXPECT_EQ(waf.var("MULTIPART_UNMATCHED_BOUNDARY"), "0");
    EXPECT_EQ(waf.var("FILES_COMBINED_SIZE"), "8");
  }
  waf.run(post("multipart/form-data; boundary=\"b\"", kMultipart));
  EXPECT_EQ(waf.var("MULTIPART_BOUNDARY_QUOTED"), "1");
  EXPECT_EQ(waf.var("MULTIPART_STRICT_ERROR"), "1");
}

TEST(Trap31, CookiesAreSplitAtSemicolonsOnly) {
  Waf waf(R"~(SecRule REQUEST_COOKIES "@unconditionalMatch" "id:1,phase:1,pass")~");
  LOADED(waf);
  waf.run(get("/").header("Cookie", "a=\"1;2\";  b=%41 ; =x; c; d=e=f"));
  EXPECT_EQ(members(waf, 1),
            (std::vector<std::string>{"REQUEST_COOKIES:a=\"1", "REQUEST_COOKIES:2\"=",
                                      "REQUEST_COOKIES:b=%41 ", "REQUEST_COOKIES:c=",
                                      "REQUEST_COOKIES:d=e=f"}));
}

TEST(Trap32, UrlDecodeUniFoldsThroughTheUnicodeMap) {
  const auto map = std::filesystem::temp_directory_path() / "weir-trap32.mapping";
  std::ofstream(map) << "20127 (US-ASCII)\n2019:27 ff1c:3c\n";
  Waf waf("SecUnicodeMapFile " + map.string() + R"~( 20127
SecRule ARGS "@rx ^'<.$" "id:1,phase:2,pass,t:urlDecodeUni")~");
  LOADED(waf);
  waf.run(get("/?q=%25u2019%25uff1c%25u0141"));
  EXPECT_TRUE(waf.matched(1));
  std::filesystem::remove(map);
}

TEST(Trap33, TheBodyProcessorIsChosenInPhaseOne) {
  const std::string rules = R"~(SecRule ARGS "@rx x" "id:1,phase:1,pass"
SecRule REQUEST_HEADERS:X-Processor "@rx (.*)" "id:2,phase:1,pass,chain"
SecRule REQUEST_HEADERS:X-Processor "@streq JSON" "ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:X-Processor "@streq WRONG" "id:3,phase:1,pass,ctl:requestBodyProcessor=WRONG"
SecRule ARGS "@rx x" "id:4,phase:2,pass")~";
  Waf waf(rules);
  LOADED(waf);
  waf.run(post("application/json", "{\"a\":\"x\"}"));
  EXPECT_TRUE(waf.ids().empty());  // JSON is never chosen by itself
  EXPECT_EQ(waf.var("REQBODY_PROCESSOR"), "");
  waf.run(post("application/json", "{\"a\":\"x\"}").header("X-Processor", "JSON"));
  EXPECT_EQ(waf.ids(), (Ids{2, 4}));
  EXPECT_EQ(waf.var("REQBODY_PROCESSOR"), "JSON");
  waf.run(post("", "x").header("X-Processor", "WRONG"));
  EXPECT_EQ(waf.var("REQBODY_ERROR"), "1");
  waf.run(form("a=x"));
  EXPECT_EQ(waf.ids(), (Ids{4}));  // in phase 1 there are the query's arguments only
}

TEST(Trap34, Base64DecodeStopsAtInvalidInput) {
  Waf waf(R"~(SecRule ARGS:a "@streq abc" "id:1,phase:2,pass,t:base64Decode"
SecRule ARGS:b "@beginsWith abc" "id:2,phase:2,pass,t:base64Decode")~");
  LOADED(waf);
  waf.run(get("/?a=YWJj&b=YWJj!!"));
  EXPECT_TRUE(waf.matched(1));
  EXPECT_TRUE(waf.matched(2));
}

TEST(Trap35, OddRequestsAreForRulesToJudge) {
  // No Host, no protocol, both lengths: the HTTP parser has its policy; here nothing is refused.
  Waf waf(R"~(SecRule &REQUEST_HEADERS:Host "@eq 0" "id:1,phase:1,pass"
SecRule REQUEST_HEADERS:Host "@rx \x00" "id:2,phase:1,pass"
SecRule REQUEST_PROTOCOL "@streq HTTP/9.9" "id:3,phase:1,pass")~");
  LOADED(waf);
  Request r = get("/");
  r.headers.clear();
  r.protocol = "HTTP/9.9";
  waf.run(r);
  EXPECT_EQ(waf.ids(), (Ids{1, 3}));
  r.headers = {{"Host", std::string("a\0b", 3)}, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}};
  waf.run(r);
  EXPECT_EQ(waf.ids(), (Ids{2, 3}));
}

TEST(Trap36, VariableNamesMayHoldMacrosWithColonsAndDots) {
  Waf waf(R"~(SecRule ARGS_NAMES "@rx ." "id:1,phase:2,pass,nolog,setvar:'TX.paramcounter_%{MATCHED_VAR_NAME}=+1'"
SecRule TX:/paramcounter_.*/ "@gt 1" "id:2,phase:2,pass,chain"
SecRule MATCHED_VARS_NAMES "@rx TX:paramcounter_(.*)" "capture,setvar:'tx.found=%{TX.1}'")~");
  LOADED(waf);
  waf.run(get("/?a.b:c=1&d=2&a.b:c=3"));
  EXPECT_EQ(waf.tx("found"), "ARGS_NAMES:a.b:c");
  EXPECT_EQ(waf.tx("paramcounter_args_names:A.b:c"), "2");
}

TEST(Trap37, UnsetVariablesOfTheBodyAreZero) {
  Waf waf(R"~(SecRule FILES_COMBINED_SIZE "@eq 0" "id:1,phase:2,pass"
SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 0" "id:2,phase:2,pass"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:3,phase:2,pass"
SecRule REQBODY_ERROR "!@eq 0" "id:4,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?a=1"));
  EXPECT_EQ(waf.ids(), (Ids{1, 2}));
  EXPECT_EQ(waf.var("ARGS_COMBINED_SIZE"), "2");
}

TEST(Trap38, UrlEncodingAndByteRangesReportWhatIsInvalid) {
  Waf waf(R"~(SecRule ARGS "@validateUrlEncoding" "id:1,phase:2,pass"
SecRule ARGS "@validateByteRange 32-126" "id:2,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?a=%25zz"));
  EXPECT_TRUE(waf.matched(1));
  waf.run(get("/?a=%254"));
  EXPECT_TRUE(waf.matched(1));
  waf.run(get("/?a=%2541&b="));
  EXPECT_FALSE(waf.matched(1));
  EXPECT_FALSE(waf.matched(2));
  waf.run(get("/?a=%01"));
  EXPECT_TRUE(waf.matched(2));
}

// A store in memory that knows just enough.
class MapStore : public CollectionStore {
 public:
  void load(std::string_view c, std::string_view k, Timestamp now, const Visitor& each) override {
    auto& record = records_[key(c, k)];
    std::erase_if(record, [&](const auto& v) { return v.second.expires.ns <= now.ns; });
    for (const auto& [name, v] : record) each(name, v.value);
  }
  void set(std::string_view c, std::string_view k, std::string_view name, std::string_view value,
           Timestamp) override {
    records_[key(c, k)][std::string(name)].value = value;
  }
  std::int64_t add(std::string_view c, std::string_view k, std::string_view name, std::int64_t delta,
                   Timestamp) override {
    std::string& v = records_[key(c, k)][std::string(name)].value;
    const std::int64_t n = std::max<std::int64_t>(0, std::atoll(v.c_str()) + delta);
    v = std::to_string(n);
    return n;
  }
  void remove(std::string_view c, std::string_view k, std::string_view name, Timestamp) override {
    records_[key(c, k)].erase(std::string(name));
  }
  void expire(std::string_view c, std::string_view k, std::string_view name, Duration after,
              Timestamp now) override {
    auto& record = records_[key(c, k)];
    if (const auto v = record.find(std::string(name)); v != record.end()) v->second.expires = now + after;
  }
  void deprecate(std::string_view c, std::string_view k, std::string_view name, std::int64_t amount,
                 Duration period, Timestamp) override {
    deprecated = std::string(name) + " " + std::to_string(amount) + "/" +
                 std::to_string(period.ns / 1'000'000'000);
    (void)c, (void)k;
  }
  void set_timeout(Duration) override {}

  std::string deprecated;

 private:
  struct Value {
    std::string value;
    Timestamp expires{INT64_MAX};
  };
  static std::string key(std::string_view c, std::string_view k) {
    return std::string(c) + "|" + std::string(k);
  }
  std::map<std::string, std::map<std::string, Value>> records_;
};

TEST(Trap39, PersistentVariablesOutliveTheTransactionAndExpire) {
  MapStore store;
  Waf waf(R"~(SecAction "id:1,phase:1,nolog,pass,initcol:ip=%{REMOTE_ADDR}_x,setuid:bob,setsid:s%{ARGS.s}"
SecRule IP:BLOCK "@eq 1" "id:2,phase:1,pass"
SecAction "id:3,phase:1,nolog,pass,setvar:ip.hits=+1,setvar:ip.block=1,expirevar:ip.block=60,setvar:user.seen=1,deprecatevar:ip.hits=1/60"
SecRule IP:hits "@ge 3" "id:4,phase:1,pass"
SecRule SESSIONID "@streq s7" "id:5,phase:1,pass"
SecRule ARGS:forget "@rx ." "id:6,phase:1,pass,setvar:!ip.hits")~",
          {}, &store);
  LOADED(waf);
  const Timestamp t0{1'700'000'000'000'000'000};
  waf.run(get("/?s=7"), t0);
  EXPECT_EQ(waf.logged(), (Ids{5}));
  EXPECT_EQ(waf.var("IP", "KEY"), "192.0.2.1_x");
  EXPECT_EQ(waf.var("IP", "IS_NEW"), "1");
  EXPECT_EQ(waf.var("USERID"), "bob");
  waf.run(get("/"), t0 + seconds(30));
  EXPECT_EQ(waf.logged(), (Ids{2}));
  EXPECT_EQ(waf.var("IP", "IS_NEW"), "0");
  EXPECT_EQ(waf.var("IP", "UPDATE_COUNTER"), "1");
  waf.run(get("/?forget=1"), t0 + seconds(600));
  EXPECT_EQ(waf.logged(), (Ids{4, 6}));  // the block has expired, the hits have not
  EXPECT_EQ(store.deprecated, "hits 1/60");
  waf.run(get("/"), t0 + seconds(601));
  EXPECT_EQ(waf.var("IP", "hits"), "1");
}

TEST(Trap40, TargetsCanBeUpdatedAfterTheRules) {
  Waf waf(R"~(SecRule REQUEST_COOKIES|ARGS "@rx x" "id:1,phase:1,pass,tag:'t',msg:'the message',chain"
SecRule REQUEST_METHOD "@streq GET" "t:none"
SecRule ARGS "@rx x" "id:2,phase:1,pass,tag:'t'"
SecRule ARGS "@rx x" "id:3,phase:1,pass,chain"
SecRule ARGS:y "@rx y" "t:none"
SecRuleUpdateTargetById 1 "!REQUEST_COOKIES:/^ga_/|!ARGS:Free"
SecRuleUpdateTargetByTag ^t$ "!ARGS:tagged"
SecRuleUpdateTargetByMsg message "!ARGS:said"
SecRuleUpdateTargetById 2 ARGS:z ARGS
SecRuleUpdateTargetById 3:1 "ARGS:z"
SecRuleUpdateTargetById 99 "!ARGS:a")~");
  LOADED(waf);
  EXPECT_TRUE(waf.has("no-such-rule"));
  waf.run(get("/?free=x&tagged=x&said=x").header("Cookie", "GA_1=x"));
  EXPECT_TRUE(waf.ids().empty());
  waf.run(get("/?a=x").header("Cookie", "ga=x"));
  EXPECT_EQ(waf.ids(), (Ids{1}));
  waf.run(get("/?z=xy"));
  EXPECT_EQ(waf.ids(), (Ids{1, 2, 3}));
}

}  // namespace
}  // namespace weir::rules::testing
