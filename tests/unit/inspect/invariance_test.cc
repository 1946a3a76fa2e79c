// Segmentation invariance and determinism: however the same streams are cut, repeated, reordered and
// overlapped with equal data, the records are the same; and so they are in every run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "app/formats/jsonl.h"
#include "engine/inspect/inspector.h"
#include "tests/unit/inspect/conversation.h"

namespace weir::inspect::test {
namespace {

using nlohmann::json;

const char kRules[] = R"RULES(
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule ARGS "@rx (.+)" "id:10,phase:2,pass,log,capture,msg:'arg %{TX.1} of %{UNIQUE_ID}',logdata:'%{MATCHED_VAR}'"
SecRule REQUEST_HEADERS "@rx attack" "id:11,phase:1,deny,log,msg:'header'"
SecRule REQUEST_BODY "@rx ." "id:12,phase:2,pass,log,msg:'body %{REQUEST_BODY_LENGTH}'"
SecRule REQBODY_ERROR "!@eq 0" "id:13,phase:2,pass,log,msg:'%{REQBODY_ERROR_MSG}'"
SecRule FILES "@rx ." "id:14,phase:2,pass,log,msg:'file'"
SecRule RESPONSE_BODY "@rx ." "id:15,phase:4,pass,log,msg:'page'"
)RULES";

std::shared_ptr<const rules::RuleSet> rule_set() {
  static const auto rules = [] {
    rules::LoadResult result = rules::RuleSet::load({rules::Source::memory("test", kRules)}, {});
    for (const auto& d : result.diagnostics) ADD_FAILURE() << d.message;
    return result.rules;
  }();
  return rules;
}

struct Recorder final : EventSink {
  void write(const Event& event) override {
    if (event.type != EventType::Http) return;
    std::string line;
    format.append(event, {"test"}, line);
    json record = json::parse(line);
    // These say when, not what.
    record.erase("pcap_cnt");
    record.erase("timestamp");
    records.push_back(record.dump());
  }
  app::JsonlFormat format;
  std::vector<std::string> records;
};

std::vector<std::string> inspect(const Capture& capture, Stance stance) {
  InspectorOptions options;
  options.stance = stance;
  Recorder recorder;
  Inspector inspector(options, recorder, rule_set());
  std::uint64_t number = 0;
  for (const auto& frame : capture.frames) {
    Packet p;
    p.bytes = Bytes(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size());
    p.wire_length = static_cast<std::uint32_t>(frame.bytes.size());
    p.time = {frame.time_ns};
    p.number = ++number;
    const Verdict v = inspector.on_packet(p);
    if (stance == Stance::Inline) {
      EXPECT_TRUE(v.forwarded()) << "packet " << number << ": " << v.detail;
    }
  }
  inspector.end_of_input();
  return recorder.records;
}

std::string request(const std::string& line, const std::string& headers, const std::string& body = "") {
  return line + " HTTP/1.1\r\nHost: example.com\r\n" + headers +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
}

std::string response(const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + headers + "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::map<std::string, Conversation> conversations() {
  std::map<std::string, Conversation> all;
  const auto make = [&all](const std::string& name) -> Conversation& {
    Conversation& c = all[name];
    c.mss = 60;
    c.open();
    return c;
  };
  make("get").client(request("GET /a?x=1&y=two", "User-Agent: a\r\n")).server(response("hello")).close();
  make("urlencoded")
      .client(request("POST /f?q=0", "Content-Type: application/x-www-form-urlencoded\r\n", "a=1&b=%41%42&c=" + std::string(90, 'z')))
      .server(response("ok")).close();
  make("json")
      .client(request("POST /j", "Content-Type: application/json\r\n", R"({"a":{"b":["one","two",3]},"c":"\u0041"})"))
      .server(response("ok")).close();
  make("multipart")
      .client(request("POST /m", "Content-Type: multipart/form-data; boundary=bb\r\n",
                      "--bb\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--bb\r\nContent-Disposition: "
                      "form-data; name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nfile body\r\n--bb--\r\n"))
      .server(response("ok")).close();
  make("chunked")
      .client("POST /c HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
              "Transfer-Encoding: chunked\r\n\r\n5\r\na=one\r\n6;x=y\r\n&b=two\r\n0\r\nX-Trailer: t\r\n\r\n")
      .server("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
      .close();
  make("pipelined")
      .client(request("GET /1?a=b", "") + request("POST /2", "Content-Type: application/x-www-form-urlencoded\r\n", "c=d") +
              request("GET /3?e=f", ""))
      .server(response("one") + response("two") + response("three")).close();
  make("expect")
      .client("POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\n")
      .server("HTTP/1.1 100 Continue\r\n\r\n").client("g=hhhhh").server(response("done")).close();
  make("until close")
      .client(request("GET /u?a=b", "Connection: close\r\n"))
      .server("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + std::string(500, 'q')).close();
  make("head").client(request("HEAD /h?a=b", "")).server("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
      .client(request("GET /n?a=b", "")).server("HTTP/1.1 304 Not Modified\r\n\r\n").close();
  make("denied header").client(request("GET /", "X: attack\r\n")).server(response("page")).client(request("GET /2?z=z", "")).server(response("page")).close();
  make("early response")
      .client("POST /er HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\na=b")
      .server(response("early")).client("&c=d&e").close();
  make("unanswered").client(request("GET /never?a=b", ""));
  make("binary").client(request("GET /?a=%00%ff", "X-Bytes: \xff\xfe\r\n")).server(response(std::string("\0\1\2\xff", 4))).close();
  return all;
}

// What is refused where requests are blocked; here they are not. A request that is none of this follows.
std::map<std::string, Conversation> odd_conversations() {
  std::map<std::string, Conversation> all;
  const auto make = [&all](const std::string& name, const std::string& odd) {
    Conversation& c = all[name];
    c.mss = 60;
    c.open().client(odd).server(response("first")).client(request("GET /next?a=b", "")).server(response("second")).close();
  };
  const std::string post = "POST /o HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n";
  make("fold", "GET /?a=b HTTP/1.1\r\nHost: h\r\nX-A: one\r\n two\r\n\r\n");
  make("bare CR", "GET /?a=b HTTP/1.1\r\nHost: h\r\nX-A: one\rX-B: two\r\n\r\n");
  make("no host", "GET /?a=b HTTP/1.1\r\nX-A: one\r\n\r\n");
  make("two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\na=b");
  make("length and chunks", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n");
  make("chunk size", post + "Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0x1\r\nc\r\n0\r\n\r\n");
  make("blank first", " GET /?a=b HTTP/1.1\r\nHost: h\r\n\r\n");
  make("control octet first", "\x1cGET /?a=b HTTP/1.1\r\nHost: h\r\n\r\n");
  make("rubbish between", request("GET /?a=b", "") + "rubbish without a colon\r\nand more\r\n\r\n");
  make("HTTP/0.9", "GET /?a=b\r\n");
  make("unknown coding", post + "Content-Encoding: x-odd\r\nContent-Length: 3\r\n\r\na=b");
  return all;
}

using Change = std::vector<Segment> (*)(const std::vector<Segment>&, std::mt19937&);

const std::vector<std::pair<const char*, Change>>& changes() {
  static const std::vector<std::pair<const char*, Change>> all{
      {"bytes", [](const std::vector<Segment>& in, std::mt19937&) { return cut_to_bytes(in); }},
      {"random cuts", [](const std::vector<Segment>& in, std::mt19937& r) { return cut_randomly(in, r); }},
      {"duplicated", [](const std::vector<Segment>& in, std::mt19937& r) { return duplicate(cut_randomly(in, r), r); }},
      {"reordered", [](const std::vector<Segment>& in, std::mt19937& r) { return reorder(cut_randomly(in, r), r); }},
      {"overlapped", [](const std::vector<Segment>& in, std::mt19937& r) { return overlap(cut_randomly(in, r), r); }},
      {"all of it", [](const std::vector<Segment>& in, std::mt19937& r) {
         return reorder(duplicate(overlap(cut_randomly(in, r), r), r), r);
       }},
  };
  return all;
}

void expect_invariant(Stance stance, const std::map<std::string, Conversation>& conversations) {
  for (const auto& [name, conversation] : conversations) {
    Capture whole;
    whole.add(conversation);
    const std::vector<std::string> expected = inspect(whole, stance);
    ASSERT_FALSE(expected.empty()) << name;
    for (const auto& [how, change] : changes()) {
      for (unsigned seed = 0; seed < 25; ++seed) {
        std::mt19937 random(seed);
        Capture other;
        other.add(conversation, change(conversation.segments, random));
        ASSERT_EQ(inspect(other, stance), expected) << name << ", " << how << ", seed " << seed;
      }
    }
  }
}

TEST(Invariance, PassiveRecordsDoNotDependOnSegments) { expect_invariant(Stance::Passive, conversations()); }
TEST(Invariance, InlineRecordsDoNotDependOnSegments) { expect_invariant(Stance::Inline, conversations()); }
TEST(Invariance, NorDoThoseOfOddHttpThatIsLetBy) {
  for (const Stance stance : {Stance::Passive, Stance::Inline}) expect_invariant(stance, odd_conversations());
}

TEST(Invariance, InlineAndPassiveJudgeTheSame) {
  for (const auto& [name, conversation] : conversations()) {
    Capture whole;
    whole.add(conversation);
    EXPECT_EQ(inspect(whole, Stance::Inline), inspect(whole, Stance::Passive)) << name;
  }
}

TEST(Invariance, EveryRunIsTheSame) {
  Capture all;
  std::uint16_t port = 20000;
  for (auto& [name, conversation] : conversations()) {
    Conversation c = conversation;
    c.client_host.port = port++;
    all.add(c);
  }
  all.sort();
  const auto once = inspect(all, Stance::Passive);
  EXPECT_GE(once.size(), 15U);
  EXPECT_EQ(inspect(all, Stance::Passive), once);
}

}  // namespace
}  // namespace weir::inspect::test
