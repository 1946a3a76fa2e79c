#include "rules/variables.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/base/octets.h"
#include "rules/prescan.h"

namespace weir::rules {

bool variable_list(TransactionState& tx, Variable v, ListView& out) {
  return request_list(tx, v, out) || body_list(tx, v, out) || response_list(tx, v, out);
}

Slot* static_scalar(TransactionState& tx, Variable v) {
  const auto i = static_cast<std::size_t>(v);
  if (!tx.scalar_ready[i]) {
    std::optional<std::string_view> text = request_scalar(tx, v);
    if (!text) text = response_scalar(tx, v);
    if (!text) return nullptr;
    tx.scalars[i].set(*text);
    tx.scalar_ready[i] = true;
  }
  return &tx.scalars[i];
}

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

const VarTable* written_table(TransactionState& tx, Variable v) {
  const auto open = [&](Written w) -> const VarTable* {
    OpenCollection& c = tx.collections[static_cast<std::size_t>(w)];
    return c.open ? &c.vars : nullptr;
  };
  switch (v) {
    case Variable::TX: return &tx.tx;
    case Variable::ENV: return &tx.env;
    case Variable::GEO: return &tx.geo;
    case Variable::IP: return open(Written::Ip);
    case Variable::SESSION: return open(Written::Session);
    case Variable::USER: return open(Written::User);
    case Variable::GLOBAL: return open(Written::Global);
    case Variable::RESOURCE: return open(Written::Resource);
    default: return nullptr;
  }
}

bool is_written(Variable v) {
  switch (v) {
    case Variable::TX:
    case Variable::ENV:
    case Variable::GEO:
    case Variable::IP:
    case Variable::SESSION:
    case Variable::USER:
    case Variable::GLOBAL:
    case Variable::RESOURCE: return true;
    default: return false;
  }
}

TargetValue keyed(Variable v, std::string_view key, std::string_view text) {
  TargetValue t;
  t.variable = v;
  t.has_key = true;
  t.key = key;
  t.text = text;
  return t;
}

void collect_written(TransactionState& tx, const TargetSpec& t, TargetList& out) {
  const VarTable* table = written_table(tx, t.variable);
  if (table == nullptr) return;
  if (t.kind == syntax::Selector::Kind::Literal) {
    const VarTable::Var* v = table->find(t.key, t.hash, t.known);
    if (v == nullptr) return;
    out.push_back(keyed(t.variable, v->name, v->value));
    if (v->name == t.key) out.back().full_name = t.full_name;
    return;
  }
  tx.work += table->all().size();
  for (const VarTable::Var& v : table->all()) {
    if (v.known != 0 && !t.takes_known.empty() && !bit_of(t.takes_known.data(), v.known)) continue;
    if (v.live && t.takes(v.name, tx.scratch.re, tx.pcre())) {
      out.push_back(keyed(t.variable, v.name, v.value));
    }
  }
}

void collect_matched(TransactionState& tx, const TargetSpec& t, TargetList& out) {
  const bool names = t.variable == Variable::MATCHED_VARS_NAMES;
  for (const MatchedVar& m : tx.matched_vars) {
    if (!t.takes(m.name, tx.scratch.re, tx.pcre())) continue;
    TargetValue v = keyed(t.variable, m.name, names ? m.name : m.value);
    v.full_name = m.name;  // trap 8: the name stays that of what matched
    out.push_back(v);
  }
}

// Does prescan.h say that no item of `asked` matches the value? Then nothing need be known of it.
bool is_ruled_out(TransactionState& tx, Variable variable, Slot& slot, std::uint16_t header, const ReadRef* asked) {
  if (asked == nullptr || asked->item == ReadRef::kNone) return false;
  TargetValue v;
  v.variable = variable;
  v.slot = &slot;
  v.header = header;
  return !may_match(tx, v, asked->item) && std::none_of(asked->steps.begin(), asked->steps.end(), [&](std::uint32_t step) {
    return step == ReadRef::kNone || may_match(tx, v, step);
  });
}

// Does the selector take the member?
bool takes(TransactionState& tx, const TargetSpec& t, Entry& e) {
  if (t.kind != syntax::Selector::Kind::Regex || t.selector >= Entry::kSelectors) {
    return t.takes(e.name.text, tx.scratch.re, tx.pcre());
  }
  const std::uint32_t bit = std::uint32_t{1} << t.selector;
  if ((e.asked & bit) == 0) {
    e.asked |= bit;
    if (t.takes(e.name.text, tx.scratch.re, tx.pcre())) e.taken |= bit;
  }
  return (e.taken & bit) != 0;
}

void collect_member(TransactionState& tx, const TargetSpec& t, Entry& e, Slot& slot, const ReadRef* asked,
                    TargetList& out) {
  ++tx.work;
  if (t.header != 0 ? e.header != t.header : !takes(tx, t, e)) return;
  if (is_ruled_out(tx, t.variable, slot, e.header, asked)) return;
  TargetValue v = keyed(t.variable, e.name.text, slot.text);
  v.slot = &slot;
  v.entry = &e;
  v.header = e.header;
  // ModSecurity 2 knows XML values by the collection's name alone (trap 29).
  if (t.variable == Variable::XML && !tx.program->v3()) v.has_key = false;
  out.push_back(v);
}

void collect_list(TransactionState& tx, const TargetSpec& t, const ListView& list,
                  const ReadRef* asked, TargetList& out) {
  const auto slot_of = [&](Entry& e) -> Slot& { return list.names ? e.name : e.value; };
  const auto own = [&](std::uint32_t item) {
    return item == ReadRef::kNone ? Prefilter::kUnknown : tx.filter->own_item[item];
  };
  const std::uint32_t first = asked == nullptr ? Prefilter::kUnknown : own(asked->item);
  if (first != Prefilter::kUnknown &&
      std::none_of(asked->steps.begin(), asked->steps.end(), [&](std::uint32_t s) { return own(s) == Prefilter::kUnknown; })) {
    const auto* live = tx.scratch.live.find(t.variable, tx.filter_number, list.count);
    if (live != nullptr) {
      for (const std::uint32_t place : *live) {
        Entry& e = list.entries[place];
        const Slot& slot = slot_of(e);
        if (asked->steps.empty() && slot.scanned_by == tx.filter_number && slot.hits != nullptr &&
            !bit_of(slot.hits, first)) {
          continue;
        }
        collect_member(tx, t, e, slot_of(e), asked, out);
      }
      return;
    }
  }
  for (std::size_t i = 0; i < list.count; ++i) {
    Entry& e = list.entries[i];
    collect_member(tx, t, e, slot_of(e), asked, out);
  }
}

void collect_scalar(TransactionState& tx, const TargetSpec& t, const ReadRef* asked,
                    TargetList& out) {
  TargetValue v;
  v.variable = t.variable;
  if (Slot* slot = static_scalar(tx, t.variable); slot != nullptr) {
    if (is_ruled_out(tx, t.variable, *slot, 0, asked)) return;
    v.slot = slot;
    v.text = slot->text;
    out.push_back(v);
    return;
  }
  std::optional<std::string_view> text = body_scalar(tx, t.variable);
  if (!text) text = moment_scalar(tx, t.variable);
  if (!text) return;
  v.text = *text;
  out.push_back(v);
}

// RULE:id and its like: the head's metadata, macros not expanded.
std::optional<std::string_view> rule_value(TransactionState& tx, std::string_view key) {
  const Rule* r = tx.current_rule;
  if (r == nullptr) return std::nullopt;
  const auto some = [](std::string_view s) {
    return s.empty() ? std::nullopt : std::optional<std::string_view>(s);
  };
  const auto numeral = [&](int n) {
    return n < 0 ? std::nullopt : std::optional<std::string_view>(tx.number(n));
  };
  if (fold_equal(key, "id")) return tx.number(static_cast<std::int64_t>(r->id));
  if (fold_equal(key, "msg")) return some(r->message.text());
  if (fold_equal(key, "logdata")) return some(r->log_data.text());
  if (fold_equal(key, "rev")) return some(r->revision);
  if (fold_equal(key, "ver")) return some(r->version);
  if (fold_equal(key, "severity")) return numeral(r->severity);
  if (fold_equal(key, "maturity")) return numeral(r->maturity);
  if (fold_equal(key, "accuracy")) return numeral(r->accuracy);
  return std::nullopt;
}

void select(TransactionState& tx, const TargetSpec& t, const ReadRef* asked, TargetList& out) {
  ListView list;
  if (t.variable == Variable::RULE) {
    if (const auto text = rule_value(tx, t.key); text) {
      TargetValue v;
      v.variable = Variable::RULE;
      v.text = *text;
      out.push_back(v);
    }
    return;
  }
  if (is_written(t.variable)) {
    collect_written(tx, t, out);
  } else if (t.variable == Variable::MATCHED_VARS || t.variable == Variable::MATCHED_VARS_NAMES) {
    collect_matched(tx, t, out);
  } else if (variable_list(tx, t.variable, list)) {
    collect_list(tx, t, list, asked, out);
  } else {
    collect_scalar(tx, t, asked, out);
  }
}

}  // namespace

namespace {

// A JSON path in which `*` stands for one component: json.items.*.name. Linear: a component ends at the
// next dot, so there is nothing to go back to.
bool path_matches(std::string_view pattern, std::string_view path) {
  for (;;) {
    const std::size_t p = pattern.find('.');
    const std::size_t k = path.find('.');
    const std::string_view want = pattern.substr(0, p);
    if (want != "*" && !fold_equal(want, path.substr(0, k))) return false;
    if (p == std::string_view::npos || k == std::string_view::npos) return p == k;
    pattern.remove_prefix(p + 1);
    path.remove_prefix(k + 1);
  }
}

}  // namespace

bool TargetSpec::takes(std::string_view member, ReScratch& scratch, const ReLimits& limits) const {
  switch (kind) {
    case syntax::Selector::Kind::None: return true;
    case syntax::Selector::Kind::Literal:
      return wildcard ? path_matches(key, member) : fold_equal(member, key);
    case syntax::Selector::Kind::XPath: return member == key;
    case syntax::Selector::Kind::Regex:
      if (plain != nullptr) return plain->matches(member);
      return regex->search(member, scratch, limits) != ReResult::NoMatch;
  }
  return false;
}

void collect(TransactionState& tx, const TargetSpec& target, const ReadRef* asked, TargetList& out) {
  if (target.exclude) {
    if (out.empty()) return;
    std::erase_if(out, [&](const TargetValue& v) {
      if (v.variable != target.variable || v.count) return false;
      ++tx.work;
      if (v.entry != nullptr && target.header != 0) return v.entry->header == target.header;
      return v.entry != nullptr ? takes(tx, target, *v.entry) : target.takes(v.key, tx.scratch.re, tx.pcre());
    });
    return;
  }
  const std::size_t before = out.size();
  select(tx, target, target.count ? nullptr : asked, out);
  if (!target.count) return;
  const std::size_t n = out.size() - before;
  out.resize(before);
  TargetValue v;
  v.variable = target.variable;
  v.count = true;
  v.key = target.key;
  v.text = tx.number(static_cast<std::int64_t>(n));
  out.push_back(v);
}

std::optional<std::string_view> first_value(TransactionState& tx, Variable variable, bool has_key,
                                            std::string_view key, std::uint32_t hash) {
  if (variable == Variable::RULE) return rule_value(tx, key);
  if (is_written(variable)) {
    const VarTable* table = written_table(tx, variable);
    if (table == nullptr) return std::nullopt;
    if (has_key) {
      const VarTable::Var* v = table->find(key, hash);
      return v == nullptr ? std::nullopt : std::optional<std::string_view>(v->value);
    }
    for (const VarTable::Var& v : table->all()) {
      if (v.live) return v.value;
    }
    return std::nullopt;
  }
  if (variable == Variable::MATCHED_VARS || variable == Variable::MATCHED_VARS_NAMES) {
    for (const MatchedVar& m : tx.matched_vars) {
      if (has_key && !fold_equal(m.name, key)) continue;
      return variable == Variable::MATCHED_VARS ? m.value : m.name;
    }
    return std::nullopt;
  }
  ListView list;
  if (variable_list(tx, variable, list)) {
    for (std::size_t i = 0; i < list.count; ++i) {
      const Entry& e = list.entries[i];
      if (has_key && !fold_equal(e.name.text, key)) continue;
      return list.names ? e.name.text : e.value.text;
    }
    return std::nullopt;
  }
  if (const Slot* slot = static_scalar(tx, variable); slot != nullptr) return slot->text;
  std::optional<std::string_view> text = body_scalar(tx, variable);
  if (!text) text = moment_scalar(tx, variable);
  return text;
}

namespace {

constexpr bool is_plain(char c) {
  const auto b = static_cast<std::uint8_t>(c);
  return b >= 0x20 && b < 0x7f && c != '\\';
}

bool all_plain(std::string_view name) {
  std::size_t i = 0;
  for (; i + 8 <= name.size(); i += 8) {
    std::uint64_t w = 0;
    std::memcpy(&w, name.data() + i, 8);
    if (((w & base::kTopBits) | base::octets_below(w, 0x20) | base::octets_equal(w, 0x7f) | base::octets_equal(w, '\\')) != 0) {
      return false;
    }
  }
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(i), name.end(), is_plain);
}

}  // namespace

namespace {

// What a byte is in a name, and how long that is.
struct Escape {
  std::array<char, 4> text{};
  std::uint8_t size = 1;
};
constexpr std::array<Escape, 256> kEscapes = [] {
  std::array<Escape, 256> out{};
  for (std::size_t b = 0; b < out.size(); ++b) {
    const auto c = static_cast<char>(b);
    if (is_plain(c)) {
      out[b].text[0] = c;
      continue;
    }
    constexpr std::string_view kSpecial = "\b\n\r\t\v\\";
    const std::size_t at = kSpecial.find(c);
    if (at != std::string_view::npos) {
      out[b] = {{'\\', "bnrtv\\"[at]}, 2};
    } else {
      out[b] = {{'\\', 'x', kHex[b >> 4], kHex[b & 15]}, 4};
    }
  }
  return out;
}();

const Escape& escape_of(char c) { return kEscapes[static_cast<std::uint8_t>(c)]; }

std::size_t escaped_size(std::string_view name) {
  std::size_t n = 0;
  for (const char c : name) n += escape_of(c).size;
  return n;
}

// `out` has room for escaped_size(), and for kSlack more: whole escapes are written.
constexpr std::size_t kSlack = 3;
void escape(std::string_view name, char* out) {
  for (const char c : name) {
    const Escape& e = escape_of(c);
    std::memcpy(out, e.text.data(), e.text.size());
    out += e.size;
  }
}

}  // namespace

std::string_view escape_name(TransactionState& tx, std::string_view name) {
  if (all_plain(name)) return name;
  const std::size_t n = escaped_size(name);
  char* const out = tx.arena.allocate(n + kSlack);
  if (out == nullptr) return name;
  escape(name, out);
  tx.arena.shrink(out, n + kSlack, n);
  return {out, n};
}

std::string_view name_of(TransactionState& tx, const TargetValue& value) {
  if (!value.full_name.empty()) return value.full_name;
  const std::string_view variable = variable_name(value.variable);
  if (!value.has_key || value.count) return variable;
  Entry* const entry = value.entry;
  if (entry != nullptr && entry->shown_for == value.variable && !entry->shown.empty()) return entry->shown;
  // In one go: a name may be as long as a request.
  const bool plain = all_plain(value.key);
  const std::size_t n = variable.size() + 1 + (plain ? value.key.size() : escaped_size(value.key));
  char* const out = tx.arena.allocate(n + kSlack);
  if (out == nullptr) return {};
  char* at = std::copy(variable.begin(), variable.end(), out);
  *at++ = ':';
  if (plain) {
    std::copy(value.key.begin(), value.key.end(), at);
  } else {
    escape(value.key, at);
  }
  tx.arena.shrink(out, n + kSlack, n);
  if (entry != nullptr) {
    entry->shown = {out, n};
    entry->shown_for = value.variable;
  }
  return {out, n};
}

bool is_static(Variable v) {
  switch (v) {
    case Variable::ARGS:
    case Variable::ARGS_GET:
    case Variable::ARGS_GET_NAMES:
    case Variable::ARGS_NAMES:
    case Variable::ARGS_POST:
    case Variable::ARGS_POST_NAMES:
    case Variable::FILES:
    case Variable::FILES_NAMES:
    case Variable::FILES_TMP_CONTENT:
    case Variable::FULL_REQUEST:
    case Variable::MULTIPART_PART_HEADERS:
    case Variable::QUERY_STRING:
    case Variable::REQUEST_BASENAME:
    case Variable::REQUEST_BODY:
    case Variable::REQUEST_COOKIES:
    case Variable::REQUEST_COOKIES_NAMES:
    case Variable::REQUEST_FILENAME:
    case Variable::REQUEST_HEADERS:
    case Variable::REQUEST_HEADERS_NAMES:
    case Variable::REQUEST_LINE:
    case Variable::REQUEST_METHOD:
    case Variable::REQUEST_PROTOCOL:
    case Variable::REQUEST_URI:
    case Variable::REQUEST_URI_RAW:
    case Variable::RESPONSE_BODY:
    case Variable::RESPONSE_HEADERS:
    case Variable::RESPONSE_HEADERS_NAMES:
    case Variable::XML: return true;
    default: return false;
  }
}

}  // namespace weir::rules
