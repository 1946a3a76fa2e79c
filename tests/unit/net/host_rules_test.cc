// P4, P5, F2, F4, F5: what is said of odd packets is what this machine's own kernel does with them.
//
// Packets are written to a TUN device in a network namespace of their own; whether a UDP socket
// there gets the datagram is compared with what decode() and Defragmenter say. Needs the right to
// make a namespace and /dev/net/tun, else the tests are skipped. Last compared: Linux 6.18.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "engine/net/fragment.h"
#include "tests/unit/net/samples.h"

namespace weir::net {
namespace {

using test::as_packet;
using test::Octets;
using test::PacketBuilder;

constexpr std::uint16_t kPort = 7777;

// The kernel's side. One for the whole program: a namespace cannot be left again.
class Host {
 public:
  static Host& instance() {
    static Host host;
    return host;
  }
  [[nodiscard]] bool ready() const { return ready_; }

  // Every datagram that came out after these packets went in.
  std::vector<std::string> deliver(const std::vector<Octets>& packets) {
    for (const Octets& p : packets) {
      if (::write(tun_, p.data(), p.size()) != static_cast<ssize_t>(p.size()))
        return {"(not written)"};
    }
    std::vector<std::string> out;
    pollfd poll[2] = {{four_, POLLIN, 0}, {six_, POLLIN, 0}};
    // A packet written to the device has passed the stack when write() returns, or very soon after.
    while (::poll(poll, 2, out.empty() ? 15 : 1) > 0) {
      for (const pollfd& p : poll) {
        if ((p.revents & POLLIN) == 0) continue;
        std::array<char, 66000> b{};
        const ssize_t n = ::recv(p.fd, b.data(), b.size(), 0);
        if (n >= 0) out.emplace_back(b.data(), static_cast<std::size_t>(n));
      }
    }
    return out;
  }

 private:
  Host() {
    if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return;
    tun_ = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request{};
    std::strcpy(request.ifr_name, "weirtest");
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (tun_ < 0 || ::ioctl(tun_, TUNSETIFF, &request) != 0) return;
    if (std::system("ip addr add 10.0.0.2/24 dev weirtest && ip link set weirtest mtu 65535 up && "
                    "ip -6 addr add 2001:db8::2/64 dev weirtest nodad") != 0) {
      return;
    }
    four_ = bound(AF_INET);
    six_ = bound(AF_INET6);
    ready_ = four_ >= 0 && six_ >= 0;
  }
  static int bound(int family) {
    const int s = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    if (family == AF_INET6) ::setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    sockaddr_in6 six{};
    sockaddr_in four{};
    six.sin6_family = AF_INET6;
    four.sin_family = AF_INET;
    six.sin6_port = four.sin_port = htons(kPort);
    const int result = family == AF_INET6
                           ? ::bind(s, reinterpret_cast<sockaddr*>(&six), sizeof six)
                           : ::bind(s, reinterpret_cast<sockaddr*>(&four), sizeof four);
    return result == 0 ? s : -1;
  }
  int tun_ = -1;
  int four_ = -1;
  int six_ = -1;
  bool ready_ = false;
};

// Weir's side: the payloads of UDP datagrams that it says the host takes.
class Model {
 public:
  std::vector<std::string> deliver(const std::vector<Octets>& packets) {
    std::vector<std::string> out;
    for (const Octets& p : packets) {
      const Decoded decoded = decode(as_packet(p, LinkType::RawIp, {1}, ++number_), {});
      const auto* d = std::get_if<Datagram>(&decoded);
      if (d == nullptr) continue;
      if (!d->fragment.present) {
        take(*d, out);
        continue;
      }
      const Defragmented whole = defragmenter_.add(*d, number_);
      if (whole.kind != Defragmented::Kind::Complete) continue;
      const Decoded rest = decode_reassembled(whole.datagram, {});
      if (const auto* r = std::get_if<Datagram>(&rest)) take(*r, out);
    }
    return out;
  }

 private:
  static void take(const Datagram& d, std::vector<std::string>& out) {
    if (d.dropped_by_host() || d.protocol != 17 || d.fragment.present || d.payload.size() < 8)
      return;
    const std::size_t length = static_cast<std::size_t>(d.payload[4] << 8 | d.payload[5]);
    if (length < 8 || length > d.payload.size()) return;  // UDP's own rule
    out.emplace_back(d.payload.begin() + 8,
                     d.payload.begin() + static_cast<std::ptrdiff_t>(length));
  }
  Defragmenter defragmenter_{{}, FragmentPolicy::Linux, {}};
  std::uint64_t number_ = 0;
};

class HostRules : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Host::instance().ready()) GTEST_SKIP() << "no network namespace or no /dev/net/tun";
  }
  void same(const char* description, const std::vector<Octets>& packets) {
    EXPECT_EQ(Host::instance().deliver(packets), model_.deliver(packets)) << description;
  }
  void same(const char* description, PacketBuilder b) {
    same(description, {b.udp(9, kPort).payload(description).build()});
  }
  Model model_;
};

PacketBuilder v4() {
  return PacketBuilder().ipv4("10.0.0.1", "10.0.0.2");
}
PacketBuilder v6() {
  return PacketBuilder().ipv6("2001:db8::1", "2001:db8::2");
}

TEST_F(HostRules, P4_Ipv4) {
  ASSERT_EQ(Host::instance().deliver({v4().udp(9, kPort).payload("x").build()}).size(), 1U);
  same("plain", v4());
  same("wrong header checksum", v4().bad_checksum());
  same("zero header checksum", v4().set16(10, 0));
  same("TTL 0", v4().ttl(0));
  same("reserved flag", v4().early16(6, 0x8000));
  same("multicast source", PacketBuilder().ipv4("224.0.0.1", "10.0.0.2"));
  same("broadcast source", PacketBuilder().ipv4("255.255.255.255", "10.0.0.2"));
  same("total length of the header only", v4().early16(2, 20));
  same("total length beyond the packet", v4().early16(2, 200));
  same("total length 0", v4().early16(2, 0));
  same("header length 16", v4().early16(0, 0x4400));
  same("padding", {v4().udp(9, kPort).payload("p").padding(20).build()});
}

TEST_F(HostRules, P4_Ipv4Options) {
  const Octets table[] = {
      {1, 1, 1, 1},
      {0x9e, 6, 1, 2, 3, 4},
      {131, 7, 4, 10, 0, 0, 9},
      {137, 7, 4, 10, 0, 0, 9},
      {131, 3, 4},
      {131, 7, 8, 10, 0, 0, 9},
      {0x9e, 0, 0, 0},
      {0x9e, 1, 0, 0},
      {0x9e, 5, 0, 0},
      {1, 1, 1, 0x9e},
      {7, 7, 4, 0, 0, 0, 0},
      {7, 7, 3, 0, 0, 0, 0},
      {7, 7, 8, 1, 2, 3, 4},
      {7, 6, 4, 0, 0, 0},
      {7, 2, 1, 1},
      {7, 3, 4},
      {0, 131, 7, 4},
      {68, 8, 5, 0, 0, 0, 0, 0},
      {68, 8, 4, 0, 0, 0, 0, 0},
      {68, 3, 5},
      {68, 7, 5, 0, 0, 0, 0},
      {148, 4, 0, 0},
      {148, 3, 0},
      {130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0},
  };
  for (const Octets& options : table) {
    std::string text = "options";
    for (const auto b : options)
      text += " " + std::to_string(b);
    same(text.c_str(), v4().ip_options(options));
  }
}

TEST_F(HostRules, P5_ExtensionHeaders) {
  ASSERT_EQ(Host::instance().deliver({v6().udp(9, kPort).payload("x").build()}).size(), 1U);
  same("plain", v6());
  same("hop-by-hop", v6().hop_by_hop());
  same(
      "four destination options",
      v6().destination_options().destination_options().destination_options().destination_options());
  same("second hop-by-hop", v6().hop_by_hop().hop_by_hop());
  same("hop-by-hop second", v6().destination_options().hop_by_hop());
  same("authentication", v6().authentication());
  for (int type = 0; type < 8; ++type) {
    // Type 2 depends on whether mobile IPv6 is compiled in (Debian: yes).
    if (type != 2) {
      same(("routing done, type " + std::to_string(type)).c_str(),
           v6().routing(static_cast<std::uint8_t>(type), 0));
    }
    same(("routing, type " + std::to_string(type)).c_str(),
         v6().routing(static_cast<std::uint8_t>(type), 1));
  }
  for (const std::uint8_t kind :
       {std::uint8_t{135}, std::uint8_t{139}, std::uint8_t{140}, std::uint8_t{253}}) {
    same(("extension " + std::to_string(kind)).c_str(), v6().extension(kind, Octets(6, 0)));
  }
  same("atomic fragment", v6().fragment6(0, false, 1));
  same("two atomic fragments", v6().fragment6(0, false, 1).fragment6(0, false, 2));
  same("everything", v6().hop_by_hop()
                         .destination_options()
                         .routing(0, 0)
                         .fragment6(0, false, 1)
                         .destination_options());
  same("length 0, no jumbo option", v6().early16(4, 0).hop_by_hop());
  same("length 0", v6().early16(4, 0));
  same("jumbo option and a length", v6().hop_by_hop({0xc2, 4, 0, 1, 0, 0}));
  same("small jumbo length", v6().early16(4, 0).hop_by_hop({0xc2, 4, 0, 0, 0, 40}));
  same("multicast source", PacketBuilder().ipv6("ff02::1", "2001:db8::2"));
  same("length beyond the packet", v6().early16(4, 200));
  same("padding", {v6().udp(9, kPort).payload("p").padding(20).build()});
  for (const int n : {8, 9, 32}) {
    PacketBuilder b = v6();
    for (int i = 0; i < n; ++i)
      b.destination_options();
    same(("headers: " + std::to_string(n)).c_str(), b);
  }
}

TEST_F(HostRules, P5_OptionsInBothHeaders) {
  const auto many = [](int n) {
    Octets b;
    for (int i = 0; i < n; ++i)
      b.insert(b.end(), {0x1e, 0});
    return b;
  };
  const Octets padded[] = {{0x1e, 1, 0}, {0x5e, 1, 0},
                           {0x9e, 1, 0}, {0xde, 1, 0},
                           {5, 2, 0, 0}, {5, 3, 0, 0, 0},
                           {4, 1, 4},    {0xc9, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
                           many(7),      many(8),
                           many(9),      many(20)};
  for (const Octets& options : padded) {
    std::string text = "options";
    for (const auto b : options)
      text += " " + std::to_string(b);
    same((text + ", destination").c_str(), v6().destination_options(options));
    same((text + ", hop-by-hop").c_str(), v6().hop_by_hop(options));
  }
  const Octets exact[] = {{0x1e, 9, 0, 0, 0, 0},
                          {1, 3, 0, 0, 0, 0x1e},
                          {1, 4, 0, 0, 7, 0},
                          Octets(6, 0),
                          Octets(14, 0),
                          {1, 5, 0, 0, 0, 0, 0, 0x1e, 3, 0, 0, 0, 0, 0},
                          {1, 6, 0, 0, 0, 0, 0, 0, 0x1e, 2, 0, 0, 0, 0},
                          {1, 0, 1, 0, 1, 0},
                          {1, 2, 0, 0, 1, 0},
                          {0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
  for (const Octets& content : exact) {
    std::string text = "content";
    for (const auto b : content)
      text += " " + std::to_string(b);
    same((text + ", destination").c_str(), v6().extension(60, content));
    same((text + ", hop-by-hop").c_str(), v6().extension(0, content));
  }
}

// Random fragments of one datagram under a fresh id: the same datagrams come out, with the same
// bytes.
TEST_F(HostRules, F2_F5_RandomFragments) {
  std::mt19937_64 random(99);
  int complete = 0;
  for (const bool six : {false, true}) {
    PacketBuilder b = six ? v6() : v4();
    Octets content(184);
    for (std::size_t i = 0; i < content.size(); ++i)
      content[i] = static_cast<std::uint8_t>('a' + i % 26);
    // IPv4 without a checksum, so that bytes may differ between copies
    const Octets whole = b.udp(9, kPort, six).raw(content).build();
    const Octets transport(whole.begin() + (six ? 40 : 20), whole.end());
    for (int round = 0; round < 400; ++round) {
      const auto id = static_cast<std::uint16_t>(round + 1);
      const std::size_t cut = 32;
      std::vector<Octets> packets;
      std::vector<std::size_t> order;
      for (std::size_t k = 0; k < transport.size() / cut; ++k)
        order.push_back(k);
      if (random() % 2 == 0) std::shuffle(order.begin(), order.end(), random);
      for (std::size_t step = 0; step < order.size(); ++step) {
        std::size_t at = order[step] * cut;
        std::size_t n = cut;
        bool more = at + n < transport.size();
        std::vector<std::array<std::size_t, 3>> send{{at, n, more}};
        if (random() % 8 == 0) {  // something odd before it
          at = random() % 24 * 8;
          n = 8 * (random() % 9);
          if (random() % 5 == 0) n += random() % 8;
          more = random() % 4 != 0;
          if (random() % 12 == 0) at = 65528;
          if (at != 0 || more) send.insert(send.begin(), {at, n, more});
        }
        for (const auto& [from, length, flag] : send) {
          Octets bytes;
          for (std::size_t i = 0; i < length; ++i) {
            bytes.push_back(from + i < transport.size() ? transport[from + i] : std::uint8_t{'?'});
          }
          // A copy that lies within what came before may differ in IPv4: the first one counts.
          if (!six && send.size() == 2 && &send[0][0] == &from && from >= 8)
            bytes.assign(length, '#');
          PacketBuilder f;
          if (six) {
            f.ipv6("2001:db8::1", "2001:db8::2")
                .fragment6(static_cast<std::uint32_t>(from), flag != 0, id);
          } else {
            f.ipv4("10.0.0.1", "10.0.0.2")
                .id(id)
                .fragment(static_cast<std::uint32_t>(from), flag != 0);
          }
          packets.push_back(f.protocol(17).raw(bytes).build());
        }
      }
      const auto host = Host::instance().deliver(packets);
      const auto model = model_.deliver(packets);
      ASSERT_EQ(host, model) << "IPv" << (six ? 6 : 4) << " round " << round;
      complete += static_cast<int>(host.size());
    }
  }
  EXPECT_GT(complete, 200);
  EXPECT_LT(complete, 800);
}

TEST_F(HostRules, F5_EcnAndTinyFragments) {
  const Octets whole = v4().udp(9, kPort, false).raw(Octets(92, 'e')).build();
  const Octets transport(whole.begin() + 20, whole.end());
  std::uint16_t id = 5000;
  for (unsigned a = 0; a < 4; ++a) {
    for (unsigned b = 0; b < 4; ++b) {
      ++id;
      const auto piece = [&](std::size_t from, std::size_t to, bool more, unsigned ecn) {
        return v4()
            .early16(0, static_cast<std::uint16_t>(0x4500 | ecn))
            .id(id)
            .fragment(static_cast<std::uint32_t>(from), more)
            .protocol(17)
            .raw({transport.begin() + static_cast<std::ptrdiff_t>(from),
                  transport.begin() + static_cast<std::ptrdiff_t>(to)})
            .build();
      };
      same("ecn", {piece(0, 48, true, a), piece(48, 100, false, b)});
    }
  }
  // The first fragment of eight bytes: enough for UDP's header in IPv6, whatever follows.
  const Octets six = v6().udp(9, kPort).raw(Octets(92, 's')).build();
  const Octets rest(six.begin() + 40, six.end());
  same("IPv6, first of 8 bytes",
       {v6().fragment6(0, true, 1).protocol(17).raw({rest.begin(), rest.begin() + 8}).build(),
        v6().fragment6(8, false, 1).protocol(17).raw({rest.begin() + 8, rest.end()}).build()});
  const Octets chain = v6().destination_options().udp(9, kPort).raw(Octets(92, 't')).build();
  const Octets chained(chain.begin() + 40, chain.end());
  same(
      "IPv6, first without its UDP header",
      {v6().fragment6(0, true, 2).protocol(60).raw({chained.begin(), chained.begin() + 8}).build(),
       v6().fragment6(8, false, 2).protocol(60).raw({chained.begin() + 8, chained.end()}).build()});
  same(
      "IPv6, first with it",
      {v6().fragment6(0, true, 3).protocol(60).raw({chained.begin(), chained.begin() + 16}).build(),
       v6().fragment6(16, false, 3)
           .protocol(60)
           .raw({chained.begin() + 16, chained.end()})
           .build()});
  same("IPv6, hop-by-hop in the fragmented part",
       {v6().fragment6(0, true, 4).protocol(0).raw({chained.begin(), chained.begin() + 16}).build(),
        v6().fragment6(16, false, 4)
            .protocol(0)
            .raw({chained.begin() + 16, chained.end()})
            .build()});
}

}  // namespace
}  // namespace weir::net
