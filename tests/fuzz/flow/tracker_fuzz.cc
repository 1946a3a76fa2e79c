// Arbitrary segments of a few connections in both directions: no crash, no event out of order, memory
// within its limits, every flow closed, every buffer returned, everything forwarded inline delivered once,
// and all the same whether idle connections are packed or not (tests/support/tcp_twin.h).
#include <cstdint>
#include <string>

#include "tests/support/tcp_oracle.h"

namespace {

using weir::test::BytesSource;
using weir::test::require;
using weir::test::Tweak;

// What a listener may do between segments.
void act(weir::test::Script& t, BytesSource& source, bool in) {
  namespace flow = weir::flow;
  const std::uint32_t what = source.below(8);
  const std::uint64_t length = source.below(5000);
  const auto d = source.below(2) == 0 ? flow::Direction::ToServer : flow::Direction::ToClient;
  t.with_flow([&](flow::Tracker& tracker, flow::Flow& f, const flow::SegmentVerdict&) {
    const bool waits = f.halves[0].behind != 0 || f.halves[1].behind != 0;
    if (f.closed) return;
    if (what == 0) tracker.bypass_flow(f);
    if (what == 1 && in) tracker.refuse_flow(f, length % 2 == 0);
    if (what == 2 && in && f.handshake_seen && !waits && !f.refused && !f.bypassed) tracker.release(f, d, length);
    if (what == 3) f.failures |= 1U << length % 32;
    if (what == 4) f.away = !f.away;
    if (what == 5) f.unwatched = true;
    if (what == 6) f.busy = !f.busy;
  });
}

void fuzz(BytesSource& source) {
  namespace flow = weir::flow;
  namespace net = weir::net;
  const bool in = source.below(2) == 0;
  flow::FlowOptions options = in ? weir::test::inline_options() : weir::test::passive_options();
  options.overlap = static_cast<flow::OverlapPolicy>(source.below(5));
  options.midstream = static_cast<flow::MidstreamPolicy>(source.below(4));
  options.urgent = static_cast<flow::UrgentPolicy>(source.below(2));
  options.compare_bytes = source.below(4) * 2048;
  weir::FlowLimits limits = weir::test::small_limits();
  limits.flows = 1 + source.below(4);
  limits.half_open = 1 + source.below(4);
  limits.handshake_extras = source.below(3);
  limits.buffered_bytes = std::uint64_t{16 * 1024} << source.below(6);
  limits.direction_bytes = 4096U << source.below(6);
  limits.direction_segments = 1 + source.below(64);
  limits.pieces = 8 + source.below(64);
  weir::test::Script t(options, limits);
  // Several connections share the recorder here, so its own checks of order do not apply.
  t.client_isn = source.below(2) == 0 ? 0xfffffff0U : 0;
  while (!source.exhausted()) {
    const std::uint32_t kind = source.below(8);
    const bool from_client = source.below(3) != 0;
    t.client_port(static_cast<std::uint16_t>(1000 + source.below(2)));
    Tweak w;
    std::uint8_t flags = net::kAck;
    if (kind == 0) flags = static_cast<std::uint8_t>(source.below(64));
    if (kind == 1) flags = net::kSyn | (from_client ? 0 : net::kAck);
    if (kind == 2) flags = net::kAck | net::kFin;
    if (kind == 3 && source.below(4) == 0) flags = net::kRst;
    if (source.below(4) == 0) w.ack = source.below(4096);
    if (source.below(8) == 0) w.window = static_cast<std::uint16_t>(source.below(65536));
    if (source.below(8) == 0) w.missing = source.below(2000);
    if (source.below(16) == 0) w.urgent = static_cast<std::uint16_t>(source.below(64));
    if (source.below(16) == 0) w.checksum_bad = true;
    if (source.below(16) == 0) w.fast_open = true;
    if (source.below(4) == 0) w.timestamps = net::TcpOptions::Timestamps{source.below(1000), 0};
    if (source.below(64) == 0) t.wait(weir::seconds(source.below(1000)));
    if (source.below(64) == 1) act(t, source, in);
    const std::uint32_t seq = source.below(4) == 0 ? source.below(0xffffffffU) : source.below(512);
    const std::string payload(source.below(4) == 0 ? source.below(3000) : source.below(16),
                              static_cast<char>('a' + source.below(3)));
    const auto v = t.send(from_client, seq, payload, flags, w);
    require(t.counters().buffered_now <= limits.buffered_bytes, "cap");
    require(t.counters().flows_now <= limits.flows, "flows");
    require(v.fate() == weir::Fate::Drop || v.reason() == flow::DropReason::None, "reason");
  }
  t.end();
  require(t.sink.opened == t.sink.closed, "close");
  require(t.counters().buffered_now == 0, "buffers returned");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  BytesSource source(data, size);
  fuzz(source);
  return 0;
}
