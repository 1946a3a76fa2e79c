// Outbox: the frames that one call of the Inspector makes, in one block of memory that is reserved at
// construction, and the bound on how many a second it may make (inline.md I11: what an attacker sends must
// not make Weir send more).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/inspect/options.h"
#include "engine/inspect/verdict.h"
#include "engine/net/build.h"
#include "engine/packet.h"

namespace weir::inspect {

// What stays of a packet for frames that go its connection's way.
struct Like {
  std::uint64_t domain = 0;
  std::uint64_t number = 0;
  std::uint64_t token = 0;
  LinkType link = LinkType::RawIp;
  std::uint8_t envelope_length = 0;
  std::array<std::uint8_t, kMostEnvelope> envelope{};

  static Like of(const Packet& packet);
};

class Outbox {
 public:
  // The most payload of one frame: with all headers it fits an Ethernet frame, tagged or tunnelled.
  static constexpr std::size_t kMostPayload = 1400;
  static constexpr std::size_t kMostFrames = 64;

  explicit Outbox(const BlockOptions& options);

  // A new call: the frames of the last one are gone.
  void begin(Timestamp now);
  // Makes a frame. false: there is no room in this call, the rate is reached, or the packet's link cannot
  // be answered; whoever must get through tries again later.
  bool add(const Like& like, Towards towards, const net::Route& route, const net::TcpFrame& frame);
  [[nodiscard]] std::span<const Injection> frames() const { return frames_; }
  [[nodiscard]] bool full() const { return frames_.size() == kMostFrames; }

  [[nodiscard]] std::uint64_t made() const { return made_; }
  [[nodiscard]] std::uint64_t limited() const { return limited_; }

 private:
  struct Slot {
    std::array<std::uint8_t, net::Route::kMost + net::kMostTcpHeaders + kMostPayload> bytes;
    Like like;
  };

  std::vector<Slot> slots_;
  std::vector<Injection> frames_;
  std::uint16_t ip_id_ = 1;
  std::int64_t rate_;
  std::int64_t credit_ns_;  // frames that may be made, each worth 1 s / rate
  Timestamp credited_;
  std::uint64_t made_ = 0;
  std::uint64_t limited_ = 0;
};

}  // namespace weir::inspect
