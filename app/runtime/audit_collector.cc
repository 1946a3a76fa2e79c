#include "app/runtime/audit_collector.h"

#include <array>
#include <span>

#include "rules/audit_record.h"

namespace weir::app {
namespace {

// Eight letters and digits.
std::string boundary_of(std::string_view id, const base::SipKey& key) {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuv";
  std::uint64_t hash = base::siphash13(
      std::span(reinterpret_cast<const std::uint8_t*>(id.data()), id.size()), key.k0, key.k1);
  std::string out;
  for (int i = 0; i < 8; ++i) {
    out += kLetters[hash % kLetters.size()];
    hash /= kLetters.size();
  }
  return out;
}

// The status of a refusal that no rule decided: HTTP that Weir itself refuses.
std::uint16_t own_answer(const WafPart& waf) {
  return waf.decision == DecisionKind::Deny && waf.decision_rule == 0 && waf.mode == WafMode::Block
             ? waf.status
             : std::uint16_t{0};
}

}  // namespace

bool AuditFormatter::format(rules::Transaction& transaction, const Event& event, AuditEntry& entry) {
  rules::AuditView view(transaction, own_answer(event.waf));
  if (!view.wanted()) return false;
  rules::AuditRecord& record = view.record();
  record.engine = shape_.engine;
  record.connector = shape_.connector;
  entry_ = &entry;
  const std::string boundary = boundary_of(record.unique_id, shape_.boundary_key);
  // Written into the entry: cannot fail.
  if (shape_.concurrent) {
    (void)rules::write_audit_concurrent(record, view.parts(), shape_.format, boundary, *this);
  } else {
    (void)rules::write_audit_serial(record, view.parts(), shape_.format, boundary, *this);
  }
  return true;
}

Result<void> AuditFormatter::append(std::string_view bytes) {
  entry_->log = bytes;
  return {};
}

Result<std::string> AuditFormatter::store(std::string_view relative_path, std::string_view bytes) {
  entry_->path = relative_path;
  entry_->file = bytes;
  return "/" + std::string(relative_path);
}

void AuditCollector::on_finished(rules::Transaction& transaction, const Event& event) {
  Entry& entry = entries_.emplace_back();
  if (!formatter_.format(transaction, event, entry)) {
    entries_.pop_back();
    return;
  }
  entry.packet = packet_;
  entry.time = event.origin.time.ns;
  entry.flow = event.origin.flow_id;
  entry.tx = event.http.tx_id;
}

void AuditOutput::write(const AuditEntry& entry) {
  Result<void> result;
  if (!entry.path.empty()) {
    if (const auto stored = sink_.store(entry.path, entry.file); !stored)
      result = Unexpected(stored.error());
  }
  if (result) result = sink_.append(entry.log);
  if (result) {
    ++written_;
    return;
  }
  if (lost_++ == 0) why_ = result.error().message;
}

}  // namespace weir::app
