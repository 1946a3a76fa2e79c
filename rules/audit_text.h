// Small texts that the forms of the audit log share.
#pragma once

#include <string>
#include <string_view>

#include "rules/audit_log.h"

namespace weir::rules::audit {

struct Calendar {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, weekday = 0;
};
// The proleptic Gregorian calendar, UTC.
[[nodiscard]] Calendar calendar_of(Timestamp t);

// For numbers and short constants only.
__attribute__((format(printf, 1, 2))) std::string print(const char* format, ...);  // NOLINT

[[nodiscard]] std::string asctime_of(Timestamp t);       // "Sun Feb  1 00:00:00 2026"
[[nodiscard]] std::string common_log_time(Timestamp t);  // "[01/Feb/2026:00:00:00 +0000]"

[[nodiscard]] std::string_view dash_if_empty(std::string_view s);
// The first field of that name, in any case; empty if there is none.
[[nodiscard]] std::string_view header(std::span<const AuditField> headers, std::string_view name);

// Line breaks and other control characters, which would start a line of their own, as \xhh.
[[nodiscard]] std::string one_line(std::string_view text);
// The same for the inside of quotation marks.
[[nodiscard]] std::string in_quotes(std::string_view text);

// What the operator said of its match, in ModSecurity 3's words.
[[nodiscard]] std::string match_text(const AuditMessage& m);

// Part I: the fields of the body, without files, as one urlencoded text.
[[nodiscard]] std::string body_without_files(const AuditRecord& r);

}  // namespace weir::rules::audit

namespace weir::rules {

// The native form of a record that is sanitised already.
[[nodiscard]] std::string native_text(const AuditRecord& r, const AuditParts& parts,
                                      std::string_view boundary);

}  // namespace weir::rules
