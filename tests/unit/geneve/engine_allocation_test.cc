// A large transfer through the port and the engine with CRS takes nothing from the heap for a packet, with operator new
// counted, as long as the connection is one of those that were there before.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/config/policies.h"
#include "app/live/loader.h"
#include "engine/event.h"
#include "engine/inspect/inspector.h"
#include "engine/net/build.h"
#include "engine/net/segment.h"
#include "tests/support/allocations.h"
#include "tests/unit/geneve/balancer.h"

namespace {

using namespace weir;
using test::Balancer;
using test::Octets;

class Nothing final : public EventSink {
 public:
  void write(const Event& event) override { events += event.type == EventType::Http ? 1 : 0; }
  int events = 0;
};

class Transfer {
 public:
  Transfer(Balancer& balancer, geneve::GenevePort& port, inspect::Inspector& inspector)
      : balancer_(balancer), port_(port), inspector_(inspector) {
    pass(true, net::kSyn, "");
    ++client_;
    pass(false, net::kSyn | net::kAck, "");
    ++server_;
    pass(true, net::kAck, "");
  }
  // Of so many segments of `size` bytes each way; answers how many packets that were.
  std::size_t download(std::size_t segments, std::size_t size) {
    const std::size_t before = packets_;
    pass(true, net::kPsh | net::kAck, "GET /large HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n");
    pass(false, net::kAck,
         "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
             std::to_string(segments * size) + "\r\n\r\n");
    const std::string body(size, 'b');
    for (std::size_t i = 0; i < segments; ++i) {
      pass(false, net::kAck, body);
      pass(true, net::kAck, "");
    }
    return packets_ - before;
  }
  std::size_t upload(std::size_t segments, std::size_t size) {
    const std::size_t before = packets_;
    pass(true, net::kAck,
         "POST /large HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n"
         "Content-Type: application/x-www-form-urlencoded\r\n"
         "Content-Length: " + std::to_string(segments * size) + "\r\n\r\n");
    const std::string body(size, 'b');
    for (std::size_t i = 0; i < segments; ++i) {
      pass(true, net::kAck, body);
      pass(false, net::kAck, "");
    }
    pass(false, net::kAck, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    pass(true, net::kAck, "");
    return packets_ - before;
  }

  std::uint64_t taken = 0;  // from the heap
  std::size_t dropped = 0;

 private:
  void pass(bool from_client, unsigned flags, std::string_view data) {
    const net::Endpoint client{*IpAddress::parse("10.1.0.1"), 20'000};
    const net::Endpoint server{*IpAddress::parse("10.2.0.1"), 80};
    net::TcpFrame t;
    t.source = from_client ? client : server;
    t.destination = from_client ? server : client;
    t.seq = from_client ? client_ : server_;
    t.ack = (flags & net::kAck) == 0 ? 0 : from_client ? server_ : client_;
    t.flags = static_cast<std::uint8_t>(flags);
    t.window = 65'535;
    if ((flags & net::kSyn) != 0) t.mss = 1460;
    t.payload = Bytes(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
    Octets inner(2'000);
    inner.resize(net::build_tcp(inner, t));
    (from_client ? client_ : server_) += static_cast<std::uint32_t>(data.size());
    balancer_.send(test::geneve(test::aws_options(7, 1), inner));
    const std::uint64_t before = test::allocations();
    auto received = port_.receive(batch_, milliseconds(500));
    for (std::size_t i = 0; i < received->count; ++i) {
      const inspect::Verdict v = inspector_.on_packet(batch_[i]);
      port_.settle(batch_[i], v.kind == inspect::VerdictKind::Forward ? Fate::Forward : Fate::Drop);
      if (v.kind != inspect::VerdictKind::Forward && ++dropped == 1) ADD_FAILURE() << "dropped: " << static_cast<int>(v.reason) << " packet " << packets_;
    }
    port_.flush();
    taken += test::allocations() - before;
    packets_ += received->count;
    ASSERT_EQ(received->count, 1U);
  }

  Balancer& balancer_;
  geneve::GenevePort& port_;
  inspect::Inspector& inspector_;
  std::vector<Packet> batch_ = std::vector<Packet>(8);
  std::uint32_t client_ = 1000, server_ = 5000;
  std::size_t packets_ = 0;
};

TEST(GeneveEngineAllocation, NoPacketOfALargeTransferAllocates) {
  if (!Balancer::possible()) GTEST_SKIP() << "needs a raw socket";
  const app::LoadOutcome loaded = app::load_configuration(
      "mode: block\nports: \"80\"\nbodies: {request: 1MiB, request_without_files: 1MiB}\n", "/etc/weir.yaml");
  if (!loaded.loaded) GTEST_SKIP() << "needs Debian's modsecurity-crs: " << loaded.why;
  Balancer balancer;
  auto ports = geneve::GenevePort::open(balancer.options());
  ASSERT_TRUE(ports) << ports.error().message;
  Nothing sink;
  inspect::Inspector inspector(app::inspector_options(loaded.loaded->config, inspect::Stance::Inline), sink,
                               app::make_sites(loaded.loaded->config, loaded.loaded->policies, true));
  Transfer transfer(balancer, *(*ports)[0], inspector);
  for (const std::size_t size : {60U, 1360U}) {
    for (int i = 0; i < 2; ++i) {
      transfer.download(400, size);  // pools and scratch memory grow to their sizes
      transfer.upload(200, size);
    }
    EXPECT_GT(transfer.taken, 0U) << "they are counted";
    transfer.taken = 0;
    EXPECT_GT(transfer.download(400, size), 800U);
    EXPECT_EQ(transfer.taken, 0U) << "download, " << size;
    transfer.taken = 0;
    EXPECT_GT(transfer.upload(200, size), 400U);
    // A form of 272 KB in one value: what is too large to be kept for the next request is taken once.
    EXPECT_LE(transfer.taken, size == 60 ? 0U : 2U) << "upload, " << size;
    transfer.taken = 1;
  }
  EXPECT_EQ(transfer.dropped, 0U);
  EXPECT_EQ(sink.events, 12);
}

}  // namespace
