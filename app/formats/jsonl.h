// JSON lines: one record for every event, in the common part compatible with Suricata's EVE. Field order is
// fixed; docs/EVENTS.md describes the fields, docs/event.schema.json is their schema.
#pragma once

#include <cstddef>

#include "app/formats/format.h"

namespace weir::app {

class JsonlFormat final : public Format {
 public:
  // Of a matched value longer than this only the beginning is written, and marked.
  static constexpr std::size_t kValueLimit = 4096;
  void append(const Event& event, const EventSource& source, std::string& out) override;
};

}  // namespace weir::app
