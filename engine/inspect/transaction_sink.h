// TransactionSink: who wants a transaction itself when it is over, and not only its event: the
// audit log.
#pragma once

#include "engine/event.h"
#include "rules/transaction.h"

namespace weir::inspect {

class TransactionSink {
 public:
  TransactionSink() = default;
  TransactionSink(const TransactionSink&) = delete;
  TransactionSink& operator=(const TransactionSink&) = delete;
  virtual ~TransactionSink() = default;
  // `transaction` is finished, `event` is what was made of it. Both live during the call only. Not
  // called for what the rules never saw (a response without its request).
  virtual void on_finished(rules::Transaction& transaction, const Event& event) = 0;
};

}  // namespace weir::inspect
