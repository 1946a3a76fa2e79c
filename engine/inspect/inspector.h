// Inspector: the only place where packets, TCP, HTTP and rules meet.
//
//   Packet -> decode, defragment (engine/net) -> TCP model (engine/flow) -> Session: HTTP parser
//   (engine/http) -> rules::Transaction, phase by phase -> Event, Verdict
//
// Pure: no I/O, clock, log or thread; time is that of the packets. Deterministic: the same packets give the
// same verdicts and events. noexcept: hostile input is an enum value and a counter. Memory is bounded by
// InspectorOptions and by the rules' limits. One per worker; not thread-safe.
//
//   Inspector inspector(options, sink, rules);
//   for each packet: Verdict v = inspector.on_packet(packet);
//   inspector.end_of_input();
#pragma once

#include <memory>

#include "engine/event.h"
#include "engine/flow/verdict.h"
#include "engine/inspect/options.h"
#include "engine/inspect/verdict.h"
#include "engine/net/segment.h"
#include "engine/packet.h"
#include "rules/ruleset.h"
#include "rules/store.h"

namespace weir::rules {
class Profile;  // rules/profile.h
}

namespace weir::inspect {

class Sites;            // engine/inspect/sites.h
struct Tracing;         // engine/inspect/context.h
class TransactionSink;  // engine/inspect/transaction_sink.h

class Inspector {
 public:
  // `sink` and `store` must outlive the inspector; `store` may be null (persistent collections stay empty).
  Inspector(const InspectorOptions& options, EventSink& sink,
            std::shared_ptr<const rules::RuleSet> rules, rules::CollectionStore* store = nullptr);
  // With sites: InspectorOptions::mode and paranoia are theirs.
  Inspector(const InspectorOptions& options, EventSink& sink, std::shared_ptr<const Sites> sites,
            rules::CollectionStore* store = nullptr);
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;
  ~Inspector();

  // The views of the verdict live until the next call.
  Verdict on_packet(const Packet& packet) noexcept;
  // Passive, behind an Ingress of the caller's: the same for a packet that has been decoded already.
  void on_segment(const net::TcpSegment& segment) noexcept;
  // Time passes without packets of this inspector's: connections time out. Never goes backwards. `number`: that of the packet
  // that brought the news, maybe for another inspector, which is the latest from then on; 0: none.
  Verdict on_time(Timestamp now, std::uint64_t number = 0) noexcept;
  // No packet follows: everything under way is finished and told.
  void end_of_input() noexcept;
  // Packets went by unseen (a bypass): everything under way is finished and told; connections are taken up as after
  // a start.
  void begin_anew(Timestamp now) noexcept;
  // A failure outside: the worker or its port cannot keep up (FailureCause::Overload, QueueFull). Counted;
  // answers what is to be done.
  FailureAction failure(FailureCause cause) noexcept;
  // Transactions that begin from now on use `rules` (or `sites`); running ones keep theirs.
  void use(std::shared_ptr<const rules::RuleSet> rules);
  void use(std::shared_ptr<const Sites> sites) noexcept;

  // How transactions that begin from now on are judged is told to the tracing's sink. Slow.
  void trace(const Tracing& tracing) noexcept;
  // Where the time of transactions that begin from now on goes is counted in `profile`, which must outlive them
  // and be of the rules in use (null: nowhere).
  void profile(rules::Profile* profile) noexcept;
  // Finished transactions are shown to `sink`, which must outlive the inspector (null: to nobody).
  void show_transactions(TransactionSink* sink) noexcept;

  [[nodiscard]] const InspectorCounters& counters() const;
  [[nodiscard]] const flow::FlowCounters& flow_counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir::inspect
