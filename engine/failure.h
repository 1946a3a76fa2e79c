// Failures: everything that may keep Weir from inspecting what passes, and what an operator may want to
// happen then. One master switch (`on_failure: open` or `closed`) and a choice for each cause; applied in
// one file, engine/inspect/policy.cc, and counted by cause. Why the defaults are as they are:
// docs/decisions/failure-policies.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir {

enum class FailureCause : std::uint8_t {
  MalformedPacket,  // a header contradicts its packet
  BadChecksum,      // verified and wrong: the receiver drops it too
  FragmentMemory,   // FragmentLimits are used up
  FlowTable,        // no place for another connection
  HandshakeMemory,  // no place for another half-open connection, or for one more variant of its SYN
  StreamMemory,     // FlowLimits::buffered_bytes are used up
  StreamLimit,      // one direction has more unacknowledged bytes or segments than it may
  Midstream,        // the connection's start was not seen (restart, failover, long pause)
  Poisoned,         // its start was not seen, and an earlier worker hung or crashed with a packet of it in hand
  Asymmetric,       // only one direction of the connection comes by
  Unseen,           // an endpoint acknowledges bytes that never came by (a full queue let them pass)
  NotHttp,          // the first bytes are no HTTP request
  Tls,              // they are a TLS hello: cannot be inspected
  Http2,            // HTTP/2 in clear text
  ProxyProtocol,    // a PROXY protocol header that is broken, not to be believed, or missing
  HttpViolation,    // framing on which servers differ (http::Violation)
  HttpLimit,        // lines or header sections beyond ParserOptions
  DecodeLimit,      // a content coding that unpacks beyond its bounds, or is not known
  Transactions,     // InspectorOptions::transactions: an unfinished one must go
  TransactionMemory,  // InspectorOptions::transaction_bytes are used up: the same
  RuleLimit,        // a rule ran into its work budget (PCRE2 match limits)
  RuleError,        // the rule engine could not judge
  Overload,         // the worker cannot keep up
  QueueFull,        // the port lost packets before the worker saw them
};
inline constexpr std::size_t kFailureCauses = static_cast<std::size_t>(FailureCause::QueueFull) + 1;

enum class FailureAction : std::uint8_t {
  Pass,   // let it go on; what cannot be followed any more is not inspected until its connection ends
  Drop,   // drop the packet (its sender repeats it); the connection stays
  Reset,  // drop it, reset both ends, let nothing more of the connection pass
};

// Names as in the configuration, in events and metrics.
[[nodiscard]] constexpr std::string_view name(FailureCause cause) {
  constexpr std::array<std::string_view, kFailureCauses> kNames{
      "malformed-packet", "bad-checksum", "fragment-memory", "flow-table",  "handshake-memory",
      "stream-memory",    "stream-limit", "midstream",       "poisoned",    "asymmetric",  "unseen",
      "not-http",         "tls",          "http2",           "proxy-protocol", "http-violation",
      "http-limit",       "decode-limit",     "transactions",    "transaction-memory", "rule-limit",  "rule-error",
      "overload",         "queue-full"};
  return kNames[static_cast<std::size_t>(cause)];
}

[[nodiscard]] constexpr std::string_view name(FailureAction action) {
  switch (action) {
    case FailureAction::Pass: return "pass";
    case FailureAction::Drop: return "drop";
    case FailureAction::Reset: return "reset";
  }
  return "drop";
}

[[nodiscard]] constexpr std::optional<FailureCause> failure_cause(std::string_view text) {
  for (std::size_t i = 0; i < kFailureCauses; ++i) {
    if (name(static_cast<FailureCause>(i)) == text) return static_cast<FailureCause>(i);
  }
  return std::nullopt;
}

[[nodiscard]] constexpr std::optional<FailureAction> failure_action(std::string_view text) {
  for (const FailureAction a : {FailureAction::Pass, FailureAction::Drop, FailureAction::Reset}) {
    if (name(a) == text) return a;
  }
  return std::nullopt;
}

// Counts by cause and action: [cause][action].
using FailureCounts = std::array<std::array<std::uint64_t, 3>, kFailureCauses>;

struct FailurePolicies {
  // `on_failure:`. Open: what fails through lack of room or a fault of Weir's passes. What a single peer
  // can bring about at will for its own connection (odd framing, bombs, absurd segments) is refused
  // in either position, unless chosen otherwise below: else it would be a way past the rules.
  bool open = false;
  std::array<std::optional<FailureAction>, kFailureCauses> chosen{};

  void choose(FailureCause cause, FailureAction action) {
    chosen[static_cast<std::size_t>(cause)] = action;
  }
  [[nodiscard]] constexpr FailureAction action(FailureCause cause) const {
    if (const auto& own = chosen[static_cast<std::size_t>(cause)]) return *own;
    return default_action(cause, open);
  }
  [[nodiscard]] static constexpr FailureAction default_action(FailureCause cause, bool open) {
    switch (cause) {
      // Weir's own want of room.
      case FailureCause::FragmentMemory:
      case FailureCause::FlowTable:
      case FailureCause::HandshakeMemory:
      case FailureCause::StreamMemory:
      case FailureCause::Overload:
      case FailureCause::QueueFull: return open ? FailureAction::Pass : FailureAction::Drop;
      // A connection of which something was not judged and cannot be judged any more. Midstream it is
      // taken up at the next request if it may pass.
      case FailureCause::Midstream:
      case FailureCause::Asymmetric:
      case FailureCause::Unseen:
      case FailureCause::Transactions:
      case FailureCause::TransactionMemory:
      case FailureCause::RuleError: return open ? FailureAction::Pass : FailureAction::Reset;
      // A peer's doing.
      case FailureCause::MalformedPacket:
      case FailureCause::BadChecksum:
      case FailureCause::StreamLimit: return FailureAction::Drop;
      case FailureCause::NotHttp:
      case FailureCause::Tls: return FailureAction::Pass;
      case FailureCause::Poisoned:
      case FailureCause::Http2:
      case FailureCause::ProxyProtocol:
      case FailureCause::HttpViolation:
      case FailureCause::HttpLimit:
      case FailureCause::DecodeLimit: return FailureAction::Reset;
      case FailureCause::RuleLimit: return open ? FailureAction::Pass : FailureAction::Reset;
    }
    return FailureAction::Drop;
  }
};

}  // namespace weir
