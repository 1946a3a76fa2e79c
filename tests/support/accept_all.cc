// The bare minimum that a program in the wire can do: accept every packet of a queue. What Weir is compared
// with. Also a first check of capture/nfqueue against the kernel at hand.
//
//   accept_all QUEUE [--no-gso] [--one-by-one]     until SIGTERM or SIGINT; then one line of figures
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <vector>

#include "capture/nfqueue.h"

namespace {

volatile std::sig_atomic_t g_stop = 0;

weir::Timestamp now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return {std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weir;
  if (argc < 2) return 2;
  capture::NfqueueOptions options;
  options.queue = static_cast<std::uint16_t>(std::atoi(argv[1]));
  options.clock = now;
  std::size_t batch = 64;
  for (int i = 2; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--no-gso") options.gso = false;
    if (std::string_view(argv[i]) == "--one-by-one") batch = 1;
  }
  std::signal(SIGTERM, [](int) { g_stop = 1; });
  std::signal(SIGINT, [](int) { g_stop = 1; });
  auto socket = capture::NfqueueSocket::open(options);
  if (!socket) return std::fprintf(stderr, "accept_all: %s\n", socket.error().message.c_str()), 3;
  auto port = capture::NfqueuePort::open(options, **socket);
  if (!port) return std::fprintf(stderr, "accept_all: %s\n", port.error().message.c_str()), 3;
  std::puts("ready");
  std::fflush(stdout);
  std::vector<Packet> packets(batch);
  std::uint64_t receives = 0;
  std::uint64_t large = 0;
  std::uint64_t unfilled = 0;
  while (g_stop == 0) {
    const Result<Received> got = (*port)->receive(packets, milliseconds(100));
    if (!got) return std::fprintf(stderr, "accept_all: %s\n", got.error().message.c_str()), 3;
    if (got->count != 0) ++receives;
    for (std::size_t i = 0; i < got->count; ++i) {
      if (packets[i].bytes.size() > 1500) ++large;
      if (packets[i].checksum == ChecksumState::NotFilled) ++unfilled;
      (*port)->settle(packets[i], Fate::Forward);
    }
  }
  const PortStats s = (*port)->stats();
  std::printf("packets %llu bytes %llu dropped %llu errors %llu receives %llu large %llu unfilled %llu\n",
              static_cast<unsigned long long>(s.packets), static_cast<unsigned long long>(s.bytes),
              static_cast<unsigned long long>(s.dropped), static_cast<unsigned long long>(s.errors),
              static_cast<unsigned long long>(receives), static_cast<unsigned long long>(large),
              static_cast<unsigned long long>(unfilled));
  return 0;
}
