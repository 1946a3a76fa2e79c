// Context: what all sessions of one Inspector share. The time and the packet are those of the call that
// is being answered.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/event.h"
#include "engine/flow/tracker.h"
#include "engine/http/content.h"
#include "engine/http/options.h"
#include "engine/http/proxy_protocol.h"
#include "engine/inspect/exchange.h"
#include "engine/inspect/options.h"
#include "engine/inspect/parked.h"
#include "engine/inspect/record.h"
#include "engine/inspect/room.h"
#include "engine/inspect/sites.h"
#include "engine/inspect/transaction_sink.h"
#include "rules/explain.h"
#include "rules/ruleset.h"

namespace weir::inspect {

// Which transactions tell how they are judged (weir explain), and whom.
struct Tracing {
  rules::TraceSink* sink = nullptr;  // null: none
  bool all = true;                   // else only this one:
  std::uint64_t flow_id = 0;         // EventOrigin::flow_id
  std::uint64_t tx_id = 0;           // HttpPart::tx_id

  [[nodiscard]] rules::TraceSink* sink_for(std::uint64_t flow, std::uint64_t tx) const {
    return all || (flow == flow_id && tx == tx_id) ? sink : nullptr;
  }
};

// engine/inspect/policy.h
[[nodiscard]] http::ParserOptions parser_options(const InspectorOptions& options);

// Below 2^53, so that readers of JSON that know only doubles keep it exact; 0 means "none".
[[nodiscard]] constexpr std::uint64_t exact_id(std::uint64_t id) {
  const std::uint64_t cut = id & ((1ULL << 53U) - 1);
  return cut == 0 ? 1 : cut;
}

struct Context {
  Context(const InspectorOptions& chosen, EventSink& to, std::shared_ptr<const Sites> judges,
          rules::CollectionStore* store)
      : options(chosen),
        strict(parser_options(chosen)),
        decoders(chosen.decoder_bytes),
        sink(to),
        pool(options.transactions, store),
        parked(options.flow_limits.flows, options.client.proxy_protocol != ProxyProtocol::Off) {
    use(std::move(judges));
  }
  // For what begins now (engine/inspect/judging.cc).
  void use(std::shared_ptr<const Sites> judges);

  InspectorOptions options;
  http::ParserOptions strict;               // what is refused where no site tolerates it
  std::deque<http::ParserOptions> parsers;  // the last is for what begins or goes on after a rest
  http::DecoderPool decoders;
  EventSink& sink;
  std::shared_ptr<const Sites> sites;  // for transactions that begin now
  std::uint32_t generation = 0;        // of `sites`
  RequestPlace place;
  std::vector<std::string_view> forwarded;  // values of the field that says for whom a request is
  // Of connections whose first bytes may be a PROXY protocol header.
  std::vector<std::unique_ptr<http::ProxyReader>> spare_fronts;
  ExchangePool pool;
  ParkedSessions parked;
  flow::Tracker* tracker = nullptr;
  WaitingLines waiting;
  RecordBuilder records;
  InspectorCounters counters;
  Tracing tracing;
  rules::Profile* profile = nullptr;
  TransactionSink* transactions = nullptr;  // null: nobody wants them
  std::array<Timestamp, kFailureCauses> failure_told{};  // of those that belong to no flow
  Timestamp now;
  std::uint64_t packet_number = 0;
  http::Side feeding = http::Side::Request;  // whose bytes (or end) are being judged
  bool at_end = false;                       // … and whether it is the end
};

}  // namespace weir::inspect
