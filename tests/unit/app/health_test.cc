// Health checks against a port whose worker is this test.
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "app/health/certificate.h"
#include "app/health/server.h"
#include "geneve/port.h"

namespace {

using namespace weir;
using namespace weir::app;

Timestamp a_clock() {
  return {1};
}

int connected(std::uint16_t port) {
  const int s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(s, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) return s;
  ::close(s);
  return -1;
}

// The status, 0 if there is no answer.
int ask(std::uint16_t port, const std::string& path, const std::string& method = "GET") {
  const int s = connected(port);
  if (s < 0) return 0;
  const std::string request = method + " " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  EXPECT_EQ(::send(s, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string all;
  std::array<char, 1024> buffer;
  for (ssize_t n = 0; (n = ::recv(s, buffer.data(), buffer.size(), 0)) > 0;)
    all.append(buffer.data(), static_cast<std::size_t>(n));
  ::close(s);
  EXPECT_NE(all.find("\r\nContent-Length: "), std::string::npos);
  EXPECT_NE(all.find("\r\nConnection: close\r\n"), std::string::npos);
  return all.size() > 12 ? std::atoi(all.c_str() + 9) : 0;
}

template <class Condition>
bool soon(Condition condition, int milliseconds = 2000) {
  for (int i = 0; i < milliseconds / 10; ++i) {
    if (condition()) return true;
    ::usleep(10'000);
  }
  return condition();
}

class Health : public ::testing::Test {
 protected:
  void SetUp() override {
    geneve::PortOptions options;
    options.address = *IpAddress::parse("127.0.0.1");
    options.port = static_cast<std::uint16_t>(25'000 + ::getpid() % 10'000);
    options.sources = {*IpPrefix::parse("192.0.2.0/24")};
    options.self_test = SelfTest::address();
    options.workers = 2;
    options.copies = 16;
    options.connections = 64;
    options.clock = &a_clock;
    auto opened = geneve::GenevePort::open(options);
    if (!opened) GTEST_SKIP() << opened.error().message;
    ports_ = std::move(*opened);
    auto test = SelfTest::open(options);
    ASSERT_TRUE(test) << test.error().message;
    pulse_ = std::make_unique<Pulse>(std::move(*Pulse::create(2)));
    monitor_ = std::make_unique<HealthMonitor>(*pulse_, std::move(*test));
    health_.address = options.address;
    http_ = static_cast<std::uint16_t>(options.port + 10'000);
    health_.http_port = http_;
    health_.https_port = static_cast<std::uint16_t>(http_ + 10'001);
    health_.tcp_port = tcp_ = static_cast<std::uint16_t>(http_ + 1);
    auto server = HealthServer::start(health_, *monitor_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    for (std::size_t i = 0; i < 2; ++i) {
      workers_.emplace_back([this, i] {
        std::array<Packet, 8> packets;
        while (!stop_) {
          if (stalled_ == static_cast<int>(i))
            ::usleep(10'000);
          else
            static_cast<void>(ports_[i]->receive(packets, milliseconds(20)));
        }
      });
    }
  }
  void TearDown() override {
    stop_ = true;
    for (auto& t : workers_)
      t.join();
  }

  std::vector<std::unique_ptr<geneve::GenevePort>> ports_;
  std::unique_ptr<Pulse> pulse_;
  std::unique_ptr<HealthMonitor> monitor_;
  std::unique_ptr<HealthServer> server_;
  HealthOptions health_;
  std::vector<std::thread> workers_;
  std::atomic<bool> stop_{false};
  std::atomic<int> stalled_{-1};
  std::uint16_t http_ = 0;
  std::uint16_t tcp_ = 0;
};

TEST_F(Health, ReadyIsMoreThanAlive) {
  EXPECT_TRUE(soon([&] { return ask(http_, "/livez") == 200; }));
  EXPECT_EQ(ask(http_, "/readyz"), 503);
  EXPECT_EQ(connected(tcp_), -1);
  pulse_->flags().ready = true;
  EXPECT_EQ(ask(http_, "/readyz"), 200);
  EXPECT_EQ(ask(http_, "/nothing"), 404);
  EXPECT_EQ(ask(http_, "/readyz", "PUT"), 405);
  int s = -1;
  EXPECT_TRUE(soon([&] { return (s = connected(tcp_)) >= 0; }));
  ::close(s);
}

TEST_F(Health, DrainMakesUnreadyAndNotDead) {
  pulse_->flags().ready = true;
  EXPECT_TRUE(soon([&] { return ask(http_, "/readyz") == 200; }));
  EXPECT_EQ(ask(http_, "/drain", "POST"), 200);
  EXPECT_EQ(ask(http_, "/readyz"), 503);
  EXPECT_EQ(ask(http_, "/livez"), 200);
  EXPECT_TRUE(soon([&] { return connected(tcp_) < 0; }));
  EXPECT_EQ(ask(http_, "/drain", "DELETE"), 200);
  EXPECT_EQ(ask(http_, "/readyz"), 200);
}

// One of two workers does not come round: its packets do not return, whatever flags say.
TEST_F(Health, C20AStalledWorkerIsToldWithinTwoSeconds) {
  pulse_->flags().ready = true;
  ASSERT_TRUE(soon([&] { return ask(http_, "/readyz") == 200; }));
  stalled_ = 1;
  const std::int64_t from = monotonic_ns();
  EXPECT_TRUE(soon([&] { return ask(http_, "/livez") == 503; }, 3000));
  EXPECT_LT(monotonic_ns() - from, 2'000'000'000);
  EXPECT_EQ(ask(http_, "/readyz"), 503);
  stalled_ = -1;
  EXPECT_TRUE(soon([&] { return ask(http_, "/readyz") == 200; }));
}

// Packets that pass are proof too, where a self-test is lost in a full queue.
TEST_F(Health, PassingPacketsAreProof) {
  pulse_->flags().ready = true;
  ASSERT_TRUE(soon([&] { return ask(http_, "/readyz") == 200; }));
  stalled_ = 0;
  for (int i = 0; i < 250; ++i) {
    ++pulse_->worker(0).moved;
    ::usleep(10'000);
  }
  EXPECT_EQ(ask(http_, "/livez"), 200);
}

TEST_F(Health, HalfOpenAndEndlessRequestsAreHarmless) {
  pulse_->flags().ready = true;
  ASSERT_TRUE(soon([&] { return ask(http_, "/readyz") == 200; }));
  std::vector<int> open;
  for (int i = 0; i < 40; ++i)
    open.push_back(connected(http_));
  const std::string part = "GET /readyz HT";
  for (const int s : open)
    static_cast<void>(::send(s, part.data(), part.size(), 0));
  const std::string header = "X: " + std::string(100'000, 'x');
  const int s = connected(http_);
  static_cast<void>(::send(s, (part + "TP/1.1\r\n" + header).data(), header.size(), MSG_NOSIGNAL));
  timespec before{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  EXPECT_EQ(ask(http_, "/readyz"), 200);
  ::usleep(500'000);
  timespec after{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double used = static_cast<double>(after.tv_sec - before.tv_sec) +
                      static_cast<double>(after.tv_nsec - before.tv_nsec) * 1e-9;
  EXPECT_LT(used, 0.25);
  EXPECT_EQ(ask(http_, "/readyz"), 200);
  for (const int o : open)
    ::close(o);
  ::close(s);
}

TEST(HealthCertificate, IsMadeAfresh) {
  const auto a = make_certificate();
  const auto b = make_certificate();
  ASSERT_TRUE(a) << a.error().message;
  ASSERT_TRUE(b);
  EXPECT_NE(a->key, b->key);
  EXPECT_EQ(a->certificate.find("-----BEGIN CERTIFICATE-----"), 0U);
  EXPECT_FALSE(read_certificate("/nonexistent", "/nonexistent"));
}

TEST(HealthServer, MistakesAreWords) {
  auto pulse = Pulse::create(1);
  HealthMonitor monitor(*pulse, nullptr);
  HealthOptions options;
  options.address = *IpAddress::parse("192.0.2.1");
  options.http_port = 1;
  const auto server = HealthServer::start(options, monitor);
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find("health checks cannot listen on TCP port 1"),
            std::string::npos);
}

}  // namespace
