// Batch: decoded packets with bytes of their own, for workers to inspect while the next ones are read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "app/runtime/files.h"
#include "engine/net/segment.h"
#include "engine/packet.h"

namespace weir::app {

class Batch {
 public:
  static constexpr std::size_t kItems = 512;
  static constexpr std::size_t kBytes = 1U << 19;

  // One packet. Without a segment only its time matters.
  struct Item {
    Timestamp time;
    std::uint64_t number = 0;
    bool tcp = false;
    unsigned worker = 0;
    std::size_t payload_at = 0;
    net::TcpSegment segment;
  };

  void clear() {
    items_.clear();
    bytes_.clear();
  }
  void add(Timestamp time, std::uint64_t number) {
    Item& item = items_.emplace_back();
    item.time = time;
    item.number = number;
  }
  void add(Timestamp time, std::uint64_t number, const net::TcpSegment& segment, unsigned worker) {
    add(time, number);
    Item& item = items_.back();
    item.tcp = true;
    item.worker = worker;
    item.payload_at = bytes_.size();
    item.segment = segment;
    bytes_.insert(bytes_.end(), segment.payload.begin(), segment.payload.end());
  }
  [[nodiscard]] bool full() const { return items_.size() >= kItems || bytes_.size() >= kBytes; }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] const std::vector<Item>& items() const { return items_; }
  [[nodiscard]] net::TcpSegment segment(const Item& item) const {
    net::TcpSegment s = item.segment;
    s.payload = Bytes(bytes_.data() + item.payload_at, item.segment.payload.size());
    return s;
  }

  // Another processor wrote it: what will be read of it soon, if it is for `worker`.
  void fetch(std::size_t at, unsigned worker) const {
    constexpr std::size_t kItemsAhead = 6, kPayloadAhead = 2, kLine = 64, kLines = 6;
    if (at + kItemsAhead < items_.size()) {
      const auto* const item = reinterpret_cast<const char*>(&items_[at + kItemsAhead]);
      for (std::size_t i = 0; i < sizeof(Item); i += kLine) __builtin_prefetch(item + i);
    }
    if (at + kPayloadAhead >= items_.size()) return;
    const Item& next = items_[at + kPayloadAhead];
    if (!next.tcp || next.worker != worker) return;
    const std::size_t end = std::min(next.segment.payload.size(), kLines * kLine);
    for (std::size_t i = 0; i < end; i += kLine) __builtin_prefetch(bytes_.data() + next.payload_at + i);
  }

  std::shared_ptr<const FileMap> files;

 private:
  std::vector<Item> items_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace weir::app
