// Sends GENEVE datagrams as fast as it can and counts what comes back.
//
//   geneve_flood FROM TO --inner BYTES --merge N --flows N --seconds S [--tcp]
//
// --merge N: as many datagrams of a flow in a row, in one UDP_SEGMENT send; 1: one by one (sendmmsg). What
// comes back is received merged where the kernel merged it, its length only: the sink is cheap.
#include <array>
#include <string>
#include <vector>

#include "engine/net/build.h"
#include "tests/bench/geneve/udp.h"
#include "tests/unit/geneve/envelopes.h"

namespace {

using namespace weir;
using namespace weir::bench;
using test::Octets;

struct Arguments {
  const char* from = "";
  const char* to = "";
  std::size_t inner = 100;
  std::size_t merge = 1;
  std::size_t flows = 64;
  double seconds = 2;
  bool tcp = false;
};

Octets datagram(const Arguments& a, std::uint32_t flow) {
  const std::string text(a.inner - (a.tcp ? 40 : 28), 'x');
  const auto port = static_cast<std::uint16_t>(20000 + flow);
  test::PacketBuilder b;
  b.ipv4("10.1.0.1", "10.2.0.1");
  if (a.tcp) b.tcp(port, 80);
  else b.udp(port, 443);
  return test::geneve(test::aws_options(0x1122334455667788U, 0xc0000000U + flow), b.payload(text).build());
}

class Sink {
 public:
  explicit Sink(const char* address) : socket_(udp_socket(address, 6081)) {
    set(socket_, SOL_UDP, UDP_GRO, 1);
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {bytes_[i].data(), bytes_[i].size()};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  void drain() {
    for (;;) {
      for (std::size_t i = 0; i < kBatch; ++i) {
        messages_[i].msg_hdr.msg_control = control_[i].data();
        messages_[i].msg_hdr.msg_controllen = control_[i].size();
      }
      const int n = ::recvmmsg(socket_, messages_.data(), kBatch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
      if (n <= 0) return;
      for (int i = 0; i < n; ++i) {
        const std::size_t length = messages_[static_cast<std::size_t>(i)].msg_len;
        const std::size_t part = part_size(messages_[static_cast<std::size_t>(i)].msg_hdr, length);
        packets += (length + part - 1) / part;
        ++messages;
        bytes += length;
      }
    }
  }
  std::uint64_t packets = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;

 private:
  static constexpr std::size_t kBatch = 64;
  int socket_;
  std::array<mmsghdr, kBatch> messages_{};
  std::array<iovec, kBatch> parts_{};
  std::array<std::array<char, 16>, kBatch> bytes_{};
  std::array<std::array<char, 64>, kBatch> control_{};
};

Arguments arguments(int argc, char** argv) {
  Arguments a;
  if (argc < 3) std::exit(2);
  a.from = argv[1];
  a.to = argv[2];
  for (int i = 3; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--tcp") a.tcp = true;
    else if (i + 1 == argc) std::exit(2);
    else if (word == "--inner") a.inner = std::strtoul(argv[++i], nullptr, 10);
    else if (word == "--merge") a.merge = std::strtoul(argv[++i], nullptr, 10);
    else if (word == "--flows") a.flows = std::strtoul(argv[++i], nullptr, 10);
    else if (word == "--seconds") a.seconds = std::strtod(argv[++i], nullptr);
  }
  return a;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = arguments(argc, argv);
  Sink sink(a.from);
  std::vector<int> sockets;
  std::vector<Octets> payloads;
  constexpr std::size_t kBurst = 16;
  for (std::uint32_t flow = 0; flow < a.flows; ++flow) {
    sockets.push_back(udp_socket(a.from, static_cast<std::uint16_t>(30000 + flow)));
    const Octets one = datagram(a, flow);
    if (a.merge > 1) set(sockets.back(), SOL_UDP, UDP_SEGMENT, static_cast<int>(one.size()));
    Octets all;
    for (std::size_t i = 0; i < a.merge; ++i) all.insert(all.end(), one.begin(), one.end());
    payloads.push_back(all);
  }
  sockaddr_in to = endpoint(a.to, 6081);
  std::uint64_t sent = 0;
  const double start = seconds(CLOCK_MONOTONIC);
  double end = start;
  for (std::size_t flow = 0; end - start < a.seconds; flow = (flow + 1) % a.flows) {
    iovec part{payloads[flow].data(), payloads[flow].size()};
    std::array<mmsghdr, kBurst> burst{};
    for (mmsghdr& m : burst) {
      m.msg_hdr.msg_name = &to;
      m.msg_hdr.msg_namelen = sizeof to;
      m.msg_hdr.msg_iov = &part;
      m.msg_hdr.msg_iovlen = 1;
    }
    const int n = ::sendmmsg(sockets[flow], burst.data(), a.merge > 1 ? 1 : kBurst, 0);
    if (n > 0) sent += static_cast<std::uint64_t>(n) * a.merge;
    sink.drain();
    end = seconds(CLOCK_MONOTONIC);
  }
  std::printf("{\"sent\": %llu, \"back\": %llu, \"messages\": %llu, \"bytes\": %llu, \"seconds\": %.3f}\n",
              static_cast<unsigned long long>(sent), static_cast<unsigned long long>(sink.packets),
              static_cast<unsigned long long>(sink.messages), static_cast<unsigned long long>(sink.bytes),
              end - start);
}
