#include "rules/number_names.h"

namespace weir::rules {

namespace {

void number(KnownNames& names, SetVar& set) {
  if (set.collection == Written::Tx && set.name.literal()) set.known = names.add(set.name.text());
  set.name.number(names);
  set.value.number(names);
}

void number(KnownNames& names, Link& link) {
  for (TargetSpec& t : link.targets) {
    if (t.variable == Variable::TX && t.kind == syntax::Selector::Kind::Literal) t.known = names.add(t.key);
  }
  link.op_macro.number(names);
  for (Action& action : link.actions) {
    if (auto* set = std::get_if<SetVar>(&action); set != nullptr) number(names, *set);
  }
}

// Which names a selector takes, where that follows from their text without PCRE2. Case does not matter to either.
void choose(const KnownNames& names, TargetSpec& t) {
  if (t.variable != Variable::TX || t.kind != syntax::Selector::Kind::Regex || t.plain == nullptr) return;
  t.takes_known.assign(names.last() / 64 + 1, 0);
  for (std::size_t i = 1; i <= names.last(); ++i) {
    if (t.plain->matches(names.name(i))) set_bit(t.takes_known.data(), i);
  }
}

}  // namespace

void number_names(Program& program) {
  KnownNames& names = program.tx_names;
  for (Rule& rule : program.rules) {
    rule.message.number(names);
    rule.log_data.number(names);
    for (Macro& tag : rule.tags) tag.number(names);
  }
  for (Link& link : program.links) number(names, link);
  for (Link& link : program.links) {
    for (TargetSpec& t : link.targets) choose(names, t);
  }
}

}  // namespace weir::rules
