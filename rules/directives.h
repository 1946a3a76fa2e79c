// What each directive takes, and what Weir makes of it (reference manual, "Configuration
// Directives").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "rules/names.h"

namespace weir::rules {

enum class Standing : std::uint8_t {
  Supported,
  WithoutEffect,  // accepted with a note and dropped: leaving it undone changes no verdict
  OffOnly,        // accepted silently and dropped if switched off, else an error: LeftOut
  LeftOut,        // an error: without it the rules would not mean what their author meant
};

// The form of the (first) argument. All words are compared without regard to case.
enum class ArgumentForm : std::uint8_t {
  Any,
  OnOff,         // On, Off
  Engine,        // On, Off, DetectionOnly
  RelevantOnly,  // On, Off, RelevantOnly
  OnlyArgs,      // On, Off, OnlyArgs
  LimitAction,   // Reject, ProcessPartial
  AuditType,     // Serial, Concurrent, Parallel, HTTPS
  AuditFormat,   // JSON, Native
  AuditParts,    // letters of A to K, and Z
  CookieFormat,  // 0, 1
  OneCharacter,
  Number,        // decimal, 1 to 2^31-1
  NumberOrZero,  // decimal, 0 to 2^31-1
  FileMode,      // octal, or "default"
};

struct DirectiveFacts {
  Directive directive;
  std::string_view name;
  std::uint8_t least;  // arguments
  std::uint8_t most;   // kAnyNumber: as many as there are
  ArgumentForm form;
  Standing standing;
  std::string_view why;  // for WithoutEffect, OffOnly and LeftOut
};

inline constexpr std::uint8_t kAnyNumber = 255;

// All directives, in the order of the enumerators.
struct DirectiveTable {
  const DirectiveFacts* first;
  const DirectiveFacts* last;
  [[nodiscard]] const DirectiveFacts* begin() const { return first; }
  [[nodiscard]] const DirectiveFacts* end() const { return last; }
};
[[nodiscard]] DirectiveTable directive_facts();
[[nodiscard]] const DirectiveFacts& facts_of(Directive d);

[[nodiscard]] bool has_form(ArgumentForm form, std::string_view argument);
// "On, Off or DetectionOnly", for messages.
[[nodiscard]] std::string_view form_in_words(ArgumentForm form);

}  // namespace weir::rules
