// Event: what the engine has to say to people and other programs. Made by engine/inspect, turned into
// lines by app/formats, described for readers in docs/EVENTS.md.
//
// Lifetime: every view is valid during EventSink::write() only; a sink that keeps an event copies it (in
// practice it formats at once). Making one allocates nothing in steady state.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/base/ip_address.h"
#include "engine/packet.h"
#include "engine/verdict.h"

namespace weir {

enum class EventType : std::uint8_t {
  Http,     // one HTTP transaction, complete or given up
  Drop,     // inline: a packet that was not forwarded
  Anomaly,  // something odd in a packet or connection, or a failure and what was done about it
  Flow,     // a TCP connection is over
  Stats,    // counters; made by app, at intervals
};

// Where an event comes from, on the wire.
struct EventOrigin {
  Timestamp time;                   // Http: of the request (of the response if there is none); Drop: of the packet
  std::uint64_t flow_id = 0;        // below 2^53, so that every JSON reader keeps it exact; 0: no flow
  std::uint64_t packet_number = 0;  // the packet that completed the transaction, or was dropped; the latest one, where time or the input ended it
  IpAddress client, server;         // Http: who sent the request, who was asked. Drop: source, destination
  std::uint16_t client_port = 0, server_port = 0;
};

// Why an inline Weir does not let a packet pass.
enum class DropReason : std::uint8_t {
  None,
  Rule,               // completes a request or response that the rules refuse
  FlowBlocked,        // belongs to a flow that was refused before
  HttpViolation,      // ambiguous or malformed HTTP (docs/EVENTS.md, violations)
  Stream,             // TCP: out of window, conflicting overlap, bad ACK, …
  Malformed,          // a header contradicts its packet
  Checksum,
  Fragment,           // overlapping or incomplete fragments
  Memory,             // could not be remembered, hence not inspected
  Policy,             // another failure policy (the detail is its cause)
};

[[nodiscard]] constexpr std::string_view name(DropReason reason) {
  switch (reason) {
    case DropReason::None: return "none";
    case DropReason::Rule: return "rule";
    case DropReason::FlowBlocked: return "flow-blocked";
    case DropReason::HttpViolation: return "http-violation";
    case DropReason::Stream: return "stream";
    case DropReason::Malformed: return "malformed";
    case DropReason::Checksum: return "checksum";
    case DropReason::Fragment: return "fragment";
    case DropReason::Memory: return "memory";
    case DropReason::Policy: return "policy";
  }
  return "none";
}

// For whom a proxy says that a transaction is; who sent it is in EventOrigin.
struct ClientPart {
  IpAddress address;
  std::uint16_t port = 0;   // 0: not told
  std::string_view source;  // "proxy-protocol", "x-forwarded-for", "forwarded"; empty: nobody says anything
};

// The HTTP part of a transaction. An absent optional was never seen on the wire.
struct HttpPart {
  std::uint64_t tx_id = 0;  // number of the exchange on its connection: 0, 1, 2, …
  std::optional<std::string_view> hostname;      // Host, as sent
  std::optional<std::string_view> url;           // request target, as sent
  std::optional<std::string_view> method;
  std::optional<std::string_view> protocol;      // version of the request line, of the status line without one
  std::optional<std::uint16_t> status;
  std::uint64_t request_body_len = 0;            // after transfer and content decoding
  std::uint64_t response_body_len = 0;
  std::optional<std::string_view> user_agent;
  std::optional<std::string_view> content_type;  // of the response
};

// A rule that matched and would be logged.
struct RuleHit {
  std::uint64_t id = 0;
  std::uint8_t phase = 0;     // 1 … 5
  std::string_view message;
  std::int8_t severity = -1;  // 0 (EMERGENCY) … 7 (DEBUG), -1: the rule has none
  std::span<const std::string_view> tags;
  std::string_view target;    // MATCHED_VAR_NAME
  std::string_view value;     // MATCHED_VAR; any bytes
  std::string_view data;      // logdata; any bytes
  std::string_view revision, version;
  std::string_view file;      // where the rule is written
  std::uint32_t line = 0;
};

enum class WafMode : std::uint8_t { Off, Detect, Block };

struct WafPart {
  DecisionKind decision = DecisionKind::Continue;  // in detect mode: what block mode would have done
  std::uint64_t decision_rule = 0;                 // the rule that took it; 0: none (pass, or a violation)
  WafMode mode = WafMode::Detect;
  std::uint16_t status = 0;                        // what the client is answered; 0: nothing of ours
  std::string_view transaction_id;                 // UNIQUE_ID; what a block page shows
  std::string_view redirect;                       // DecisionKind::Redirect: the Location
  std::int64_t inbound_score = 0, outbound_score = 0;
  std::uint8_t paranoia = 1;
  std::string_view site;                           // by whose policy it was judged; empty: that for everything
  std::span<const RuleHit> rules;                  // in order of evaluation
  std::span<const std::string_view> violations;    // names, in order of first appearance, each once
  bool truncated = false;                          // part of the transaction was not there to be judged
};

// `anomaly` after EVE: type and event; EVE's `layer` is left out.
enum class AnomalyType : std::uint8_t {
  Decode,   // one packet: net::Anomaly
  Stream,   // a connection: flow::Anomaly, at most once of each kind
  Failure,  // FailureCause: `action` says what was done
};

[[nodiscard]] constexpr std::string_view name(AnomalyType type) {
  switch (type) {
    case AnomalyType::Decode: return "decode";
    case AnomalyType::Stream: return "stream";
    case AnomalyType::Failure: return "failure";
  }
  return "decode";
}

struct AnomalyPart {
  AnomalyType type = AnomalyType::Stream;
  std::string_view event;   // a stable kebab-case word
  std::string_view action;  // Failure: "pass", "drop", "reset"
  std::string_view would{};   // Failure that passed since nothing is refused there: the action otherwise
  std::string_view rest{};    // Failure that passed: what is done with what follows: "read", "searched", "unread"
};

// `flow` after EVE; origin.time is its end.
struct FlowPart {
  Timestamp start, end;            // of its first and last packet
  std::uint64_t pkts_toserver = 0, pkts_toclient = 0;
  std::uint64_t bytes_toserver = 0, bytes_toclient = 0;  // of payload
  std::string_view state;          // "closed", "established", "bypassed" (released or not inspected)
  std::string_view reason;         // "fin", "rst", "timeout", "evicted", "replaced", "shutdown"
  std::string_view app_proto;      // "http", "tls", "http2", "unknown"
  std::uint64_t transactions = 0;
  bool alerted = false;            // a logged rule matched in one of them
  bool blocked = false;            // refused: nothing more of it was let through
  bool midstream = false;          // its beginning was not seen
  bool one_sided = false;          // one direction never came by
};

// One counter of `stats`: a dotted path, "flow.half_open".
struct StatsCounter {
  std::string_view name;
  std::uint64_t value = 0;
};

struct StatsPart {
  std::uint64_t uptime = 0;  // seconds
  std::span<const StatsCounter> counters;  // those of one prefix stand together
};

struct Event {
  EventType type = EventType::Http;
  EventOrigin origin;
  ClientPart client;                            // Http
  HttpPart http;                                // Http
  WafPart waf;                                  // Http
  AnomalyPart anomaly;                          // Anomaly
  FlowPart flow;                                // Flow
  StatsPart stats;                              // Stats
  DropReason drop_reason = DropReason::None;    // Drop
  std::string_view drop_detail;                 // Drop: a stable kebab-case word from the room that refused it
  std::uint64_t drop_rule = 0;                  // Drop: the rule, where the reason is one
};

class EventSink {
 public:
  EventSink() = default;
  EventSink(const EventSink&) = delete;
  EventSink& operator=(const EventSink&) = delete;
  virtual ~EventSink() = default;
  virtual void write(const Event& event) = 0;
};

}  // namespace weir
