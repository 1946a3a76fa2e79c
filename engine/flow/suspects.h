// SuspectList: segments that the receiver should refuse (bad ACK, outside the window, after a FIN …), set
// aside until its acknowledgements show whether it did. Passive mode only: a capture may lack the segment
// that would have made them valid, and an attacker may send them to be mistaken for the stream.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/base/pool.h"
#include "engine/packet.h"

namespace weir::flow {

struct Suspect {
  static constexpr std::size_t kBytes = 2016;
  std::int64_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t next = base::kNone;
  bool fin = false;
  std::array<std::uint8_t, kBytes> bytes;

  [[nodiscard]] std::int64_t end() const { return offset + length; }
  [[nodiscard]] Bytes payload() const { return Bytes(bytes).first(length); }
};

class SuspectList {
 public:
  explicit SuspectList(std::uint32_t most) : pool_(most) {}

  // Appends a copy; false when it does not fit or was there already.
  bool add(std::uint32_t& head, std::int64_t offset, Bytes payload, bool fin);
  // Of those that end behind `next` and not behind `acked` the one that begins first (the oldest of
  // several, beginnings before `next` counting as `next`), or kNone.
  [[nodiscard]] std::uint32_t acknowledged(std::uint32_t head, std::int64_t next,
                                           std::int64_t acked) const;
  // The highest end of any, or `least`.
  [[nodiscard]] std::int64_t highest(std::uint32_t head, std::int64_t least) const;
  [[nodiscard]] const Suspect& operator[](std::uint32_t i) const { return pool_[i]; }
  void remove(std::uint32_t& head, std::uint32_t index);
  // Forgets those wholly below `offset`; returns how many are left.
  std::uint16_t release_below(std::uint32_t& head, std::int64_t offset);
  void release_all(std::uint32_t& head);

 private:
  base::Pool<Suspect> pool_;
};

}  // namespace weir::flow
