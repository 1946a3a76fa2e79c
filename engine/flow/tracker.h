// Tracker: the TCP model. Takes segments of both directions in the order of arrival, says of each whether
// an endpoint may see it, and hands the bytes that the receiver will read to a StreamSink.
//
// What it promises:
// * Bytes are delivered once, in order, as soon as they are contiguous (on arrival, not when
//   acknowledged); a hole is a typed StreamGap, never invented bytes.
// * A segment is forwarded only if it is part of the model (Accepted), so inline nothing reaches a
//   receiver that was not inspected. First data wins: every byte forwarded and not yet acknowledged is
//   kept, and a segment that differs from it is dropped.
// * Passive, it tells what a Linux receiver took (RFC 9293, 7323, 5961; where these leave a choice, as
//   measured), and is lenient where the capture lacks what a check needs. A segment that the receiver
//   should refuse is set aside; if the receiver then acknowledges its place and nothing else was seen
//   there, it was taken after all, and is delivered late.
// * Memory is bounded by FlowLimits and reserved at construction; work per call is bounded.
// * Deterministic: the same segments give the same callbacks. Time is that of the packets.
//
// Parts: tracker.cc (finding and forgetting), tracker_rest.cc (packing what is idle), tracker_handshake.cc,
// tracker_segment.cc (acceptance of a segment, RFC 9293 3.10.7.4), tracker_data.cc (placing, delivering, holes).
// Not thread-safe; one per worker. The sink must not call back into the Tracker.
// Tested by tests/unit/flow and tests/fuzz/flow (against a map of byte to first writer).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "engine/flow/flow.h"
#include "engine/flow/options.h"
#include "engine/flow/page_store.h"
#include "engine/flow/pieces.h"
#include "engine/flow/stream_sink.h"
#include "engine/flow/suspects.h"
#include "engine/flow/table.h"
#include "engine/flow/verdict.h"
#include "engine/limits.h"
#include "engine/net/segment.h"

namespace weir::flow {

class Tracker {
 public:
  Tracker(const FlowLimits& limits, const FlowOptions& options, StreamSink& sink);
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // The views in `segment` need live only during the call.
  [[nodiscard]] SegmentVerdict on_segment(const net::TcpSegment& segment) noexcept;
  // Time passes without segments: expires connections, a bounded number per call.
  void on_time(Timestamp now) noexcept;
  // No segment will follow: ends and closes every flow.
  void end_of_input() noexcept;
  // Segments went by unseen. What was known is ended and closed, and as after a start connections that
  // began earlier are taken up (FlowOptions::midstream_grace).
  void begin_anew(Timestamp now) noexcept;

  // Of a connection of which nothing else is known: by its ports.
  [[nodiscard]] bool sent_by_client(const net::TcpSegment& s) const;

  // Inline, for the listener, between calls of on_segment().
  // No segment of the flow passes any more; it is remembered while segments come, and for a while after.
  // `keep_sent`: the bytes towards the client that it has not acknowledged stay for copy().
  void refuse_flow(Flow& f, bool keep_sent) noexcept;
  // No transaction of the flow runs any more, and its packet is not at hand: it is missed no more than one that is idle.
  void calm_flow(Flow& f) noexcept;
  // The flow is not inspected any more; all of it passes until it times out.
  void bypass_flow(Flow& f) noexcept;
  // The next `length` bytes of direction `d` may go by unseen, or come all the same. Their receiver's acknowledgements,
  // all of which must come by, say how far they have got; so do those segments of their sender's that come: it will be
  // believed that everything before them was sent, whether it was or not, for what comes behind is judged in its place
  // all the same. One direction at a time; what was said before of another place is forgotten.
  // REQUIRES: the connection was seen from its beginning; nothing waits behind a hole.
  void release(Flow& f, Direction d, std::uint64_t length) noexcept;
  struct Whose {
    Flow* flow = nullptr;  // null: none that is past its handshake
    Direction direction = Direction::ToServer;
  };
  [[nodiscard]] Whose find(const net::TcpSegment& s) noexcept;
  // From `offset` on, nothing of direction `d` passes: later segments are trimmed (SegmentVerdict::trimmed),
  // acknowledgements go on. What was delivered beyond is taken back from the model.
  // REQUIRES: nothing beyond was let through.
  void cut(Flow& f, Direction d, std::int64_t offset) noexcept;
  // Copies bytes of direction `d` from `offset` on, as far as they are still kept; returns how many.
  [[nodiscard]] std::size_t copy(const Flow& f, Direction d, std::int64_t offset,
                                 std::span<std::uint8_t> out) const noexcept;

  [[nodiscard]] const FlowCounters& counters() const { return counters_; }
  // Directions that have ended and half-open records that have expired, so far.
  [[nodiscard]] std::uint64_t endings() const { return endings_; }
  [[nodiscard]] const FlowOptions& options() const { return options_; }
  // Connections that are packed at present (of FlowCounters::flows_now).
  [[nodiscard]] std::uint32_t dormant() const { return table_.dormants(); }
  // The most memory this tracker will ever use, in bytes.
  [[nodiscard]] std::uint64_t memory_ceiling() const;

 private:
  struct Placement;

  // tracker.cc
  [[nodiscard]] bool inline_mode() const { return options_.mode == Mode::Inline; }
  [[nodiscard]] DropReason malformed(const net::TcpSegment& s) const;
  SegmentVerdict classify(const net::TcpSegment& s);
  SegmentVerdict on_unknown(const net::TcpSegment& s, const KeyedSegment& k, std::uint32_t hash);
  SegmentVerdict adopt(const net::TcpSegment& s, const KeyedSegment& k, std::uint32_t hash);
  [[nodiscard]] bool poisoned(const FlowKey& key) const;
  void pass_time(std::size_t budget);
  [[nodiscard]] Timestamp deadline(const Flow& f) const;
  void on_timer(Flow& f);
  Flow* open_flow(const FlowKey& key, std::uint32_t hash, Timestamp start, bool client_is_low);
  bool make_room();
  void finish(Flow& f, EndCause cause);  // flush, end, close, forget
  void end_direction(Flow& f, Direction d, EndCause cause);
  void close_if_ended(Flow& f);
  void close(Flow& f);
  void arm(Flow& f);
  void note(Flow& f, Direction d, Anomaly a);
  SegmentVerdict accepted(Flow& f, Direction d, const net::TcpSegment& s);
  SegmentVerdict accepted(const net::TcpSegment& s);

  // tracker_rest.cc
  // `at_most`: of whom it is time to think, or, in a crowd, of `in_a_crowd`.
  void rest(std::size_t at_most, std::size_t in_a_crowd) {
    if (now_ >= rest_due_ || (in_a_crowd != 0 && table_.wakeful() > wakeful_most_)) think(at_most, in_a_crowd);
  }
  void think(std::size_t at_most, std::size_t in_a_crowd);
  void think_of(Flow& f);
  Flow& wake(std::uint32_t dormant);
  Flow& awake(const FlowTable::Aged& one) { return one.flow != nullptr ? *one.flow : wake(one.dormant); }
  void on_dormant_timer(std::uint32_t dormant);

  // tracker_handshake.cc
  SegmentVerdict begin(const net::TcpSegment& s, const KeyedSegment& k, std::uint32_t hash,
                       Flow* owner);
  SegmentVerdict on_half_open(std::uint32_t index, const net::TcpSegment& s, bool from_low);
  SegmentVerdict half_open_syn(HalfOpen& h, const net::TcpSegment& s, bool from_client);
  SegmentVerdict half_open_synack(HalfOpen& h, const net::TcpSegment& s, bool from_client);
  SegmentVerdict half_open_segment(std::uint32_t index, const net::TcpSegment& s, bool from_client);
  SegmentVerdict promote(std::uint32_t index, const SynRecord* syn, const SynAckRecord* synack,
                         const net::TcpSegment& s, Direction d);
  static void take_handshake(Flow& f, const std::optional<SynRecord>& client,
                             const std::optional<SynAckRecord>& server);
  SegmentVerdict on_syn(Flow& f, Direction d, const net::TcpSegment& s);
  SegmentVerdict on_late_synack(Flow& f, Direction d, const net::TcpSegment& s);
  [[nodiscard]] bool belongs_to_successor(Flow& f, Direction d, const net::TcpSegment& s);

  // tracker_segment.cc
  SegmentVerdict on_flow(Flow& f, Direction d, const net::TcpSegment& s);
  [[nodiscard]] bool is_plain(const Flow& f, Direction d, const net::TcpSegment& s) const;
  SegmentVerdict take_plain(Flow& f, Direction d, const net::TcpSegment& s);
  SegmentVerdict on_cut(Flow& f, Direction d, const net::TcpSegment& s);
  SegmentVerdict on_refused(Flow& f, Direction d);
  SegmentVerdict on_reset(Flow& f, Direction d, const net::TcpSegment& s);
  SegmentVerdict after_reset(Flow& f, Direction d, const net::TcpSegment& s);
  [[nodiscard]] DropReason unacceptable(const Flow& f, Direction d, const net::TcpSegment& s) const;
  [[nodiscard]] bool window_allows(const Flow& f, Direction d, const net::TcpSegment& s) const;
  [[nodiscard]] bool ack_acceptable(const Flow& f, Direction d, const net::TcpSegment& s) const;
  [[nodiscard]] bool timestamp_too_old(const Flow& f, Direction d, const net::TcpSegment& s) const;
  void anchor(Flow& f, Direction d, const net::TcpSegment& s);
  // True if it tells of bytes of the other direction that did not come by.
  bool take_ack(Flow& f, Direction d, const net::TcpSegment& s);
  void take_timestamp(Flow& f, Direction d, const net::TcpSegment& s);
  void take_urgent(Flow& f, Direction d, const net::TcpSegment& s, std::int64_t offset);
  void advance_ack(Flow& f, Direction data, std::int64_t ack);
  SegmentVerdict refuse(Flow& f, Direction d, const net::TcpSegment& s, DropReason reason);
  static SegmentVerdict wrong_side(Flow* f);
  void set_aside(Flow& f, Direction d, const net::TcpSegment& s, DropReason reason);

  // tracker_data.cc
  Placement place(Flow& f, Direction d, std::int64_t offset, Bytes payload);
  Placement place_inline(Flow& f, Direction d, std::int64_t offset, Bytes payload);
  bool keep_room(Flow& f, HalfStream& h, std::int64_t from, std::int64_t end, bool in_order);
  bool give_up_stalled(const Flow& but);
  [[nodiscard]] bool too_far(const Flow& f, Direction d, std::int64_t from, std::int64_t end) const;
  void place_passive(Flow& f, Direction d, std::int64_t from, Bytes fresh, std::int64_t start);
  void place_without_memory(Flow& f, Direction d, std::int64_t from, Bytes fresh, GapCause cause);
  void place_skipped(Flow& f, Direction d, std::int64_t offset, std::int64_t end);
  void keep_for_comparison(HalfStream& h, std::int64_t from, Bytes fresh);
  [[nodiscard]] DropReason fin_conflict(const Flow& f, Direction d, std::int64_t end,
                                        bool bare, bool fin) const;
  static void mark_fin(HalfStream& h, std::int64_t at);
  void deliver(Flow& f, Direction d, Bytes bytes);
  void drain(Flow& f, Direction d);
  void reach_fin(Flow& f, Direction d);
  void gap(Flow& f, Direction d, std::int64_t length, GapCause cause);
  void skip_hole(Flow& f, Direction d, GapCause cause);
  void settle_holes(Flow& f, Direction d);
  void jump_to(Flow& f, Direction d, std::int64_t offset, GapCause cause = GapCause::Lost);
  void pass_released(Flow& f, Direction d, std::int64_t offset);
  void rescue(Flow& f, Direction d);
  void release_acknowledged(HalfStream& h);
  void stop_delivery(HalfStream& h);
  void release_buffers(HalfStream& h);
  void flush(Flow& f, Direction d);
  // The receiver of `data` is not captured: never was, or has been silent while it should have spoken.
  [[nodiscard]] static bool one_sided(const Flow& f, Direction data) {
    return !f.half(opposite(data)).anchored || f.half(data).refusals >= kManyRefusals;
  }
  static constexpr std::uint8_t kManyRefusals = 8;

  FlowOptions options_;
  FlowLimits limits_;
  StreamSink& sink_;
  PageStore pages_;
  PieceList pieces_;
  SuspectList suspects_;
  FlowTable table_;
  FlowCounters counters_;
  std::uint64_t endings_ = 0;
  // Time comes to be `t`, if it is not later. What passes at once beyond a moment was not the connections' to use: somebody
  // was long at something, and what they sent meanwhile waits.
  void come_to(Timestamp t) {
    constexpr Duration kMoment = milliseconds(50);
    if (t <= now_) return;
    fair_ = fair_ + std::min(t - now_, kMoment);
    now_ = t;
  }

  Timestamp now_;
  Timestamp fair_;  // passes as come_to() says: for Flow::held
  Timestamp passed_{std::numeric_limits<std::int64_t>::min()};  // all that was due then has been dealt with
  Timestamp rest_due_{std::numeric_limits<std::int64_t>::min()};  // before then it is time to think of nobody
  std::uint32_t wakeful_most_;   // more is a crowd
  std::uint64_t rested_at_ = 0;  // FlowCounters::segments at the latest on_time()
  Timestamp begin_;
  bool begun_ = false;
  std::vector<bool> server_port_;
};

struct Tracker::Placement {
  DropReason reason = DropReason::None;
  bool retransmission = false;
};

}  // namespace weir::flow
