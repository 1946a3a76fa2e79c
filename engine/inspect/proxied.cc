// Session: what the two ends say, on its way to the HTTP parser; and what a proxy may have put in front of it. The
// packets of such a header go on like all others: the server wants it too.
#include <utility>

#include "engine/inspect/policy.h"
#include "engine/inspect/session.h"

namespace weir::inspect {

bool Session::over(http::Side side) const {
  if (opaque_) return true;
  switch (connection_->state(side)) {
    case http::SideState::Tunnel:
    case http::SideState::Opaque:
    case http::SideState::Refused:
    case http::SideState::Ended: return true;
    default: return false;
  }
}

void Session::begin_front(bool midstream) {
  const ClientAddressOptions& options = context_.options.client;
  client_ = {origin_.client, 0, {}};
  opaque_ = false;
  before_ = 0;
  end_front();
  if (options.proxy_protocol == ProxyProtocol::Off || midstream) return;
  front_trusted_ = trusted(options, origin_.client);
  if (context_.spare_fronts.empty()) {
    front_ = std::make_unique<http::ProxyReader>();
  } else {
    front_ = std::move(context_.spare_fronts.back());
    context_.spare_fronts.pop_back();
  }
  front_->begin();
}

void Session::end_front() {
  if (front_) context_.spare_fronts.push_back(std::move(front_));
}

void Session::rest() {
  end_front();
  connection_.reset();
  account();
}

http::Progress Session::on_bytes(http::Side side, std::string_view bytes) {
  if (opaque_) return {};
  const http::Progress progress = side == http::Side::Request && front_ ? front(bytes) : connection_->on_bytes(side, bytes);
  tell_let_by();
  return progress;
}

http::Progress Session::on_gap(http::Side side, std::uint64_t length) {
  if (opaque_) return {};
  if (side == http::Side::Request) end_front();  // what is missing may be of it
  return connection_->on_gap(side, length);
}

http::Progress Session::on_end(http::Side side, http::StreamEnd how) {
  if (opaque_) return {};
  if (side == http::Side::Request && front_) {
    // What might have become a header, and did not, was for the server's HTTP.
    if (!front_->committed() && !front_->held().empty()) {
      before_ -= front_->held().size();
      connection_->on_bytes(side, front_->held());
    }
    end_front();
  }
  const http::Progress progress = connection_->on_end(side, how);
  tell_let_by();
  return progress;
}

http::Progress Session::front(std::string_view bytes) {
  std::size_t used = 0;
  const http::ProxyState state = front_->feed(bytes, used);
  before_ += used;
  switch (state) {
    case http::ProxyState::More: return {};
    case http::ProxyState::Bad: return front_refused();
    case http::ProxyState::None: {
      if (front_trusted_ && context_.options.client.proxy_protocol == ProxyProtocol::Require) return front_refused();
      before_ -= front_->held().size();
      if (!front_->held().empty()) connection_->on_bytes(http::Side::Request, front_->held());
      end_front();
      return connection_->on_bytes(http::Side::Request, bytes);
    }
    case http::ProxyState::Done: break;
  }
  if (!front_trusted_) return front_refused();
  if (const http::ProxyHeader& header = front_->header(); header.told) {
    client_ = {header.client.mapped_v4().value_or(header.client), header.client_port, kProxyProtocol};
  }
  end_front();
  const std::string_view rest = bytes.substr(used);
  return rest.empty() ? http::Progress{} : connection_->on_bytes(http::Side::Request, rest);
}

// Whether the server would take what follows for HTTP nobody knows: nothing of it is read.
http::Progress Session::front_refused() {
  end_front();
  opaque_ = true;
  if (!inline_stance()) {
    fired(context_, FailureCause::ProxyProtocol, FailureAction::Pass, flow_);
  } else if (fire(context_, FailureCause::ProxyProtocol, flow_, {may_block(), Rest::Unread}) != FailureAction::Pass) {
    Decision decision;
    decision.kind = DecisionKind::Drop;
    refuse(nullptr, 0, DropReason::Policy, name(FailureCause::ProxyProtocol), decision);
    refusal_.http = false;
  }
  return {};
}

}  // namespace weir::inspect
