// From a worker's transactions to audit log entries in its ring: formatted at once, for the transaction's content
// lives no longer; what finds no room is counted. The supervisor's AuditWriter writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "app/live/ring_feed.h"
#include "app/runtime/audit_collector.h"
#include "engine/inspect/transaction_sink.h"

namespace weir::app {

// An entry as one item of a ring, and back. False: it is none (a worker is believed nothing).
void pack(const AuditEntry& entry, std::string& out);
[[nodiscard]] bool unpack(std::string_view item, AuditEntry& entry);

class LiveAudit final : public inspect::TransactionSink {
 public:
  // `ring` must outlive it. `wake`: descriptor of the writer's bell.
  LiveAudit(AuditShape shape, EventRing& ring, int wake) : formatter_(std::move(shape)), feed_(ring, wake) {}

  void on_finished(rules::Transaction& transaction, const Event& event) override;
  // Tells the writer that there are entries, if there are.
  void flush() { feed_.flush(); }

  [[nodiscard]] std::uint64_t made() const { return feed_.taken(); }
  [[nodiscard]] std::uint64_t lost() const { return feed_.lost(); }

 private:
  AuditFormatter formatter_;
  RingFeed feed_;
  AuditEntry entry_;
  std::string item_;
};

}  // namespace weir::app
