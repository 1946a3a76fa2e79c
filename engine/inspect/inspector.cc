#include "engine/inspect/inspector.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/flow/tracker.h"
#include "engine/inspect/blocking.h"
#include "engine/inspect/context.h"
#include "engine/inspect/flow_event.h"
#include "engine/inspect/ingress.h"
#include "engine/inspect/policy.h"
#include "engine/inspect/releasing.h"
#include "engine/inspect/session.h"
#include "engine/net/build.h"

namespace weir::inspect {
namespace {

http::Side side_of(flow::Direction direction) {
  return direction == flow::Direction::ToServer ? http::Side::Request : http::Side::Response;
}

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

flow::FlowOptions flow_options(const InspectorOptions& options) {
  flow::FlowOptions flow;
  flow.mode = options.stance == Stance::Inline ? flow::Mode::Inline : flow::Mode::Passive;
  flow.table_k0 = options.table_k0;
  flow.table_k1 = options.table_k1;
  flow.poisoned = options.poisoned;
  flow.timeouts.half_open = options.half_open_timeout;
  flow.timeouts.established = options.established_timeout;
  flow.timeouts.closed = options.closed_timeout;
  flow.rest = options.rest;
  flow.server_ports.insert(flow.server_ports.end(), options.ports.begin(), options.ports.end());
  if (options.stance == Stance::Inline) set_policies(flow, options);
  return flow;
}

DropReason reason_of(flow::DropReason reason) {
  switch (reason) {
    case flow::DropReason::BadChecksum: return DropReason::Checksum;
    case flow::DropReason::DirectionLimit:
    case flow::DropReason::MemoryLimit:
    case flow::DropReason::FlowLimit:
    case flow::DropReason::HandshakeLimit: return DropReason::Memory;
    default: return DropReason::Stream;
  }
}

}  // namespace

struct Inspector::State final : public flow::StreamSink {
  State(const InspectorOptions& options, EventSink& sink, std::shared_ptr<const Sites> sites,
        rules::CollectionStore* store)
      : context(options, sink, std::move(sites), store),
        ingress(options),
        forced(options),
        tracker(options.flow_limits, flow_options(options), *this) {
    context.tracker = &tracker;
    if (inline_stance()) blocking.emplace(context, tracker);
  }

  [[nodiscard]] bool inline_stance() const { return context.options.stance == Stance::Inline; }
  void pass_time();
  [[nodiscard]] bool wanted(const flow::Flow& flow) const;
  Session* take_session();
  // The one that looks into the flow; null: nobody does (any more).
  Session* session_of(flow::Flow& flow);
  // The flow's session is parked, if nothing is under way, when the packet in hand has been dealt with.
  void heard_of(flow::Flow& flow);
  void park_idle();
  flow::StreamAction after(flow::Flow& flow, Session& session, http::Side side,
                           const http::Progress& progress);
  [[nodiscard]] bool deaf(const flow::Flow& flow, const Session& session, flow::Direction direction) const;
  void rewrite(const Packet& packet, const net::Datagram& datagram, Verdict& verdict);
  // `together`: with the segment that they make up.
  void settle(std::span<const HeldFate> held, bool together, Verdict& verdict);
  void told_drop(const net::TcpSegment* segment, const flow::Flow* flow, const Verdict& verdict,
                 std::uint64_t rule);

  // flow::StreamSink
  void on_open(flow::Flow& flow) override;
  flow::StreamAction on_bytes(flow::Flow& flow, flow::Direction direction,
                              const flow::StreamBytes& bytes) override;
  flow::StreamAction on_gap(flow::Flow& flow, flow::Direction direction,
                            const flow::StreamGap& gap) override;
  flow::StreamAction on_released(flow::Flow& flow, Session* session, flow::Direction direction, std::uint64_t length);
  void on_end(flow::Flow& flow, flow::Direction direction, flow::EndCause cause) override;
  void on_close(flow::Flow& flow) override;
  void on_anomaly(flow::Flow& flow, flow::Direction direction, flow::Anomaly anomaly) override {
    tell_anomaly(context, flow, direction, anomaly);
  }
  std::optional<std::uint64_t> on_rest(flow::Flow& flow) override { return put_by(flow, context.parked); }
  void on_wake(flow::Flow& flow, std::uint64_t kept) override { flow.parked = take_back(flow, kept, context.parked); }

  // `in`: the packet that brought it; inline always.
  Verdict on_segment(const net::TcpSegment& segment, const Arrival* in);
  // What becomes of a segment that the model (or, before, the rules) judged.
  void decide(const Arrival& in, const flow::SegmentVerdict& judged, Verdict& verdict);
  void model_refused(const Arrival& in, const flow::SegmentVerdict& judged, Verdict& verdict);
  void force(const Arrival& in, FailureCause cause, Verdict& verdict);
  // Not inspected any more.
  void bypass(flow::Flow& flow);

  Context context;
  Ingress ingress;
  ForcedFailure forced;
  std::vector<std::unique_ptr<Session>> all_sessions;
  std::vector<Session*> idle_sessions;
  net::TcpEdit edit;  // inline: what is to be changed in the packet before it goes on
  std::vector<std::uint8_t> rewritten;
  std::vector<HeldFate> fates;
  flow::Flow* heard = nullptr;        // of which the latest bytes were; null: none, or it is parked or over
  flow::Flow* refused_now = nullptr;  // the flow that this packet made us refuse
  std::uint64_t drop_rule = 0;
  flow::EndCause ended = flow::EndCause::EndOfInput;  // why the latest direction to end did
  flow::Tracker tracker;  // its sink, this object, is whole by then
  std::optional<Blocking> blocking;  // inline
};

// --- connections ---

bool Inspector::State::wanted(const flow::Flow& flow) const {
  const std::vector<std::uint16_t>& ports = context.options.ports;
  if (inline_stance() && context.options.release.off_sites) {
    const Sites::Reach reach = context.sites->reach(flow.server().address, flow.server().port);
    if (reach.settled && context.sites->settled(reach).mode == WafMode::Off) return false;
  }
  return ports.empty() || std::find(ports.begin(), ports.end(), flow.server().port) != ports.end();
}

Session* Inspector::State::take_session() {
  if (idle_sessions.empty()) {
    all_sessions.push_back(std::make_unique<Session>(context));
    idle_sessions.reserve(all_sessions.size());
    return all_sessions.back().get();
  }
  Session* session = idle_sessions.back();
  idle_sessions.pop_back();
  return session;
}

void Inspector::State::on_open(flow::Flow& flow) {
  ++context.counters.flows;
  flow.user = nullptr;
  if (!wanted(flow)) {
    flow.unwatched = true;
    ++context.counters.flows_skipped;
    return;
  }
  ParkedSession start;
  start.untouched = true;
  start.midstream = !flow.handshake_seen;
  flow.parked = context.parked.sessions.allocate();  // has room for as many as there may be flows
  context.parked.sessions[flow.parked] = start;
}

Session* Inspector::State::session_of(flow::Flow& flow) {
  if (flow.parked == base::kNone) return static_cast<Session*>(flow.user);
  const ParkedSession& parked = context.parked.sessions[flow.parked];
  if (parked.over) return nullptr;
  SessionOrigin origin;
  origin.flow_id = exact_id(flow.id);
  origin.client = flow.client().address;
  origin.client_port = flow.client().port;
  origin.server = flow.server().address;
  origin.server_port = flow.server().port;
  Session* session = take_session();
  session->wake(parked, origin, &flow);
  context.parked.release(flow.parked);
  flow.parked = base::kNone;
  flow.user = session;
  return session;
}

void Inspector::State::heard_of(flow::Flow& flow) {
  if (heard != nullptr) park_idle();
  heard = &flow;
}

// REQUIRES: heard.
void Inspector::State::park_idle() {
  auto* session = static_cast<Session*>(heard->user);
  if (session != nullptr && !session->busy()) {
    heard->parked = session->park();
    if (heard->parked != base::kNone) {
      heard->user = nullptr;
      idle_sessions.push_back(session);
    }
  }
  heard = nullptr;
}

flow::StreamAction Inspector::State::after(flow::Flow& flow, Session& session, http::Side side,
                                           const http::Progress& progress) {
  if (heard != &flow) heard_of(flow);
  session.account();
  if (progress.exhausted) session.give_up_lines();
  make_room(context);
  flow.busy = session.busy();
  if (inline_stance()) {
    if (context.options.release.responses && side == http::Side::Response) session.settle_response();
    if (context.options.release.requests && side == http::Side::Request) session.settle_request();
    if (progress.body_ended && side == http::Side::Request) session.body_ended();
    if (session.refusal().reason != DropReason::None) {
      if (flow.answer == base::kNone && !flow.refused && refused_now == nullptr) refused_now = &flow;
      return flow::StreamAction::Continue;  // what was sent before may have to be sent again
    }
  }
  return session.over(side) ? flow::StreamAction::Skip : flow::StreamAction::Continue;
}

// A refused session hears nothing more, but for the responses that are still owed to earlier requests.
bool Inspector::State::deaf(const flow::Flow& flow, const Session& session, flow::Direction direction) const {
  if (session.refusal().reason == DropReason::None) return false;
  return direction == flow::Direction::ToServer || !blocking || !blocking->queued(flow);
}

flow::StreamAction Inspector::State::on_bytes(flow::Flow& flow, flow::Direction direction,
                                              const flow::StreamBytes& bytes) {
  Session* session = session_of(flow);
  if (session == nullptr) return flow::StreamAction::Skip;
  if (deaf(flow, *session, direction)) return flow::StreamAction::Continue;
  const http::Side side = side_of(direction);
  context.feeding = side;
  context.at_end = false;
  const http::Progress progress = session->on_bytes(side, as_text(bytes.bytes));
  return after(flow, *session, side, progress);
}

flow::StreamAction Inspector::State::on_gap(flow::Flow& flow, flow::Direction direction,
                                            const flow::StreamGap& gap) {
  Session* session = session_of(flow);
  if (gap.cause == flow::GapCause::Released) return on_released(flow, session, direction, gap.length);
  ++context.counters.gaps;
  context.counters.gap_bytes += gap.length;
  if (inline_stance() && flow.handshake_seen) fired(context, FailureCause::Unseen, FailureAction::Pass, &flow);
  if (session == nullptr) return flow::StreamAction::Skip;
  if (deaf(flow, *session, direction)) return flow::StreamAction::Continue;
  const http::Side side = side_of(direction);
  context.feeding = side;
  context.at_end = false;
  const http::Progress progress = session->on_gap(side, gap.length);
  return after(flow, *session, side, progress);
}

flow::StreamAction Inspector::State::on_released(flow::Flow& flow, Session* session, flow::Direction direction,
                                                 std::uint64_t length) {
  if (session == nullptr) return flow::StreamAction::Skip;
  if (deaf(flow, *session, direction)) return flow::StreamAction::Continue;
  const http::Side side = side_of(direction);
  context.feeding = side;
  context.at_end = false;
  return after(flow, *session, side, session->on_unread(side, length));
}

void Inspector::State::on_end(flow::Flow& flow, flow::Direction direction, flow::EndCause cause) {
  const flow::Holding holding(context.options.in_hand, flow.key);  // it may be another one's packet, or time, that ends it
  ended = cause;
  if (flow.parked != base::kNone) {  // nothing is under way that could end
    http::IdleConnection& idle = context.parked.sessions[flow.parked].http;
    (direction == flow::Direction::ToServer ? idle.requests_ended : idle.responses_ended) = true;
    return;
  }
  auto* session = static_cast<Session*>(flow.user);
  if (session == nullptr || deaf(flow, *session, direction)) return;
  const http::Side side = side_of(direction);
  context.feeding = side;
  context.at_end = true;
  const http::Progress progress = session->on_end(
      side, cause == flow::EndCause::Fin ? http::StreamEnd::Clean : http::StreamEnd::Reset);
  after(flow, *session, side, progress);
}

void Inspector::State::on_close(flow::Flow& flow) {
  const flow::Holding holding(context.options.in_hand, flow.key);
  if (blocking) blocking->forget(flow);
  auto* session = static_cast<Session*>(flow.user);
  if (heard == &flow) heard = nullptr;
  if (refused_now == &flow) refused_now = nullptr;  // another's packet ended it: that one may be refused yet
  const bool parked = flow.parked != base::kNone;
  if (session == nullptr && !parked) {
    tell_flow(context, flow, nullptr, ended);
    return;
  }
  if (session != nullptr) session->close();
  const SessionFacts facts = parked ? facts_of(context.parked.sessions[flow.parked]) : session->facts();
  tell_flow(context, flow, &facts, ended);
  InspectorCounters& counters = context.counters;
  if (facts.spoke_http) {
    ++counters.flows_http;
  } else if (facts.tls) {
    ++counters.flows_tls;
  } else if (facts.http2) {
    ++counters.flows_http2;
  } else {
    ++counters.flows_other;
  }
  flow.user = nullptr;
  if (parked) {
    context.parked.release(flow.parked);
    flow.parked = base::kNone;
    return;
  }
  session->rest();
  idle_sessions.push_back(session);
}

// --- packets ---

// Everything that is due ends now, not some packets later: so that what a connection's end is reported
// with does not depend on which other connections this inspector has. The wire has no time for that.
void Inspector::State::pass_time() {
  std::uint64_t before = 0;
  do {
    before = tracker.endings();
    tracker.on_time(context.now);
  } while (!inline_stance() && tracker.endings() != before);
  if (heard != nullptr) park_idle();
}

Verdict Inspector::State::on_segment(const net::TcpSegment& segment, const Arrival* in) {
  refused_now = nullptr;
  drop_rule = 0;
  edit = {};
  std::optional<flow::Holding> holding;
  if (flow::FlowInHand* slot = context.options.in_hand; slot != nullptr) {
    holding.emplace(slot, flow::make_key(segment, tracker.options().vlans_in_key).key);
  }
  if (in != nullptr) {
    if (const std::optional<FailureCause> cause = forced.next()) {
      Verdict verdict;
      force(*in, *cause, verdict);
      if (verdict.reason == DropReason::None) return verdict;
      verdict.kind = VerdictKind::Drop;
      told_drop(&segment, tracker.find(segment).flow, verdict, 0);
      return verdict;
    }
  }
  const flow::SegmentVerdict judged = tracker.on_segment(segment);
  InspectorCounters& counters = context.counters;
  Verdict verdict;
  if (judged.fate() == Fate::Drop && judged.reason() != flow::DropReason::Refused) {
    if (segment.checksum_bad) {
      ++counters.bad_checksum;
    } else {
      ++counters.refused_segments;
    }
  }
  if (in == nullptr) return verdict;
  decide(*in, judged, verdict);
  if (verdict.reason == DropReason::None) {
    edit = {judged.clear_urgent, judged.strip_fast_open};
    const auto* session = judged.flow == nullptr ? nullptr : static_cast<const Session*>(judged.flow->user);
    const Releasing releasing = release_after(context, tracker, judged, segment, session);
    verdict.release = releasing.what;
    verdict.bytes = releasing.bytes;
    verdict.acks = releasing.acks;
    return verdict;
  }
  verdict.kind = VerdictKind::Drop;
  verdict.release = release_after_drop(context, judged);
  told_drop(&segment, judged.flow, verdict, drop_rule);
  return verdict;
}

void Inspector::State::decide(const Arrival& in, const flow::SegmentVerdict& judged, Verdict& verdict) {
  flow::Flow* flow = judged.flow;
  auto* session = flow == nullptr ? nullptr : static_cast<Session*>(flow->user);
  const auto blocked = [&](DropReason reason) {
    verdict.reason = reason;
    if (session != nullptr) {
      verdict.detail = session->refusal().detail;
    } else if (flow->parked == base::kNone) {
      verdict.detail = "closed";
    }
    drop_rule = session == nullptr ? 0 : session->refusal().rule_id;
  };
  if (flow != nullptr && refused_now == flow && session != nullptr) {
    if (in.segment.has(net::kRst)) {
      // The client is gone; what it left of a request was judged, and the reset takes it from the server.
      tracker.refuse_flow(*flow, false);
      session->close();
      return;
    }
    blocked(session->refusal().reason);
    blocking->refused(in, judged, *session);
  } else if (flow != nullptr && judged.reason() == flow::DropReason::Refused) {
    blocked(DropReason::FlowBlocked);
    if (session != nullptr && session->take_untold()) {
      blocking->reset(in, judged, session, true);
    } else {
      blocking->on_refused(in, judged);
    }
  } else if (flow != nullptr && session != nullptr && blocking->queued(*flow)) {
    if (!blocking->on_queued(in, judged, *session)) blocked(DropReason::FlowBlocked);
  } else if (judged.fate() == Fate::Drop) {
    model_refused(in, judged, verdict);
  } else if (flow != nullptr && flow->refused && !in.segment.has(net::kSyn)) {
    blocked(DropReason::Policy);  // by a failure that this very segment met
    if (session != nullptr) (void)session->take_untold();
    blocking->reset(in, judged, session, false);
  } else if (judged.opened && flow != nullptr && !flow->handshake_seen) {
    fired(context, FailureCause::Midstream, FailureAction::Pass, flow);
  }
}

void Inspector::State::bypass(flow::Flow& flow) {
  tracker.bypass_flow(flow);
  if (auto* session = static_cast<Session*>(flow.user); session != nullptr) session->close();
  flow.busy = false;
}

void Inspector::State::model_refused(const Arrival& in, const flow::SegmentVerdict& judged,
                                     Verdict& verdict) {
  const std::optional<FailureCause> cause = cause_of(judged.reason());
  const FailureAction action = cause ? fire(context, *cause, judged.flow) : FailureAction::Drop;
  if (cause && action == FailureAction::Pass) {
    // The receiver discards a wrong checksum; what else is let past here the model has no idea of.
    if (judged.flow != nullptr && *cause != FailureCause::BadChecksum) bypass(*judged.flow);
    return;
  }
  verdict.reason = reason_of(judged.reason());
  verdict.detail = flow::name(judged.reason());
  if (action == FailureAction::Reset && judged.flow != nullptr) {
    // The model did not take the segment: what it expects is what was let through.
    blocking->reset(in, judged, static_cast<Session*>(judged.flow->user), true);
    // A server that has more than came by expects another number, which it has just said.
    if (*cause == FailureCause::Unseen) blocking->reject(in, false, judged.flow);
  } else if (action == FailureAction::Reset || judged.reject) {
    blocking->reject(in, action == FailureAction::Reset, judged.flow);
  }
}

// As if the failure had happened to this packet, before anybody looked at it.
void Inspector::State::force(const Arrival& in, FailureCause cause, Verdict& verdict) {
  const flow::Tracker::Whose whose = tracker.find(in.segment);
  bool refuses = true;
  if (whose.flow != nullptr && about_http(cause)) {
    const net::Endpoint& server = whose.flow->server();
    refuses = context.sites->may_block(server.address, server.port, context.sites->reach(server.address, server.port));
  }
  const FailureAction action = fire(context, cause, whose.flow, {refuses, Rest::Unread});
  if (action == FailureAction::Pass) {
    if (whose.flow != nullptr) bypass(*whose.flow);
    return;
  }
  verdict.reason = DropReason::Policy;
  verdict.detail = name(cause);
  if (action == FailureAction::Drop) return;
  if (whose.flow == nullptr) {
    blocking->reject(in, true, nullptr);
    return;
  }
  flow::SegmentVerdict judged;
  judged.flow = whose.flow;
  judged.direction = whose.direction;
  blocking->reset(in, judged, static_cast<Session*>(whose.flow->user), true);
}

// Urgent data and TCP Fast Open are taken off the wire, so that both ends read what was read here.
void Inspector::State::rewrite(const Packet& packet, const net::Datagram& datagram,
                               Verdict& verdict) {
  if (!verdict.forwarded() || !(edit.clear_urgent || edit.strip_fast_open)) return;
  rewritten.resize(packet.bytes.size());
  const std::size_t length = net::rewrite_tcp(rewritten, packet, datagram, edit);
  if (length == 0) {
    verdict.kind = VerdictKind::Drop;
    verdict.reason = DropReason::Stream;
    verdict.detail = "cannot-rewrite";
    return;
  }
  verdict.kind = VerdictKind::Replace;
  verdict.replacement = Bytes(rewritten).first(length);
}

// Fragments share the fate of the segment that they make up.
void Inspector::State::settle(std::span<const HeldFate> held, bool together, Verdict& verdict) {
  if (held.empty()) return;
  fates.assign(held.begin(), held.end());
  if (together && !verdict.forwarded()) {
    for (HeldFate& fate : fates) fate.fate = Fate::Drop;
  }
  verdict.held = fates;
}

void Inspector::State::told_drop(const net::TcpSegment* segment, const flow::Flow* flow,
                                 const Verdict& verdict, std::uint64_t rule) {
  Event event;
  event.type = EventType::Drop;
  event.origin.time = context.now;
  event.origin.flow_id = flow == nullptr ? 0 : exact_id(flow->id);
  event.origin.packet_number = context.packet_number;
  if (segment != nullptr) {
    event.origin.client = segment->source.address;
    event.origin.client_port = segment->source.port;
    event.origin.server = segment->destination.address;
    event.origin.server_port = segment->destination.port;
  }
  event.drop_reason = verdict.reason;
  event.drop_detail = verdict.detail;
  event.drop_rule = rule;
  context.sink.write(event);
}

// --- the public face ---

Inspector::Inspector(const InspectorOptions& options, EventSink& sink,
                     std::shared_ptr<const rules::RuleSet> rules, rules::CollectionStore* store)
    : state_(std::make_unique<State>(options, sink, without_sites(options, std::move(rules)), store)) {}

Inspector::Inspector(const InspectorOptions& options, EventSink& sink, std::shared_ptr<const Sites> sites,
                     rules::CollectionStore* store)
    : state_(std::make_unique<State>(options, sink, std::move(sites), store)) {}

Inspector::~Inspector() = default;

Verdict Inspector::on_packet(const Packet& packet) noexcept {
  Context& context = state_->context;
  context.now = std::max(context.now, packet.time);
  state_->pass_time();
  context.packet_number = packet.number;
  const Ingress::Result in = state_->ingress.on_packet(packet, context.counters);
  Verdict verdict = in.verdict;
  if (in.made_room) tell(context, FailureCause::FragmentMemory, context.options.failures.action(FailureCause::FragmentMemory), nullptr);
  if (state_->blocking) state_->blocking->begin();
  if (in.segment != nullptr) {
    const Arrival arrival{packet, *in.datagram, *in.segment};
    verdict = state_->on_segment(*in.segment, state_->blocking ? &arrival : nullptr);
    if (state_->blocking) verdict.inject = state_->blocking->frames();
  }
  if (in.segment == nullptr && verdict.kind == VerdictKind::Drop && in.cause &&
      fire(context, *in.cause, nullptr) == FailureAction::Pass) {
    verdict = {};
  }
  if (in.segment == nullptr && verdict.kind == VerdictKind::Drop) state_->told_drop(nullptr, nullptr, verdict, 0);
  if (in.segment != nullptr) state_->rewrite(packet, *in.datagram, verdict);
  state_->settle(in.held, in.segment != nullptr, verdict);
  if (!verdict.forwarded() && verdict.kind != VerdictKind::Hold) ++context.counters.dropped_packets;
  return verdict;
}

void Inspector::on_segment(const net::TcpSegment& segment) noexcept {
  (void)on_time(segment.time, segment.packet_number);
  (void)state_->on_segment(segment, nullptr);
}

Verdict Inspector::on_time(Timestamp now, std::uint64_t number) noexcept {
  Context& context = state_->context;
  context.now = std::max(context.now, now);
  state_->pass_time();
  Verdict verdict;
  verdict.held = state_->ingress.on_time(context.now, context.counters);
  if (state_->blocking) {
    state_->blocking->begin();
    state_->blocking->on_time();
    verdict.inject = state_->blocking->frames();
  }
  if (number != 0) context.packet_number = number;
  return verdict;
}

void Inspector::end_of_input() noexcept { state_->tracker.end_of_input(); }

void Inspector::begin_anew(Timestamp now) noexcept {
  state_->context.now = std::max(state_->context.now, now);
  state_->tracker.begin_anew(state_->context.now);
}

FailureAction Inspector::failure(FailureCause cause) noexcept {
  return fire(state_->context, cause, nullptr);
}

void Inspector::use(std::shared_ptr<const rules::RuleSet> rules) {
  use(without_sites(state_->context.options, std::move(rules)));
}

void Inspector::use(std::shared_ptr<const Sites> sites) noexcept {
  state_->context.use(std::move(sites));
}

void Inspector::trace(const Tracing& tracing) noexcept { state_->context.tracing = tracing; }

void Inspector::profile(rules::Profile* profile) noexcept { state_->context.profile = profile; }

void Inspector::show_transactions(TransactionSink* sink) noexcept { state_->context.transactions = sink; }

const InspectorCounters& Inspector::counters() const { return state_->context.counters; }
const flow::FlowCounters& Inspector::flow_counters() const { return state_->tracker.counters(); }

}  // namespace weir::inspect
