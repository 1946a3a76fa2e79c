#include "engine/flow/verdict.h"

namespace weir::flow {

std::string_view name(DropReason reason) {
  static constexpr std::array<std::string_view, kDropReasons> kNames{
      "none",
      "not-examined",
      "bad-checksum",
      "malformed-options",
      "authentication",
      "invalid-flags",
      "no-ack-flag",
      "syn-data",
      "bad-syn-ack",
      "handshake-incomplete",
      "handshake-limit",
      "simultaneous-open",
      "midstream",
      "out-of-window",
      "bad-ack",
      "old-timestamp",
      "bad-reset",
      "after-reset",
      "after-fin",
      "fin-conflict",
      "overlap-conflict",
      "truncated",
      "direction-limit",
      "memory-limit",
      "flow-limit",
      "refused",
      "one-sided",
      "unseen",
      "wrong-side",
      "poisoned",
  };
  return kNames[static_cast<std::size_t>(reason)];
}

}  // namespace weir::flow
