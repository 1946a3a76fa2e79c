#include "engine/inspect/session.h"

#include <algorithm>
#include <optional>

#include "engine/flow/flow.h"
#include "engine/inspect/policy.h"

namespace weir::inspect {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + ('a' - 'A')) : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

bool only_no_http(const std::vector<http::Violation>& violations) {
  return std::all_of(violations.begin(), violations.end(), means_no_http);
}

}  // namespace

void Session::open(const SessionOrigin& origin, bool midstream, flow::Flow* flow) {
  flow_ = flow;
  connection_.reset();
  use_parser();
  if (midstream) connection_->start_midstream();
  origin_ = origin;
  begin_front(midstream);
  generation_ = context_.generation;
  reach_ = context_.sites->reach(origin.server, origin.server_port);
  exchanges_.clear();
  next_ = 0;
  unplaced_.clear();
  forget_refusal();
  transactions_ = 0;
  alerted_ = spoke_http_ = tunnel_ = false;
  let_by_ = detected_ = 0;
}

void Session::use_parser() {
  const http::ParserOptions* options = &context_.parsers.back();
  if (!connection_ || options != parser_) connection_.emplace(*this, *options, &context_.decoders);
  parser_ = options;
}

void Session::forget_refusal() {
  if (refusal_.reason == DropReason::None) return;
  refusal_ = {};
  location_.clear();
  refused_again_ = earlier_answered_ = untold_ = false;
}

void Session::close() {
  while (!exchanges_.empty()) finish(*exchanges_.front());
  tell_let_by();
}

void Session::evict(Exchange* exchange, FailureCause cause) {
  std::optional<flow::Holding> holding;  // it is another one's packet that makes it go
  if (flow_ != nullptr) holding.emplace(context_.options.in_hand, flow_->key);
  exchange->truncated = true;
  ++context_.counters.evicted;
  // What is left of an unfinished request would go on unjudged; to nobody's harm where the judgement refuses nothing.
  if (inline_stance() && exchange->judged && !exchange->body_judged && refusal_.reason == DropReason::None) {
    const SitePolicy* policy = known_policy(exchange);
    const bool blocks = policy == nullptr ? may_block() : policy->mode == WafMode::Block;
    if (fire(context_, cause, flow_, {blocks, Rest::Unsaid}) != FailureAction::Pass) give_up(*exchange, cause);
  }
  finish(*exchange);
  refuse_flow();
  if (flow_ != nullptr && !busy()) context_.tracker->calm_flow(*flow_);
}

void Session::give_up(const Exchange& exchange, FailureCause cause) {
  Decision decision;
  decision.kind = DecisionKind::Drop;
  refuse(&exchange, exchange.id, DropReason::Policy, name(cause), decision);
}

// Its packet is not at hand: the next one of the flow finds it refused.
void Session::refuse_flow() {
  if (flow_ == nullptr || refusal_.reason == DropReason::None || flow_->refused) return;
  flow_->refused = untold_ = true;
}

Exchange* Session::find(http::ExchangeId id) {
  for (Exchange* exchange : exchanges_) {
    if (exchange->id == id) {
      context_.pool.touch(exchange);
      exchange->last_packet = context_.packet_number;
      return exchange;
    }
  }
  return nullptr;
}

Exchange* Session::find_or_start(http::ExchangeId id) {
  if (Exchange* known = find(id); known != nullptr) return known;
  if (id < next_) return nullptr;  // it is over: given up, or evicted
  if (exchanges_.size() >= context_.options.transactions_per_flow) evict(exchanges_.front());
  Exchange* exchange = context_.pool.take();
  if (exchange == nullptr) {
    Exchange* idle = context_.pool.idlest();
    idle->session->evict(idle);
    exchange = context_.pool.take();
  }
  next_ = id + 1;
  exchange->start(this, id);
  exchange->client = client_;
  exchange->time = context_.now;
  exchange->last_packet = context_.packet_number;
  exchanges_.push_back(exchange);
  return exchange;
}

// --- the request ---

void Session::on_request_line(http::ExchangeId id, const http::RequestLine& line) {
  spoke_http_ = true;
  Exchange* exchange = find_or_start(id);
  if (exchange == nullptr) return;
  exchange->time = context_.now;
  exchange->request.begun = true;
  exchange->method.set(line.method);
  exchange->url.set(line.target);
  exchange->protocol.set(line.version);
  exchange->judged = exchange->waiting = true;
  if (!must_wait()) begin_judging(*exchange);
}

void Session::on_header(http::ExchangeId id, http::Side side, std::string_view name,
                        std::string_view value) {
  Exchange* exchange = find(id);
  if (exchange == nullptr) return;
  if (side == http::Side::Request) {
    if (name.size() == 4 && !exchange->hostname.present && equals_ignoring_case(name, "host")) {
      exchange->hostname.set(value);
    } else if (name.size() == 10 && !exchange->user_agent.present && equals_ignoring_case(name, "user-agent")) {
      exchange->user_agent.set(value);
    }
    if (exchange->waiting) {
      exchange->head.add(name);
      exchange->head.add(value);
    } else if (judging(*exchange)) {
      exchange->tx.request_header(name, value);
    }
    return;
  }
  if (name.size() == 12 && !exchange->content_type.present && equals_ignoring_case(name, "content-type")) {
    exchange->content_type.set(value);
  }
  if (!judging(*exchange)) return;
  if (in_order(*exchange)) {
    exchange->tx.response_header(name, value);
  } else {
    exchange->early.words.add(name);
    exchange->early.words.add(value);
  }
}

void Session::on_headers_done(http::ExchangeId id, http::Side side) {
  Exchange* exchange = find(id);
  if (exchange == nullptr) return;
  if (side == http::Side::Response) {
    response_headers_done(*exchange);
    return;
  }
  exchange->request.headers_done = true;
  if (exchange->waiting) begin_judging(*exchange);
  decide_violations(*exchange);
  if (judging(*exchange)) decided(*exchange, exchange->tx.request_headers_done(context_.now));
}

void Session::on_body(http::ExchangeId id, http::Side side, std::string_view bytes) {
  Exchange* exchange = find(id);
  if (exchange == nullptr || !judging(*exchange)) return;
  if (side == http::Side::Response) {
    response_body(*exchange, bytes);
  } else if (exchange->tx.wants_request_body()) {
    decided(*exchange, exchange->tx.request_body(bytes));
  }
}

void Session::on_trailer(http::ExchangeId id, http::Side side, std::string_view name,
                         std::string_view value) {
  Exchange* exchange = find(id);
  if (exchange == nullptr || !judging(*exchange)) return;
  // For the rules a trailer field is a header field that comes late: phase 2 (or 4) sees it.
  if (side == http::Side::Request) {
    exchange->tx.request_header(name, value);
    exchange->late_trailer = exchange->body_judged;
  } else if (in_order(*exchange)) {
    exchange->tx.response_header(name, value);
  }
}

void Session::body_ended() {
  for (Exchange* exchange : exchanges_) {
    if (exchange->request.begun && !exchange->request.done) request_body_done(*exchange, true);
  }
}

void Session::request_body_done(Exchange& exchange, bool trailers_may_follow) {
  if (exchange.waiting) {  // its header section never ended
    begin_judging(exchange);
    decide_violations(exchange);
  }
  if (!judging(exchange) || exchange.body_judged) return;
  exchange.body_judged = true;
  const http::MessageLengths& lengths = exchange.request.lengths;
  const bool cut = lengths.body_missing > 0 || exchange.request.end == http::MessageEnd::Incomplete;
  if (!exchange.request.headers_done) {
    // The header section never ended: phase 1 judges what there is of it.
    exchange.request.headers_done = true;
    decided(exchange, exchange.tx.request_headers_done(context_.now));
    if (!judging(exchange)) return;
  }
  decided(exchange, exchange.tx.request_body_done(context_.now, cut, trailers_may_follow));
  if (!inline_stance() || !judging(exchange) || !exchange.tx.variable("TX", "MSC_PCRE_LIMITS_EXCEEDED")) return;
  const bool blocks = exchange.tx.mode() == rules::EngineMode::On;
  if (fire(context_, FailureCause::RuleLimit, flow_, {blocks, Rest::Unsaid}) == FailureAction::Pass) return;
  exchange.stopped = true;
  give_up(exchange, FailureCause::RuleLimit);
}

// --- the response ---

void Session::on_status_line(http::ExchangeId id, const http::StatusLine& line) {
  spoke_http_ = true;
  Exchange* exchange = find_or_start(id);
  if (exchange == nullptr) return;
  exchange->response.begun = true;
  exchange->status = line.status;
  if (!exchange->request.begun) {
    // Without its request a response cannot be judged: the rules' set-up is in phase 1.
    exchange->truncated = true;
    exchange->protocol.set(line.version);
    return;
  }
  if (!judging(*exchange)) return;
  if (in_order(*exchange)) {
    response_line(*exchange, line);
  } else {
    exchange->early.status_line = true;
    exchange->early.words.add(line.version);
    exchange->early.words.add(line.reason);
  }
}

void Session::response_line(Exchange& exchange, const http::StatusLine& line) {
  exchange.tx.response_line(line.version, line.status, line.reason);
}

void Session::response_headers_done(Exchange& exchange) {
  if (!judging(exchange)) return;
  if (!in_order(exchange)) {
    exchange.early.headers_done = true;
    return;
  }
  exchange.response.headers_done = true;
  decided(exchange, exchange.tx.response_headers_done(context_.now));
}

void Session::response_body(Exchange& exchange, std::string_view bytes) {
  if (!in_order(exchange)) {
    std::string& kept = exchange.early.body;
    const std::size_t room = context_.options.early_response_bytes - kept.size();
    if (bytes.size() > room) exchange.early.overflow = true;
    kept.append(bytes.substr(0, room));
    return;
  }
  if (exchange.tx.wants_response_body()) decided(exchange, exchange.tx.response_body(bytes));
}

void Session::replay_early(Exchange& exchange) {
  EarlyResponse& early = exchange.early;
  if (!early.status_line || !judging(exchange)) return;
  Words::Reader words(early.words);
  http::StatusLine line;
  line.version = words.next();
  line.reason = words.next();
  line.status = exchange.status;
  response_line(exchange, line);
  while (words.left() > 1) {
    const std::string_view name = words.next();
    exchange.tx.response_header(name, words.next());
  }
  if (early.headers_done) response_headers_done(exchange);
  if (!early.body.empty() && judging(exchange)) response_body(exchange, early.body);
  if (early.overflow && judging(exchange) && exchange.tx.wants_response_body()) exchange.truncated = true;
  early.clear();
}

void Session::response_done(Exchange& exchange) {
  const http::MessageLengths& lengths = exchange.response.lengths;
  const bool cut = lengths.body_missing > 0 || exchange.response.end == http::MessageEnd::Incomplete;
  judge_response_body(exchange, cut || exchange.early.overflow);
}

void Session::judge_response_body(Exchange& exchange, bool cut) {
  if (!judging(exchange) || !exchange.response.headers_done || exchange.response_judged) return;
  exchange.response_judged = true;
  decided(exchange, exchange.tx.response_body_done(context_.now, cut));
}

// --- ends ---

void Session::on_message_done(http::ExchangeId id, http::Side side, http::MessageEnd end,
                              const http::MessageLengths& lengths) {
  // A response that ended with the connection leaves no room for another one.
  if (side == http::Side::Response && refusal_.response == ResponseState::Owed &&
      id + 1 >= refusal_.exchange && end == http::MessageEnd::Complete && !context_.at_end) {
    earlier_answered_ = true;
  }
  Exchange* exchange = find(id);
  if (exchange == nullptr) return;
  Exchange::Message& message =
      side == http::Side::Request ? exchange->request : exchange->response;
  if (message.done) return;
  message.end = end;
  message.lengths = lengths;
  if (end == http::MessageEnd::Incomplete || lengths.body_missing > 0) exchange->truncated = true;
  if (side == http::Side::Request) {
    request_body_done(*exchange);
    if (exchange->late_trailer && judging(*exchange)) {
      decided(*exchange, exchange->tx.request_trailers_done(context_.now));
    }
    exchange->request.done = true;
    replay_early(*exchange);
    if (exchange->response.done) response_done(*exchange);
  } else {
    exchange->response.done = true;
    if (in_order(*exchange)) response_done(*exchange);
  }
  finish_if_over(*exchange);
}

void Session::on_interim(http::ExchangeId id, std::uint16_t status) { (void)id, (void)status; }

void Session::on_tunnel(http::ExchangeId id) {
  (void)id;
  tunnel_ = true;
  ++context_.counters.tunnels;
}

void Session::decided(Exchange& exchange, const Decision& decision) {
  if (!decision.disruptive() || exchange.tx.mode() != rules::EngineMode::On) return;
  exchange.stopped = true;
  if (context_.options.stance == Stance::Inline) {
    refuse(&exchange, exchange.id, DropReason::Rule, "rule", decision);
  }
}

void Session::refuse(const Exchange* exchange, http::ExchangeId id, DropReason reason,
                     std::string_view detail, const Decision& decision) {
  if (refusal_.reason != DropReason::None) {
    refused_again_ = refused_again_ || id < refusal_.exchange;
    return;
  }
  refusal_.reason = reason;
  refusal_.detail = detail;
  refusal_.rule_id = decision.rule_id;
  refusal_.decision = decision;
  refusal_.decision.redirect = {};
  location_.assign(decision.redirect);
  refusal_.exchange = id;
  refusal_.head = exchange != nullptr && exchange->method.value == "HEAD";
  refusal_.request_start = before_ + connection_->message_start(http::Side::Request);
  refusal_.response_start = connection_->message_start(http::Side::Response);
  switch (connection_->state(http::Side::Response)) {
    case http::SideState::Lost:
    case http::SideState::Tunnel:
    case http::SideState::Opaque:
    case http::SideState::Ended: refusal_.response = ResponseState::Unreadable; return;
    default: break;
  }
  if (connection_->owes_before(id)) {
    refusal_.response = ResponseState::Owed;
  } else if (context_.feeding == http::Side::Request && exchange != nullptr && exchange->response.done) {
    refusal_.response = ResponseState::Complete;
  } else if (connection_->under_way(http::Side::Response) ||
             (exchange != nullptr && exchange->response.begun)) {
    refusal_.response = ResponseState::UnderWay;
  }
}

void Session::finish_refused() {
  while (!exchanges_.empty() && exchanges_.back()->id >= refusal_.exchange) finish(*exchanges_.back());
}

void Session::finish_if_over(Exchange& exchange) {
  if (exchange.response.done && (exchange.request.done || !exchange.request.begun)) finish(exchange);
}

void Session::finish(Exchange& exchange) {
  if (exchange.judged) {
    if (!exchange.request.done) {
      exchange.request.end = http::MessageEnd::Incomplete;
      exchange.truncated = true;
      request_body_done(exchange);
      exchange.request.done = true;
      replay_early(exchange);
    }
    if (exchange.response.begun && !exchange.response.done) {
      exchange.response.end = http::MessageEnd::Incomplete;
      exchange.truncated = true;
      response_done(exchange);
    }
    exchange.tx.finish(context_.now);
  }
  // Bytes that are no HTTP make no transaction; a request too broken to be read makes one all the same.
  const bool real = exchange.request.begun || exchange.response.begun ||
                    !(exchange.violations.empty() || only_no_http(exchange.violations));
  if (real) {
    const Event& event = context_.records.build(exchange, origin_, context_.options);
    InspectorCounters& counters = context_.counters;
    ++counters.transactions;
    ++transactions_;
    if (!event.waf.rules.empty()) {
      ++counters.matched;
      alerted_ = true;
    }
    const DecisionKind kind = event.waf.decision;
    if (kind != DecisionKind::Continue && kind != DecisionKind::Allow) ++counters.refused;
    if (event.waf.truncated) ++counters.truncated;
    if (!event.waf.violations.empty()) ++counters.with_violations;
    context_.sink.write(event);
    if (context_.transactions != nullptr && exchange.judged) {
      context_.transactions->on_finished(exchange.tx, event);
    }
  }
  exchanges_.erase(std::find(exchanges_.begin(), exchanges_.end(), &exchange));
  context_.pool.give_back(&exchange);
}

}  // namespace weir::inspect
