// Plays large downloads over GENEVE, both ends: handshake, request, response in segments, an acknowledgement
// for every send of them, on and on over the same connections. What comes back is counted; no more than a window of
// datagrams is under way, so that nothing is lost where the echo keeps up.
//
//   geneve_transfer FROM TO --flows N --body BYTES --segment BYTES --merge N --window N --seconds S --rate PPS
//
// --segment BYTES: of payload, 40 less than the inner packet has. --merge N: as many segments of a
// flow in one UDP_SEGMENT send. --rate PPS: so many packets a second, whether they come back or not; without it, as fast as the
// window lets. What has not come back a second after the end is lost.
#include <algorithm>
#include <array>
#include <memory>
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
  std::size_t flows = 8, body = 1 << 20, segment = 1360, merge = 1, window = 1500;
  double seconds = 2, rate = 0;
};

struct Flow {
  int socket = -1;
  Octets header;
  net::Endpoint client, server;
  std::uint32_t client_seq = 1000, server_seq = 5000;
  std::size_t left = 0;  // of the body
  bool open = false;
};

class Player {
 public:
  explicit Player(const Arguments& a) : a_(a), to_(endpoint(a.to, 6081)), sink_(udp_socket(a.from, 6081)) {
    set(sink_, SOL_UDP, UDP_GRO, 1);
    for (std::size_t i = 0; i < a.flows; ++i) {
      Flow f;
      f.socket = udp_socket(a.from, static_cast<std::uint16_t>(30000 + i));
      f.header = test::geneve(test::aws_options(7, static_cast<std::uint32_t>(i + 1)), {});
      f.client = {*IpAddress::parse("10.1.0.1"), static_cast<std::uint16_t>(20000 + i)};
      f.server = {*IpAddress::parse("10.2.0.1"), 80};
      flows_.push_back(f);
    }
  }

  void run() {
    began_ = seconds(CLOCK_MONOTONIC);
    const double end = began_ + a_.seconds;
    while (seconds(CLOCK_MONOTONIC) < end && !stuck_) {
      for (Flow& f : flows_) step(f);
    }
    sending = seconds(CLOCK_MONOTONIC) - began_;
    drain(0);
  }

  double sending = 0;  // seconds
  std::uint64_t sent = 0, back = 0, payload = 0;
  bool stuck_ = false;

 private:
  void step(Flow& f) {
    if (!f.open) {
      packet(f, true, net::kSyn, {});
      ++f.client_seq;
      packet(f, false, net::kSyn | net::kAck, {});
      ++f.server_seq;
      packet(f, true, net::kAck, {});
      f.open = true;
    }
    if (f.left == 0) {
      packet(f, true, net::kPsh | net::kAck, "GET /large HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n");
      packet(f, false, net::kPsh | net::kAck,
             "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(a_.body) + "\r\n\r\n");
      f.left = a_.body;
    }
    for (int segment = 0; segment < 16 && f.left != 0;) {
      const std::size_t n = std::min({a_.merge, f.left / a_.segment, std::size_t{16}});
      if (n > 1) {
        for (std::size_t i = 0; i < n; ++i) append(f, std::string_view(body_.data(), a_.segment));
        segment += static_cast<int>(n);
        flush(f);
      } else {
        append(f, std::string_view(body_.data(), std::min(a_.segment, f.left)));
        ++segment;
        flush(f);
      }
      packet(f, true, net::kAck, {});
    }
  }
  void append(Flow& f, std::string_view data) {
    build(f, false, net::kAck, data);
    f.left -= data.size();
    payload += data.size();
  }
  void packet(Flow& f, bool from_client, unsigned flags, std::string_view data) {
    build(f, from_client, flags, data);
    flush(f);
  }
  void build(Flow& f, bool from_client, unsigned flags, std::string_view data) {
    net::TcpFrame t;
    t.source = from_client ? f.client : f.server;
    t.destination = from_client ? f.server : f.client;
    t.seq = from_client ? f.client_seq : f.server_seq;
    t.ack = (flags & net::kAck) == 0 ? 0 : from_client ? f.server_seq : f.client_seq;
    t.flags = static_cast<std::uint8_t>(flags);
    t.window = 65'535;
    if ((flags & net::kSyn) != 0) {
      t.mss = 1460;
      t.window_scale = 10;
    }
    t.payload = Bytes(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
    const std::size_t at = used_;
    std::copy(f.header.begin(), f.header.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(at));
    const std::size_t n = net::build_tcp(std::span(buffer_).subspan(at + f.header.size()), t);
    used_ = at + f.header.size() + n;
    part_ = at == 0 ? used_ : part_;
    ++parts_;
    (from_client ? f.client_seq : f.server_seq) += static_cast<std::uint32_t>(data.size());
  }
  void flush(Flow& f) {
    iovec piece{buffer_.data(), used_};
    msghdr m{&to_, sizeof to_, &piece, 1, nullptr, 0, 0};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2)> control{};
    if (parts_ > 1) {
      m.msg_control = control.data();
      m.msg_controllen = control.size();
      cmsghdr* c = CMSG_FIRSTHDR(&m);
      c->cmsg_level = SOL_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(2);
      const auto size = static_cast<std::uint16_t>(part_);
      std::memcpy(CMSG_DATA(c), &size, 2);
    }
    if (::sendmsg(f.socket, &m, 0) > 0) sent += parts_;
    used_ = parts_ = 0;
    if (a_.rate > 0) keep_pace();
    else if (sent - back > a_.window / 2) drain(a_.window);
  }
  // Takes what is there, without waiting for what is not.
  void keep_pace() {
    do {
      while (take()) {
      }
    } while (static_cast<double>(sent) > (seconds(CLOCK_MONOTONIC) - began_) * a_.rate);
  }
  bool take() {
    std::array<char, 16> bytes{};
    alignas(cmsghdr) std::array<char, 64> control{};
    iovec piece{bytes.data(), bytes.size()};
    msghdr m{nullptr, 0, &piece, 1, control.data(), control.size(), 0};
    const ssize_t n = ::recvmsg(sink_, &m, MSG_DONTWAIT | MSG_TRUNC);
    if (n <= 0) return false;
    const std::size_t part = part_size(m, static_cast<std::size_t>(n));
    back += (static_cast<std::size_t>(n) + part - 1) / part;
    return true;
  }
  // Until no more than `most` are under way; gives up after a second without progress.
  void drain(std::size_t most) {
    double last = seconds(CLOCK_MONOTONIC);
    do {
      if (take()) {
        last = seconds(CLOCK_MONOTONIC);
        continue;
      }
      if (sent - back <= most) return;
      if (seconds(CLOCK_MONOTONIC) - last > 1) {
        stuck_ = true;
        return;
      }
    } while (true);
  }

  Arguments a_;
  sockaddr_in to_;
  int sink_;
  std::vector<Flow> flows_;
  std::string body_ = std::string(a_.segment, 'b');
  double began_ = 0;
  std::array<std::uint8_t, 65'536> buffer_{};
  std::size_t used_ = 0, part_ = 0, parts_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  Arguments a;
  a.from = argv[1];
  a.to = argv[2];
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string word = argv[i];
    const double n = std::strtod(argv[i + 1], nullptr);
    if (word == "--flows") a.flows = static_cast<std::size_t>(n);
    else if (word == "--body") a.body = static_cast<std::size_t>(n);
    else if (word == "--merge") a.merge = static_cast<std::size_t>(n);
    else if (word == "--window") a.window = static_cast<std::size_t>(n);
    else if (word == "--segment") a.segment = static_cast<std::size_t>(n);
    else if (word == "--seconds") a.seconds = n;
    else if (word == "--rate") a.rate = n;
  }
  const double start = seconds(CLOCK_MONOTONIC);
  const auto player = std::make_unique<Player>(a);
  player->run();
  std::printf("{\"sent\": %llu, \"back\": %llu, \"payload\": %llu, \"seconds\": %.3f, \"sending\": %.3f, \"stuck\": %s}\n",
              static_cast<unsigned long long>(player->sent), static_cast<unsigned long long>(player->back),
              static_cast<unsigned long long>(player->payload), seconds(CLOCK_MONOTONIC) - start,
              player->sending, player->stuck_ ? "true" : "false");
}
