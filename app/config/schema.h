// The schema of weir.yaml: one table from which the reader, its messages and the reference in
// docs/CONFIG.md are made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config/config.h"

namespace weir::app {

// What the reader fills in. `policy` and `site` are those of the part of the file being read.
struct Draft {
  Config config;
  PolicyConfig* policy = &config.policy;
  SiteConfig* site = nullptr;
};

// Each kind of value has a place to put it, or a function that takes the text and answers with what is
// wrong with it (nothing: it is fine).
struct Section {
  void (*begin)(Draft&) = nullptr;  // null: nothing to do
};
struct SectionList {  // a list of sections; each begins with a call
  void (*begin)(Draft&);
  void (*end)(Draft&);
};
struct FlagField {
  void (*put)(Draft&, bool);
};
struct CountField {
  Range range;
  void (*put)(Draft&, std::uint64_t);
};
struct SizeField {
  Range range;
  void (*put)(Draft&, std::uint64_t);
};
struct DurationField {
  Range range;  // milliseconds
  void (*put)(Draft&, Duration);
};
struct ChoiceField {
  std::vector<std::string> words;
  void (*put)(Draft&, std::size_t word);
};
struct TextField {
  std::string_view what;  // for the reference: "path", "BPF expression"
  bool path = false;      // relative ones begin at the file's directory
  std::string (*put)(Draft&, const std::string&);
};
struct TextListField {
  std::string_view what;  // of each: "paths"
  bool path = false;
  std::string (*put)(Draft&, const std::string&);
};

using FieldType = std::variant<Section, SectionList, FlagField, CountField, SizeField, DurationField,
                               ChoiceField, TextField, TextListField>;

struct Field {
  std::string_view path;     // "inputs.nfqueue.queues"; "sites[].name"
  FieldType type;
  std::string_view initial;  // as it would be written; empty: none
  std::string_view help;     // sentences for the reference
  bool required = false;     // in its section
};

[[nodiscard]] const std::vector<Field>& schema();

// The table as Markdown: the reference of docs/CONFIG.md.
[[nodiscard]] std::string reference();
// What a field takes: "size, 1MiB to 4GiB".
[[nodiscard]] std::string describe(const FieldType& type);

}  // namespace weir::app
