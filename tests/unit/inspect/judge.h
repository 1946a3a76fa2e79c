// An Inspector with small rules, fed with conversations; its events as JSON. Beside it, unseen, goes another one that packs
// every idle connection before each packet (the first one never does): whoever can tell them apart fails the test.
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

struct Lines final : EventSink {
  void write(const Event& event) override {
    format.append(event, {"test"}, text);
    text += '\n';
  }
  app::JsonlFormat format;
  std::string text;
};

// Writes to two.
struct Both final : EventSink {
  Both(EventSink& first, EventSink& second) : a(first), b(second) {}
  void write(const Event& event) override {
    a.write(event);
    b.write(event);
  }
  EventSink &a, &b;
};

inline std::string told(const Verdict& v) {
  std::string out = std::to_string(static_cast<int>(v.kind)) + ' ' + std::to_string(static_cast<int>(v.reason)) + ' ' +
                    std::string(v.detail) + ' ' + std::to_string(static_cast<int>(v.release)) + ' ' + std::to_string(v.bytes.first) +
                    ' ' + std::to_string(v.bytes.end) + ' ' + std::to_string(v.acks.acks.first) + ' ' +
                    std::to_string(v.acks.acks.end) + ' ' + std::to_string(v.acks.seq) + ' ' +
                    std::string(v.replacement.begin(), v.replacement.end());
  for (const HeldFate& h : v.held) out += ' ' + std::to_string(h.token) + ' ' + std::to_string(static_cast<int>(h.fate));
  for (const Injection& i : v.inject) {
    out += ' ' + std::to_string(static_cast<int>(i.towards)) + ' ' + std::string(i.frame.begin(), i.frame.end());
  }
  return out;
}

// What an Inspector does, done by two of them.
class TwoInspectors {
 public:
  TwoInspectors(const InspectorOptions& options, EventSink& sink, const std::shared_ptr<const rules::RuleSet>& rules)
      : both_(sink, first_lines_),
        first_(with(options, flow::RestPolicy::Never), both_, rules),
        second_(with(options, flow::RestPolicy::AtOnce), second_lines_, rules) {}

  Verdict on_packet(const Packet& packet) {
    return same([&](Inspector& i) { return i.on_packet(packet); });
  }
  Verdict on_time(Timestamp now) {
    return same([&](Inspector& i) { return i.on_time(now); });
  }
  void end_of_input() {
    first_.end_of_input();
    second_.end_of_input();
    compare({}, {});
  }
  void begin_anew(Timestamp now) {
    first_.begin_anew(now);
    second_.begin_anew(now);
    compare({}, {});
  }
  FailureAction failure(FailureCause cause) {
    (void)second_.failure(cause);
    return first_.failure(cause);
  }
  template <class Judges>
  void use(const Judges& judges) {
    first_.use(judges);
    second_.use(judges);
  }
  [[nodiscard]] const InspectorCounters& counters() const { return first_.counters(); }
  [[nodiscard]] const flow::FlowCounters& flow_counters() const { return first_.flow_counters(); }

 private:
  static InspectorOptions with(InspectorOptions options, flow::RestPolicy rest) {
    options.rest = rest;
    return options;
  }
  template <class Call>
  Verdict same(Call&& call) {
    const std::string second = told(call(second_));
    const Verdict first = call(first_);
    compare(told(first), second);
    return first;
  }
  void compare(const std::string& first, const std::string& second) {
    EXPECT_EQ(first, second) << "packing has changed a verdict";
    EXPECT_EQ(first_lines_.text, second_lines_.text) << "packing has changed an event";
    first_lines_.text.clear();
    second_lines_.text.clear();
    const InspectorCounters &a = first_.counters(), &b = second_.counters();
    EXPECT_EQ(a.flows_http, b.flows_http);
    EXPECT_EQ(a.flows_other, b.flows_other);
    EXPECT_EQ(a.transactions, b.transactions);
    EXPECT_EQ(a.held, b.held);
    EXPECT_EQ(a.dropped_packets, b.dropped_packets);
    EXPECT_EQ(a.failures, b.failures);
    EXPECT_EQ(first_.flow_counters().flows_now, second_.flow_counters().flows_now);
  }

  Lines first_lines_, second_lines_;
  Both both_;
  Inspector first_, second_;
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
  TwoInspectors inspector;
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
