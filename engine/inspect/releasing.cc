#include "engine/inspect/releasing.h"

#include <optional>

namespace weir::inspect {
namespace {

using flow::Direction;
using flow::Flow;
using flow::HalfStream;

// Less is not worth two changes of mind.
constexpr std::uint64_t kWorthwhile = 256 * 1024;
// A port need not listen, and what it had received before comes all the same: it is told again now and then.
constexpr std::uint64_t kReminder = 64;

// Neither side is read any more, or ever was.
bool unread(const Flow& flow) {
  if (flow.closed || flow.refused || flow.state != flow::FlowState::Open || flow.successor != base::kNone) return false;
  const HalfStream& to_server = flow.half(Direction::ToServer);
  const HalfStream& to_client = flow.half(Direction::ToClient);
  if (to_server.ended || to_client.ended) return false;
  return flow.bypassed || flow.unwatched || (to_server.skip && to_client.skip);
}

Release all_of(Context& context, flow::Tracker& tracker, Flow& flow) {
  if (flow.away) return (flow.packets[0] + flow.packets[1]) % kReminder == 0 ? Release::Both : Release::None;
  // What comes all the same, or again, comes behind bytes that nobody counted.
  tracker.bypass_flow(flow);
  ++context.counters.released;
  flow.away = true;
  return Release::Both;
}

Release take_back(Context& context, Flow& flow) {
  if (flow.away) ++context.counters.resumed;
  flow.away = false;
  return Release::Resume;
}

}  // namespace

std::optional<std::uint64_t> Session::unwanted_rest() const {
  if (exchanges_.size() != 1 || opaque_ || tunnel_ || refusal_.reason != DropReason::None) return std::nullopt;
  // The client says nothing, and no other answer can follow this one.
  if (connection_->waiting() != 1 || connection_->state(http::Side::Request) != http::SideState::Idle) return std::nullopt;
  const std::optional<std::uint64_t> rest = connection_->rest_of_body(http::Side::Response);
  if (!rest || *rest < kWorthwhile) return std::nullopt;
  const Exchange& exchange = *exchanges_.front();
  if (!exchange.request.done || !exchange.response.begun) return std::nullopt;
  if (judging(exchange) && !exchange.tx.response_body_settled()) return std::nullopt;
  return rest;
}

void Session::settle_response() {
  if (unwanted_rest()) judge_response_body(*exchanges_.front(), false);
}

Release release_after(Context& context, flow::Tracker& tracker, const flow::SegmentVerdict& judged,
                      const net::TcpSegment& segment, const Session* session) {
  if (judged.flow == nullptr || judged.flow->refused) return Release::None;
  Flow& flow = *judged.flow;
  const bool from_server = judged.direction == Direction::ToClient;
  const HalfStream& to_client = flow.half(Direction::ToClient);
  // Whoever was here before may have let some of it go.
  if (judged.opened && !flow.handshake_seen) return take_back(context, flow);
  if (context.options.release.unread && !segment.has(net::kSyn) && unread(flow)) return all_of(context, tracker, flow);
  if (flow.away) {
    const bool asks = !from_server && !segment.payload.empty();
    if (asks || session == nullptr || session->refusal().reason != DropReason::None || to_client.next >= flow.released_to) {
      return take_back(context, flow);
    }
    const bool reminder = flow.packets[static_cast<std::size_t>(Direction::ToClient)] % kReminder == 0;
    return from_server && reminder ? Release::This : Release::None;
  }
  if (!context.options.release.responses || !from_server || segment.payload.empty()) return Release::None;
  if (session == nullptr || !flow.handshake_seen || to_client.ended) return Release::None;
  const std::optional<std::uint64_t> rest = session->unwanted_rest();
  if (!rest || to_client.behind != 0 || flow.half(Direction::ToServer).behind != 0) return Release::None;
  tracker.release_to_client(flow, *rest);
  flow.away = true;
  ++context.counters.released;
  return Release::This;
}

}  // namespace weir::inspect
