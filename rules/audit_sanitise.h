// The copy of an AuditRecord in which everything that rules asked to hide is hidden. Part of audit_log.
//
// Cost: linear in the record, times the number of distinct values to hide, which is bounded: beyond
// kMaxSecrets whole fields are hidden instead (an attacker sends as many arguments as he likes;
// CVE-2025-48866).
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "rules/audit_log.h"

namespace weir::rules {

class SanitisedRecord {
 public:
  static constexpr std::size_t kMaxSecrets = 64;

  explicit SanitisedRecord(const AuditRecord& original);
  SanitisedRecord(const SanitisedRecord&) = delete;
  SanitisedRecord& operator=(const SanitisedRecord&) = delete;

  [[nodiscard]] const AuditRecord& get() const { return record_; }

 private:
  void collect(const AuditRecord& original);
  void add_secret(std::string_view value);
  std::string_view keep(std::string text);
  std::string_view hide_all(std::string_view text);
  std::string_view hide_in_text(std::string_view text);
  std::string_view hide_in_uri(std::string_view uri, std::size_t* pairs = nullptr);
  std::string_view hide_in_body(std::string_view body, std::size_t in_query);
  void hide_in_headers(std::span<const AuditField> headers, std::span<const std::string_view> names,
                       std::vector<AuditField>& out);
  void hide_in_messages();
  std::size_t mask_pairs(std::string& text, std::size_t from) const;
  [[nodiscard]] bool is_hidden_argument(std::string_view name) const;
  [[nodiscard]] bool is_hidden_target(std::string_view target) const;

  AuditRecord record_;
  std::vector<std::string_view> secrets_;       // values to hide; longest first
  std::vector<std::string> names_;              // arguments to hide, lower case, sorted
  bool too_many_ = false;
  std::deque<std::string> texts_;               // what record_'s views point to
  std::vector<AuditField> request_headers_, response_headers_, arguments_;
  std::vector<AuditMessage> messages_;
  std::vector<AuditFile> files_;
};

}  // namespace weir::rules
