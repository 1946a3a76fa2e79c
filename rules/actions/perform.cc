// setvar, setenv, sanitise…: what a matching value does at once (traps 4, 5, 15, 36).

#include <algorithm>
#include <limits>

#include "rules/actions/actions.h"
#include "rules/evaluate.h"
#include "rules/foregone.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

constexpr std::array<std::string_view, kWritten> kWrittenNames = {"TX",   "IP",     "SESSION",
                                                                  "USER", "GLOBAL", "RESOURCE"};


// atoi("+" + text): a second sign or a blank ends the number before it begins.
std::int64_t unsigned_amount(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return 0;
  return leading_integer(text);
}

std::int64_t add_saturating(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return b < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
  }
  return sum;
}

struct Name {
  std::string_view text;
  std::uint32_t hash;
  std::uint16_t known;
};

Name variable_key(TransactionState& tx, const Macro& macro, std::uint32_t hash, std::uint16_t known = 0) {
  if (macro.literal()) return {macro.text(), hash, known};
  const std::string_view text = escape_name(tx, macro.expand(tx));
  return {text, fold_hash(text), 0};
}

// A rule that looks at the message sets the variable: may one that is foregone read it?
bool disappoints(const TransactionState& tx, const Name& name) {
  const Foregone* const foregone = tx.program->foregone.get();
  if (foregone == nullptr) return false;
  return foregone->watches(name.known != 0 ? name.known : tx.program->tx_names.find(name.text, name.hash));
}

std::string_view set_tx(TransactionState& tx, const SetVar& a, const Name& name) {
  tx.disappointed = tx.disappointed || disappoints(tx, name);
  if (a.how == SetVar::How::Unset) {
    tx.tx.unset(name.text, name.hash, name.known);
    return {};
  }
  std::string_view value = a.value.expand(tx);
  if (a.how != SetVar::How::Assign) {
    const VarTable::Var* old = tx.tx.find(name.text, name.hash, name.known);
    const std::int64_t base = old == nullptr ? 0 : leading_integer(old->value);
    const std::int64_t amount = unsigned_amount(value);
    std::int64_t sum = add_saturating(base, a.how == SetVar::How::Add ? amount : -amount);
    if (sum < 0 && !tx.program->v3()) sum = 0;  // trap 15: counters never go below zero
    value = tx.number(sum);
  }
  tx.tx.set(name.text, name.hash, value, name.known);
  return value;
}

std::string_view set_persistent(TransactionState& tx, const SetVar& a, const Name& name) {
  OpenCollection& c = tx.collections[static_cast<std::size_t>(a.collection)];
  if (!c.open) return {};
  if (a.how == SetVar::How::Unset) {
    c.vars.unset(name.text, name.hash);
    touch_collection(tx, c);
    tx.store->remove(c.store_name, c.key, name.text, tx.now);
    return {};
  }
  std::string_view value = a.value.expand(tx);
  touch_collection(tx, c);
  if (a.how == SetVar::How::Assign) {
    tx.store->set(c.store_name, c.key, name.text, value, tx.now);
  } else {
    const std::int64_t amount = unsigned_amount(value);
    value = tx.number(tx.store->add(c.store_name, c.key, name.text,
                                    a.how == SetVar::How::Add ? amount : -amount, tx.now));
  }
  c.vars.set(name.text, name.hash, value);
  return value;
}

void set_variable(TransactionState& tx, const Rule& rule, std::uint32_t link, const SetVar& a) {
  const Name name = variable_key(tx, a.name, a.hash, a.known);
  tx.work += name.text.size();
  const std::string_view value =
      a.collection == Written::Tx ? set_tx(tx, a, name) : set_persistent(tx, a, name);
  if (tx.trace != nullptr) {
    const std::string_view collection = kWrittenNames[static_cast<std::size_t>(a.collection)];
    tx.trace->on_action(trace_step(tx, rule, link), "setvar",
                        tx.join({collection, ":", name.text}),
                        a.how == SetVar::How::Unset ? "(unset)" : value);
  }
}

void set_environment(TransactionState& tx, const SetEnv& a) {
  const Name name = variable_key(tx, a.name, a.hash);
  if (a.unset) {
    tx.env.unset(name.text, name.hash);
  } else {
    tx.env.set(name.text, name.hash, a.value.expand(tx));
  }
}

}  // namespace

void perform(TransactionState& tx, const Rule& rule, std::uint32_t link, const Action& action) {
  struct Visitor {
    TransactionState& tx;
    const Rule& rule;
    std::uint32_t link;
    void operator()(const SetVar& a) const { set_variable(tx, rule, link, a); }
    void operator()(const SetEnv& a) const { set_environment(tx, a); }
    void operator()(const CtlAction& a) const { apply_ctl(tx, rule, link, a); }
    void operator()(const InitCol& a) const { init_collection(tx, rule, link, a); }
    void operator()(const TimedVar& a) const { timed_variable(tx, rule, link, a); }
    void operator()(const Sanitise& a) const {
      const std::string_view name = tx.matched_var.name;
      const bool there = std::any_of(tx.sanitise.begin(), tx.sanitise.end(), [&](const auto& h) {
        return h.what == &a && h.matched == name;
      });
      if (!there && tx.sanitise.size() < TransactionState::kMostHidden) tx.sanitise.push_back({&a, name});
    }
  };
  std::visit(Visitor{tx, rule, link}, action);
}

}  // namespace weir::rules
