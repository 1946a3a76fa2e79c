#include "rules/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace weir::rules {
namespace {

using nlohmann::json;
using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;
using testing::HasSubstr;
using testing::Not;

// A record with everything in it. The vectors outlive the views.
struct Sample {
  std::vector<AuditField> request = {{"Host", "shop.test"}, {"Cookie", "sid=cookiesecret"},
                                     {"Referer", "http://shop.test/?pw=s%65cret&x=1"},
                                     {"User-Agent", "curl"}, {"X-Dup", "1"}, {"x-dup", "2"}};
  std::vector<AuditField> response = {{"Set-Cookie", "sid=newsecret"}, {"Content-Type", "text/html"}};
  std::vector<AuditField> arguments = {{"id", "1' or"}, {"pw", "secret"}};
  std::vector<std::string_view> tags = {"attack-sqli", "OWASP_CRS"};
  std::vector<AuditMessage> messages;
  std::vector<std::string_view> components = {"OWASP_CRS/4.28.0"};
  std::vector<std::uint64_t> rules = {942100, 949110};
  std::vector<std::string_view> hide_args, hide_request, hide_response;
  AuditRecord record;

  Sample() {
    AuditMessage m;
    m.message = "SQL Injection";
    m.operator_name = "detectsqli";
    m.target = "ARGS:id";
    m.value = "1' or";
    m.data = "Matched Data: s&sos found within ARGS:id: 1' or";
    m.rule_id = 942100;
    m.file = "/etc/crs/942.conf";
    m.line = 46;
    m.severity = 2;
    m.version = "OWASP_CRS/4.28.0";
    m.tags = tags;
    messages.push_back(m);
    record.time = {1'769'904'000'000'000'000};  // 2026-02-01 00:00:00 UTC
    record.unique_id = "abc-123";
    record.server_id = "weir-1";
    record.client_ip = "192.0.2.1", record.client_port = 1234;
    record.host_ip = "198.51.100.2", record.host_port = 80;
    record.method = "POST";
    record.uri = "/login?a=1&pw=s%65cret&b=2";
    record.http_version = "1.1";
    record.request_body = "id=1'+or&pw=secret&z=1";
    record.response_protocol = "1.1";
    record.http_code = 403;
    record.response_body = "<p>hello secret</p>";
    record.response_bytes = 19;
    record.engine = "Weir 0.1.0";
    record.connector = "inline";
    record.secrules_engine = "Enabled";
  }

  const AuditRecord& get() {
    record.request_headers = request;
    record.response_headers = response;
    record.arguments = arguments;
    record.messages = messages;
    record.components = components;
    record.matched_rules = rules;
    record.sanitise = {hide_args, hide_request, hide_response};
    return record;
  }
};

const std::string kLong(400, 'x');

AuditParts parts(std::string_view letters) { return *AuditParts::parse(letters); }

json parsed(const std::string& line) {
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(line.back(), '\n');
  return json::parse(line);
}

TEST(AuditLog, JsonHasModSecuritysNames) {
  Sample sample;
  const json j = parsed(format_audit_json(sample.get(), parts("ABCEFHKZ")));
  const json expected = json::parse(R"~({"transaction":{
    "client_ip":"192.0.2.1","time_stamp":"Sun Feb  1 00:00:00 2026","server_id":"weir-1",
    "client_port":1234,"host_ip":"198.51.100.2","host_port":80,"unique_id":"abc-123",
    "request":{"method":"POST","http_version":1.1,"uri":"/login?a=1&pw=s%65cret&b=2",
      "body":"id=1'+or&pw=secret&z=1",
      "headers":{"Host":"shop.test","Cookie":"sid=cookiesecret",
        "Referer":"http://shop.test/?pw=s%65cret&x=1","User-Agent":"curl","X-Dup":"1, 2"}},
    "response":{"body":"<p>hello secret</p>","http_code":403,
      "headers":{"Set-Cookie":"sid=newsecret","Content-Type":"text/html"}},
    "producer":{"modsecurity":"Weir 0.1.0","connector":"inline","secrules_engine":"Enabled",
      "components":["OWASP_CRS/4.28.0"]},
    "messages":[{"message":"SQL Injection","details":{"match":
      "Matched \"Operator `DetectSQLi' with parameter `' against variable `ARGS:id' (Value: `1' or' )",
      "reference":"","ruleId":"942100","file":"/etc/crs/942.conf","lineNumber":"46",
      "data":"Matched Data: s&sos found within ARGS:id: 1' or","severity":"2",
      "ver":"OWASP_CRS/4.28.0","rev":"","tags":["attack-sqli","OWASP_CRS"],
      "maturity":"0","accuracy":"0"}}],
    "matched_rules":[942100,949110]}})~");
  EXPECT_EQ(j, expected) << j.dump(1);
}

TEST(AuditLog, PartsSelect) {
  Sample sample;
  const std::vector<AuditFile> files = {{"f", "x.php", "text/plain", 12}};
  sample.record.files = files;
  const auto of = [&](std::string_view letters) {
    return parsed(format_audit_json(sample.get(), parts(letters)))["transaction"];
  };
  const json none = of("AZ");
  EXPECT_FALSE(none["request"].contains("body"));
  EXPECT_FALSE(none["request"].contains("headers"));
  EXPECT_FALSE(none["response"].contains("body"));
  EXPECT_FALSE(none["response"].contains("headers"));
  EXPECT_FALSE(none.contains("messages"));
  EXPECT_FALSE(none.contains("producer"));
  EXPECT_FALSE(none.contains("files"));
  EXPECT_FALSE(none.contains("matched_rules"));
  EXPECT_TRUE(of("B")["request"].contains("headers"));
  EXPECT_EQ(of("C")["request"]["body"], "id=1'+or&pw=secret&z=1");
  EXPECT_EQ(of("I")["request"]["body"], "id=1%27+or&pw=secret");
  EXPECT_TRUE(of("E")["response"].contains("body"));
  EXPECT_TRUE(of("F")["response"].contains("headers"));
  EXPECT_EQ(of("J")["files"][0]["size"], 12);
  EXPECT_EQ(of("K")["matched_rules"].size(), 2U);

  EXPECT_FALSE(AuditParts::parse("ABX"));
  EXPECT_FALSE(AuditParts::parse("abc"));
  AuditParts p;
  EXPECT_TRUE(p.has('C') && p.has('H') && !p.has('E'));
  EXPECT_TRUE(p.apply("+E"));
  EXPECT_TRUE(p.has('E') && p.has('C'));
  EXPECT_TRUE(p.apply("-CZ"));
  EXPECT_TRUE(!p.has('C') && p.has('Z') && p.has('E'));
  EXPECT_FALSE(p.apply("+Q"));
  EXPECT_FALSE(p.apply(""));
  EXPECT_TRUE(p.apply("BK"));
  EXPECT_TRUE(p.has('B') && p.has('K') && !p.has('E') && p.has('A'));
}

TEST(AuditLog, AnyBytesGiveValidJson) {
  std::mt19937 random(1);
  const auto bytes = [&random] {
    std::string s(random() % 20, '\0');
    for (char& c : s) c = static_cast<char>(random());
    return s;
  };
  for (int run = 0; run < 2000; ++run) {
    Sample sample;
    std::vector<std::string> texts;
    for (int i = 0; i < 12; ++i) texts.push_back(bytes());
    sample.record.uri = texts[0];
    sample.record.request_body = texts[1];
    sample.record.response_body = texts[2];
    sample.record.method = texts[3];
    sample.record.http_version = texts[4];
    sample.record.unique_id = texts[5];
    sample.request[0] = {texts[6], texts[7]};
    sample.response[0] = {texts[8], texts[9]};
    sample.messages[0].data = texts[10];
    sample.arguments[0] = {"pw", texts[11]};
    if (run % 2 == 0) sample.hide_args = {"pw"};
    ASSERT_TRUE(json::accept(format_audit_json(sample.get(), parts("ABCEFHIJKZ"))));
  }
  Sample sample;
  sample.record.request_body = "a\0b\xFF\xC3\xA9"sv;
  const json j = parsed(format_audit_json(sample.get(), parts("C")));
  EXPECT_EQ(j["transaction"]["request"]["body"], "a\0b\u00FF\u00E9"s);
}

constexpr std::string_view kAll = "ABCEFHIJKZ";

// Nothing of what was to be hidden is in any form of the record.
void expect_hidden(Sample& sample, const std::vector<std::string>& secrets) {
  const std::string a = format_audit_json(sample.get(), parts("ABCEFHJKZ"));
  const std::string b = format_audit_native(sample.get(), parts("ABCEFHJKZ"), "b0undary");
  const std::string c = format_audit_native(sample.get(), parts(kAll), "b0undary");
  const std::string d = audit_index_line(sample.get(), "p", "c");
  for (const std::string& secret : secrets) {
    for (const std::string& text : {a, b, c, d}) EXPECT_THAT(text, Not(HasSubstr(secret)));
  }
}

TEST(AuditLog, SanitiseArgument) {
  Sample sample;
  sample.hide_args = {"PW"};
  expect_hidden(sample, {"secret<", "s%65cret", "pw=secret"});
  const json t = parsed(format_audit_json(sample.get(), parts("ABCEFHZ")))["transaction"];
  EXPECT_EQ(t["request"]["uri"], "/login?a=1&pw=********&b=2");
  EXPECT_EQ(t["request"]["body"], "id=1'+or&pw=******&z=1");
  EXPECT_EQ(t["request"]["headers"]["Referer"], "http://shop.test/?pw=********&x=1");
  EXPECT_EQ(t["response"]["body"], "<p>hello ******</p>");
  EXPECT_EQ(t["request"]["headers"]["User-Agent"], "curl");
}

TEST(AuditLog, SanitiseHeaders) {
  Sample sample;
  sample.hide_request = {"cookie"};
  sample.hide_response = {"set-cookie"};
  sample.messages[0].data = "found in sid=cookiesecret";
  expect_hidden(sample, {"cookiesecret", "newsecret"});
  const json t = parsed(format_audit_json(sample.get(), parts("ABFHZ")))["transaction"];
  EXPECT_EQ(t["request"]["headers"]["Cookie"], "****************");
  EXPECT_EQ(t["response"]["headers"]["Set-Cookie"], "*************");
  EXPECT_EQ(t["messages"][0]["details"]["data"], "found in ****************");
}

TEST(AuditLog, MessageAboutAHiddenTargetIsHidden) {
  Sample sample;
  sample.messages[0].target = "ARGS:pw";
  sample.messages[0].data = "Matched Data: SECRET found within ARGS:pw: SECRET";  // t:uppercase
  sample.messages[0].value = "SECRET";
  sample.hide_args = {"pw"};
  expect_hidden(sample, {"SECRET"});
}

TEST(AuditLog, MessagesShowNoPieceOfASecret) {
  Sample sample;
  sample.hide_args = {"pw"};
  sample.arguments[1].value = "hunter2<&";
  sample.messages[0].target = "TX:1";
  // In other case, cut, and escaped.
  sample.messages[0].data = "found HUNTER2<& and nter2 in hunt";
  sample.messages[0].message = "x hUnT";
  sample.messages[0].value = "hunter2&lt;&amp; hunter2%3C%26";
  expect_hidden(sample, {"HUNT", "nter2", "hunt", "hUnT"});
  sample.messages[0].fixed_message = true;  // the rule's own words tell nothing of the transaction
  EXPECT_THAT(format_audit_json(sample.get(), parts("H")), HasSubstr("x hUnT"));
  sample.messages[0].fixed_message = false;
  // About a container of it, in any form: nothing.
  for (const char* target : {"REQUEST_BODY", "QUERY_STRING", "REQUEST_URI", "REQUEST_HEADERS:Referer", "XML:/*"}) {
    sample.messages[0].target = target;
    sample.messages[0].data = sample.messages[0].value = "68756e74657232";
    expect_hidden(sample, {"68756"});
  }
  sample.messages[0].target = "RESPONSE_HEADERS:X";
  const json t = parsed(format_audit_json(sample.get(), parts("H")))["transaction"];
  EXPECT_EQ(t["messages"][0]["details"]["data"], "68756e74657232");
}

TEST(AuditLog, SanitiseMatchedOnAWhole) {
  Sample sample;
  const auto json_of = [&](bool uri, bool request, bool response) {
    AuditRecord r = sample.get();
    r.sanitise.uri = uri, r.sanitise.request_body = request, r.sanitise.response_body = response;
    return parsed(format_audit_json(r, parts("CEHIZ")))["transaction"];
  };
  EXPECT_EQ(json_of(true, false, false)["request"]["uri"], std::string(26, '*'));
  EXPECT_EQ(json_of(false, true, false)["request"]["body"], std::string(22, '*'));
  EXPECT_EQ(json_of(false, false, true)["response"]["body"], std::string(19, '*'));
  EXPECT_EQ(json_of(false, true, false).dump().find("1' or"), std::string::npos);
}

TEST(AuditLog, SecretsOfJsonAndFiles) {
  Sample sample;
  sample.hide_args = {"pw"};
  sample.arguments = {{"json.pw", "secret"}};
  sample.record.uri = "/";
  sample.record.request_body = R"({"pw":"secret"})";
  EXPECT_EQ(parsed(format_audit_json(sample.get(), parts("C")))["transaction"]["request"]["body"],
            R"({"pw":"******"})");
  // An upload's content is no argument, but part of the body.
  const std::vector<AuditFile> files = {{"pw", "key.pem", "text/plain", 12}};
  sample.record.files = files;
  sample.arguments = {};
  sample.record.request_body = "--b\r\nBEGIN PRIVATE KEY\r\n--b--";
  expect_hidden(sample, {"PRIVATE", "key.pem"});
}

TEST(AuditLog, OtherSeparatorsSeparate) {
  Sample sample;
  sample.hide_args = {"pw"};
  sample.record.argument_separator = ';';
  sample.record.uri = "/?a=1;pw=%73ecret;b=2";
  EXPECT_EQ(parsed(format_audit_json(sample.get(), parts("C")))["transaction"]["request"]["uri"],
            "/?a=1;pw=********;b=2");
}

TEST(AuditLog, MatchIsToldAsModSecurity3Does) {
  Sample sample;
  AuditMessage& m = sample.messages[0];
  m.operator_name = "rx", m.operator_argument = std::string_view(kLong).substr(0, 203);
  m.value = "a\xFF\n"sv;
  const json t = parsed(format_audit_json(sample.get(), parts("H")))["transaction"];
  EXPECT_EQ(t["messages"][0]["details"]["match"],
            "Matched \"Operator `Rx' with parameter `" + kLong.substr(0, 200) +
                " (3 characters omitted)' against variable `ARGS:id' (Value: `a\\xff\\x0a' )");
}

TEST(AuditLog, EscapedValueHidesTheWholeBody) {
  Sample sample;
  sample.hide_args = {"pw"};
  sample.record.uri = "/";
  sample.record.request_body = R"({"id":"1' or","pw":"s\u0065cret"})";
  expect_hidden(sample, {"s\\u0065cret", "cret"});
  // As it is: only the value.
  sample.record.request_body = R"({"id":"1' or","pw":"secret"})";
  const json j = parsed(format_audit_json(sample.get(), parts("C")));
  EXPECT_EQ(j["transaction"]["request"]["body"], R"({"id":"1' or","pw":"******"})");
  // The value came with the query: the body has nothing to hide.
  sample.record.uri = "/?pw=secret";
  sample.record.request_body = R"({"id":"1' or"})";
  EXPECT_EQ(parsed(format_audit_json(sample.get(), parts("C")))["transaction"]["request"]["body"],
            R"({"id":"1' or"})");
}

TEST(AuditLog, OverlappingValuesAreHidden) {
  Sample sample;
  sample.arguments = {{"a", "xyz"}, {"b", "yzw"}, {"c", "y"}};
  sample.hide_args = {"a", "b", "c"};
  sample.record.uri = "/";
  sample.record.request_body = "1xyzw2 y 3xyz";
  const json j = parsed(format_audit_json(sample.get(), parts("C")));
  EXPECT_EQ(j["transaction"]["request"]["body"], "1****2 * 3***");
}

TEST(AuditLog, ManyHiddenArgumentsHideWholeFieldsAndCostLittle) {
  Sample sample;
  std::vector<std::string> texts;
  texts.reserve(20'000);
  std::string body;
  for (int i = 0; i < 20'000; ++i) {
    texts.push_back("v" + std::to_string(i));
    body += "pw=" + texts.back() + "&";
  }
  sample.arguments.clear();
  for (const auto& t : texts) sample.arguments.push_back({"pw", t});
  for (int i = 0; i < 20'000; ++i) sample.hide_args.push_back("pw");
  sample.record.request_body = body;
  const std::clock_t start = std::clock();
  const json j = parsed(format_audit_json(sample.get(), parts("CH")));
  EXPECT_EQ(j["transaction"]["request"]["body"], std::string(body.size(), '*'));
  EXPECT_LT(std::clock() - start, 3 * CLOCKS_PER_SEC);
}

TEST(AuditLog, SanitiseTargets) {
  using List = SanitiseTarget::List;
  const auto is = [](std::string_view variable, List list, std::string_view name) {
    const auto t = sanitise_target(variable);
    return t && t->list == list && t->name == name;
  };
  EXPECT_TRUE(is("ARGS:pw", List::Arguments, "pw"));
  EXPECT_TRUE(is("ARGS_NAMES:pw", List::Arguments, "pw"));
  EXPECT_TRUE(is("args_post:a:b", List::Arguments, "a:b"));
  EXPECT_TRUE(is("REQUEST_HEADERS:Authorization", List::RequestHeaders, "Authorization"));
  EXPECT_TRUE(is("REQUEST_COOKIES:sid", List::RequestHeaders, "Cookie"));
  EXPECT_TRUE(is("RESPONSE_HEADERS_NAMES:X", List::ResponseHeaders, "X"));
  EXPECT_TRUE(is("ARGS:", List::Arguments, ""));  // "?=value"
  EXPECT_TRUE(is("REQUEST_BODY", List::RequestBody, ""));
  EXPECT_TRUE(is("XML:/*", List::RequestBody, ""));
  EXPECT_TRUE(is("QUERY_STRING", List::Uri, ""));
  EXPECT_TRUE(is("RESPONSE_BODY", List::ResponseBody, ""));
  EXPECT_FALSE(sanitise_target("ARGS"));
  EXPECT_FALSE(sanitise_target("TX:1"));
}

TEST(AuditLog, Native) {
  Sample sample;
  sample.record.request_body = "line\n--b0undary-Z--\nend";
  sample.request.push_back({"X-Inject", "a\r\n--b0undary-Z--"});
  const std::string text = format_audit_native(sample.get(), parts("ABCEFHKZ"), "b0undary");
  std::vector<std::string> sections;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    if (line.rfind("--b0undary-", 0) == 0) sections.push_back(line.substr(11));
    at = end + 1;
  }
  EXPECT_THAT(sections, testing::ElementsAre("A--", "B--", "C--", "E--", "F--", "H--", "K--", "Z--"));
  EXPECT_THAT(text, HasSubstr("[01/Feb/2026:00:00:00 +0000] abc-123 192.0.2.1 1234 198.51.100.2 80\n"));
  EXPECT_THAT(text, HasSubstr("POST /login?a=1&pw=s%65cret&b=2 HTTP/1.1\nHost: shop.test\n"));
  EXPECT_THAT(text, HasSubstr("HTTP/1.1 403\n"));
  EXPECT_THAT(text, HasSubstr("Message: Warning. Matched \"Operator `DetectSQLi'"));
  EXPECT_THAT(text, Not(HasSubstr("Action:")));
  EXPECT_THAT(text, HasSubstr("[id \"942100\"]"));
  EXPECT_THAT(text, HasSubstr("[tag \"attack-sqli\"] [tag \"OWASP_CRS\"]"));
}

TEST(AuditLog, NativeTellsWhatWasDone) {
  Sample sample;
  sample.record.intercepted_phase = 2;
  sample.messages[0].phase = 2, sample.messages[0].intercepted = true, sample.messages[0].status = 403;
  const std::string text = format_audit_native(sample.get(), parts("H"), "b");
  EXPECT_THAT(text, HasSubstr("Message: Access denied with code 403 (phase 2). Matched"));
  EXPECT_THAT(text, HasSubstr("Action: Intercepted (phase 2)\n"));
}

TEST(AuditLog, ConcurrentLayout) {
  Sample sample;
  EXPECT_EQ(audit_path(sample.get()), "20260201/20260201-0000/20260201-000000-abc-123");
  sample.record.unique_id = "../../etc/passwd\0x"sv;
  EXPECT_EQ(audit_path(sample.get()), "20260201/20260201-0000/20260201-000000-______etc_passwd_x");
  sample.record.unique_id = "u";
  const std::string line = audit_index_line(sample.get(), "/20260201/x", "abc");
  EXPECT_EQ(line,
            "shop.test 192.0.2.1 - - [01/Feb/2026:00:00:00 +0000] \"POST /login?a=1&pw=s%65cret&b=2 "
            "HTTP/1.1\" 403 19 \"http://shop.test/?pw=s%65cret&x=1\" \"curl\" u \"-\" /20260201/x 0 3 "
            "md5:900150983cd24fb0d6963f7d28e17f72\n");
  sample.record.method = "A\nB\"C";
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);

  struct Sink : AuditSink {
    std::string appended, path, stored;
    Result<void> append(std::string_view bytes) override {
      appended += bytes;
      return {};
    }
    Result<std::string> store(std::string_view relative, std::string_view bytes) override {
      path = relative, stored = bytes;
      return "/store/" + std::string(relative);
    }
  } sink;
  ASSERT_TRUE(write_audit_concurrent(sample.get(), {}, AuditFormat::Json, "b", sink));
  EXPECT_EQ(sink.stored, format_audit_json(sample.get(), {}));
  EXPECT_THAT(sink.appended, HasSubstr(" /store/20260201/20260201-0000/20260201-000000-u 0 "));
  sink.appended.clear();
  ASSERT_TRUE(write_audit_serial(sample.get(), {}, AuditFormat::Native, "b", sink));
  EXPECT_EQ(sink.appended, format_audit_native(sample.get(), {}, "b"));
}

TEST(AuditLog, CalendarAgreesWithTheLibrary) {
  std::mt19937_64 random(2);
  for (int run = 0; run < 20'000; ++run) {
    const auto t = static_cast<std::time_t>(random() % 7'000'000'000ULL) - 2'000'000'000;
    Sample sample;
    sample.record.time = {static_cast<std::int64_t>(t) * 1'000'000'000};
    std::tm tm{};
    ::gmtime_r(&t, &tm);
    char expected[64];
    std::strftime(expected, sizeof expected, "%Y%m%d/%Y%m%d-%H%M/%Y%m%d-%H%M%S-abc-123", &tm);
    ASSERT_EQ(audit_path(sample.get()), expected);
    std::strftime(expected, sizeof expected, "\"time_stamp\":\"%a %b %e %H:%M:%S %Y\"", &tm);
    ASSERT_THAT(format_audit_json(sample.get(), parts("A")), HasSubstr(expected));
  }
}

}  // namespace
}  // namespace weir::rules
