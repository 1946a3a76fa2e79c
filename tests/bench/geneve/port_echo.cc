// The port as a worker runs it, for the benchmark.
//
//   geneve_port_echo ADDRESS SOURCES SECONDS [INSPECTED_PORT]
//
// Without a port every packet is echoed inside the port; with one, packets of that TCP port are delivered and
// settled, as an engine would that takes no time.
#include <malloc.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "geneve/port.h"
#include "tests/bench/geneve/udp.h"
#include "tests/support/allocations.h"

namespace {

weir::Timestamp now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return {std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weir;
  if (argc < 4) return 2;
  geneve::PortOptions options;
  options.address = *IpAddress::parse(argv[1]);
  options.sources = {*IpPrefix::parse(argv[2])};
  options.inspected_ports.clear();
  if (argc > 4) options.inspected_ports = {static_cast<std::uint16_t>(std::atoi(argv[4]))};
  options.clock = &now;
  auto ports = geneve::GenevePort::open(options);
  if (!ports) {
    std::fprintf(stderr, "%s\n", ports.error().message.c_str());
    return 3;
  }
  geneve::GenevePort& port = *(*ports)[0];
  std::vector<Packet> packets(256);
  const double length = std::strtod(argv[3], nullptr);
  const double end = bench::seconds(CLOCK_MONOTONIC) + length;
  const double cpu = bench::seconds(CLOCK_PROCESS_CPUTIME_ID);
  std::uint64_t receives = 0;
  const std::uint64_t before = test::allocations();
  while (bench::seconds(CLOCK_MONOTONIC) < end) {
    auto received = port.receive(packets, milliseconds(50));
    if (!received) return 70;
    for (std::size_t i = 0; i < received->count; ++i) port.settle(packets[i], Fate::Forward);
    ++receives;
  }
  port.flush();
  const std::uint64_t after = test::allocations();
  const auto c = port.counters();
  std::printf(
      "{\"packets\": %llu, \"receives\": %llu, \"cpu\": %.3f, \"seconds\": %.3f, \"allocations\": %llu, "
      "\"merged\": %llu, \"sent_merged\": %llu, \"failed\": %llu}\n",
      static_cast<unsigned long long>(port.stats().forwarded), static_cast<unsigned long long>(receives),
      bench::seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, length, static_cast<unsigned long long>(after - before),
      static_cast<unsigned long long>(c.merged), static_cast<unsigned long long>(c.sender.merged),
      static_cast<unsigned long long>(c.sender.failed + c.sender.too_large));
}
