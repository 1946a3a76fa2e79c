// CollectionStore: SecLang's persistent collections (IP, SESSION, USER, GLOBAL, RESOURCE) across
// transactions. The one shared mutable thing of the program; an interface, so that a shared store can
// serve a fleet later. Thread-safe; bounded; never blocks for longer than a shard's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "engine/packet.h"

namespace weir::rules {

class CollectionStore {
 public:
  virtual ~CollectionStore() = default;

  using Visitor = std::function<void(std::string_view key, std::string_view value)>;
  // Calls `each` for every live variable of the record (collection e.g. "ip", key e.g. "192.0.2.1").
  // Variables past their expiry are gone. A record that does not exist is empty.
  virtual void load(std::string_view collection, std::string_view key, Timestamp now,
                    const Visitor& each) = 0;
  // One atomic change: concurrent transactions never lose an increment.
  virtual void set(std::string_view collection, std::string_view key, std::string_view variable,
                   std::string_view value, Timestamp now) = 0;
  // Adds `delta` (may be negative) to an integer variable; the result never goes below 0. Returns it.
  virtual std::int64_t add(std::string_view collection, std::string_view key,
                           std::string_view variable, std::int64_t delta, Timestamp now) = 0;
  virtual void remove(std::string_view collection, std::string_view key, std::string_view variable,
                      Timestamp now) = 0;
  virtual void expire(std::string_view collection, std::string_view key, std::string_view variable,
                      Duration after, Timestamp now) = 0;
  // deprecatevar: lowers the value by `amount` for every `period` passed since its last update.
  virtual void deprecate(std::string_view collection, std::string_view key,
                         std::string_view variable, std::int64_t amount, Duration period,
                         Timestamp now) = 0;
  // SecCollectionTimeout: records untouched for this long are forgotten (default 3600 s).
  virtual void set_timeout(Duration timeout) = 0;
};

}  // namespace weir::rules
