#include "engine/inspect/releasing.h"

#include <algorithm>
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
// Of the client's bytes, or of acknowledgements, at a time, well below what sequence numbers can tell apart: then the
// next ones are.
constexpr std::uint64_t kMostBytes = 512ULL << 20U;
// Less to come is not worth a range of acknowledgements.
constexpr std::int64_t kWorthwhileAcks = 64 * 1024;

// Neither side is read any more, or ever was.
bool unread(const Flow& flow) {
  if (flow.closed || flow.refused || flow.state != flow::FlowState::Open || flow.successor != base::kNone) return false;
  const HalfStream& to_server = flow.half(Direction::ToServer);
  const HalfStream& to_client = flow.half(Direction::ToClient);
  if (to_server.ended || to_client.ended) return false;
  return flow.bypassed || flow.unwatched || (to_server.skip && to_client.skip);
}

Release all_of(Context& context, flow::Tracker& tracker, Flow& flow) {
  if (flow.away && flow.bypassed) return (flow.packets[0] + flow.packets[1]) % kReminder == 0 ? Release::Both : Release::None;
  // What comes all the same, or again, comes behind bytes that nobody counted.
  tracker.bypass_flow(flow);
  ++context.counters.released;
  flow.away = true;
  return Release::Both;
}

Release take_back(Context& context, Flow& flow) {
  if (flow.away) ++context.counters.resumed;
  flow.away = false;
  for (HalfStream& half : flow.halves) half.acks_away = false;
  return Release::Resume;
}

bool uploading(const Flow& flow) { return flow.away && flow.released_way == Direction::ToServer; }

// Where the next byte is that did not come by, up to the end of what was released.
Releasing bytes_of(const Flow& flow) {
  const HalfStream& to_server = flow.half(Direction::ToServer);
  return {Release::Range, {to_server.seq_of(to_server.next), to_server.seq_of(flow.released_to)}};
}

// `segment` came from the receiver of what is released. If it is what most of its segments will be like until the end of
// that, they need not come: an acknowledgement of all of it, or of more, always does, and so does any that is not from
// where the receiver's own data stands.
Releasing acks_like(Flow& flow, const net::TcpSegment& segment) {
  HalfStream& data = flow.half(flow.released_way);
  const Direction back = flow::opposite(flow.released_way);
  const HalfStream& own = flow.half(back);
  if (!segment.payload.empty() || segment.flags != net::kAck || own.behind != 0 || own.sent != own.next) return {};
  if (own.ended || own.has_fin() || data.has_fin() || segment.seq != own.seq_of(own.next)) return {};
  const std::int64_t end = std::min(flow.released_to, data.acked + static_cast<std::int64_t>(kMostBytes));
  if (end - data.acked < kWorthwhileAcks) return {};
  // Until the range ends far more than that many come by: it is said anew in time.
  if (data.acks_away && flow.packets[static_cast<std::size_t>(back)] % kReminder != 0) return {};
  data.acks_away = true;
  return {Release::Acks, {}, {{data.seq_of(data.acked), data.seq_of(end)}, segment.seq}};
}

// Part of the upload may be under way unseen. Anything but more of it, and acknowledgements, takes it back.
Releasing during_upload(Context& context, Flow& flow, const net::TcpSegment& segment, bool from_server,
                        const Session* session) {
  const HalfStream& to_server = flow.half(Direction::ToServer);
  const bool over = to_server.next >= flow.released_to || to_server.ended || to_server.has_fin() || flow.closed;
  // Another connection may come to life between the same ends, whose numbers these must not be.
  const bool another = segment.has(net::kSyn) || flow.successor != base::kNone;
  const bool answers = from_server && (!segment.payload.empty() || segment.has(net::kFin));
  if (over || another || answers || session == nullptr || session->refusal().reason != DropReason::None) {
    return {take_back(context, flow)};
  }
  if (from_server) return acks_like(flow, segment);
  const bool reminder = !segment.payload.empty() && flow.packets[static_cast<std::size_t>(Direction::ToServer)] % kReminder == 0;
  return reminder ? bytes_of(flow) : Releasing{};
}

// Nothing of it was seen to wait, and all that the server ever sent has arrived: acknowledgements of that would go by
// with the client's bytes.
Releasing begin_upload(Context& context, flow::Tracker& tracker, Flow& flow, const net::TcpSegment& segment,
                       const Session* session) {
  const HalfStream& to_server = flow.half(Direction::ToServer);
  const HalfStream& to_client = flow.half(Direction::ToClient);
  if (segment.payload.empty() || segment.has(net::kSyn) || session == nullptr || !flow.handshake_seen) return {};
  if (to_server.behind != 0 || to_server.ended || to_server.has_fin() || to_server.is_cut() || to_server.skip) return {};
  if (to_client.behind != 0 || to_client.ended || to_client.acked < to_client.sent) return {};
  if (flow.closed || flow.state != flow::FlowState::Open || flow.successor != base::kNone) return {};
  const std::optional<std::uint64_t> rest = session->unwanted_upload();
  if (!rest) return {};
  tracker.release(flow, Direction::ToServer, std::min(*rest, kMostBytes));
  flow.away = true;
  ++context.counters.released;
  return bytes_of(flow);
}

}  // namespace

http::Progress Session::on_unread(http::Side side, std::uint64_t length) {
  for (Exchange* exchange : exchanges_) {  // still heard of, in a way
    context_.pool.touch(exchange);
    exchange->last_packet = context_.packet_number;
  }
  return connection_->on_unread(side, length);
}

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

std::optional<std::uint64_t> Session::unwanted_upload() const {
  if (exchanges_.size() != 1 || opaque_ || tunnel_ || refusal_.reason != DropReason::None) return std::nullopt;
  // No answer is owed to anybody before, and this one has none yet, but perhaps a 100.
  const http::SideState answer = connection_->state(http::Side::Response);
  const bool before = answer == http::SideState::Idle || answer == http::SideState::InHeaders;
  if (connection_->waiting() != 1 || !before || connection_->under_way(http::Side::Response)) return std::nullopt;
  const std::optional<std::uint64_t> rest = connection_->rest_of_body(http::Side::Request);
  if (!rest || *rest < kWorthwhile || *rest == http::kEndless || connection_->coded(http::Side::Request)) return std::nullopt;
  const Exchange& exchange = *exchanges_.front();
  if (!exchange.request.headers_done || exchange.response.begun) return std::nullopt;
  if (judging(exchange) && !exchange.tx.request_body_settled()) return std::nullopt;
  return rest;
}

void Session::settle_response() {
  if (unwanted_rest()) judge_response_body(*exchanges_.front(), false);
}

void Session::settle_request() {
  if (unwanted_upload()) request_body_done(*exchanges_.front());
}

Release release_after_drop(Context& context, const flow::SegmentVerdict& judged) {
  // A single segment that does not fit changes nothing.
  if (judged.flow == nullptr || !judged.flow->refused) return Release::None;
  Flow& flow = *judged.flow;
  if (uploading(flow)) return take_back(context, flow);
  // The server's direction cannot be taken back with it. What the client still says shows what to answer.
  if (!flow.away || !flow.half(Direction::ToClient).acks_away) return Release::None;
  flow.half(Direction::ToClient).acks_away = false;
  return Release::Resume;
}

Releasing release_after(Context& context, flow::Tracker& tracker, const flow::SegmentVerdict& judged,
                        const net::TcpSegment& segment, const Session* session) {
  if (judged.flow == nullptr) return {};
  if (judged.flow->refused) return {release_after_drop(context, judged)};
  Flow& flow = *judged.flow;
  const bool from_server = judged.direction == Direction::ToClient;
  const HalfStream& to_client = flow.half(Direction::ToClient);
  // Whoever was here before may have let some of it go.
  if (judged.opened && !flow.handshake_seen) return {take_back(context, flow)};
  if (context.options.release.unread && !segment.has(net::kSyn) && unread(flow)) return {all_of(context, tracker, flow)};
  if (uploading(flow)) return during_upload(context, flow, segment, from_server, session);
  if (flow.away) {
    const bool asks = !from_server && !segment.payload.empty();
    const bool over = to_client.next >= flow.released_to || to_client.has_fin();
    const bool another = segment.has(net::kSyn) || flow.successor != base::kNone;
    if (asks || over || another || session == nullptr || session->refusal().reason != DropReason::None) {
      return {take_back(context, flow)};
    }
    if (!from_server) return acks_like(flow, segment);
    const bool reminder = flow.packets[static_cast<std::size_t>(Direction::ToClient)] % kReminder == 0;
    return {reminder ? Release::This : Release::None};
  }
  if (!from_server) {
    if (!context.options.release.requests) return {};
    return begin_upload(context, tracker, flow, segment, session);
  }
  if (!context.options.release.responses || segment.payload.empty()) return {};
  if (session == nullptr || !flow.handshake_seen || to_client.ended || flow.successor != base::kNone) return {};
  const std::optional<std::uint64_t> rest = session->unwanted_rest();
  if (!rest || to_client.behind != 0 || flow.half(Direction::ToServer).behind != 0) return {};
  tracker.release(flow, Direction::ToClient, *rest);
  flow.away = true;
  ++context.counters.released;
  return {Release::This};
}

}  // namespace weir::inspect
