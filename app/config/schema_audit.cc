#include "app/config/schema_audit.h"

#include "rules/audit_log.h"

namespace weir::app {
namespace {

constexpr std::uint64_t kKiB = 1ULL << 10U;
constexpr std::uint64_t kGiB = 1ULL << 30U;

TextField path(std::string AuditConfig::*member) {
  return {"path", true, [member](Draft& d, const std::string& text) {
            d.config.audit.*member = text;
            return std::string();
          }};
}

}  // namespace

std::vector<Field> audit_fields() {
  return {
      {"audit", Section{}, "", "ModSecurity's audit log (docs/AUDIT_LOG.md). Written only where a place is named here: those that "
       "rules name are another program's."},
      {"audit.file", path(&AuditConfig::file), "", "File to append entries to; with `directory`, the index lines. It is opened anew on SIGHUP."},
      {"audit.directory", path(&AuditConfig::directory), "", "A file for each transaction below this directory."},
      {"audit.format",
       ChoiceField{{"as-ruled", "json", "native"},
                   [](Draft& d, std::size_t word) { d.config.audit.format = static_cast<AuditConfig::Format>(word); }},
       "as-ruled", "`as-ruled`: SecAuditLogFormat of the rules for everything, else JSON."},
      {"audit.parts",
       TextField{"letters", false,
                 [](Draft& d, const std::string& text) {
                   if (!rules::AuditParts::parse(text)) return std::string("must be letters of ABCDEFGHIJKZ");
                   d.config.audit.parts = text;
                   return std::string();
                 }},
       "", "Parts of an entry. Without it, SecAuditLogParts of the rules, else ABIFHJKZ."},
      {"audit.transactions",
       ChoiceField{{"as-ruled", "relevant", "all"},
                   [](Draft& d, std::size_t word) { d.config.audit.which = static_cast<AuditConfig::Which>(word); }},
       "as-ruled", "Which transactions have an entry. `as-ruled`: SecAuditEngine of the rules, else those that are relevant."},
      {"audit.buffer",
       SizeField{{64 * kKiB, kGiB}, [](Draft& d, std::uint64_t n) { d.config.audit.buffer = n; }}, "8MiB",
       "Memory between each worker and the writer. An entry that finds no room is counted; nothing waits for a slow disk."},
  };
}

std::vector<Field> collection_fields() {
  return {
      {"collections", Section{}, "", "Persistent collections of the rules (IP, SESSION, USER, GLOBAL, RESOURCE)."},
      {"collections.shared", FlagField{[](Draft& d, bool on) { d.config.collections.shared = on; }}, "true",
       "Whether all workers have the same ones. Otherwise each has its own, in memory of its own, and counts what it sees."},
      {"collections.memory",
       SizeField{{1024 * kKiB, 64 * kGiB}, [](Draft& d, std::uint64_t n) { d.config.collections.memory = n; }}, "64MiB",
       "For all workers together; what does not fit makes room, what was updated longest ago first. Each worker's, if they share none."},
      {"collections.file",
       TextField{"path", true,
                 [](Draft& d, const std::string& text) {
                   d.config.collections.file = text;
                   return std::string();
                 }},
       "", "File in which they are kept over the end of Weir: written when it ends or another takes its place, read at the start. Without it they begin empty. "
       "Only those that all workers share."},
  };
}

}  // namespace weir::app
