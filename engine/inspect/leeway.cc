// Session: what becomes of HTTP that is refused by default. Only mode block refuses; in the others it goes on, and an event
// says what is done with the rest of the connection.
#include <optional>

#include "engine/inspect/policy.h"
#include "engine/inspect/session.h"
#include "engine/inspect/sites.h"

namespace weir::inspect {
namespace {

// Somebody may take it for the end of a line, and so find the end of a header section where Weir does not.
bool may_end_lines(http::Violation violation) {
  return violation == http::Violation::BareCr || violation == http::Violation::HeaderControlChar ||
         violation == http::Violation::TargetControlChar;
}

}  // namespace

bool Session::may_block() { return context_.sites->may_block(origin_.server, origin_.server_port, reach()); }

// Null: it is told by the header section, which is not complete, or will never come.
const SitePolicy* Session::known_policy(const Exchange* exchange) {
  if (exchange != nullptr && exchange->policy != nullptr) return exchange->policy;
  const Sites::Reach& reach = this->reach();
  return reach.settled ? &context_.sites->settled(reach) : nullptr;
}

// Whether the end of the header section will tell in time, wherever a server sees it.
bool Session::may_wait(const Exchange& exchange, http::Side side, http::Violation violation) {
  if (side == http::Side::Response) return exchange.waiting;
  if (connection_->state(http::Side::Request) != http::SideState::InHeaders) return false;
  return !may_end_lines(violation) ||
         context_.sites->tolerates(origin_.server, origin_.server_port, reach(), violation);
}

void Session::on_violation(http::ExchangeId id, http::Side side, http::Violation violation) {
  if (means_no_http(violation)) unplaced_.insert(violation);
  Exchange* exchange = find_or_start(id);
  if (exchange != nullptr) exchange->add(violation);
  if (!inline_stance()) return;
  Leeway leeway = Leeway::Tolerated;
  if (parser_->refuses(side, violation)) {
    leeway = Leeway::Refused;
  } else if (context_.strict.refuses(side, violation)) {
    if (const SitePolicy* policy = known_policy(exchange); policy != nullptr) {
      leeway = policy->leeway(violation);
    } else if (exchange != nullptr && may_wait(*exchange, side, violation)) {
      exchange->undecided[static_cast<std::size_t>(side)].insert(violation);
      return;
    } else {
      leeway = context_.sites->strictest(origin_.server, origin_.server_port, reach(), violation);
    }
  }
  violated(exchange, id, side, violation, leeway);
}

void Session::decide_violations(Exchange& exchange) {
  for (const http::Side side : {http::Side::Request, http::Side::Response}) {
    http::ViolationSet& undecided = exchange.undecided[static_cast<std::size_t>(side)];
    if (undecided.empty()) continue;
    const http::ViolationSet those = undecided;
    undecided.clear();
    those.for_each([&](http::Violation violation) {
      violated(&exchange, exchange.id, side, violation, exchange.policy->leeway(violation));
    });
  }
}

void Session::violated(Exchange* exchange, http::ExchangeId id, http::Side side, http::Violation violation, Leeway leeway) {
  const std::optional<FailureCause> cause = cause_of(violation);
  const std::uint16_t status = side == http::Side::Request ? 400 : 502;
  if (leeway != Leeway::Tolerated && exchange != nullptr && exchange->refused == 0) exchange->refused = status;
  if (leeway != Leeway::Refused) {
    if (cause) let_by(*cause, leeway);
    return;
  }
  if (cause) fired(context_, *cause, FailureAction::Reset, flow_);
  Decision answer;
  answer.kind = DecisionKind::Deny;
  answer.status = status;
  refuse(exchange, id, DropReason::HttpViolation, http::name(violation), answer);
  if (means_no_http(violation)) refusal_.http = false;
}

void Session::let_by(FailureCause cause, Leeway leeway) {
  count(context_, cause, FailureAction::Pass);
  const auto bit = std::uint32_t{1} << static_cast<unsigned>(cause);
  let_by_ |= bit;
  if (leeway == Leeway::Detected) detected_ |= bit;
}

// When the bytes that had it are read: then it is known how the reading goes on.
void Session::tell_let_by() {
  if (let_by_ == 0) return;
  Rest rest = Rest::Read;
  for (const http::Side side : {http::Side::Request, http::Side::Response}) {
    switch (connection_->state(side)) {
      case http::SideState::Lost: rest = std::max(rest, Rest::Searched); break;
      case http::SideState::Tunnel:
      case http::SideState::Opaque: rest = Rest::Unread; break;
      default: break;
    }
  }
  for (std::size_t i = 0; i < kFailureCauses; ++i) {
    const auto bit = std::uint32_t{1} << i;
    if ((let_by_ & bit) == 0) continue;
    tell(context_, static_cast<FailureCause>(i), FailureAction::Pass, flow_, {(detected_ & bit) == 0, rest});
  }
  let_by_ = detected_ = 0;
}

}  // namespace weir::inspect
