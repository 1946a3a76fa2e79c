// Segments per second through the Tracker, by kind of traffic. Prints; asserts nothing.
//
//   flow_bench [SECONDS_PER_CASE]
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/flow/tracker.h"

namespace {

using namespace weir;

class Counter : public flow::StreamSink {
 public:
  std::uint64_t bytes = 0;
  void on_open(flow::Flow&) override {}
  flow::StreamAction on_bytes(flow::Flow&, flow::Direction, const flow::StreamBytes& b) override {
    bytes += b.bytes.size();
    return flow::StreamAction::Continue;
  }
  flow::StreamAction on_gap(flow::Flow&, flow::Direction, const flow::StreamGap&) override {
    return flow::StreamAction::Continue;
  }
  void on_end(flow::Flow&, flow::Direction, flow::EndCause) override {}
  void on_close(flow::Flow&) override {}
};

struct Bench {
  explicit Bench(flow::Mode mode) {
    flow::FlowOptions o;
    o.mode = mode;
    if (mode == flow::Mode::Inline) o.midstream = flow::MidstreamPolicy::Reject;
    tracker = std::make_unique<flow::Tracker>(FlowLimits{}, o, sink);
    payload.assign(65536, 'x');
  }
  void send(std::uint32_t connection, bool from_client, std::uint32_t seq, std::uint32_t ack,
            std::uint8_t flags, std::size_t length) {
    net::TcpSegment s;
    net::Endpoint client;
    const std::uint8_t address[4] = {10, 0, static_cast<std::uint8_t>(connection >> 8),
                                     static_cast<std::uint8_t>(connection)};
    client.address = IpAddress::v4(address);
    client.port = static_cast<std::uint16_t>(1024 + (connection >> 16));
    const std::uint8_t there[4] = {192, 0, 2, 1};
    net::Endpoint server;
    server.address = IpAddress::v4(there);
    server.port = 80;
    s.source = from_client ? client : server;
    s.destination = from_client ? server : client;
    s.seq = seq;
    s.ack = ack;
    s.flags = flags;
    s.window = 65535;
    if ((flags & net::kSyn) != 0) s.options.window_scale = 7;
    s.payload = Bytes(payload).first(length);
    time.ns += 1000;
    s.time = time;
    const auto v = tracker->on_segment(s);
    refused += v.fate() == Fate::Drop ? 1 : 0;
    ++segments;
  }
  void handshake(std::uint32_t c) {
    send(c, true, 0, 0, net::kSyn, 0);
    send(c, false, 0, 1, net::kSyn | net::kAck, 0);
    send(c, true, 1, 1, net::kAck, 0);
  }

  Counter sink;
  std::unique_ptr<flow::Tracker> tracker;
  std::vector<std::uint8_t> payload;
  Timestamp time{1'700'000'000'000'000'000};
  std::uint64_t segments = 0;
  std::uint64_t refused = 0;
};

void measure(const char* what, flow::Mode mode, double seconds,
             const std::function<std::function<void()>(Bench&)>& prepare) {
  Bench b(mode);
  const auto step = prepare(b);
  b.segments = 0;
  const std::uint64_t before = b.sink.bytes;
  const std::clock_t start = std::clock();  // of this process: other load does not count
  double elapsed = 0;
  while (elapsed < seconds) {
    for (int i = 0; i < 200; ++i) step();
    elapsed = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  std::printf("%-46s %-8s %7.2f M segments/s %8.2f GB/s  refused %llu\n", what,
              mode == flow::Mode::Inline ? "inline" : "passive",
              static_cast<double>(b.segments) / elapsed / 1e6,
              static_cast<double>(b.sink.bytes - before) / elapsed / 1e9,
              static_cast<unsigned long long>(b.refused));
}

void run(flow::Mode mode, double seconds) {
  measure("one download, 1460-byte segments, ACK each 2", mode, seconds, [](Bench& b) {
    b.handshake(0);
    return [&b, seq = 1U]() mutable {
      b.send(0, false, seq, 1, net::kAck, 1460);
      b.send(0, false, seq + 1460, 1, net::kAck, 1460);
      seq += 2920;
      b.send(0, true, 1, seq, net::kAck, 0);
    };
  });
  measure("the same, every fourth segment out of order", mode, seconds, [](Bench& b) {
    b.handshake(0);
    return [&b, seq = 1U]() mutable {
      for (const std::uint32_t i : {0U, 2U, 3U, 1U}) b.send(0, false, seq + i * 1460, 1, net::kAck, 1460);
      seq += 4 * 1460;
      b.send(0, true, 1, seq, net::kAck, 0);
    };
  });
  measure("50 000 keep-alive connections, small requests", mode, seconds, [](Bench& b) {
    for (std::uint32_t c = 0; c < 50'000; ++c) b.handshake(c);
    return [&b, c = 0U, round = 0U]() mutable {
      const std::uint32_t up = 1 + round * 400;
      const std::uint32_t down = 1 + round * 900;
      b.send(c, true, up, down, net::kAck | net::kPsh, 400);
      b.send(c, false, down, up + 400, net::kAck | net::kPsh, 900);
      b.send(c, true, up + 400, down + 900, net::kAck, 0);
      if (++c == 50'000) c = 0, ++round;
    };
  });
  measure("whole short connections (10 segments)", mode, seconds, [](Bench& b) {
    return [&b, c = 0U]() mutable {
      b.handshake(c);
      b.send(c, true, 1, 1, net::kAck, 400);
      b.send(c, false, 1, 401, net::kAck, 1000);
      b.send(c, true, 401, 1001, net::kAck | net::kFin, 0);
      b.send(c, false, 1001, 402, net::kAck | net::kFin, 0);
      b.send(c, true, 402, 1002, net::kAck, 0);
      ++c;
    };
  });
  measure("SYN flood", mode, seconds, [](Bench& b) {
    return [&b, c = 0U]() mutable { b.send(c++, true, 0, 0, net::kSyn, 0); };
  });
  measure("one-byte segments backwards behind a hole", mode, seconds, [](Bench& b) {
    b.handshake(0);
    b.send(0, false, 1, 1, net::kAck, 0);
    return [&b, i = 0U]() mutable { b.send(0, true, 4'000'000 - 2 * (i++ % 1'900'000), 1, net::kAck, 1); };
  });
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::strtod(argv[1], nullptr) : 1.0;
  std::printf("Flow %zu bytes, half-open %zu bytes\n", sizeof(flow::Flow), sizeof(flow::HalfOpen));
  run(flow::Mode::Passive, seconds);
  run(flow::Mode::Inline, seconds);
  return 0;
}
