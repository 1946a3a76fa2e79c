#include "engine/inspect/direct.h"

#include <utility>

namespace weir::inspect {

DirectConnection::DirectConnection(const InspectorOptions& options, EventSink& sink,
                                   std::shared_ptr<const rules::RuleSet> rules,
                                   rules::CollectionStore* store)
    : context_(options, sink, without_sites(options, std::move(rules)), store), session_(context_) {}

void DirectConnection::open(Timestamp now, const SessionOrigin& origin) {
  context_.now = now;
  session_.open(origin, false);
  open_ = true;
}

bool DirectConnection::after(http::Side side, const http::Progress& progress) {
  if (context_.options.stance != Stance::Inline) return true;
  if (progress.body_ended && side == http::Side::Request) session_.body_ended();
  if (session_.refusal().reason == DropReason::None) return true;
  session_.close();
  return false;
}

bool DirectConnection::send(http::Side side, std::string_view bytes) {
  if (!open_ || session_.refusal().reason != DropReason::None) return false;
  context_.feeding = side;
  return after(side, session_.on_bytes(side, bytes));
}

bool DirectConnection::end(http::Side side) {
  if (!open_ || session_.refusal().reason != DropReason::None) return false;
  context_.feeding = side;
  return after(side, session_.on_end(side, http::StreamEnd::Clean));
}

void DirectConnection::close() {
  if (!open_) return;
  session_.close();
  session_.rest();
  open_ = false;
}

}  // namespace weir::inspect
