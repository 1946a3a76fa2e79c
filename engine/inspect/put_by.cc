// ParkedSession: of a packed connection it is packed as well.
#include <array>
#include <bit>

#include "engine/flow/dormant.h"
#include "engine/inspect/parked.h"

namespace weir::inspect {
namespace {

enum Kind : std::uint8_t { kNothing, kNumber, kAll };
constexpr unsigned kKindBits = 2;
constexpr unsigned kCountBits = 15;
constexpr unsigned kBlankBits = 6;

// One whose parser has been fed all that the connection has carried, or nothing.
struct Short {
  std::uint64_t kind : kKindBits = kAll;
  std::uint64_t next_id : kCountBits = 0;
  std::uint64_t transactions : kCountBits = 0;
  std::uint64_t blank_lines : kBlankBits = 0;
  std::uint64_t fed : 1 = 0;
  std::uint64_t requests_seen : 1 = 0;
  std::uint64_t responses_seen : 1 = 0;
  std::uint64_t request_gap : 1 = 0;
  std::uint64_t http_seen : 1 = 0;
  std::uint64_t closing : 1 = 0;
  std::uint64_t requests_ended : 1 = 0;
  std::uint64_t responses_ended : 1 = 0;
  std::uint64_t untouched : 1 = 0;
  std::uint64_t midstream : 1 = 0;
  std::uint64_t over : 1 = 0;
  std::uint64_t spoke_http : 1 = 0;
  std::uint64_t alerted : 1 = 0;
  std::uint64_t tunnel : 1 = 0;
  std::uint64_t tls : 1 = 0;
  std::uint64_t http2 : 1 = 0;
  std::uint64_t not_http : 1 = 0;
  std::uint64_t none : 9 = 0;  // beyond flow::Dormant::kKeptBits
};
static_assert(sizeof(Short) == sizeof(std::uint64_t) && flow::Dormant::kKeptBits == 56);
static_assert(std::endian::native == std::endian::little);  // so that `kind` has the low bits, and `none` the high ones

std::array<std::uint64_t, 2> carried(const flow::Flow& flow) {
  return {static_cast<std::uint64_t>(flow.half(flow::Direction::ToServer).next),
          static_cast<std::uint64_t>(flow.half(flow::Direction::ToClient).next)};
}

bool fits(const ParkedSession& p, const std::array<std::uint64_t, 2>& all) {
  if (p.before != 0 || p.client != base::kNone) return false;
  if (p.http.next_id >> kCountBits != 0 || p.transactions >> kCountBits != 0 || p.http.blank_lines >> kBlankBits != 0) return false;
  return p.http.fed == all || p.http.fed == std::array<std::uint64_t, 2>{};
}

Short shortened(const ParkedSession& p) {
  const http::IdleConnection& http = p.http;
  Short s;
  s.next_id = http.next_id & ((1U << kCountBits) - 1);
  s.transactions = p.transactions & ((1U << kCountBits) - 1);
  s.blank_lines = http.blank_lines & ((1U << kBlankBits) - 1);
  s.fed = http.fed != std::array<std::uint64_t, 2>{};
  s.requests_seen = http.requests_seen;
  s.responses_seen = http.responses_seen;
  s.request_gap = http.request_gap;
  s.http_seen = http.http_seen;
  s.closing = http.closing;
  s.requests_ended = http.requests_ended;
  s.responses_ended = http.responses_ended;
  s.untouched = p.untouched;
  s.midstream = p.midstream;
  s.over = p.over;
  s.spoke_http = p.spoke_http;
  s.alerted = p.alerted;
  s.tunnel = p.tunnel;
  s.tls = p.tls;
  s.http2 = p.http2;
  s.not_http = p.not_http;
  return s;
}

ParkedSession lengthened(const Short& s, const std::array<std::uint64_t, 2>& all) {
  ParkedSession p;
  http::IdleConnection& http = p.http;
  if (s.fed != 0) http.fed = all;
  http.next_id = static_cast<std::uint32_t>(s.next_id);
  p.transactions = static_cast<std::uint32_t>(s.transactions);
  http.blank_lines = static_cast<std::uint8_t>(s.blank_lines);
  http.requests_seen = s.requests_seen != 0;
  http.responses_seen = s.responses_seen != 0;
  http.request_gap = s.request_gap != 0;
  http.http_seen = s.http_seen != 0;
  http.closing = s.closing != 0;
  http.requests_ended = s.requests_ended != 0;
  http.responses_ended = s.responses_ended != 0;
  p.untouched = s.untouched != 0;
  p.midstream = s.midstream != 0;
  p.over = s.over != 0;
  p.spoke_http = s.spoke_http != 0;
  p.alerted = s.alerted != 0;
  p.tunnel = s.tunnel != 0;
  p.tls = s.tls != 0;
  p.http2 = s.http2 != 0;
  p.not_http = s.not_http != 0;
  return p;
}

}  // namespace

std::uint64_t put_by(const flow::Flow& flow, ParkedSessions& all) {
  if (flow.parked == base::kNone) return kNothing;
  const ParkedSession& parked = all.sessions[flow.parked];
  if (!fits(parked, carried(flow))) return std::uint64_t{flow.parked} << kKindBits | kNumber;
  const Short out = shortened(parked);
  all.release(flow.parked);
  return std::bit_cast<std::uint64_t>(out);
}

std::uint32_t take_back(const flow::Flow& flow, std::uint64_t kept, ParkedSessions& all) {
  const auto in = std::bit_cast<Short>(kept);
  if (in.kind == kNothing) return base::kNone;
  if (in.kind == kNumber) return static_cast<std::uint32_t>(kept >> kKindBits);
  const std::uint32_t index = all.sessions.allocate();  // has room for as many as there may be flows
  all.sessions[index] = lengthened(in, carried(flow));
  return index;
}

}  // namespace weir::inspect
