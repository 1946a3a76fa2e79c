// HalfOpen: a connection of which only SYN and SYN/ACK were seen, in 80 bytes (IPv6: 128), so that a flood of SYNs
// fills its own small pool and never touches established connections.
//
// A sender may repeat its SYN with another sequence number, and only the SYN/ACK shows which one the
// server took (CVE-2025-59147); so differing SYNs and SYN/ACKs are all kept, the second and later ones in
// a HandshakeExtra, and the segment that completes the handshake chooses. Options are those of the chosen
// pair (SYN cookies may lose some).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/base/pool.h"
#include "engine/flow/key_store.h"
#include "engine/flow/page_store.h"

namespace weir::flow {

struct SynRecord {
  std::uint32_t seq = 0;
  std::uint32_t timestamp = 0;
  std::uint16_t mss = 0;
  std::uint16_t window = 0;    // never scaled (RFC 7323 2.2)
  std::uint8_t scale = 0xff;   // 0xff = no option
  std::uint8_t ttl = 0;
  bool has_timestamp = false;
};

struct SynAckRecord {
  SynRecord syn;
  std::uint32_t ack = 0;
};

struct HandshakeExtra {
  static constexpr std::size_t kSyns = 9;  // with the first one: 10
  static constexpr std::size_t kSynAcks = 4;
  static constexpr std::size_t kMostData = std::size_t{4} * kPageBytes;
  std::array<SynRecord, kSyns> syns;
  std::array<SynAckRecord, kSynAcks> synacks;
  PageList data;                 // of a SYN with TCP Fast Open, from offset 0 (passive)
  std::uint32_t data_seq = 0;    // sequence number of that SYN
  std::uint32_t data_length = 0;
  std::uint8_t syn_count = 0;
  std::uint8_t synack_count = 0;
};

struct HalfOpen {
  CompactKey key;
  Timestamp start;
  std::uint32_t previous = base::kNone;  // in order of age
  std::uint32_t next = base::kNone;
  std::uint32_t extra = base::kNone;
  std::uint32_t chain = base::kNone;  // of the index
  SynRecord syn;
  SynAckRecord synack;
  std::uint8_t has_syn : 1 = 0;
  std::uint8_t has_synack : 1 = 0;
  std::uint8_t client_is_low : 1 = 0;
  std::uint8_t attached : 1 = 0;  // successor of a flow with the same key; not in the index itself
  std::uint8_t packets = 0;
  std::uint16_t client_side = 0;  // see Flow
};
static_assert(sizeof(HalfOpen) <= 80);

enum class Recorded : std::uint8_t { New, Known, Full };

class HalfOpenStore {
 public:
  HalfOpenStore(std::uint32_t half_open, std::uint32_t extras, PageStore& pages, KeyStore& keys)
      : records_(half_open), extras_(extras), pages_(&pages), keys_(&keys) {}

  // kNone when full.
  [[nodiscard]] std::uint32_t create(const FlowKey& key, Timestamp start);
  void release(std::uint32_t index);
  [[nodiscard]] HalfOpen& operator[](std::uint32_t index) { return records_[index]; }
  [[nodiscard]] const HalfOpen& operator[](std::uint32_t index) const { return records_[index]; }
  [[nodiscard]] FlowKey key(std::uint32_t index) const { return keys_->expand(records_[index].key); }
  [[nodiscard]] std::uint32_t oldest() const { return first_; }
  [[nodiscard]] std::uint32_t size() const { return records_.size(); }

  Recorded add_syn(HalfOpen& h, const net::TcpSegment& s);
  Recorded add_synack(HalfOpen& h, const net::TcpSegment& s);
  // Keeps the payload of a SYN with TCP Fast Open; the first one only.
  void keep_data(HalfOpen& h, const net::TcpSegment& s);

  // The SYN with this sequence number, or null.
  [[nodiscard]] const SynRecord* syn_with(const HalfOpen& h, std::uint32_t seq) const;
  // The SYN that `ack` acknowledges, with or without its data, or null.
  [[nodiscard]] const SynRecord* syn_acked_by(const HalfOpen& h, std::uint32_t ack) const;
  // The SYN/ACK that `ack` acknowledges, or null.
  [[nodiscard]] const SynAckRecord* synack_acked_by(const HalfOpen& h, std::uint32_t ack) const;
  // Copies the data of the SYN to `out` if `ack` acknowledges it; returns its length, else 0.
  std::size_t copy_data(const HalfOpen& h, std::uint32_t ack,
                        std::span<std::uint8_t, HandshakeExtra::kMostData> out) const;

 private:
  [[nodiscard]] const HandshakeExtra* data_acked_by(const HalfOpen& h, std::uint32_t ack) const;
  [[nodiscard]] HandshakeExtra* extra(HalfOpen& h);

  base::Pool<HalfOpen> records_;
  base::Pool<HandshakeExtra> extras_;
  PageStore* pages_;
  KeyStore* keys_;
  std::uint32_t first_ = base::kNone;
  std::uint32_t last_ = base::kNone;
};

}  // namespace weir::flow
