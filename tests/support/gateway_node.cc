// An appliance without an engine: GENEVE ports, workers, health checks, stand-in and drain, as the
// program has them. For the tests that are about these and not about verdicts.
//
//   gateway_node ADDRESS SOURCES [--workers N] [--inspect PORT]… [--on-stuck open|closed] [--drain
//   SECONDS]
//                [--http PORT] [--https PORT] [--tcp PORT] [--mirror] [--azure] [--seconds S]
//                [--merge-from N]
//
// Prints one line of JSON with the process ids when it serves, one with counters at its end.
// Inspected packets are settled as forwarded. SIGTERM drains.
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "app/gateway/stand_in.h"
#include "app/health/server.h"

namespace {

using namespace weir;

volatile std::sig_atomic_t terminated = 0;
void on_term(int) {
  terminated = 1;
}

Timestamp now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return {std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
}

struct Arguments {
  geneve::PortOptions port;
  app::HealthOptions health;
  bool open = false;
  double drain = 0;
  double seconds = 600;
};

Arguments arguments(int argc, char** argv) {
  Arguments a;
  if (argc < 3) std::exit(2);
  a.port.address = *IpAddress::parse(argv[1]);
  a.port.sources = {*IpPrefix::parse(argv[2])};
  a.port.self_test = app::SelfTest::address();
  a.port.inspected_ports.clear();
  a.port.clock = &now;
  for (int i = 3; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--mirror") {
      a.port.replies = geneve::Replies::Never;
      a.port.inspect_all = true;
      continue;
    }
    if (option == "--azure") {
      a.port.tunnel = geneve::Tunnel::Vxlan;
      continue;
    }
    if (i + 1 == argc) std::exit(2);
    const std::string value = argv[++i];
    const auto port = static_cast<std::uint16_t>(std::atoi(value.c_str()));
    if (option == "--workers")
      a.port.workers = port;
    else if (option == "--inspect")
      a.port.inspected_ports.push_back(port);
    else if (option == "--on-stuck")
      a.open = value == "open";
    else if (option == "--drain")
      a.drain = std::atof(value.c_str());
    else if (option == "--http")
      a.health.http_port = port;
    else if (option == "--https")
      a.health.https_port = port;
    else if (option == "--tcp")
      a.health.tcp_port = port;
    else if (option == "--seconds")
      a.seconds = std::atof(value.c_str());
    else
      std::exit(2);
  }
  return a;
}

[[noreturn]] void worker(geneve::GenevePort& port, app::WorkerPulse& pulse) {
  std::vector<Packet> packets(256);
  while (terminated == 0) {
    auto received = port.receive(packets, milliseconds(100));
    if (!received) std::_Exit(70);
    for (std::size_t i = 0; i < received->count; ++i)
      port.settle(packets[i], Fate::Forward);
    port.flush();
    pulse.beat.store(app::monotonic_ns());
    pulse.moved.store(port.stats().forwarded);
  }
  const auto c = port.counters();
  const auto s = port.stats();
  std::printf(
      "{\"datagrams\": %llu, \"merged\": %llu, \"foreign\": %llu, \"echoed\": %llu, \"delivered\": "
      "%llu, "
      "\"handed_over\": %llu, \"lost\": %llu, \"kernel_drops\": %llu, \"send_failed\": %llu, "
      "\"too_large\": %llu}\n",
      static_cast<unsigned long long>(c.datagrams), static_cast<unsigned long long>(c.merged),
      static_cast<unsigned long long>(c.foreign), static_cast<unsigned long long>(c.echoed),
      static_cast<unsigned long long>(c.delivered), static_cast<unsigned long long>(c.handed_over),
      static_cast<unsigned long long>(c.lost), static_cast<unsigned long long>(s.dropped),
      static_cast<unsigned long long>(c.sender.failed),
      static_cast<unsigned long long>(c.sender.too_large));
  std::fflush(stdout);
  std::_Exit(0);
}

template <class Loop>
pid_t start(Loop loop) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  loop();
  std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = arguments(argc, argv);
  auto ports = geneve::GenevePort::open(a.port);
  if (!ports) {
    std::fprintf(stderr, "gateway_node: %s\n", ports.error().message.c_str());
    return 3;
  }
  auto pulse = app::Pulse::create(a.port.workers);
  if (!pulse) return 3;
  std::signal(SIGTERM, &on_term);
  std::vector<pid_t> children;
  std::string pids;
  for (std::uint32_t i = 0; i < a.port.workers; ++i) {
    pulse->worker(i).beat.store(app::monotonic_ns());
    children.push_back(start([&] { worker(*(*ports)[i], pulse->worker(i)); }));
    pids += (i == 0 ? "" : ", ") + std::to_string(children.back());
  }
  if (a.open) {
    children.push_back(start([&] {
      auto stand_in = app::StandIn::open(*ports, *pulse, milliseconds(500));
      while (stand_in && terminated == 0)
        (*stand_in)->run_once();
    }));
  }
  std::unique_ptr<app::SelfTest> test;
  if (a.port.replies == geneve::Replies::Echo) {
    auto opened = app::SelfTest::open(a.port);
    if (!opened) {
      std::fprintf(stderr, "gateway_node: %s\n", opened.error().message.c_str());
      return 3;
    }
    test = std::move(*opened);
  }
  app::HealthMonitor monitor(*pulse, std::move(test));
  auto server = app::HealthServer::start(a.health, monitor);
  if (!server) {
    std::fprintf(stderr, "gateway_node: %s\n", server.error().message.c_str());
    return 3;
  }
  pulse->flags().ready.store(true);
  std::printf("{\"workers\": [%s]}\n", pids.c_str());
  std::fflush(stdout);
  const std::int64_t end = app::monotonic_ns() + static_cast<std::int64_t>(a.seconds * 1e9);
  while (terminated == 0 && app::monotonic_ns() < end)
    ::usleep(50'000);
  monitor.drain(true);
  const std::int64_t drained = app::monotonic_ns() + static_cast<std::int64_t>(a.drain * 1e9);
  while (app::monotonic_ns() < drained)
    ::usleep(50'000);
  for (const pid_t child : children)
    ::kill(child, SIGTERM);
  for (const pid_t child : children) {
    ::kill(child, SIGCONT);
    ::waitpid(child, nullptr, 0);
  }
}
