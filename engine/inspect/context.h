// Context: what all sessions of one Inspector share. The time and the packet are those of the call that
// is being answered.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/event.h"
#include "engine/http/content.h"
#include "engine/http/options.h"
#include "engine/inspect/exchange.h"
#include "engine/inspect/options.h"
#include "engine/inspect/record.h"
#include "rules/ruleset.h"

namespace weir::inspect {

struct Context {
  Context(const InspectorOptions& chosen, EventSink& to, std::shared_ptr<const rules::RuleSet> set,
          rules::CollectionStore* store)
      : options(chosen),
        parser(chosen.stance == Stance::Inline ? http::ParserOptions::inline_strict()
                                               : http::ParserOptions::passive()),
        sink(to),
        rules(std::move(set)),
        pool(options.transactions, store) {}

  InspectorOptions options;
  http::ParserOptions parser;
  http::DecoderPool decoders;
  EventSink& sink;
  std::shared_ptr<const rules::RuleSet> rules;  // for transactions that begin now
  ExchangePool pool;
  RecordBuilder records;
  InspectorCounters counters;
  Timestamp now;
  std::uint64_t packet_number = 0;
};

}  // namespace weir::inspect
