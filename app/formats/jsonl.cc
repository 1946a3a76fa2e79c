#include "app/formats/jsonl.h"

#include <optional>
#include <vector>

#include "engine/base/base64.h"
#include "engine/base/json_writer.h"
#include "engine/base/utf8.h"

namespace weir::app {
namespace {

using base::JsonWriter;

// A text that the peers chose. What is not UTF-8 is escaped byte by byte so that the field stays a string,
// and comes once more without loss beside it.
void text_field(JsonWriter& json, std::string_view name, std::string_view value) {
  json.field(name, value);
  if (!base::is_valid_utf8(value)) {
    const std::string beside = std::string(name) + "_base64";
    json.field(beside, base::encode_base64(value));
  }
}

void text_field(JsonWriter& json, std::string_view name, const std::optional<std::string_view>& value) {
  if (value) text_field(json, name, *value);
}

void write_common(JsonWriter& json, const Event& event, const EventSource& source,
                  std::string_view type) {
  const EventOrigin& at = event.origin;
  std::string time;
  append_timestamp(time, at.time);
  json.field("timestamp", time);
  if (at.flow_id != 0) json.field("flow_id", at.flow_id);
  json.field("event_type", type);
  if (event.type == EventType::Http) json.field("tx_id", event.http.tx_id);
  if (source.capture.empty()) {
    if (!source.input.empty()) json.field("in_iface", source.input);
  } else {
    json.field("pcap_filename", source.capture);
    json.field("pcap_cnt", at.packet_number);
  }
  if (at.client.version != 0) {
    json.field("src_ip", at.client.to_string());
    json.field("src_port", at.client_port);
    json.field("dest_ip", at.server.to_string());
    json.field("dest_port", at.server_port);
    json.field("proto", "TCP");
  }
}

void write_client(JsonWriter& json, const ClientPart& client) {
  if (client.source.empty()) return;
  json.key("client");
  json.begin_object();
  json.field("ip", client.address.to_string());
  if (client.port != 0) json.field("port", client.port);
  json.field("source", client.source);
  json.end_object();
}

void write_http(JsonWriter& json, const HttpPart& http) {
  json.key("http");
  json.begin_object();
  text_field(json, "hostname", http.hostname);
  text_field(json, "url", http.url);
  text_field(json, "http_method", http.method);
  text_field(json, "protocol", http.protocol);
  if (http.status) json.field("status", *http.status);
  json.field("request_body_len", http.request_body_len);
  json.field("response_body_len", http.response_body_len);
  text_field(json, "http_user_agent", http.user_agent);
  text_field(json, "http_content_type", http.content_type);
  json.end_object();
}

void write_rule(JsonWriter& json, const RuleHit& rule) {
  json.begin_object();
  json.field("id", rule.id);
  json.field("phase", static_cast<unsigned>(rule.phase));
  text_field(json, "msg", rule.message);
  const std::string_view severity = severity_name(rule.severity);
  if (!severity.empty()) json.field("severity", severity);
  json.key("tags");
  json.begin_array();
  for (const std::string_view tag : rule.tags) json.string(tag);
  json.end_array();
  text_field(json, "target", rule.target);
  json.key("value");
  json.text_or_bytes(rule.value, JsonlFormat::kValueLimit);
  json.end_object();
}

void write_waf(JsonWriter& json, const WafPart& waf) {
  json.key("waf");
  json.begin_object();
  json.field("decision", decision_name(waf.decision));
  json.field("mode", mode_name(waf.mode));
  if (waf.status != 0) json.field("status", waf.status);
  json.field("transaction_id", waf.transaction_id);
  json.key("score");
  json.begin_object();
  json.field("inbound", waf.inbound_score);
  json.field("outbound", waf.outbound_score);
  json.end_object();
  json.field("paranoia", static_cast<unsigned>(waf.paranoia));
  if (!waf.site.empty()) text_field(json, "site", waf.site);
  json.key("rules");
  json.begin_array();
  for (const RuleHit& rule : waf.rules) write_rule(json, rule);
  json.end_array();
  json.key("violations");
  json.begin_array();
  for (const std::string_view violation : waf.violations) json.string(violation);
  json.end_array();
  json.field("truncated", waf.truncated);
  json.end_object();
}

void write_drop(JsonWriter& json, const Event& event) {
  json.key("drop");
  json.begin_object();
  json.field("reason", name(event.drop_reason));
  if (!event.drop_detail.empty()) json.field("detail", event.drop_detail);
  if (event.drop_rule != 0) json.field("rule_id", event.drop_rule);
  json.end_object();
}

void write_anomaly(JsonWriter& json, const AnomalyPart& anomaly) {
  json.key("anomaly");
  json.begin_object();
  json.field("type", name(anomaly.type));
  json.field("event", anomaly.event);
  if (!anomaly.action.empty()) json.field("action", anomaly.action);
  if (!anomaly.would.empty()) json.field("would", anomaly.would);
  if (!anomaly.rest.empty()) json.field("rest", anomaly.rest);
  json.end_object();
}

void write_flow(JsonWriter& json, const FlowPart& flow) {
  json.field("app_proto", flow.app_proto);
  json.key("flow");
  json.begin_object();
  json.field("pkts_toserver", flow.pkts_toserver);
  json.field("pkts_toclient", flow.pkts_toclient);
  json.field("bytes_toserver", flow.bytes_toserver);
  json.field("bytes_toclient", flow.bytes_toclient);
  std::string time;
  append_timestamp(time, flow.start);
  json.field("start", time);
  time.clear();
  append_timestamp(time, flow.end);
  json.field("end", time);
  json.field("age", (flow.end - flow.start).ns / seconds(1).ns);
  json.field("state", flow.state);
  json.field("reason", flow.reason);
  json.field("tx_cnt", flow.transactions);
  json.field("alerted", flow.alerted);
  json.field("blocked", flow.blocked);
  json.field("midstream", flow.midstream);
  json.field("one_sided", flow.one_sided);
  json.end_object();
}

// "flow.half_open" becomes {"flow":{"half_open":…}}.
void write_stats(JsonWriter& json, const StatsPart& stats) {
  json.key("stats");
  json.begin_object();
  json.field("uptime", stats.uptime);
  std::vector<std::string_view> open;
  for (const StatsCounter& counter : stats.counters) {
    std::string_view rest = counter.name;
    std::size_t depth = 0;
    for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
      const std::string_view part = rest.substr(0, dot);
      rest.remove_prefix(dot + 1);
      if (depth == open.size() || open[depth] != part) {
        for (; open.size() > depth; open.pop_back()) json.end_object();
        json.key(part);
        json.begin_object();
        open.push_back(part);
      }
      ++depth;
    }
    for (; open.size() > depth; open.pop_back()) json.end_object();
    json.field(rest, counter.value);
  }
  for (; !open.empty(); open.pop_back()) json.end_object();
  json.end_object();
}

}  // namespace

void JsonlFormat::append(const Event& event, const EventSource& source, std::string& out) {
  JsonWriter json(out);
  json.begin_object();
  switch (event.type) {
    case EventType::Http:
      write_common(json, event, source, "http");
      json.field("app_proto", "http");
      write_client(json, event.client);
      write_http(json, event.http);
      write_waf(json, event.waf);
      break;
    case EventType::Drop:
      write_common(json, event, source, "drop");
      write_drop(json, event);
      break;
    case EventType::Anomaly:
      write_common(json, event, source, "anomaly");
      write_anomaly(json, event.anomaly);
      break;
    case EventType::Flow:
      write_common(json, event, source, "flow");
      write_flow(json, event.flow);
      break;
    case EventType::Stats:
      write_common(json, event, source, "stats");
      write_stats(json, event.stats);
      break;
  }
  json.end_object();
  out.push_back('\n');
}

}  // namespace weir::app
