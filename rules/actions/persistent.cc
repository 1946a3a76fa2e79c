// initcol, setsid, setuid, setrsc, expirevar, deprecatevar: variables that outlive the transaction (trap
// 39). Every change goes to the store at once, as one atomic step, so that concurrent transactions lose
// nothing.

#include <algorithm>

#include "rules/actions/actions.h"
#include "rules/evaluate.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

void set_own(OpenCollection& c, std::string_view name, std::string_view value) {
  c.vars.set(name, fold_hash(name), value);
}

// All variables, or only the one called `only`.
void load_record(TransactionState& tx, OpenCollection& c, std::string_view only = {}) {
  tx.store->load(c.store_name, c.key, tx.now, [&](std::string_view key, std::string_view value) {
    if (!only.empty() && !fold_equal(key, only)) return;
    const std::string_view name = tx.arena.copy(key);
    c.vars.set(name, fold_hash(name), tx.arena.copy(value));
    tx.work += key.size() + value.size();
  });
}

std::int64_t seconds_of(Timestamp t) { return t.ns / 1'000'000'000; }

}  // namespace

void init_collection(TransactionState& tx, const Rule& rule, std::uint32_t link, const InitCol& a) {
  const std::string_view key = a.key.expand(tx);
  if (a.collection == Written::Session) tx.session_id = key;
  if (a.collection == Written::User) tx.user_id = key;
  OpenCollection& c = tx.collections[static_cast<std::size_t>(a.collection)];
  if (c.open || tx.store == nullptr) return;  // the first initialisation counts
  c.open = true;
  c.store_name = a.store_name;
  c.key = key;
  load_record(tx, c);
  constexpr std::string_view kCreated = "CREATE_TIME";
  c.fresh = c.vars.find(kCreated) == nullptr;
  set_own(c, "KEY", key);
  set_own(c, "TIMEOUT", tx.number(tx.settings().collection_timeout.ns / 1'000'000'000));
  if (c.fresh) {
    set_own(c, "IS_NEW", "1");
    set_own(c, kCreated, tx.number(seconds_of(tx.now)));
    set_own(c, "UPDATE_COUNTER", "0");
    set_own(c, "UPDATE_RATE", "0");
  } else {
    const auto value = [&](std::string_view name) {
      const VarTable::Var* v = c.vars.find(name);
      return v == nullptr ? std::int64_t{0} : leading_integer(v->value);
    };
    set_own(c, "IS_NEW", "0");
    const std::int64_t age = seconds_of(tx.now) - value(kCreated);
    set_own(c, "UPDATE_RATE", tx.number(value("UPDATE_COUNTER") / std::max<std::int64_t>(1, age / 60)));
  }
  if (tx.trace != nullptr) {
    tx.trace->on_action(trace_step(tx, rule, link), "initcol", a.store_name, key);
  }
}

void touch_collection(TransactionState& tx, OpenCollection& c) {
  if (c.written) return;
  c.written = true;
  const std::string_view now = tx.number(seconds_of(tx.now));
  if (c.fresh) tx.store->set(c.store_name, c.key, "CREATE_TIME", now, tx.now);
  tx.store->add(c.store_name, c.key, "UPDATE_COUNTER", 1, tx.now);
  tx.store->set(c.store_name, c.key, "LAST_UPDATE_TIME", now, tx.now);
}

void timed_variable(TransactionState& tx, const Rule& rule, std::uint32_t link, const TimedVar& a) {
  OpenCollection& c = tx.collections[static_cast<std::size_t>(a.collection)];
  if (!c.open) return;
  const std::string_view name =
      a.name.literal() ? std::string_view(a.name.text()) : escape_name(tx, a.name.expand(tx));
  const std::string_view value = a.value.expand(tx);
  if (!a.deprecate) {
    const std::int64_t after = std::clamp<std::int64_t>(leading_integer(value), 0, 1'000'000'000);
    tx.store->expire(c.store_name, c.key, name, seconds(after), tx.now);
  } else {
    const std::size_t slash = value.find('/');
    if (slash == std::string_view::npos || c.vars.find(name) == nullptr) return;
    const std::int64_t period =
        std::clamp<std::int64_t>(leading_integer(value.substr(slash + 1)), 0, 1'000'000'000);
    if (period == 0) return;
    tx.store->deprecate(c.store_name, c.key, name, leading_integer(value.substr(0, slash)),
                        seconds(period), tx.now);
    load_record(tx, c, name);
  }
  if (tx.trace != nullptr) {
    tx.trace->on_action(trace_step(tx, rule, link), a.deprecate ? "deprecatevar" : "expirevar", name,
                        value);
  }
}

}  // namespace weir::rules
