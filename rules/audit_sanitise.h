// The copy of an AuditRecord in which everything that rules asked to hide is hidden. Part of
// audit_log.
//
// Secrets are the values of hidden arguments and headers. In the URI and an urlencoded body the
// values of hidden names are masked; everywhere secrets are masked as they are and as HTML and URLs
// escape them; in messages, whose values may be cut, folded or captured in part, every piece of
// four bytes of a secret is masked too. (A form that shares no four bytes with its secret, such as
// its base64, is only hidden where the message is about the hidden variable itself.)
//
// Cost: linear in the record, times the number of distinct values to hide, which is bounded: beyond
// kMaxSecrets, or secrets of more than kMaxSecretBytes, whole fields are hidden instead (an
// attacker sends as many arguments as he likes; CVE-2025-48866).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "rules/audit_log.h"

namespace weir::rules {

class SanitisedRecord {
 public:
  static constexpr std::size_t kMaxSecrets = 64;
  static constexpr std::size_t kMaxSecretBytes = 64 * 1024;

  explicit SanitisedRecord(const AuditRecord& original);
  SanitisedRecord(const SanitisedRecord&) = delete;
  SanitisedRecord& operator=(const SanitisedRecord&) = delete;

  [[nodiscard]] const AuditRecord& get() const { return record_; }
  // Another text about the transaction, such as a redirect's target. Lives as long as this.
  [[nodiscard]] std::string_view text(std::string_view text) {
    return hides_ ? hide_in_text(text) : text;
  }

 private:
  void collect(const AuditRecord& original);
  void add_secret(std::string_view value);
  void make_needles();
  std::string_view keep(std::string text);
  std::string_view hide_all(std::string_view text);
  std::string_view hide_in_text(std::string_view text);
  std::string_view hide_pieces(std::string_view text);
  std::string_view hide_in_uri(std::string_view uri, std::size_t* pairs = nullptr);
  std::string_view hide_in_body(std::string_view body, std::size_t in_query);
  void hide_in_headers(std::span<const AuditField> headers, std::span<const std::string_view> names,
                       std::vector<AuditField>& out);
  void hide_arguments_and_files(const AuditRecord& original);
  void hide_in_messages();
  std::size_t mask_pairs(std::string& text, std::size_t from) const;
  [[nodiscard]] bool is_hidden_argument(std::string_view name) const;
  [[nodiscard]] bool is_hidden_target(std::string_view target) const;

  AuditRecord record_;
  bool hides_ = false;
  std::vector<std::string> secrets_;   // values to hide
  std::vector<std::string> needles_;   // they, and their escaped forms; longest first
  std::vector<std::uint32_t> pieces_;  // every four bytes of a secret, in lower case; sorted
  std::vector<std::string> names_;     // arguments to hide, lower case, sorted
  bool too_many_ = false;
  std::deque<std::string> texts_;  // what record_'s views point to
  std::vector<AuditField> request_headers_, response_headers_, arguments_;
  std::vector<AuditMessage> messages_;
  std::deque<std::vector<std::string_view>> tags_;
  std::vector<AuditFile> files_;
};

}  // namespace weir::rules
