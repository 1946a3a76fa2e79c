// AuditCollector: the audit log entries of one worker, formatted at once (the transaction's content
// lives no longer) and kept until their order among those of the other workers is known: that of
// the records (collector.h). AuditOutput writes them.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/base/siphash.h"
#include "engine/inspect/transaction_sink.h"
#include "rules/audit_log.h"

namespace weir::app {

// What entries look like.
struct AuditShape {
  rules::AuditFormat format = rules::AuditFormat::Json;
  bool concurrent = false;
  std::string engine, connector;  // who wrote it
  // Boundaries of the native format are made from the transaction's id with this key. Where clients
  // are alive: random, so that no body can imitate one (bodies are also escaped). For captures:
  // fixed.
  base::SipKey boundary_key;
};

// An entry as bytes, and where they go.
struct AuditEntry {
  std::string log;         // for the log: the entry, or its index line
  std::string path, file;  // concurrent: the entry, and where it goes (rules::audit_path())
};

// From a finished transaction to its entry.
class AuditFormatter final : private rules::AuditSink {
 public:
  explicit AuditFormatter(AuditShape shape) : shape_(std::move(shape)) {}
  // False: the rules want no entry of this transaction, and `entry` is as it was.
  bool format(rules::Transaction& transaction, const Event& event, AuditEntry& entry);

 private:
  Result<void> append(std::string_view bytes) override;
  Result<std::string> store(std::string_view relative_path, std::string_view bytes) override;

  AuditShape shape_;
  AuditEntry* entry_ = nullptr;  // during format()
};

class AuditCollector final : public inspect::TransactionSink {
 public:
  explicit AuditCollector(AuditShape shape) : formatter_(std::move(shape)) {}

  // Transactions from now on end while this packet is inspected.
  void at(std::uint64_t packet) { packet_ = packet; }
  void on_finished(rules::Transaction& transaction, const Event& event) override;

  struct Entry : AuditEntry {
    std::uint64_t packet = 0;
    std::int64_t time = 0;
    std::uint64_t flow = 0;
    std::uint64_t tx = 0;
    [[nodiscard]] auto key() const { return std::tie(packet, time, flow, tx); }
  };
  // Changes what has been collected for `empty`.
  void take(std::vector<Entry>& empty) {
    empty.clear();
    std::swap(empty, entries_);
  }

 private:
  AuditFormatter formatter_;
  std::uint64_t packet_ = 0;
  std::vector<Entry> entries_;
};

// Writes entries; what cannot be written is counted, and the first reason kept.
class AuditOutput {
 public:
  explicit AuditOutput(rules::AuditSink& sink) : sink_(sink) {}

  void write(const AuditEntry& entry);

  [[nodiscard]] std::uint64_t written() const { return written_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  rules::AuditSink& sink_;
  std::uint64_t written_ = 0, lost_ = 0;
  std::string why_;
};

}  // namespace weir::app
