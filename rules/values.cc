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
  if (from.classified && tells_classes(t)) {
    made->mask = outcome(t, from.mask);
    made->classified = true;
  }
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
Form* FormContext::step(Forms& forms, Form& from, std::uint16_t node) const {
  const Transform t = (*chains)[node].transform;
  const bool kept = unchanged && keeps(t, from.text, mask_of(from));
  if (kept && cache && !from.changed) {
    return forms.add(node, &from, *arena) ? &from : nullptr;  // says nothing else than a form of its own would
  }
  std::uint16_t like = cache ? steps->next(from.node, t) : node;
  if (like == 0) like = node;
  Form* made = forms.at(like);
  if (made == nullptr) {
    made = kept ? unchanged_copy(from) : transform(from, t);
    if (made == nullptr || !forms.add(like, made, *arena)) return nullptr;
    made->node = made->changed ? like : from.node;
  }
  return like == node || forms.add(node, made, *arena) ? made : nullptr;
}

Forms* Forms::make(std::size_t chains, base::Arena& arena) {
  const std::size_t places = (chains * sizeof(std::uint16_t) + alignof(Form*) - 1) / alignof(Form*) * alignof(Form*);
  char* const p = arena.allocate(sizeof(Forms) + places + kFirst * sizeof(Form*), alignof(Forms));
  if (p == nullptr) return nullptr;
  auto* const out = new (p) Forms;
  out->places_ = reinterpret_cast<std::uint16_t*>(p + sizeof(Forms));
  out->list_ = reinterpret_cast<Form**>(p + sizeof(Forms) + places);
  out->capacity_ = kFirst;
  std::fill_n(out->places_, chains, std::uint16_t{0});
  return out;
}

bool Forms::add(std::uint16_t node, Form* form, base::Arena& arena) {
  if (count_ == capacity_) {
    const std::size_t more = 4 * std::size_t{capacity_};
    char* const p = arena.allocate(more * sizeof(Form*), alignof(Form*));
    if (p == nullptr) return false;
    list_ = std::copy_n(list_, count_, reinterpret_cast<Form**>(p)) - count_;
    capacity_ = static_cast<std::uint16_t>(std::min<std::size_t>(more, UINT16_MAX));
  }
  list_[count_++] = form;
  places_[node] = count_;
  return true;
}

Form& FormContext::form(Slot& slot, std::uint16_t node) const {
  if (slot.made.forms() == nullptr || !cache) {
    Forms* const forms = Forms::make(chains->size(), *arena);
    Form* const whole = forms == nullptr ? nullptr : arena->make<Form>();
    if (whole == nullptr || !forms->add(0, whole, *arena)) return spare(slot.text);
    whole->text = slot.text;
    whole->classified = slot.made.classified();
    if (whole->classified) whole->mask = slot.made.mask();
    slot.made.set(forms);
  }
  Forms& forms = *slot.made.forms();
  if (Form* const known = forms.at(node); known != nullptr) return *known;
  // Up to the nearest ancestor that is there, then down again.
  std::array<std::uint16_t, kMaxChain + 1> path;  // NOLINT: filled as far as it is read
  std::size_t depth = 0;
  std::uint16_t at = node;
  while (forms.at(at) == nullptr) {
    path[depth++] = at;
    at = (*chains)[at].parent;
  }
  Form* form = forms.at(at);
  while (depth > 0) {
    Form* next = step(forms, *form, path[--depth]);
    if (next == nullptr) return spare(form->text);
    form = next;
  }
  return *form;
}

}  // namespace weir::rules
