// Values and what transformations make of them. A Slot is one value of a variable; its forms (the value
// after each chain of transformations that some rule asked for) are computed once and kept for the life of
// the transaction. Chains share their prefixes: they are paths in a trie whose node 0 is "no
// transformation".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/arena.h"
#include "rules/byte_classes.h"
#include "rules/names.h"
#include "rules/transforms/transform.h"
#include "rules/value_cache.h"

namespace weir::rules {

class Profile;  // rules/profile.h

// The trie of transformation chains of a program.
struct ChainNode {
  std::uint16_t parent = 0;
  Transform transform = Transform::None;
  std::uint16_t depth = 0;  // transformations on the way from the root
};

// By node and transformation: the node that it leads to; 0: there is none.
class ChainSteps {
 public:
  void build(const std::vector<ChainNode>& chains);
  [[nodiscard]] std::uint16_t next(std::uint16_t node, Transform t) const {
    return next_[node * kTransforms + static_cast<std::size_t>(t)];
  }

 private:
  static constexpr std::size_t kTransforms = static_cast<std::size_t>(Transform::Utf8ToUnicode) + 1;
  std::vector<std::uint16_t> next_;
};

constexpr std::size_t kMaxChain = 64;  // transformations of one rule; more is an error at load

// Which patterns of a scan unit Hyperscan found in a form (scanners.h); one for each unit that asked.
struct UnitHits {
  std::uint32_t unit = 0;
  std::uint64_t* words = nullptr;
  UnitHits* next = nullptr;
};

struct Form {
  std::string_view text;
  bool changed = false;  // by the last transformation of the chain (what multiMatch asks)
  bool same = true;      // as the value itself, but for case
  bool classified = false;  // mask says which classes of bytes the text holds
  ClassMask mask = 0;
  std::uint16_t node = 0;  // a chain that comes to this text: other chains go on from there
  UnitHits* hits = nullptr;
};

// The forms of a value, by the chain that they come of: a few of dozens, most often. In an arena.
class Forms {
 public:
  // For so many chains; null if memory is out.
  static Forms* make(std::size_t chains, base::Arena& arena);
  // Null: there is none yet.
  [[nodiscard]] Form* at(std::uint16_t node) const {
    const std::uint16_t place = places_[node];
    return place == 0 ? nullptr : list_[place - 1];
  }
  // REQUIRES: at(node) is null. False: memory is out.
  [[nodiscard]] bool add(std::uint16_t node, Form* form, base::Arena& arena);

 private:
  static constexpr std::uint16_t kFirst = 5;  // so many lie behind the places
  std::uint16_t* places_ = nullptr;           // by node: 1 + the place in list_, 0: none
  Form** list_ = nullptr;
  std::uint16_t count_ = 0, capacity_ = 0;
};

// A value's forms, and until there are any the classes of its bytes, if they are known.
class FormsOfValue {
 public:
  [[nodiscard]] Forms* forms() const { return (bits_ & kClasses) != 0 ? nullptr : reinterpret_cast<Forms*>(bits_); }
  void set(Forms* forms) { bits_ = reinterpret_cast<std::uint64_t>(forms); }
  [[nodiscard]] bool classified() const { return (bits_ & kClasses) != 0; }
  [[nodiscard]] ClassMask mask() const { return bits_ & ~kClasses; }  // REQUIRES: classified()
  void classify(ClassMask mask) {
    if (bits_ == 0) bits_ = mask | kClasses;
  }

 private:
  static constexpr std::uint64_t kClasses = std::uint64_t{1} << 63;
  static_assert((classes::kAll & kClasses) == 0 && sizeof(Forms*) == sizeof(std::uint64_t));
  std::uint64_t bits_ = 0;
};

struct Slot {
  std::string_view text;
  FormsOfValue made{};
  std::uint64_t* hits = nullptr;  // items that may match it (prefilter.h); null: none
  ValueCache::Entry* entry = nullptr;  // where hits are remembered, ...
  std::uint32_t added = 0;             // ... unless that is another by now
  std::uint8_t scanned_by = 0;    // the filter that hits are of; 0: not scanned

  void set(std::string_view t) { *this = Slot{t}; }
};

// One member of a collection: ARGS:name, REQUEST_HEADERS:Host, …
struct Entry {
  Slot name;
  Slot value;
  // Regular expressions that rules select members by are few, and rules that do are many: what one said of
  // this name is remembered, by its number (TargetSpec::selector).
  static constexpr std::size_t kSelectors = 32;
  std::uint32_t asked = 0, taken = 0;
  std::string_view shown;    // MATCHED_VAR_NAME as it was last made, ...
  Variable shown_for{};      // ... for this variable
  std::uint16_t header = 0;  // of headers: which one it is, for the prefilter
};
static_assert(sizeof(Entry) <= 128, "two lines of the cache: a request has dozens");

class FormContext {
 public:
  base::Arena* arena = nullptr;
  const std::vector<ChainNode>* chains = nullptr;
  const ChainSteps* steps = nullptr;
  const UnicodeMap* unicode = nullptr;
  std::uint64_t* work = nullptr;
  Profile* profile = nullptr;
  bool cache = true;      // LoadOptions.optimisations.transform_cache
  bool unchanged = true;  // ... .unchanged

  static ClassMask mask_of(Form& form) {
    if (!form.classified) {
      form.mask = classes_of(form.text);
      form.classified = true;
    }
    return form.mask;
  }

  // `slot`'s value after the chain that ends at `node`. The reference lives as long as the arena's
  // content. If memory runs out the value comes back untransformed.
  Form& form(Slot& slot, std::uint16_t node) const;

 private:
  Form* transform(const Form& from, Transform t) const;
  Form* unchanged_copy(const Form& from) const;
  Form* step(Forms& forms, Form& from, std::uint16_t node) const;
  // What is handed out when even a Form cannot be had.
  Form& spare(std::string_view text) const;
  mutable Form spare_;
};

}  // namespace weir::rules
