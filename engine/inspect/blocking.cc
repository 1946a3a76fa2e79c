#include "engine/inspect/blocking.h"

#include <algorithm>

namespace weir::inspect {
namespace {

using flow::Direction;
using flow::Flow;
using flow::HalfStream;
using flow::kNever;
using flow::SegmentVerdict;

constexpr std::size_t kTimestampBytes = 12;
constexpr std::uint16_t kSmallMss = 536;

net::TcpFrame between(const net::Endpoint& from, const net::Endpoint& to, std::uint8_t ttl) {
  net::TcpFrame frame;
  frame.source = from;
  frame.destination = to;
  if (ttl != 0) frame.ttl = ttl;
  return frame;
}

}  // namespace

Blocking::Blocking(Context& context, flow::Tracker& tracker)
    : context_(context),
      tracker_(tracker),
      page_(context.options.block),
      outbox_(context.options.block),
      answers_(context.options.block, tracker, outbox_) {}

void Blocking::count() {
  InspectorCounters& counters = context_.counters;
  counters.pages = answers_.pages();
  counters.pages_read = answers_.pages_read();
  counters.injected = outbox_.made();
  counters.injection_limited = outbox_.limited();
}

std::optional<Ways> Blocking::ways(const Arrival& in, Direction direction) {
  const auto there = net::route_of(in.packet, in.datagram, net::LinkDirection::Same);
  const auto back = net::route_of(in.packet, in.datagram, net::LinkDirection::Reverse);
  if (!there || !back) return std::nullopt;
  Ways ways;
  const bool from_client = direction == Direction::ToServer;
  ways.to_server = from_client ? *there : *back;
  ways.to_client = from_client ? *back : *there;
  ways.client_like = ways.server_like = Like::of(in.packet);
  return ways;
}

Blocking::Positions Blocking::positions(const SegmentVerdict& verdict, bool forwarded) {
  const Flow& flow = *verdict.flow;
  const HalfStream& in = flow.half(Direction::ToServer);
  const HalfStream& out = flow.half(Direction::ToClient);
  Positions at{in.expected(), out.expected(), out.sent > out.expected()};
  if (forwarded) return at;
  if (verdict.direction == Direction::ToServer) {
    at.to_server = verdict.before;
  } else {
    at.to_client = verdict.before;
    at.client_ahead = verdict.ahead;
  }
  return at;
}

std::int64_t Blocking::page_start(const Refusal& refusal, const Positions& at) {
  if (at.client_ahead) return kNever;
  switch (refusal.response) {
    case ResponseState::None:
    case ResponseState::Complete: return at.to_client;
    case ResponseState::UnderWay: {
      const auto start = static_cast<std::int64_t>(refusal.response_start);
      return start >= at.to_client ? start : kNever;
    }
    case ResponseState::Owed:
    case ResponseState::Unreadable: break;
  }
  return kNever;
}

void Blocking::refused(const Arrival& in, const SegmentVerdict& verdict, Session& session) {
  Flow& flow = *verdict.flow;
  const Refusal& refusal = session.refusal();
  const bool answerable = context_.options.block.answer && refusal.http &&
                          refusal.decision.kind != DecisionKind::Drop &&
                          !flow.half(Direction::ToClient).fin_reached;
  if (answerable && refusal.response == ResponseState::Owed && queue(in, verdict, session)) return;
  const Positions at = positions(verdict, false);
  const std::int64_t start = answerable ? page_start(refusal, at) : kNever;
  const std::optional<Ways> there = ways(in, verdict.direction);
  if (start == kNever || !there) {
    reset(in, verdict, &session, false);
    return;
  }
  if (flow.answer == base::kNone) flow.answer = answers_.open(flow, *there, context_.now);
  if (flow.answer == base::kNone) {
    reset(in, verdict, &session, false);
    return;
  }
  tracker_.cut(flow, Direction::ToServer, at.to_server);
  serve(flow, session, {at.to_client, start, refusal.response != ResponseState::Complete});
  session.close();
}

void Blocking::serve(Flow& flow, const Session& session, const Answers::Begin& begin) {
  const Refusal& refusal = session.refusal();
  PageFacts facts;
  facts.status = refusal.decision.status;
  facts.head_only = refusal.head;
  facts.id_length =
      static_cast<std::uint8_t>(unique_id(facts.id, session.origin().flow_id, refusal.exchange).size());
  tracker_.refuse_flow(flow, true);
  answers_.serve(flow.answer, begin, page_, facts, session.location(), context_.now);
  count();
}

void Blocking::reset(const Arrival& in, const SegmentVerdict& verdict, Session* session,
                     bool forwarded) {
  Flow& flow = *verdict.flow;
  const Positions at = positions(verdict, forwarded);
  const HalfStream& to_server = flow.half(Direction::ToServer);
  const HalfStream& to_client = flow.half(Direction::ToClient);
  if (const std::optional<Ways> there = ways(in, verdict.direction)) {
    net::TcpFrame frame = between(flow.client(), flow.server(), to_server.ttl);
    frame.flags = net::kRst | net::kAck;
    frame.seq = to_server.seq_of(at.to_server);
    frame.ack = to_client.seq_of(at.to_client);
    (void)outbox_.add(there->server_like, Towards::Server, there->to_server, frame);
    frame = between(flow.server(), flow.client(), to_client.ttl);
    frame.flags = net::kRst | net::kAck;
    frame.seq = to_client.seq_of(at.to_client);
    frame.ack = to_server.seq_of(std::max(to_server.expected(), at.to_server));
    (void)outbox_.add(there->client_like, Towards::Client, there->to_client, frame);
    ++context_.counters.resets;
  }
  drop_answer(flow);
  tracker_.refuse_flow(flow, false);
  if (session != nullptr) session->close();
  count();
}

void Blocking::on_refused(const Arrival& in, const SegmentVerdict& verdict) {
  Flow& flow = *verdict.flow;
  const bool from_client = verdict.direction == Direction::ToServer;
  const bool answered = flow.answer != base::kNone;
  if (answered) answers_.refresh(flow.answer, in.packet, verdict.direction);
  if (answered && from_client) {
    if (answers_.on_client(flow.answer, in.segment, context_.now)) {
      drop_answer(flow);
      tracker_.refuse_flow(flow, false);
    }
  } else {
    reset_sender(in, from_client, flow.half(opposite(verdict.direction)).ttl);
  }
  count();
}

// --- a refused request behind responses that are still owed ---

bool Blocking::queue(const Arrival& in, const SegmentVerdict& verdict, Session& session) {
  Flow& flow = *verdict.flow;
  if (verdict.direction != Direction::ToServer || verdict.ahead) return false;
  // What is owed may get to the client unseen: nobody can say when it is complete.
  if (flow.released(Direction::ToClient) > flow.half(Direction::ToClient).next) return false;
  const std::optional<Ways> there = ways(in, verdict.direction);
  if (!there) return false;
  flow.answer = answers_.open(flow, *there, context_.now);
  if (flow.answer == base::kNone) return false;
  HalfStream& h = flow.half(Direction::ToServer);
  const std::int64_t offset = h.offset_of(in.segment.seq);
  const std::int64_t cut =
      std::max(static_cast<std::int64_t>(session.refusal().request_start), verdict.before);
  const std::int64_t from = std::max(offset, verdict.before);
  Bytes kept;
  if (cut > from) {
    kept = in.segment.payload.subspan(static_cast<std::size_t>(from - offset),
                                      static_cast<std::size_t>(cut - from));
  }
  tracker_.cut(flow, Direction::ToServer, cut);
  pass_part(in, flow, h.seq_of(std::min(from, cut)), kept);
  session.finish_refused();
  count();
  return true;
}

bool Blocking::on_queued(const Arrival& in, const SegmentVerdict& verdict, Session& session) {
  answers_.refresh(verdict.flow->answer, in.packet, verdict.direction);
  const bool pass = verdict.direction == Direction::ToServer ? queued_client(in, verdict)
                                                             : queued_server(in, verdict, session);
  count();
  return pass;
}

bool Blocking::queued_client(const Arrival& in, const SegmentVerdict& verdict) {
  Flow& flow = *verdict.flow;
  const HalfStream& h = flow.half(Direction::ToServer);
  const net::TcpSegment& s = in.segment;
  if (s.has(net::kRst) && h.offset_of(s.seq) >= h.cut()) {
    // It ends the connection, with a number that the server does not expect.
    reset_receiver(in, true, h.seq_of(h.cut()));
    drop_answer(flow);
    tracker_.refuse_flow(flow, false);
    return false;
  }
  if (verdict.fate() == Fate::Drop) return false;
  if (!verdict.trimmed) return true;
  answers_.seen(flow.answer, h.offset_of(s.seq), s);
  pass_part(in, flow, verdict.seq, s.payload.first(verdict.kept));
  return false;
}

bool Blocking::queued_server(const Arrival& in, const SegmentVerdict& verdict, Session& session) {
  Flow& flow = *verdict.flow;
  if (session.refused_again()) {
    reset(in, verdict, &session, false);
    return false;
  }
  if (verdict.fate() == Fate::Drop) return false;
  if (!session.earlier_answered()) return true;
  const HalfStream& h = flow.half(Direction::ToClient);
  const bool more = h.sent > h.expected();
  if (more || (h.fin_reached && verdict.ahead)) {
    reset(in, verdict, &session, true);
    return true;
  }
  // A FIN of the server's would end what the page is to follow: the bytes before it are sent without it.
  const bool fin = h.fin_reached;
  serve(flow, session, {fin ? verdict.before : h.next, h.next, true});
  session.close();
  return !fin;
}

void Blocking::pass_part(const Arrival& in, const Flow& flow, std::uint32_t seq, Bytes payload) {
  const net::TcpSegment& s = in.segment;
  const auto route = net::route_of(in.packet, in.datagram, net::LinkDirection::Same);
  if (!route) return;
  net::TcpFrame frame = between(s.source, s.destination, s.ttl);
  frame.ack = s.ack;
  frame.window = s.window;
  frame.timestamps = s.options.timestamps;
  frame.flags = static_cast<std::uint8_t>(s.flags & (net::kAck | net::kPsh | net::kEce));
  const std::uint16_t mss = flow.half(Direction::ToClient).mss;
  std::size_t most = std::min<std::size_t>(mss == 0 ? kSmallMss : mss, Outbox::kMostPayload);
  if (frame.timestamps) most -= std::min(most - 1, kTimestampBytes);
  const Like like = Like::of(in.packet);
  do {
    frame.seq = seq;
    frame.payload = payload.first(std::min(payload.size(), most));
    if (!outbox_.add(like, Towards::Server, *route, frame)) return;
    seq += static_cast<std::uint32_t>(frame.payload.size());
    payload = payload.subspan(frame.payload.size());
  } while (!payload.empty());
}

// --- resets without a connection's state ---

// RFC 9293 3.10.7.1. Never an answer to a reset.
void Blocking::reset_sender(const Arrival& in, bool from_client, std::uint8_t ttl) {
  const net::TcpSegment& s = in.segment;
  const auto route = net::route_of(in.packet, in.datagram, net::LinkDirection::Reverse);
  if (s.has(net::kRst) || !route) return;
  net::TcpFrame frame = between(s.destination, s.source, ttl);
  if (s.has(net::kAck)) {
    frame.flags = net::kRst;
    frame.seq = s.ack;
  } else {
    frame.flags = net::kRst | net::kAck;
    frame.ack = s.seq + static_cast<std::uint32_t>(s.payload.size()) + s.missing +
                (s.has(net::kSyn) ? 1U : 0U) + (s.has(net::kFin) ? 1U : 0U);
  }
  (void)outbox_.add(Like::of(in.packet), from_client ? Towards::Client : Towards::Server, *route, frame);
}

void Blocking::reset_receiver(const Arrival& in, bool from_client, std::uint32_t seq) {
  const net::TcpSegment& s = in.segment;
  const auto route = net::route_of(in.packet, in.datagram, net::LinkDirection::Same);
  if (!route) return;
  net::TcpFrame frame = between(s.source, s.destination, s.ttl);
  frame.flags = static_cast<std::uint8_t>(net::kRst | (s.flags & net::kAck));
  frame.seq = seq;
  frame.ack = s.ack;
  (void)outbox_.add(Like::of(in.packet), from_client ? Towards::Server : Towards::Client, *route, frame);
}

void Blocking::reject(const Arrival& in, bool both, const Flow* flow) {
  std::uint8_t ttl = 0;
  bool from_client = tracker_.sent_by_client(in.segment);
  if (flow != nullptr) {
    from_client = flow->client() == in.segment.source;
    ttl = flow->half(from_client ? Direction::ToClient : Direction::ToServer).ttl;
  }
  reset_sender(in, from_client, ttl);
  if (both) {
    reset_receiver(in, from_client, in.segment.seq);
    ++context_.counters.resets;
  }
  count();
}

// --- time and ends ---

void Blocking::on_time() {
  answers_.on_time(context_.now, [this](Flow& flow) {
    drop_answer(flow);
    tracker_.refuse_flow(flow, false);
  });
  count();
}

void Blocking::drop_answer(Flow& flow) {
  if (flow.answer == base::kNone) return;
  answers_.close(flow.answer);
  flow.answer = base::kNone;
}

void Blocking::forget(Flow& flow) { drop_answer(flow); }

}  // namespace weir::inspect
