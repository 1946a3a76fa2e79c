// An Inspector with small rules, fed with conversations; its events as JSON.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

#include "app/formats/jsonl.h"
#include "engine/inspect/inspector.h"
#include "tests/unit/inspect/conversation.h"

namespace weir::inspect::test {

using nlohmann::json;

inline const char kRules[] = R"(
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecRequestBodyLimit 100000
SecResponseBodyLimit 100000
SecResponseBodyLimitAction ProcessPartial
SecAction "id:1,phase:1,pass,nolog,setvar:tx.anomaly_score=0"
SecRule ARGS_GET "@contains attack" "id:10,phase:1,deny,status:403,log,msg:'attack in the query',severity:CRITICAL,tag:'t1',tag:'t2',setvar:tx.anomaly_score=+5"
SecRule ARGS_POST "@contains attack" "id:20,phase:2,deny,status:406,log,msg:'attack in the body',setvar:tx.anomaly_score=+7"
SecRule REQUEST_HEADERS:X-Note "@rx ." "id:21,phase:2,pass,log,msg:'note %{UNIQUE_ID}'"
SecRule REQUEST_HEADERS:X-Late "@rx ." "id:22,phase:2,deny,status:403,log,msg:'trailer'"
SecRule RESPONSE_HEADERS:X-Leak "@rx ." "id:30,phase:3,deny,status:500,log,msg:'leaking header'"
SecRule RESPONSE_BODY "@contains secret" "id:40,phase:4,deny,status:502,log,msg:'secret in the page'"
SecRule REQUEST_URI "@contains redirect" "id:11,phase:1,redirect:https://elsewhere.example/,status:302,log,msg:'go away'"
SecRule REQUEST_URI "@contains dropme" "id:12,phase:1,drop,log,msg:'drop'"
SecRule REQUEST_METHOD "@rx ." "id:50,phase:5,pass,nolog"
)";

inline std::shared_ptr<const rules::RuleSet> load(const std::string& text) {
  rules::LoadResult result = rules::RuleSet::load({rules::Source::memory("test", text)}, {});
  for (const auto& d : result.diagnostics) {
    EXPECT_NE(d.severity, rules::Severity::Error) << d.file << ':' << d.line << ": " << d.message;
  }
  return result.rules;
}

inline std::shared_ptr<const rules::RuleSet> rule_set() {
  static const auto rules = load(kRules);
  return rules;
}

struct Recorder final : EventSink {
  void write(const Event& event) override {
    std::string line;
    format.append(event, {"test"}, line);
    json record = json::parse(line);
    (event.type == EventType::Http ? http : drops).push_back(record);
  }
  app::JsonlFormat format;
  std::vector<json> http, drops;
};

struct Judge {  // an inspector with its recorder
  explicit Judge(const InspectorOptions& options = {},
                    std::shared_ptr<const rules::RuleSet> rules = rule_set())
      : inspector(options, recorder, std::move(rules)) {}

  Verdict feed(const Capture::Frame& frame) {
    Packet packet;
    packet.bytes = Bytes(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size());
    packet.wire_length = static_cast<std::uint32_t>(frame.bytes.size());
    packet.link = link;
    packet.time = {frame.time_ns};
    packet.number = packet.token = ++number;
    return inspector.on_packet(packet);
  }
  // The numbers of the packets that were not let through.
  std::vector<std::uint64_t> feed(const Capture& capture) {
    std::vector<std::uint64_t> dropped;
    for (const auto& frame : capture.frames) {
      if (feed(frame).kind == VerdictKind::Drop) dropped.push_back(number);
    }
    return dropped;
  }
  std::vector<std::uint64_t> feed(const Conversation& c) {
    Capture capture;
    capture.add(c);
    return feed(capture);
  }
  const std::vector<json>& end() {
    inspector.end_of_input();
    return recorder.http;
  }

  Recorder recorder;
  Inspector inspector;
  LinkType link = LinkType::Ethernet;
  std::uint64_t number = 0;
};

inline std::vector<json> records(const Conversation& c, const InspectorOptions& options = {}) {
  Judge s(options);
  s.feed(c);
  return s.end();
}

inline InspectorOptions blocking() {
  InspectorOptions o;
  o.mode = WafMode::Block;
  return o;
}

inline InspectorOptions in_line(WafMode mode = WafMode::Block) {
  InspectorOptions o;
  o.stance = Stance::Inline;
  o.mode = mode;
  return o;
}

inline std::vector<int> ids(const json& record) {
  std::vector<int> out;
  for (const auto& rule : record["waf"]["rules"]) out.push_back(rule["id"]);
  return out;
}

inline std::string get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\n" + more + "\r\n";
}

inline std::string post(const std::string& body, const std::string& more = "") {
  return "POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}

inline std::string ok(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}

}  // namespace weir::inspect::test
