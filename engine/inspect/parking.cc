// Session: between requests it is put aside as a ParkedSession, and another connection's bytes may have it meanwhile.
#include <utility>

#include "engine/inspect/parked.h"
#include "engine/inspect/session.h"

namespace weir::inspect {

SessionFacts Session::facts() const {
  SessionFacts out;
  out.spoke_http = spoke_http_;
  out.tls = unplaced_.contains(http::Violation::TlsHello);
  out.http2 = unplaced_.contains(http::Violation::Http2Preface);
  out.alerted = alerted_;
  out.blocked = refusal_.reason != DropReason::None;
  out.transactions = transactions_;
  return out;
}

SessionFacts facts_of(const ParkedSession& parked) {
  SessionFacts out;
  out.spoke_http = parked.spoke_http;
  out.tls = parked.tls;
  out.http2 = parked.http2;
  out.alerted = parked.alerted;
  out.transactions = parked.transactions;
  return out;
}

std::uint32_t Session::park() {
  if (!exchanges_.empty() || front_ || refusal_.reason != DropReason::None) return base::kNone;
  if (transactions_ > UINT32_MAX || before_ > UINT32_MAX) return base::kNone;
  ParkedSession out;
  out.over = over(http::Side::Request) && over(http::Side::Response);
  if (!out.over) {
    const std::optional<http::IdleConnection> idle = connection_->idle();
    if (!idle) return base::kNone;
    out.http = *idle;
  }
  out.before = static_cast<std::uint32_t>(before_);
  out.transactions = static_cast<std::uint32_t>(transactions_);
  out.spoke_http = spoke_http_;
  out.alerted = alerted_;
  out.tunnel = tunnel_;
  out.tls = unplaced_.contains(http::Violation::TlsHello);
  out.http2 = unplaced_.contains(http::Violation::Http2Preface);
  out.not_http = unplaced_.contains(http::Violation::NotHttp);
  ParkedSessions& all = context_.parked;
  if (!client_.source.empty()) {
    out.client = all.clients.allocate();
    if (out.client == base::kNone) return base::kNone;
    all.clients[out.client] = {client_.address, client_.port};
  }
  const std::uint32_t index = all.sessions.allocate();
  if (index == base::kNone) {
    if (out.client != base::kNone) all.clients.release(out.client);
    return base::kNone;
  }
  all.sessions[index] = out;
  if (out.over || out.http.requests_ended || out.http.responses_ended || lines_ != 0) rest();
  return index;
}

void Session::wake(const ParkedSession& parked, const SessionOrigin& origin, flow::Flow* flow) {
  if (parked.untouched) {
    open(origin, parked.midstream, flow);
    if (parked.http.requests_ended) (void)on_end(http::Side::Request, http::StreamEnd::Clean);
    if (parked.http.responses_ended) (void)on_end(http::Side::Response, http::StreamEnd::Clean);
    return;
  }
  flow_ = flow;
  origin_ = origin;
  use_parser();
  connection_->resume(parked.http);
  client_ = {origin.client, 0, {}};
  if (parked.client != base::kNone) {
    const ProxiedClient& told = context_.parked.clients[parked.client];
    client_ = {told.address, told.port, kProxyProtocol};
  }
  opaque_ = false;
  before_ = parked.before;
  generation_ = context_.generation;
  reach_ = context_.sites->reach(origin.server, origin.server_port);
  next_ = parked.http.next_id;
  unplaced_.clear();
  if (parked.tls) unplaced_.insert(http::Violation::TlsHello);
  if (parked.http2) unplaced_.insert(http::Violation::Http2Preface);
  if (parked.not_http) unplaced_.insert(http::Violation::NotHttp);
  forget_refusal();
  transactions_ = parked.transactions;
  alerted_ = parked.alerted;
  spoke_http_ = parked.spoke_http;
  tunnel_ = parked.tunnel;
  let_by_ = detected_ = 0;
}

}  // namespace weir::inspect
