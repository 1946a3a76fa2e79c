// Blocking: what an inline Weir does on the wire about a connection of which nothing more may pass. To the
// client a page where one can be sent (Answers), after the responses that are still owed; else, and to the
// server always, resets with exact sequence numbers. Packets that come later are answered, never passed.
//
// docs/decisions/injection.md says why it is done so.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/flow/tracker.h"
#include "engine/inspect/answers.h"
#include "engine/inspect/block_page.h"
#include "engine/inspect/context.h"
#include "engine/inspect/outbox.h"
#include "engine/inspect/session.h"
#include "engine/net/decode.h"

namespace weir::inspect {

// The packet in hand.
struct Arrival {
  const Packet& packet;
  const net::Datagram& datagram;
  const net::TcpSegment& segment;
};

class Blocking {
 public:
  Blocking(Context& context, flow::Tracker& tracker);

  void begin() { outbox_.begin(context_.now); }
  [[nodiscard]] std::span<const Injection> frames() const { return outbox_.frames(); }

  // The listener refused the flow because of this segment, which is not let through. `session`: the refused
  // one; its exchanges are over afterwards, but for those that are still to be answered.
  void refused(const Arrival& in, const flow::SegmentVerdict& verdict, Session& session);
  // Both ends are reset, nothing more of the flow passes. `forwarded`: this segment was let through.
  void reset(const Arrival& in, const flow::SegmentVerdict& verdict, Session* session, bool forwarded);
  // A segment of a flow that was refused before (flow::DropReason::Refused).
  void on_refused(const Arrival& in, const flow::SegmentVerdict& verdict);
  // The refused request waits for earlier responses. After a segment of such a flow; false: the segment must
  // not pass (what may of it is on its way).
  [[nodiscard]] bool on_queued(const Arrival& in, const flow::SegmentVerdict& verdict, Session& session);
  // A segment that belongs to nothing that is known, and whose ends are to be told (MidstreamPolicy::Reject).
  // `both`: else its sender only.
  void reject(const Arrival& in, bool both, const flow::Flow* flow);

  void on_time();
  // The flow is about to be forgotten.
  void forget(flow::Flow& flow);

  // Whether on_queued() is wanted for the flow's segments.
  [[nodiscard]] bool queued(const flow::Flow& flow) const {
    return flow.answer != base::kNone && answers_.stage(flow.answer) == Answers::Stage::Queued;
  }

 private:
  struct Positions {  // what was let through, in each direction
    std::int64_t to_server = 0;
    std::int64_t to_client = 0;
    bool client_ahead = false;  // the client has bytes of the server's beyond a hole
  };
  [[nodiscard]] static Positions positions(const flow::SegmentVerdict& verdict, bool forwarded);
  [[nodiscard]] static std::optional<Ways> ways(const Arrival& in, flow::Direction direction);
  // Where the page begins in the stream to the client; kNever: it cannot.
  [[nodiscard]] static std::int64_t page_start(const Refusal& refusal, const Positions& at);
  void serve(flow::Flow& flow, const Session& session, const Answers::Begin& begin);
  // false: it cannot wait.
  bool queue(const Arrival& in, const flow::SegmentVerdict& verdict, Session& session);
  [[nodiscard]] bool queued_client(const Arrival& in, const flow::SegmentVerdict& verdict);
  [[nodiscard]] bool queued_server(const Arrival& in, const flow::SegmentVerdict& verdict,
                                   Session& session);
  // The client's segment without what lies beyond the cut.
  void pass_part(const Arrival& in, const flow::Flow& flow, std::uint32_t seq, Bytes payload);
  void reset_sender(const Arrival& in, bool from_client, std::uint8_t ttl);
  void reset_receiver(const Arrival& in, bool from_client, std::uint32_t seq);
  void drop_answer(flow::Flow& flow);
  void count();

  Context& context_;
  flow::Tracker& tracker_;
  BlockPage page_;
  Outbox outbox_;
  Answers answers_;
};

}  // namespace weir::inspect
