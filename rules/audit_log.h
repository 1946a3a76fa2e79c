// The audit log: one transaction in the forms of ModSecurity, as pure functions from a plain struct
// to bytes. Nothing here opens a file: an AuditSink (app/) does.
//
//   JSON    ModSecurity 3's field names, strings for numbers where it has them; one line
//   Native  the sections --boundary-A-- … --boundary-Z-- of ModSecurity 2 and 3
//   Serial (all in one file) or concurrent (a file for each transaction, and an index line)
//
// What a rule said to hide (sanitiseArg, sanitiseMatched, sanitiseRequestHeader,
// sanitiseResponseHeader) is replaced by '*' of the same length before anything is formatted,
// wherever it appears: in its own place, in the query string, in bodies, headers and messages, also
// in part or in other case. Where it cannot be found in a body that must contain it (escaped,
// encoded), the whole body is hidden, and a message about a whole URI or body of which a part is
// hidden loses its value: better too much than a password in a log.
//
// Output is valid UTF-8 JSON for any bytes: a byte that is not UTF-8 becomes \u00XX; nothing ends
// at a NUL.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir::rules {

// SecAuditLogParts. A (header) and Z (end) are always there.
class AuditParts {
 public:
  // Of letters, in any order; nullopt if one is none of ABCDEFGHIJKZ.
  static std::optional<AuditParts> parse(std::string_view letters);
  // ctl:auditLogParts: "+E" adds, "-C" removes, letters alone replace. False: not understood,
  // unchanged.
  bool apply(std::string_view change);
  [[nodiscard]] bool has(char letter) const;

  AuditParts() = default;  // ABCFHZ, ModSecurity's default

 private:
  static std::uint32_t bit(char letter) { return 1U << static_cast<unsigned>(letter - 'A'); }
  std::uint32_t bits_ = bit('A') | bit('B') | bit('C') | bit('F') | bit('H') | bit('Z');
};

struct AuditField {
  std::string_view name, value;
};

struct AuditFile {  // part J
  std::string_view name, filename, content_type;
  std::uint64_t size = 0;
};

struct AuditMessage {
  std::string_view message;    // msg
  bool fixed_message = false;  // it has no macros, hence nothing of the transaction; tags likewise
  bool fixed_tags = false;
  std::string_view operator_name,
      operator_argument;    // of the last rule of the chain; empty: SecAction
  std::string_view target;  // the variable that matched: "ARGS:id"
  std::string_view value;   // its value, transformed; any bytes
  std::string_view data;    // logdata
  std::uint64_t rule_id = 0;
  std::string_view file;
  std::uint32_t line = 0;
  int severity = -1;  // -1: none
  std::string_view version, revision;
  std::span<const std::string_view> tags;
  int maturity = 0, accuracy = 0;
  std::uint8_t phase = 0;
  bool intercepted = false;  // it took the decision, and that was carried out
  std::uint16_t status = 0;  // then: what the client is answered; 0: nothing
};

// What rules asked to hide. Names compare without case.
struct AuditSanitise {
  std::span<const std::string_view> arguments;  // sanitiseArg, sanitiseMatched on ARGS
  std::span<const std::string_view> request_headers;
  std::span<const std::string_view> response_headers;
  // sanitiseMatched on what is no single argument: the whole of it.
  bool uri = false, request_body = false, response_body = false;
};

// Views are valid as long as the caller's transaction; nothing is kept.
struct AuditRecord {
  Timestamp time;
  std::string_view unique_id, server_id;
  std::string_view client_ip, host_ip;
  std::uint16_t client_port = 0, host_port = 0;
  std::string_view method, uri, http_version;  // as sent; version as "1.1"
  std::span<const AuditField> request_headers;
  std::string_view request_body;
  std::span<const AuditField> arguments;  // ARGS, decoded: what sanitise names refer to
  char argument_separator = '&';          // SecArgumentSeparator
  std::span<const AuditFile> files;
  std::string_view response_protocol;  // "1.1"
  std::uint16_t http_code = 0;
  std::span<const AuditField> response_headers;
  std::string_view response_body;
  std::uint64_t response_bytes = 0;                     // for the index line
  std::uint8_t intercepted_phase = 0;                   // 0: it was not
  std::string_view engine, connector, secrules_engine;  // "Weir 0.1.0", …, "Enabled"
  std::span<const std::string_view> components;         // SecComponentSignature
  std::span<const AuditMessage> messages;
  std::span<const std::uint64_t> matched_rules;  // part K: all that matched, in order
  AuditSanitise sanitise;
};

// What sanitiseMatched stands for, given MATCHED_VAR_NAME ("ARGS:pw"): which member of
// AuditSanitise, and the name to put there. nullopt for variables that hold nothing of the request
// or response as sent.
struct SanitiseTarget {
  enum class List : std::uint8_t {
    Arguments,
    RequestHeaders,
    ResponseHeaders,
    Uri,
    RequestBody,
    ResponseBody
  } list;
  std::string_view name;  // of the first three
};
[[nodiscard]] std::optional<SanitiseTarget> sanitise_target(std::string_view matched_variable);

// One line, with line end.
[[nodiscard]] std::string format_audit_json(const AuditRecord& record, const AuditParts& parts);

// `boundary`: about eight letters or digits, unpredictable for clients, so that no body can imitate
// a section. Lines of a body that could nevertheless be taken for one get a blank in front.
[[nodiscard]] std::string format_audit_native(const AuditRecord& record, const AuditParts& parts,
                                              std::string_view boundary);

// Concurrent layout: "20260131/20260131-2359/20260131-235959-<unique id>", in UTC; bytes of the id
// that are not letters, digits, '-', '_', '@' become '_', so that the path cannot leave its
// directory.
[[nodiscard]] std::string audit_path(const AuditRecord& record);

// The index line for a file of `content` at `path` (as the log names it), with line end; ends in
// the file's offset, size and MD5 as ModSecurity's collectors expect. Hidden values are hidden here
// too.
[[nodiscard]] std::string audit_index_line(const AuditRecord& record, std::string_view path,
                                           std::string_view content);

enum class AuditFormat : std::uint8_t { Json, Native };

// Writes files. Errors are the implementation's to count and report.
class AuditSink {
 public:
  virtual ~AuditSink() = default;
  virtual Result<void> append(std::string_view bytes) = 0;  // to SecAuditLog
  // A file below SecAuditLogStorageDir; missing directories are made. Returns the name for the
  // index.
  virtual Result<std::string> store(std::string_view relative_path, std::string_view bytes) = 0;
};

Result<void> write_audit_serial(const AuditRecord& record, const AuditParts& parts,
                                AuditFormat format, std::string_view boundary, AuditSink& sink);
Result<void> write_audit_concurrent(const AuditRecord& record, const AuditParts& parts,
                                    AuditFormat format, std::string_view boundary, AuditSink& sink);

}  // namespace weir::rules
