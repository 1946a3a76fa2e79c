// Flow: one TCP connection past its handshake, and HalfStream, one direction of it.
//
// A HalfStream is the data that one end (its sender) sends to the other (its receiver). Everything is
// counted in stream offsets: 64-bit, 0 = the first byte after the SYN (or the first byte seen), unwrapped
// from sequence numbers by their signed distance to the next expected one (RFC 9293 3.4). Offsets are
// signed because segments may name sequence numbers before the start.
//
// Flows live in a pool of the Tracker. `user`, `answer`, `parked`, `busy`, `unwatched`, `away` and `acks_away` belong to the
// listener, who may also set `refused` and HalfStream::cut through the Tracker; the rest is the model's, and read-only
// outside. One that is idle is kept in a third of the memory (engine/flow/dormant.h); what is never far from the next offset is
// kept as 32 bits. Of a new member engine/flow/dormant.cc and tests/support/tcp_twin.h must know.
#pragma once

#include <array>
#include <cstdint>

#include "engine/base/timer_wheel.h"
#include "engine/flow/key.h"
#include "engine/flow/page_store.h"
#include "engine/flow/stream_sink.h"

namespace weir::flow {

inline constexpr std::int64_t kNever = -1;            // an offset that is not known
inline constexpr std::uint32_t kNotInRow = base::kNone - 1;  // Row::previous
inline constexpr std::uint8_t kNoScale = 0xff;        // window scale not negotiated
inline constexpr std::uint8_t kUnknownScale = 14;     // midstream: the largest (RFC 7323 2.3)

// Packet time for spans of less than 24 days.
[[nodiscard]] constexpr std::uint32_t whole_milliseconds(Timestamp t) {
  return static_cast<std::uint32_t>(t.ns / 1'000'000);
}
// The same for spans of less than 68 years.
[[nodiscard]] constexpr std::uint32_t whole_seconds(Timestamp t) { return static_cast<std::uint32_t>(t.ns / seconds(1).ns); }
// How long ago `since` was.
[[nodiscard]] constexpr Duration passed_since(std::uint32_t since, Timestamp now) {
  return {std::int64_t{static_cast<std::int32_t>(whole_milliseconds(now) - since)} * 1'000'000};
}

struct HalfStream {
  std::int64_t next = 0;       // everything below was delivered (or is a gap)
  std::int64_t acked = 0;      // highest offset the receiver has acknowledged
  std::int64_t claimed = 0;    // acknowledged beyond what was seen sent: believed once that is seen
  std::int64_t sent = 0;       // highest offset seen sent, FIN included (SND.NXT)
  std::int64_t edge = 0;       // highest right edge of the window the receiver ever offered
  std::int64_t removed = 0;    // urgent bytes taken out so far
  PageList pages;
  std::uint32_t hole_since = 0;   // packet time (whole_milliseconds) at which the present hole was first seen
  std::uint32_t origin = 0;       // sequence number of offset 0
  std::uint32_t behind = 0;       // bytes present beyond `next`
  std::uint32_t pieces = base::kNone;    // boundaries of out-of-order segments, by offset
  std::uint32_t suspects = base::kNone;  // segments set aside, oldest first
  std::uint32_t timestamp = 0;    // TS.Recent of the receiver (RFC 7323 4.3)
  std::uint32_t timestamp_at = 0;  // packet time of it in seconds
  std::uint32_t offered = 0;      // largest window the sender itself has offered, scaled
  std::uint32_t window = 0;       // window the sender offered last, scaled
  std::uint32_t refused_at = 0;   // packet time in seconds of the first of `refusals`
  std::uint16_t segments_behind = 0;
  std::uint16_t suspect_count = 0;
  std::uint16_t mss = 0;          // of the sender's SYN; 0 = unknown
  std::uint8_t scale = kNoScale;  // of the windows that the sender offers
  std::uint8_t refusals = 0;      // segments refused since the receiver was last seen
  std::uint8_t ttl = 0;           // of the sender's last accepted segment, as it came by here
  bool anchored : 1 = false;      // origin is known from a segment of the sender
  bool origin_known : 1 = false;  // origin is known from the handshake
  bool ack_known : 1 = false;     // the receiver has acknowledged something: acked and edge are known
  bool has_timestamp : 1 = false;
  bool skip : 1 = false;          // the listener wants no more bytes
  bool fin_reached : 1 = false;   // next == fin, nothing may follow
  bool ended : 1 = false;         // on_end was called
  bool truncated : 1 = false;     // a segment was cut by the snaplen
  bool left_out : 1 = false;      // a segment behind a hole could not be kept for want of memory
  bool acks_away : 1 = false;     // the listener's: most of the receiver's bare acknowledgements need not come by

  // Offset of the FIN, or kNever.
  [[nodiscard]] std::int64_t fin() const { return has_fin_ ? unwrapped(fin_) : kNever; }
  [[nodiscard]] bool has_fin() const { return has_fin_; }
  void set_fin(std::int64_t at) { has_fin_ = wrapped(at, fin_); }
  void clear_fin() { has_fin_ = false; }
  // Of the urgent byte, if it is still ahead.
  [[nodiscard]] std::int64_t urgent() const { return has_urgent_ ? unwrapped(urgent_) : kNever; }
  void set_urgent(std::int64_t at) { has_urgent_ = wrapped(at, urgent_); }
  void clear_urgent() { has_urgent_ = false; }
  // Inline: nothing from here on is let through (Tracker::cut).
  [[nodiscard]] std::int64_t cut() const { return has_cut_ ? unwrapped(cut_) : kNever; }
  [[nodiscard]] bool is_cut() const { return has_cut_; }
  void set_cut(std::int64_t at) { has_cut_ = wrapped(at, cut_); }

  // The offset that `seq` names, nearest to the expected one.
  [[nodiscard]] std::int64_t offset_of(std::uint32_t seq) const {
    return next + static_cast<std::int32_t>(seq - seq_of(next));
  }
  [[nodiscard]] std::uint32_t seq_of(std::int64_t offset) const {
    return origin + static_cast<std::uint32_t>(offset);
  }
  // RCV.NXT of the receiver once it has everything delivered.
  [[nodiscard]] std::int64_t expected() const { return next + (fin_reached ? 1 : 0); }

 private:
  // Offsets that never are farther from `next` than a window reaches (2^30), and are forgotten before they are.
  [[nodiscard]] std::int64_t unwrapped(std::uint32_t low) const {
    return next + static_cast<std::int32_t>(low - static_cast<std::uint32_t>(next));
  }
  // False: too far, it is no place that a receiver would ever come to.
  [[nodiscard]] bool wrapped(std::int64_t offset, std::uint32_t& low) const {
    low = static_cast<std::uint32_t>(offset);
    return unwrapped(low) == offset;
  }
  bool has_fin_ : 1 = false;
  bool has_urgent_ : 1 = false;
  bool has_cut_ : 1 = false;
  std::uint32_t fin_ = 0;
  std::uint32_t urgent_ = 0;
  std::uint32_t cut_ = 0;
};
static_assert(sizeof(HalfStream) <= 120);

// A place in a row of flows that is in the order of a time of each.
struct Row {
  std::uint32_t previous = kNotInRow;
  std::uint32_t next = base::kNone;
  std::uint32_t time = 0;  // whole_milliseconds
};

enum class FlowState : std::uint8_t {
  Open,
  Reset,   // a valid RST passed; passive: not yet closed, for the reset may prove not to have arrived
  Closed,  // both directions ended, the listener was told; remembered for a while
};

class Flow {
 public:
  FlowKey key;
  std::uint64_t id = 0;      // keyed hash of key and start: stable between runs over one capture
  void* user = nullptr;      // the listener's; set in on_open, released in on_close
  Timestamp first_time;
  Timestamp last_time;
  std::array<std::uint64_t, 2> packets{};  // by Direction; accepted segments
  std::array<std::uint64_t, 2> bytes{};    // by Direction; delivered to the listener or skipped
  std::array<HalfStream, 2> halves;        // by Direction of the data
  base::TimerLink timer;
  std::uint32_t lru_previous = base::kNone;
  std::uint32_t lru_next = base::kNone;
  std::uint32_t hash = 0;
  std::uint32_t chain = base::kNone;           // of the index
  Row wake;  // those that may become dormant, by packet time when they were last thought of
  Row held;  // inline, those of which bytes are kept, by Tracker::fair_ when the first of them was, or some were acknowledged last
  std::uint32_t successor = base::kNone;  // half-open connection that would replace this one
  std::uint32_t answer = base::kNone;     // the listener's
  std::uint32_t parked = base::kNone;     // the listener's
  std::uint32_t lru_time = 0;   // packet time (whole_milliseconds) at which it came to the young end of its list
  // Bytes of direction `released_way` below this offset may go by unseen (Tracker::release); kNever: none ever did.
  std::int64_t released_to = kNever;
  std::uint32_t state_time = 0;  // packet time (whole_milliseconds) at which `state` was entered
  std::uint32_t anomalies = 0;  // bits by Anomaly
  std::uint32_t failures = 0;   // the listener's
  FlowState state : 2 = FlowState::Open;
  std::uint8_t lru_class : 2 = 0;
  Direction reset_from : 1 = Direction::ToServer;  // direction of the RST
  bool client_is_low : 1 = false;
  bool handshake_seen : 1 = false;  // both SYN and SYN/ACK were
  bool timestamps : 1 = false;      // RFC 7323 timestamps negotiated (or, midstream, seen from both)
  bool lossy : 1 = false;           // the capture has proved to lack segments
  bool closed : 1 = false;          // on_close was called; `user` is no longer the listener's
  bool busy : 1 = false;            // the listener's: a transaction is running; evicted last
  bool bypassed : 1 = false;        // Tracker::bypass_flow: all of it passes, nothing is followed
  bool refused : 1 = false;         // Tracker::refuse_flow: no segment of it may pass any more
  bool unwatched : 1 = false;       // the listener's: it never looks into it
  bool away : 1 = false;            // the listener's: what is released, or all, need not come by (engine/port.h)
  Direction released_way : 1 = Direction::ToClient;
  // The interface by which the client's SYN came, if it went on by another one; 0: not known. By that
  // interface comes nothing of the server's.
  std::uint16_t client_side = 0;

  [[nodiscard]] HalfStream& half(Direction d) { return halves[static_cast<std::size_t>(d)]; }
  [[nodiscard]] const HalfStream& half(Direction d) const {
    return halves[static_cast<std::size_t>(d)];
  }
  // Where what may go by unseen of direction `d` ends; kNever: nothing may.
  [[nodiscard]] std::int64_t released(Direction d) const { return released_way == d ? released_to : kNever; }
  [[nodiscard]] net::Endpoint client() const { return client_is_low ? key.low() : key.high(); }
  [[nodiscard]] net::Endpoint server() const { return client_is_low ? key.high() : key.low(); }

  // Exact sequence number that the receiver of direction `d` expects next: what a RST or data made by
  // Weir towards it must carry (RFC 5961 3.2).
  [[nodiscard]] std::uint32_t expected_seq(Direction d) const {
    return half(d).seq_of(half(d).expected());
  }
};
static_assert(sizeof(Flow) <= 464);

// What was odd in a connection; reported at most once each per flow and direction of time.
enum class Anomaly : std::uint8_t {
  OverlapConflict,   // a retransmission differs from what was seen first
  UrgentData,        // URG was set
  SynData,           // data in a SYN
  SeveralSyns,       // SYNs of one connection with different sequence numbers
  SynInEstablished,  // a SYN on a live connection
  RefusedData,       // data that the endpoint should not take: bad ACK, window, checksum, timestamp …
  RescuedData,       // such data that the receiver nevertheless acknowledged
  BadReset,          // a RST that the endpoint should not take
  DataAfterEnd,      // data after FIN or RST
  ManySegments,      // an absurd number of out-of-order segments
};

}  // namespace weir::flow
