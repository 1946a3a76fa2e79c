// What connections hold that are in the middle of a message: transactions (ExchangePool) and lines that are not complete.
// One bound for all of it, InspectorOptions::transaction_bytes.
#pragma once

#include <cstdint>

namespace weir::inspect {

struct Context;
class Session;

// Connections that hold part of a line and no transaction, the one that has said nothing for longest first.
class WaitingLines {
 public:
  void touch(Session& session);
  void remove(Session& session);
  [[nodiscard]] Session* oldest() const { return oldest_; }

  std::uint64_t bytes = 0;  // of the lines of all sessions

 private:
  Session* oldest_ = nullptr;
  Session* newest_ = nullptr;
};

// Gives up what was idle longest until the bound is kept: what is not in use first, then what costs somebody something,
// as the failure policy says.
void make_room(Context& context);

}  // namespace weir::inspect
