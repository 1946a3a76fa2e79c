#include "engine/flow/dormant.h"

namespace weir::flow {
namespace {

using base::kNone;

constexpr std::uint32_t kPackedNoScale = 15;
constexpr std::uint8_t kMostScale = 14;  // RFC 7323 2.3

template <class T>
constexpr bool fits(T value, unsigned bits) {
  return value >= 0 && static_cast<std::uint64_t>(value) < std::uint64_t{1} << bits;
}

// A window of the sender's: as its segments name it, by the scale, or as a SYN does. nullopt: neither.
struct PackedWindow {
  std::uint16_t value = 0;
  std::uint32_t raw = 0;
};
std::optional<PackedWindow> pack_window(std::uint32_t window, std::uint8_t scale) {
  const unsigned by = scale == kNoScale ? 0 : scale;
  const std::uint32_t value = window >> by;
  if (value <= 0xffffU && value << by == window) return PackedWindow{static_cast<std::uint16_t>(value), 0};
  if (window <= 0xffffU) return PackedWindow{static_cast<std::uint16_t>(window), 1};
  return std::nullopt;
}
std::uint32_t unpack_window(std::uint16_t value, bool raw, std::uint8_t scale) {
  return raw || scale == kNoScale ? value : std::uint32_t{value} << scale;
}

// Everything was delivered, acknowledged and given back.
bool settled(const HalfStream& h) {
  if (h.behind != 0 || h.segments_behind != 0 || h.pages.pages != 0 || h.pages.head != kNone) return false;
  if (h.pieces != kNone || h.suspects != kNone || h.suspect_count != 0 || h.refusals != 0) return false;
  if (h.removed != 0 || h.is_cut() || h.urgent() != kNever || h.acks_away) return false;
  if (h.has_fin() != h.fin_reached || (h.has_fin() && h.fin() != h.next)) return false;
  // What a receiver is said to have, and has, is nothing that is still waited for.
  return h.sent == h.expected() && (h.acked == h.expected() || h.acked == 0) && h.claimed <= h.acked;
}

// All but the positions, which are in the Dormant itself.
std::optional<DormantHalf> pack_half(const HalfStream& h) {
  if (h.scale != kNoScale && h.scale > kMostScale) return std::nullopt;
  DormantHalf out;
  out.scale = h.scale == kNoScale ? kPackedNoScale : h.scale & 15U;
  out.unacked = h.acked != h.expected();
  out.anchored = h.anchored;
  out.origin_known = h.origin_known;
  out.ack_known = h.ack_known;
  out.has_timestamp = h.has_timestamp;
  out.skip = h.skip;
  out.fin = h.fin_reached;
  out.ended = h.ended;
  out.truncated = h.truncated;
  out.left_out = h.left_out;
  out.ttl = h.ttl;
  return out;
}

void unpack_half(const DormantHalf& d, std::int64_t next, HalfStream& h) {
  h.next = next;
  h.fin_reached = d.fin != 0;
  if (h.fin_reached) h.set_fin(next);
  h.sent = h.expected();
  h.acked = d.unacked != 0 ? 0 : h.expected();
  h.scale = d.scale == kPackedNoScale ? kNoScale : static_cast<std::uint8_t>(d.scale);
  h.anchored = d.anchored != 0;
  h.origin_known = d.origin_known != 0;
  h.ack_known = d.ack_known != 0;
  h.has_timestamp = d.has_timestamp != 0;
  h.skip = d.skip != 0;
  h.ended = d.ended != 0;
  h.truncated = d.truncated != 0;
  h.left_out = d.left_out != 0;
  h.ttl = static_cast<std::uint8_t>(d.ttl);
}

// The right edge by what is acknowledged and the window offered last: it lies there, or a little beyond (a scaled window
// is rounded, one may shrink).
std::int64_t beyond(const HalfStream& h, const HalfStream& receiver) {
  return h.ack_known ? h.edge - h.acked - receiver.window : h.edge;
}

// False: it does not fit.
bool pack_direction(const Flow& f, Direction direction, Dormant& d) {
  const auto i = static_cast<std::size_t>(direction);
  const HalfStream& h = f.half(direction);
  if (!settled(h) || !fits(h.next, Dormant::kNextBits) || f.bytes[i] != static_cast<std::uint64_t>(h.next)) return false;
  if (!fits(f.packets[i], Dormant::kPacketBits)) return false;
  const std::optional<DormantHalf> half = pack_half(h);
  if (!half) return false;  // first: it has looked at the scale
  const std::optional<PackedWindow> window = pack_window(h.window, h.scale), offered = pack_window(h.offered, h.scale);
  const std::int64_t edge = beyond(h, f.half(opposite(direction)));
  if (!window || !offered || !fits(edge, 16)) return false;
  d.halves[i] = *half;
  d.halves[i].window_raw = window->raw & 1U;
  d.halves[i].offered_raw = offered->raw & 1U;
  d.window[i] = window->value;
  d.offered[i] = offered->value;
  d.beyond[i] = static_cast<std::uint16_t>(edge);
  d.origin[i] = h.origin;
  d.timestamp[i] = h.timestamp;
  d.mss[i] = h.mss;
  if (h.has_timestamp) {
    const std::uint32_t age = whole_seconds(f.last_time) - h.timestamp_at;
    if (!fits(age, 16)) return false;
    d.timestamp_age[i] = static_cast<std::uint16_t>(age);
  }
  return true;
}

void unpack_direction(const Dormant& d, Direction direction, Flow& f) {
  const auto i = static_cast<std::size_t>(direction);
  HalfStream& h = f.half(direction);
  const std::uint64_t next = i == 0 ? d.next_0 : d.next_1;
  unpack_half(d.halves[i], static_cast<std::int64_t>(next), h);
  f.bytes[i] = next;
  f.packets[i] = i == 0 ? d.packets_0 : d.packets_1;
  h.window = unpack_window(d.window[i], d.halves[i].window_raw != 0, h.scale);
  h.offered = unpack_window(d.offered[i], d.halves[i].offered_raw != 0, h.scale);
  h.origin = d.origin[i];
  h.timestamp = d.timestamp[i];
  if (h.has_timestamp) h.timestamp_at = whole_seconds(f.last_time) - d.timestamp_age[i];
  h.mss = d.mss[i];
}

}  // namespace

Idleness idleness(const Flow& f) {
  if (f.state == FlowState::Closed || f.closed || f.refused) return Idleness::Never;
  if (f.state != FlowState::Open || f.busy || f.user != nullptr || f.answer != kNone || f.successor != kNone) return Idleness::NotNow;
  return f.released_to == kNever ? Idleness::Perhaps : Idleness::NotNow;
}

std::optional<Dormant> pack(const Flow& f) {
  Dormant d;
  if (idleness(f) != Idleness::Perhaps) return std::nullopt;
  const std::int64_t age = f.last_time.ns - f.first_time.ns;
  const std::uint32_t lru_before = whole_milliseconds(f.last_time) - f.lru_time;
  if (!fits(age, Dormant::kAgeBits) || !fits(lru_before, Dormant::kLruBits) || !fits(f.anomalies, 10)) return std::nullopt;
  d.first_time = f.first_time.ns;
  d.age = static_cast<std::uint64_t>(age) & ((std::uint64_t{1} << Dormant::kAgeBits) - 1);
  if (!pack_direction(f, Direction::ToServer, d) || !pack_direction(f, Direction::ToClient, d)) return std::nullopt;
  constexpr std::uint64_t kNextMask = (std::uint64_t{1} << Dormant::kNextBits) - 1;
  constexpr std::uint64_t kPacketMask = (std::uint64_t{1} << Dormant::kPacketBits) - 1;
  d.next_0 = f.bytes[0] & kNextMask;
  d.next_1 = f.bytes[1] & kNextMask;
  d.packets_0 = f.packets[0] & kPacketMask;
  d.packets_1 = f.packets[1] & kPacketMask;
  d.lru_before = lru_before & ((1U << Dormant::kLruBits) - 1);
  d.anomalies = f.anomalies & 1023U;
  d.lru_class = f.lru_class;
  d.failures = f.failures;
  d.client_side = f.client_side;
  d.client_is_low = f.client_is_low;
  d.handshake_seen = f.handshake_seen;
  d.timestamps = f.timestamps;
  d.lossy = f.lossy;
  d.bypassed = f.bypassed;
  d.unwatched = f.unwatched;
  d.away = f.away;
  return d;
}

void unpack(const Dormant& d, Flow& f) {
  f.first_time = {d.first_time};
  f.last_time = d.last_time();
  f.lru_time = whole_milliseconds(f.last_time) - d.lru_before;
  for (const Direction direction : {Direction::ToServer, Direction::ToClient}) unpack_direction(d, direction, f);
  for (const Direction direction : {Direction::ToServer, Direction::ToClient}) {
    HalfStream& h = f.half(direction);
    const std::int64_t more = d.beyond[static_cast<std::size_t>(direction)];
    h.edge = h.ack_known ? h.acked + f.half(opposite(direction)).window + more : more;
  }
  f.anomalies = d.anomalies;
  f.lru_class = d.lru_class & 3U;
  f.failures = d.failures;
  f.client_side = d.client_side;
  f.client_is_low = d.client_is_low != 0;
  f.handshake_seen = d.handshake_seen != 0;
  f.timestamps = d.timestamps != 0;
  f.lossy = d.lossy != 0;
  f.bypassed = d.bypassed != 0;
  f.unwatched = d.unwatched != 0;
  f.away = d.away != 0;
}

}  // namespace weir::flow
