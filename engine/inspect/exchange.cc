#include "engine/inspect/exchange.h"

#include "engine/inspect/sites.h"

namespace weir::inspect {

void Exchange::start(Session* owner, http::ExchangeId number) {
  id = number;
  session = owner;
  request = {};
  response = {};
  judged = body_judged = response_judged = late_trailer = stopped = truncated = waiting = false;
  head.clear();
  policy = nullptr;
  for (http::ViolationSet& set : undecided) set.clear();
  client = {};
  time = {};
  last_packet = 0;
  status = refused = 0;
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

std::size_t Exchange::memory() const {
  std::size_t out = sizeof *this + tx.memory() + head.memory() + early.words.memory() + early.body.capacity() +
                    violations.capacity() * sizeof(http::Violation);
  for (const Text* text : {&method, &url, &protocol, &hostname, &user_agent, &content_type}) out += text->value.capacity();
  return out;
}

std::size_t Exchange::growth() const {
  return 1 + tx.growth() + head.memory() + early.words.memory() + early.body.capacity() + url.value.capacity();
}

ExchangePool::ExchangePool(std::size_t limit, rules::CollectionStore* store)
    : limit_(limit == 0 ? 1 : limit), store_(store) {}

ExchangePool::~ExchangePool() {
  for (Exchange* exchange = oldest_; exchange != nullptr;) {
    const std::unique_ptr<Exchange> own(exchange);
    exchange = exchange->newer;
  }
}

Exchange* ExchangePool::take() {
  if (in_use_ >= limit_) return nullptr;
  std::unique_ptr<Exchange> own;
  if (free_.empty()) {
    own = std::make_unique<Exchange>(scratch_, store_);
  } else {
    own = std::move(free_.back());
    free_.pop_back();
  }
  ++in_use_;
  Exchange* exchange = own.release();  // in the list of those in use
  link_newest(exchange);
  return exchange;
}

void ExchangePool::give_back(Exchange* exchange) {
  unlink(exchange);
  --in_use_;
  std::unique_ptr<Exchange> own(exchange);
  own->session = nullptr;
  own->policy = nullptr;
  own->sites.reset();
  account(*own);
  if (own->held > kKept) {
    memory_ -= own->held;
    return;
  }
  free_.push_back(std::move(own));
}

void ExchangePool::account(Exchange& exchange) {
  const std::size_t grown = exchange.growth();
  if (grown == exchange.grown) return;
  exchange.grown = grown;
  const std::size_t now = exchange.memory();
  memory_ += now - exchange.held;
  exchange.held = now;
}

bool ExchangePool::drop_free() {
  if (free_.empty()) return false;
  memory_ -= free_.back()->held;
  free_.pop_back();
  return true;
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
