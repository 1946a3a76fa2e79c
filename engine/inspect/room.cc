#include "engine/inspect/room.h"

#include "engine/inspect/context.h"
#include "engine/inspect/policy.h"
#include "engine/inspect/session.h"

namespace weir::inspect {

void WaitingLines::touch(Session& session) {
  if (newest_ == &session) return;
  remove(session);
  session.older_ = newest_;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = &session;
  newest_ = &session;
  session.waits_ = true;
}

void WaitingLines::remove(Session& session) {
  if (!session.waits_) return;
  (session.older_ != nullptr ? session.older_->newer_ : oldest_) = session.newer_;
  (session.newer_ != nullptr ? session.newer_->older_ : newest_) = session.older_;
  session.older_ = session.newer_ = nullptr;
  session.waits_ = false;
}

void make_room(Context& context) {
  std::uint64_t& held = context.counters.held;
  while ((held = context.pool.memory() + context.waiting.bytes) > context.options.transaction_bytes) {
    if (context.pool.drop_free()) continue;
    Exchange* exchange = context.pool.idlest();
    Session* waiting = context.waiting.oldest();
    if (exchange != nullptr && (waiting == nullptr || exchange->last_packet <= waiting->last_packet())) {
      exchange->session->evict(exchange, FailureCause::TransactionMemory);
    } else if (waiting != nullptr) {
      waiting->give_up_lines();
    } else {
      return;
    }
  }
}

void Session::account() {
  for (Exchange* exchange : exchanges_) {
    if (exchange->last_packet == context_.packet_number) context_.pool.account(*exchange);
  }
  const std::size_t lines = connection_ ? connection_->buffered() : 0;
  WaitingLines& waiting = context_.waiting;
  waiting.bytes += lines - lines_;
  lines_ = lines;
  if (lines_ == 0 || !exchanges_.empty()) {
    waiting.remove(*this);
    return;
  }
  last_packet_ = context_.packet_number;
  waiting.touch(*this);
}

void Session::give_up_lines() {
  ++context_.counters.evicted;
  if (!inline_stance()) {
    connection_->start_midstream();
  } else if (fire(context_, FailureCause::TransactionMemory, flow_, {may_block(), Rest::Unread}) == FailureAction::Pass) {
    connection_->give_up();
    opaque_ = true;
  } else {
    Decision decision;
    decision.kind = DecisionKind::Drop;
    refuse(nullptr, 0, DropReason::Policy, name(FailureCause::TransactionMemory), decision);
    refuse_flow();
    connection_->give_up();
  }
  account();
}

}  // namespace weir::inspect
