#include "engine/inspect/answers.h"

#include <algorithm>
#include <cstring>

namespace weir::inspect {
namespace {

using flow::Direction;

constexpr Duration kFirstTimeout = seconds(1);  // RFC 6298 2.1: nothing is known of the round trip
constexpr Duration kMostTimeout = seconds(8);
constexpr std::uint16_t kFirstWindow = 10;      // RFC 6928
constexpr std::uint8_t kServerResets = 3;
constexpr std::uint16_t kSmallMss = 536;        // RFC 9293 3.7.1
constexpr std::size_t kTimestampBytes = 12;
constexpr std::uint32_t kOffered = 64 * 1024;   // what is discarded needs no room

std::uint16_t offered_window(const flow::Flow& flow) {
  const std::uint8_t scale = flow.half(Direction::ToClient).scale;
  const std::uint32_t scaled = scale == flow::kNoScale ? kOffered : kOffered >> scale;
  return static_cast<std::uint16_t>(std::clamp<std::uint32_t>(scaled, 1, 0xffff));
}

}  // namespace

Answers::Answers(const BlockOptions& options, const flow::Tracker& tracker, Outbox& outbox)
    : options_(options),
      tracker_(tracker),
      outbox_(outbox),
      pool_(std::max(options.connections, 1U)),
      wheel_(TimerOf{&pool_}, milliseconds(50), 1024) {}

std::uint32_t Answers::open(flow::Flow& flow, const Ways& ways, Timestamp now) {
  const std::uint32_t index = pool_.allocate();
  if (index == base::kNone) return index;
  if (!started_) {
    wheel_.advance(now, 1, [](std::uint32_t) {});
    started_ = true;
  }
  Answer& a = pool_[index];
  a.flow = &flow;
  a.ways = ways;
  a.deadline = now + options_.linger;
  a.reset_due = a.resend = a.deadline;
  const flow::HalfStream& from_client = flow.half(Direction::ToServer);
  a.received = from_client.expected();
  a.client_fin = from_client.fin_reached;
  arm(index);
  return index;
}

void Answers::seen(std::uint32_t index, std::int64_t offset, const net::TcpSegment& s) {
  Answer& a = pool_[index];
  if (a.client_fin || offset > a.received) return;
  a.received = std::max(a.received, offset + static_cast<std::int64_t>(s.payload.size()));
  if (s.has(net::kFin) && a.received == offset + static_cast<std::int64_t>(s.payload.size())) {
    ++a.received;
    a.client_fin = true;
  }
}

void Answers::serve(std::uint32_t index, const Begin& begin, const BlockPage& page,
                    const PageFacts& facts, std::string_view location, Timestamp now) {
  Answer& a = pool_[index];
  const flow::Flow& flow = *a.flow;
  const flow::HalfStream& out = flow.half(Direction::ToClient);
  const flow::HalfStream& in = flow.half(Direction::ToServer);
  a.stage = Stage::Serving;
  a.page = &page;
  a.facts = facts;
  std::size_t length = 0;
  if (begin.page) {
    ++pages_;
    a.head_length = static_cast<std::uint16_t>(page.write_head(a.head, a.facts, location, now));
    length = a.head_length + page.body_length(a.facts);
  }
  a.start = begin.start;
  a.end = begin.start + static_cast<std::int64_t>(length);
  a.una = std::min(std::max<std::int64_t>(out.acked, 0), begin.forwarded);
  a.next = a.most = begin.forwarded;
  a.edge = std::max(out.edge, a.una);
  a.cwnd = kFirstWindow;
  a.timestamps = flow.timestamps;
  // The client's TS.Recent is that of the latest segment it took, which may be newer than the model's by
  // what is in flight; clocks run at 1 kHz at most (RFC 7323 5.4).
  const auto passed = static_cast<std::uint32_t>(now.ns / seconds(1).ns) - out.timestamp_at;
  a.ts_value = out.timestamp + (passed + 1) * 1000;
  a.ts_echo = in.timestamp;
  a.echoed_at = now;
  const std::size_t most = std::min<std::size_t>(in.mss == 0 ? kSmallMss : in.mss, Outbox::kMostPayload);
  const std::size_t options = a.timestamps ? kTimestampBytes : 0;
  a.mss = static_cast<std::uint16_t>(std::max<std::size_t>(most, 64) - options);
  a.deadline = now + options_.linger;
  a.resend = a.una < a.most ? now + timeout(a) : a.deadline;
  a.resets_left = kServerResets;
  reset_server(a);
  a.reset_due = now + kFirstTimeout;
  if (!transmit(a, now)) send_ack(a, now);
  arm(index);
}

void Answers::refresh(std::uint32_t index, const Packet& packet, Direction direction) {
  Ways& ways = pool_[index].ways;
  (direction == Direction::ToClient ? ways.client_like : ways.server_like) = Like::of(packet);
}

void Answers::close(std::uint32_t index) {
  wheel_.cancel(index);
  pool_.release(index);
}

bool Answers::on_client(std::uint32_t index, const net::TcpSegment& s, Timestamp now) {
  Answer& a = pool_[index];
  if (a.stage != Stage::Serving) return false;
  const flow::HalfStream& in = a.flow->half(Direction::ToServer);
  if (s.has(net::kRst)) return in.offset_of(s.seq) == a.received;
  if (s.options.timestamps && in.offset_of(s.seq) <= a.received) {
    a.ts_echo = s.options.timestamps->value;
  }
  if (s.has(net::kAck) && !take_ack(a, s, now)) return false;
  const bool answer = take_data(a, s);
  const bool all_read = a.una == a.end + 1;
  if (all_read && !a.counted_read) {
    a.counted_read = true;
    if (a.head_length != 0) ++pages_read_;
  }
  const bool sent = transmit(a, now);
  if (answer && !sent) send_ack(a, now);
  arm(index);
  return all_read && a.client_fin;
}

// false: the acknowledgement is none of what was sent; the segment counts for nothing (RFC 5961 5.2).
bool Answers::take_ack(Answer& a, const net::TcpSegment& s, Timestamp now) {
  const flow::HalfStream& out = a.flow->half(Direction::ToClient);
  const std::int64_t ack = out.offset_of(s.ack);
  if (ack > a.most) return false;
  const std::uint8_t scale = a.flow->half(Direction::ToServer).scale;
  const std::int64_t window =
      scale == flow::kNoScale ? s.window : static_cast<std::int64_t>(s.window) << scale;
  const bool bare = s.payload.empty() && !s.has(net::kFin);
  if (ack > a.una) {
    a.una = ack;
    a.next = std::max(a.next, ack);
    a.losses = a.repeats = 0;
    if (a.cwnd < 0xfff) ++a.cwnd;
    a.resend = a.una < a.most ? now + timeout(a) : a.deadline;
  } else if (ack == a.una && bare && s.window == a.window_raw && a.una < a.most) {
    // RFC 5681 3.2: the third says that what lies at `una` was lost.
    if (++a.repeats == 3) (void)send_at(a, a.una, a.edge, now);
  }
  a.window_raw = s.window;
  a.edge = std::max(a.edge, ack + window);
  return true;
}

// Everything that the client sends is taken and thrown away; returns whether it must be acknowledged.
bool Answers::take_data(Answer& a, const net::TcpSegment& s) {
  const std::int64_t from = a.flow->half(Direction::ToServer).offset_of(s.seq);
  const std::int64_t to = from + static_cast<std::int64_t>(s.payload.size());
  const bool fin = s.has(net::kFin);
  if (from <= a.received && to >= a.received && !a.client_fin) {
    a.received = to;
    if (fin) {
      ++a.received;
      a.client_fin = true;
    }
  }
  return !s.payload.empty() || fin || from < a.received;
}

net::TcpFrame Answers::to_client(const Answer& a, Timestamp now) const {
  const flow::Flow& flow = *a.flow;
  net::TcpFrame frame;
  frame.source = flow.server();
  frame.destination = flow.client();
  frame.flags = net::kAck;
  frame.ack = flow.half(Direction::ToServer).seq_of(a.received);
  frame.window = offered_window(flow);
  if (a.timestamps) {
    const auto passed = static_cast<std::uint32_t>((now.ns - a.echoed_at.ns) / milliseconds(1).ns);
    frame.timestamps = {a.ts_value + passed, a.ts_echo};
  }
  if (const std::uint8_t ttl = flow.half(Direction::ToClient).ttl; ttl != 0) frame.ttl = ttl;
  return frame;
}

bool Answers::transmit(Answer& a, Timestamp now) {
  bool sent = false;
  while (a.next <= a.end && a.next < a.edge && a.next - a.una < std::int64_t{a.cwnd} * a.mss) {
    const std::int64_t n = send_at(a, a.next, a.edge, now);
    if (n == 0) break;
    if (a.una == a.most || a.resend == a.deadline) a.resend = now + timeout(a);
    a.next += n;
    a.most = std::max(a.most, a.next);
    sent = true;
  }
  // Nothing in flight and no room: the window is probed (RFC 9293 3.8.6.1).
  if (a.una == a.most && a.next <= a.end && a.resend == a.deadline) a.resend = now + timeout(a);
  return sent;
}

std::int64_t Answers::send_at(Answer& a, std::int64_t from, std::int64_t edge, Timestamp now) {
  std::array<std::uint8_t, Outbox::kMostPayload> payload;  // NOLINT: filled as far as it is used
  std::size_t room = a.mss;
  room = std::min(room, static_cast<std::size_t>(std::max<std::int64_t>(edge - from, 0)));
  room = std::min(room, static_cast<std::size_t>(std::max<std::int64_t>(a.end - from, 0)));
  std::size_t n = 0;
  if (from < a.start) {  // of earlier responses
    const auto real = std::min(room, static_cast<std::size_t>(a.start - from));
    n = tracker_.copy(*a.flow, Direction::ToClient, from, std::span(payload).first(real));
    if (n < real) return 0;
  }
  const auto page = static_cast<std::size_t>(from + static_cast<std::int64_t>(n) - a.start);
  if (n < room && page < a.head_length) {
    const std::size_t head = std::min<std::size_t>(room - n, a.head_length - page);
    std::memcpy(payload.data() + n, a.head.data() + page, head);
    n += head;
  }
  if (n < room) {
    const auto at = static_cast<std::size_t>(from + static_cast<std::int64_t>(n) - a.start) - a.head_length;
    n += a.page->copy_body(std::span(payload).subspan(n, room - n), at, a.facts);
  }
  const bool fin = from + static_cast<std::int64_t>(n) == a.end && a.end < edge;
  if (n == 0 && !fin) return 0;
  net::TcpFrame frame = to_client(a, now);
  frame.seq = a.flow->half(Direction::ToClient).seq_of(from);
  frame.payload = Bytes(payload).first(n);
  if (from + static_cast<std::int64_t>(n) == a.end) frame.flags |= net::kPsh;
  if (fin) frame.flags |= net::kFin;
  if (!outbox_.add(a.ways.client_like, Towards::Client, a.ways.to_client, frame)) return 0;
  return static_cast<std::int64_t>(n) + (fin ? 1 : 0);
}

void Answers::send_ack(Answer& a, Timestamp now) {
  net::TcpFrame frame = to_client(a, now);
  frame.seq = a.flow->half(Direction::ToClient).seq_of(a.most);
  (void)outbox_.add(a.ways.client_like, Towards::Client, a.ways.to_client, frame);
}

// RFC 5961 3.2: only the exact number that the client expects resets it; that is one of these.
void Answers::reset_client(Answer& a) {
  net::TcpFrame frame = to_client(a, a.echoed_at);
  frame.timestamps.reset();
  frame.window = 0;
  frame.flags = net::kRst | net::kAck;
  for (const std::int64_t at : {a.una, a.most}) {
    frame.seq = a.flow->half(Direction::ToClient).seq_of(at);
    (void)outbox_.add(a.ways.client_like, Towards::Client, a.ways.to_client, frame);
    if (a.una == a.most) break;
  }
}

void Answers::reset_server(Answer& a) {
  const flow::Flow& flow = *a.flow;
  const flow::HalfStream& in = flow.half(Direction::ToServer);
  net::TcpFrame frame;
  frame.source = flow.client();
  frame.destination = flow.server();
  frame.flags = net::kRst | net::kAck;
  frame.seq = in.seq_of(in.cut());  // what was let through
  frame.ack = flow.expected_seq(Direction::ToClient);
  if (in.ttl != 0) frame.ttl = in.ttl;
  (void)outbox_.add(a.ways.server_like, Towards::Server, a.ways.to_server, frame);
}

Duration Answers::timeout(const Answer& a) {
  return {std::min(kFirstTimeout.ns << std::min<unsigned>(a.losses, 3), kMostTimeout.ns)};
}

void Answers::arm(std::uint32_t index) {
  const Answer& a = pool_[index];
  wheel_.schedule(index, std::min({a.deadline, a.resend, a.reset_due}));
}

// What is in flight counts as lost: from the beginning, slowly, in the end in small segments (a path that
// carries none so large, and whose router's word for it goes to the real server).
bool Answers::lost(Answer& a, Timestamp now) {
  if (a.losses < 0xff) ++a.losses;
  a.cwnd = 1;
  a.repeats = 0;
  a.next = a.una;
  if (a.losses >= 2) a.mss = std::min(a.mss, kSmallMss);
  a.resend = now + timeout(a);
  if (a.next < a.edge) return transmit(a, now);
  const std::int64_t n = send_at(a, a.una, a.una + 1, now);
  a.next = std::max(a.next, a.una + n);
  a.most = std::max(a.most, a.next);
  return n != 0;
}

bool Answers::due(Answer& a, Timestamp now) {
  if (a.deadline <= now) {
    if (a.stage == Stage::Queued) {  // the server has kept the client waiting
      a.una = a.most = a.flow->half(Direction::ToClient).expected();
      a.echoed_at = now;
      reset_server(a);
    }
    reset_client(a);
    return true;
  }
  if (a.reset_due <= now) {
    --a.resets_left;
    reset_server(a);
    const unsigned done = kServerResets - a.resets_left;
    a.reset_due = a.resets_left == 0 ? a.deadline : now + Duration{kFirstTimeout.ns << done};
  }
  if (a.resend <= now && a.una <= a.end) (void)lost(a, now);
  return false;
}

}  // namespace weir::inspect
