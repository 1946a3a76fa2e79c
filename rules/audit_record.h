// From a finished transaction to what the audit log writes of it (audit_log.h).
//
//   AuditView audit(tx, 0);           // after finish()
//   if (audit.wanted()) write_audit_serial(audit.record(), audit.parts(), …);
//
// Memory: vectors of views, for the few transactions that are logged. Views live as long as the
// transaction's content. One thread.
#pragma once

#include <string>
#include <vector>

#include "rules/audit_log.h"
#include "rules/transaction.h"

namespace weir::rules {

struct TransactionState;  // rules/transaction_state.h

class AuditView {
 public:
  // `answered`: the status of an answer that was not the rules' decision (HTTP that is refused as
  // such); 0: none.
  explicit AuditView(Transaction& transaction, std::uint16_t answered = 0);
  AuditView(const AuditView&) = delete;
  AuditView& operator=(const AuditView&) = delete;

  // SecAuditEngine and ctl:auditEngine: On, or RelevantOnly and the transaction is relevant (a rule
  // without noauditlog matched, or the status fits SecAuditLogRelevantStatus).
  [[nodiscard]] bool wanted() const { return wanted_; }
  [[nodiscard]] const AuditParts& parts() const { return parts_; }
  // `server_id`, `engine` and `connector` are the caller's to fill.
  [[nodiscard]] AuditRecord& record() { return record_; }
  // Some rule asked to hide something (sanitise*).
  [[nodiscard]] static bool hides(Transaction& transaction);

 private:
  void fill_request(TransactionState& tx);
  void fill_response(TransactionState& tx, std::uint16_t answered);
  void fill_messages(TransactionState& tx);
  void fill_sanitise(TransactionState& tx);

  AuditRecord record_;
  AuditParts parts_;
  bool wanted_ = false;
  std::vector<AuditField> request_headers_, arguments_, response_headers_;
  std::vector<AuditFile> files_;
  std::vector<std::string_view> components_;
  std::vector<AuditMessage> messages_;
  std::vector<std::uint64_t> matched_rules_;
  std::vector<std::string_view> hidden_arguments_, hidden_request_headers_,
      hidden_response_headers_;
};

}  // namespace weir::rules
