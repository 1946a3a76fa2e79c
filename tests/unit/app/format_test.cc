// Records as people and programs read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "app/formats/colors.h"
#include "app/formats/jsonl.h"
#include "engine/failure.h"
#include "app/formats/text.h"
#include "app/nearest.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::Not;

Event example() {
  static const std::vector<std::string_view> tags{"attack-sqli", "OWASP_CRS"};
  static const std::vector<RuleHit> hits = [] {
    RuleHit hit;
    hit.id = 942100;
    hit.phase = 2;
    hit.message = "SQL Injection";
    hit.severity = 2;
    hit.tags = tags;
    hit.target = "ARGS:id";
    hit.value = "1' or 1=1 -- ";
    return std::vector<RuleHit>{hit};
  }();
  static const std::vector<std::string_view> violations{"bare-lf"};
  Event e;
  e.origin.time = {1'700'000'000'123'456'789};
  e.origin.flow_id = 42;
  e.origin.packet_number = 7;
  e.origin.client = *IpAddress::parse("192.0.2.7");
  e.origin.server = *IpAddress::parse("2001:db8::1");
  e.origin.client_port = 51000;
  e.origin.server_port = 80;
  e.http.tx_id = 3;
  e.http.hostname = "example.com";
  e.http.url = "/a?id=1'%20or%201=1";
  e.http.method = "GET";
  e.http.protocol = "HTTP/1.1";
  e.http.status = 200;
  e.http.request_body_len = 0;
  e.http.response_body_len = 12;
  e.http.user_agent = "curl";
  e.http.content_type = "text/html";
  e.waf.decision = DecisionKind::Deny;
  e.waf.decision_rule = 949110;
  e.waf.mode = WafMode::Detect;
  e.waf.status = 403;
  e.waf.transaction_id = "2a-3";
  e.waf.inbound_score = 5;
  e.waf.rules = hits;
  e.waf.violations = violations;
  return e;
}

std::string json(const Event& event) {
  std::string out;
  JsonlFormat().append(event, {"a.pcap"}, out);
  return out;
}

TEST(Jsonl, EveryFieldInOrder) {
  EXPECT_EQ(
      json(example()),
      "{\"timestamp\":\"2023-11-14T22:13:20.123456+0000\",\"flow_id\":42,\"event_type\":\"http\",\"tx_id\":3,"
      "\"pcap_filename\":\"a.pcap\",\"pcap_cnt\":7,\"src_ip\":\"192.0.2.7\",\"src_port\":51000,"
      "\"dest_ip\":\"2001:db8::1\",\"dest_port\":80,\"proto\":\"TCP\",\"app_proto\":\"http\","
      "\"http\":{\"hostname\":\"example.com\",\"url\":\"/a?id=1'%20or%201=1\",\"http_method\":\"GET\","
      "\"protocol\":\"HTTP/1.1\",\"status\":200,\"request_body_len\":0,\"response_body_len\":12,"
      "\"http_user_agent\":\"curl\",\"http_content_type\":\"text/html\"},"
      "\"waf\":{\"decision\":\"deny\",\"mode\":\"detect\",\"status\":403,\"transaction_id\":\"2a-3\",\"score\":{\"inbound\":5,\"outbound\":0},"
      "\"paranoia\":1,\"rules\":[{\"id\":942100,\"phase\":2,\"msg\":\"SQL Injection\",\"severity\":\"CRITICAL\","
      "\"tags\":[\"attack-sqli\",\"OWASP_CRS\"],\"target\":\"ARGS:id\",\"value\":{\"text\":\"1' or 1=1 -- \"}}],"
      "\"violations\":[\"bare-lf\"],\"truncated\":false}}\n");
}

TEST(Jsonl, WhatWasNeverSeenIsAbsent) {
  Event e = example();
  e.http = {};
  e.waf = {};
  const std::string line = json(e);
  for (const char* name : {"hostname", "url", "http_method", "protocol", "\"status\"", "http_user_agent", "http_content_type"}) {
    EXPECT_THAT(line, Not(HasSubstr(name)));
  }
  EXPECT_THAT(line, HasSubstr("\"decision\":\"pass\""));
}

TEST(Jsonl, BytesThatAreNoTextAreKept) {
  Event e = example();
  RuleHit hit;
  hit.id = 1;
  const std::string bytes = "a\0\xff z"s;
  hit.value = bytes;
  const std::vector<RuleHit> hits{hit};
  e.waf.rules = hits;
  const std::string url = "/\xe9"s;
  e.http.url = url;
  const std::string line = json(e);
  EXPECT_THAT(line, HasSubstr("\"value\":{\"bytes\":\"YQD/IHo=\"}"));
  EXPECT_THAT(line, HasSubstr("\"url\":\"/\\u00e9\",\"url_base64\":\"L+k=\""));
  // A NUL in a text stays in the text.
  const std::string text = "a\0b"s;
  RuleHit nul;
  nul.id = 2;
  nul.value = text;
  const std::vector<RuleHit> nuls{nul};
  e.waf.rules = nuls;
  EXPECT_THAT(json(e), HasSubstr("\"value\":{\"text\":\"a\\u0000b\"}"));
}

TEST(Jsonl, LongValuesAreCutAndMarked) {
  Event e = example();
  const std::string value(JsonlFormat::kValueLimit + 1, 'x');
  RuleHit hit;
  hit.id = 1;
  hit.value = value;
  const std::vector<RuleHit> hits{hit};
  e.waf.rules = hits;
  EXPECT_THAT(json(e), HasSubstr("x\",\"truncated\":true}"));
}

TEST(Jsonl, Drop) {
  Event e = example();
  e.type = EventType::Drop;
  e.drop_reason = DropReason::Rule;
  e.drop_detail = "rule";
  e.drop_rule = 949110;
  EXPECT_EQ(json(e),
            "{\"timestamp\":\"2023-11-14T22:13:20.123456+0000\",\"flow_id\":42,\"event_type\":\"drop\","
            "\"pcap_filename\":\"a.pcap\",\"pcap_cnt\":7,\"src_ip\":\"192.0.2.7\",\"src_port\":51000,"
            "\"dest_ip\":\"2001:db8::1\",\"dest_port\":80,\"proto\":\"TCP\","
            "\"drop\":{\"reason\":\"rule\",\"detail\":\"rule\",\"rule_id\":949110}}\n");
}

TEST(Jsonl, Anomaly) {
  Event e = example();
  e.type = EventType::Anomaly;
  e.anomaly = {AnomalyType::Failure, name(FailureCause::StreamMemory), name(FailureAction::Drop)};
  EXPECT_THAT(json(e), HasSubstr("\"event_type\":\"anomaly\""));
  EXPECT_THAT(json(e), HasSubstr("\"anomaly\":{\"type\":\"failure\",\"event\":\"stream-memory\","
                                 "\"action\":\"drop\"}}\n"));
}

TEST(Jsonl, Flow) {
  Event e = example();
  e.type = EventType::Flow;
  e.flow.start = {1'700'000'000'000'000'000};
  e.flow.end = {1'700'000'007'900'000'000};
  e.flow.pkts_toclient = 9;
  e.flow.bytes_toserver = 5'000'000'000;
  e.flow.state = "closed";
  e.flow.reason = "fin";
  e.flow.app_proto = "http";
  e.flow.blocked = true;
  const std::string line = json(e);
  EXPECT_THAT(line, HasSubstr("\"event_type\":\"flow\""));
  EXPECT_THAT(line, HasSubstr("\"app_proto\":\"http\",\"flow\":{\"pkts_toserver\":0,\"pkts_toclient\":9,"
                              "\"bytes_toserver\":5000000000,\"bytes_toclient\":0,"
                              "\"start\":\"2023-11-14T22:13:20.000000+0000\","
                              "\"end\":\"2023-11-14T22:13:27.900000+0000\",\"age\":7,"
                              "\"state\":\"closed\",\"reason\":\"fin\",\"tx_cnt\":0,\"alerted\":false,"
                              "\"blocked\":true,"));
}

TEST(Jsonl, StatsNestByTheirNames) {
  Event e;
  e.type = EventType::Stats;
  e.stats.uptime = 12;
  const std::vector<StatsCounter> counters{{"packets", 5},       {"flow.now", 1},     {"flow.drop.stream", 2},
                                           {"flow.drop.rule", 3}, {"flow.closed", 4}, {"http.transactions", 6}};
  e.stats.counters = counters;
  EXPECT_THAT(json(e), HasSubstr("\"stats\":{\"uptime\":12,\"packets\":5,\"flow\":{\"now\":1,"
                                 "\"drop\":{\"stream\":2,\"rule\":3},\"closed\":4},"
                                 "\"http\":{\"transactions\":6}}}\n"));
}

TEST(Timestamps, AreThoseOfTheCLibrary) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    const auto ns = static_cast<std::int64_t>(random()) >> (i % 3);
    std::int64_t seconds = ns / 1'000'000'000 - (ns % 1'000'000'000 < 0 ? 1 : 0);
    const std::time_t whole = seconds;
    std::tm utc{};
    ASSERT_NE(gmtime_r(&whole, &utc), nullptr);
    char want[64];
    std::strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &utc);
    std::string got;
    append_timestamp(got, {ns});
    ASSERT_EQ(got.substr(0, 19), want) << ns;
    ASSERT_EQ(std::stoll(got.substr(20, 6)), (ns - seconds * 1'000'000'000) / 1000);
  }
}

TEST(Timestamps, Ends) {
  const auto text = [](std::int64_t ns) {
    std::string out;
    append_timestamp(out, {ns});
    return out;
  };
  EXPECT_EQ(text(0), "1970-01-01T00:00:00.000000+0000");
  EXPECT_EQ(text(-1), "1969-12-31T23:59:59.999999+0000");
  EXPECT_EQ(text(INT64_MAX), "2262-04-11T23:47:16.854775+0000");
  EXPECT_EQ(text(INT64_MIN), "1677-09-21T00:12:43.145224+0000");
}

TEST(Text, OneLineForWhatMatched) {
  std::string out;
  TextFormat format(false);
  format.append(example(), {"a.pcap"}, out);
  EXPECT_THAT(out, HasSubstr("2023-11-14 22:13:20.123  deny 403 "));
  EXPECT_THAT(out, HasSubstr("192.0.2.7:51000"));
  EXPECT_THAT(out, HasSubstr("GET example.com/a?id=1'%20or%201=1"));
  EXPECT_THAT(out, HasSubstr("942100  SQL Injection\n"));
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
}

TEST(Text, NothingForCleanTransactions) {
  Event e = example();
  e.waf = {};
  std::string out;
  TextFormat(false).append(e, {"a.pcap"}, out);
  EXPECT_EQ(out, "");
}

TEST(Text, LinesAreAligned) {
  TextFormat format(false);
  std::string a, b;
  Event e = example();
  format.append(e, {"a.pcap"}, a);
  e.http.url = "/";
  e.waf.decision = DecisionKind::Continue;
  e.waf.status = 0;
  e.waf.inbound_score = 100;
  format.append(e, {"a.pcap"}, b);
  EXPECT_EQ(a.find("942100"), b.find("942100"));
  EXPECT_EQ(a.find("GET "), b.find("GET "));
  EXPECT_EQ(format.heading().find("request"), a.find("GET "));
  EXPECT_EQ(format.heading().find("rules"), a.find("942100"));
}

TEST(Text, TheNetworkCannotDriveTheTerminal) {
  Event e = example();
  const std::string url = "/\x1b[2J\r\n\xe2\x80\xae\x9b\xc2\x9b\0ok"s;
  e.http.url = url;
  e.http.hostname = "h";
  std::string out;
  TextFormat(false).append(e, {"a.pcap"}, out);
  EXPECT_THAT(out, HasSubstr("h/\\x1b[2J\\x0d\\x0a\\xe2\\x80\\xae\\x9b"));
  for (const char c : out) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
}

TEST(Text, Printable) {
  const auto shown = [](std::string_view s, std::size_t limit) {
    std::string out;
    append_printable(out, s, limit);
    return out;
  };
  EXPECT_EQ(shown("abc", 3), "abc");
  EXPECT_EQ(shown("abcd", 3), "ab…");
  EXPECT_EQ(shown("äöü", 3), "äöü");
  EXPECT_EQ(shown("äöüß", 3), "äö…");
  EXPECT_EQ(shown("\xff", 4), "\\xff");
  EXPECT_EQ(shown("a\xff", 4), "a…");
  EXPECT_EQ(shown("", 0), "");
}

TEST(Colors, EnvironmentAndChoice) {
  EXPECT_TRUE(use_color(ColorChoice::Always, -1));
  EXPECT_FALSE(use_color(ColorChoice::Never, STDOUT_FILENO));
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  EXPECT_FALSE(use_color(ColorChoice::Auto, pipe_ends[1]));
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  EXPECT_EQ(painted("x\n", Color::Red, true), "\x1b[1;31mx\x1b[0m\n");
  EXPECT_EQ(painted("x", Color::Red, false), "x");
}

TEST(Nearest, Words) {
  const std::vector<std::string> words{"inspect", "check", "version"};
  EXPECT_EQ(nearest("inspcet", words), "inspect");
  EXPECT_EQ(nearest("chek", words), "check");
  EXPECT_EQ(nearest("vresion", words), "version");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest("zzzzz", words), "");
  EXPECT_EQ(nearest(std::string(1000, 'x'), words), "");
}

TEST(Diagnostics, WarningsBeyondALimitAreCounted) {
  rules::Diagnostic d;
  d.severity = rules::Severity::Warning;
  d.message = "w";
  d.file = "f";
  const std::string text = rendered({d, d, d}, false, 1);
  EXPECT_THAT(text, HasSubstr("weir: the rules load with 2 more warnings: see weir check"));
  EXPECT_EQ(count({d, d}).warnings, 2U);
}

}  // namespace
}  // namespace weir::app
