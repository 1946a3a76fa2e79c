#include "rules/values.h"

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

Form& FormContext::spare(std::string_view text) const {
  spare_ = Form{};
  spare_.text = text;
  return spare_;
}

Form& FormContext::form(Slot& slot, std::uint16_t node) const {
  if (slot.forms == nullptr || !cache) {
    const std::size_t n = chains->size();
    char* p = arena->allocate(n * sizeof(Form*), alignof(Form*));
    if (p == nullptr) return spare(slot.text);
    slot.forms = reinterpret_cast<Form**>(p);
    for (std::size_t i = 0; i < n; ++i) slot.forms[i] = nullptr;
  }
  if (slot.forms[0] == nullptr) {
    slot.forms[0] = arena->make<Form>();
    if (slot.forms[0] == nullptr) return spare(slot.text);
    slot.forms[0]->text = slot.text;
  }
  // Up to the nearest ancestor that is there, then down again.
  std::array<std::uint16_t, kMaxChain + 1> path{};
  std::size_t depth = 0;
  std::uint16_t at = node;
  while (slot.forms[at] == nullptr) {
    path[depth++] = at;
    at = (*chains)[at].parent;
  }
  Form* form = slot.forms[at];
  while (depth > 0) {
    at = path[--depth];
    Form* next = transform(*form, (*chains)[at].transform);
    if (next == nullptr) return spare(form->text);
    slot.forms[at] = next;
    form = next;
  }
  return *form;
}

}  // namespace weir::rules
