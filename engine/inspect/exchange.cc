#include "engine/inspect/exchange.h"

#include "engine/inspect/sites.h"

namespace weir::inspect {

void Exchange::start(Session* owner, http::ExchangeId number) {
  id = number;
  session = owner;
  request = {};
  response = {};
  judged = body_judged = response_judged = late_trailer = refused = stopped = truncated = waiting = false;
  head.clear();
  policy = nullptr;
  for (http::ViolationSet& set : undecided) set.clear();
  client = {};
  time = {};
  last_packet = 0;
  status = 0;
  for (Text* text : {&method, &url, &protocol, &hostname, &user_agent, &content_type}) text->clear();
  early.clear();
  violation_set.clear();
  violations.clear();
}

void Exchange::add(http::Violation violation) {
  if (violation_set.contains(violation)) return;
  violation_set.insert(violation);
  violations.push_back(violation);
}

ExchangePool::ExchangePool(std::size_t limit, rules::CollectionStore* store)
    : limit_(limit == 0 ? 1 : limit), store_(store) {}

ExchangePool::~ExchangePool() = default;

Exchange* ExchangePool::take() {
  if (in_use_ >= limit_) return nullptr;
  if (free_.empty()) {
    all_.push_back(std::make_unique<Exchange>(scratch_, store_));
    free_.reserve(all_.size());
    free_.push_back(all_.back().get());
  }
  Exchange* exchange = free_.back();
  free_.pop_back();
  ++in_use_;
  link_newest(exchange);
  return exchange;
}

void ExchangePool::give_back(Exchange* exchange) {
  unlink(exchange);
  exchange->session = nullptr;
  exchange->policy = nullptr;
  exchange->sites.reset();
  free_.push_back(exchange);
  --in_use_;
}

void ExchangePool::touch(Exchange* exchange) {
  if (exchange == newest_) return;
  unlink(exchange);
  link_newest(exchange);
}

void ExchangePool::unlink(Exchange* exchange) {
  (exchange->older != nullptr ? exchange->older->newer : oldest_) = exchange->newer;
  (exchange->newer != nullptr ? exchange->newer->older : newest_) = exchange->older;
  exchange->older = exchange->newer = nullptr;
}

void ExchangePool::link_newest(Exchange* exchange) {
  exchange->older = newest_;
  exchange->newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = exchange;
  newest_ = exchange;
}

}  // namespace weir::inspect
