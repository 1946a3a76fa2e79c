#include "rules/values.h"

#include <algorithm>
#include <array>
#include <optional>

#include "rules/profile.h"

#include "rules/ascii.h"
#include "rules/transforms/effect.h"

namespace weir::rules {

Form* FormContext::transform(const Form& from, Transform t) const {
  const std::string_view in = from.text;
  if (work != nullptr) *work += in.size() + 1;
  Form* made = arena->make<Form>();
  if (made == nullptr) return nullptr;
  const bool exhausted_before = arena->exhausted();
  std::optional<ProfileSpan> span;
  if (profile != nullptr) span.emplace(*profile, profile->transform(t));
  const Transformed out = apply(t, in, *arena, unicode);
  if (!exhausted_before && arena->exhausted()) {
    made->text = in;
    made->same = from.same;
    return made;
  }
  made->text = out.value;
  made->changed = out.changed;
  made->same = from.same && (!out.changed || only_case(t) ||
                             (t == Transform::CmdLine && fold_equal(in, out.value)));
  return made;
}

// What a transformation that leaves the text as it is makes of it.
Form* FormContext::unchanged_copy(const Form& from) const {
  Form* made = arena->make<Form>();
  if (made == nullptr) return nullptr;
  *made = from;
  made->changed = false;
  made->hits = nullptr;
  return made;
}

Form& FormContext::spare(std::string_view text) const {
  spare_ = Form{};
  spare_.text = text;
  return spare_;
}

void ChainSteps::build(const std::vector<ChainNode>& chains) {
  next_.assign(chains.size() * kTransforms, 0);
  for (std::size_t i = 1; i < chains.size(); ++i) {
    next_[chains[i].parent * kTransforms + static_cast<std::size_t>(chains[i].transform)] =
        static_cast<std::uint16_t>(i);
  }
}

// The form behind `node`, whose parent's is `from`. Where the transformations on the way to `from`
// changed nothing, or less than all of them did, another chain may have come the same way.
Form* FormContext::step(Slot& slot, Form& from, std::uint16_t node) const {
  const Transform t = (*chains)[node].transform;
  const bool kept = unchanged && keeps(t, mask_of(from));
  if (kept && cache && !from.changed) {
    return slot.forms[node] = &from;  // says nothing else than a form of its own would
  }
  std::uint16_t like = cache ? steps->next(from.node, t) : node;
  if (like == 0) like = node;
  if (slot.forms[like] == nullptr) {
    Form* made = kept ? unchanged_copy(from) : transform(from, t);
    if (made == nullptr) return nullptr;
    made->node = made->changed ? like : from.node;
    slot.forms[like] = made;
  }
  return slot.forms[node] = slot.forms[like];
}

Form& FormContext::form(Slot& slot, std::uint16_t node) const {
  if (slot.forms == nullptr || !cache) {
    const std::size_t n = chains->size();
    char* p = arena->allocate(n * sizeof(Form*), alignof(Form*));
    if (p == nullptr) return spare(slot.text);
    slot.forms = reinterpret_cast<Form**>(p);
    std::fill_n(slot.forms, n, nullptr);
  }
  if (slot.forms[node] != nullptr) return *slot.forms[node];
  if (slot.forms[0] == nullptr) {
    slot.forms[0] = arena->make<Form>();
    if (slot.forms[0] == nullptr) return spare(slot.text);
    slot.forms[0]->text = slot.text;
  }
  // Up to the nearest ancestor that is there, then down again.
  std::array<std::uint16_t, kMaxChain + 1> path;  // NOLINT: filled as far as it is read
  std::size_t depth = 0;
  std::uint16_t at = node;
  while (slot.forms[at] == nullptr) {
    path[depth++] = at;
    at = (*chains)[at].parent;
  }
  Form* form = slot.forms[at];
  while (depth > 0) {
    Form* next = step(slot, *form, path[--depth]);
    if (next == nullptr) return spare(form->text);
    form = next;
  }
  return *form;
}

}  // namespace weir::rules
