// The schema of weir.yaml: one table from which the reader, its messages and the reference in
// docs/CONFIG.md are made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
  std::function<void(Draft&)> begin;  // may be empty
};
struct SectionList {  // a list of sections; each begins with a call
  std::function<void(Draft&)> begin;
  std::function<void(Draft&)> end;
};
struct FlagField {
  std::function<void(Draft&, bool)> put;
};
struct CountField {
  Range range;
  std::function<void(Draft&, std::uint64_t)> put;
};
struct SizeField {
  Range range;
  std::function<void(Draft&, std::uint64_t)> put;
};
struct DurationField {
  Range range;  // milliseconds
  std::function<void(Draft&, Duration)> put;
};
struct ChoiceField {
  std::vector<std::string> words;
  std::function<void(Draft&, std::size_t word)> put;
};
struct TextField {
  std::string_view what;  // for the reference: "path", "BPF expression"
  bool path = false;      // relative ones begin at the file's directory
  std::function<std::string(Draft&, const std::string&)> put;
};
struct TextListField {
  std::string_view what;  // of each: "paths"
  bool path = false;
  std::function<std::string(Draft&, const std::string&)> put;
};

using FieldType = std::variant<Section, SectionList, FlagField, CountField, SizeField, DurationField,
                               ChoiceField, TextField, TextListField>;

struct Field {
  std::string path;          // "inputs.nfqueue.queues"; "sites[].name"
  FieldType type;
  std::string_view initial;  // as it would be written; empty: none
  std::string help;          // sentences for the reference
  bool required = false;     // in its section
};

[[nodiscard]] const std::vector<Field>& schema();

// The table as Markdown: the reference of docs/CONFIG.md.
[[nodiscard]] std::string reference();
// What `tolerate` takes, likewise.
[[nodiscard]] std::string leniencies();
// What a field takes: "size, 1MiB to 4GiB".
[[nodiscard]] std::string describe(const FieldType& type);

}  // namespace weir::app
