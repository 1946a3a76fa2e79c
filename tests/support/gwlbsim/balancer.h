// The load balancer itself: flows, targets, encapsulation, and the check of everything that comes
// back.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <netinet/in.h>

#include "tests/support/gwlbsim/health.h"
#include "tests/support/gwlbsim/options.h"
#include "tests/support/gwlbsim/wire.h"

namespace gwlbsim {

struct Counters {
  std::uint64_t from_clients = 0;
  std::uint64_t from_servers = 0;
  std::uint64_t sent = 0;    // to targets
  std::uint64_t unsent = 0;  // refused by the kernel
  std::uint64_t no_target = 0;
  std::uint64_t no_flow = 0;    // table full, or no IP
  std::uint64_t too_large = 0;  // longer than the limit, from a host: dropped as AWS does
  // What came back
  std::uint64_t returned = 0;               // byte for byte what was sent
  std::uint64_t invented = 0;               // made by the appliance, well formed, of a known flow
  std::uint64_t invented_other_header = 0;  // of these: in the header of the other direction
  // What came back wrong, all dropped
  std::uint64_t no_geneve = 0;
  std::uint64_t unknown_cookie = 0;
  std::uint64_t wrong_target = 0;    // from an address that the flow was not sent to
  std::uint64_t wrong_port = 0;      // outer source port not as it was sent
  std::uint64_t changed_header = 0;  // GENEVE bytes not as they were sent
  std::uint64_t stale_header = 0;    // an invented packet in a header that has been replaced since
  std::uint64_t returned_too_large = 0;
  std::uint64_t wrong_flow = 0;  // addresses or ports that are not those of the cookie's flow
  std::uint64_t malformed = 0;   // an invented packet that no host takes
  std::uint64_t rebalanced = 0;  // times that a flow went to another target
  std::uint64_t flows = 0;
};

class Balancer {
 public:
  explicit Balancer(const Settings& settings);
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;

  // Everything there is to read, until the time is over or "stop" is read.
  void run();

 private:
  static constexpr std::size_t kOutstanding = 1024;  // packets of a direction that may be under way

  struct Key {
    std::size_t endpoint = 0;
    unsigned protocol = 0;
    End low;
    End high;
    auto operator<=>(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Sent {
    std::uint64_t digest = 0;
    std::uint32_t generation = 0;
  };
  struct Direction {
    Octets header;
    Octets header_before;  // of the generation before
    std::uint16_t port = 0;
    std::uint16_t port_before = 0;
    std::vector<Sent> outstanding;
    std::size_t next = 0;
  };
  struct Flow {
    Key key;
    bool client_is_low = true;
    unsigned version = 4;
    std::size_t target = 0;
    std::uint64_t targets = 0;  // a bit for each that packets were ever sent to
    std::uint32_t generation = 1;
    std::array<Direction, 2> ways;  // 0: from the client
  };
  struct Target {
    std::string name;
    in_addr address{};
    bool draining = false;
    bool registered = true;
  };

  void from_host(std::size_t endpoint, bool client);
  void send_out(Flow& flow, unsigned way, const std::uint8_t* packet, std::size_t size);
  void put_out(const Octets& out, in_addr to);
  void send_late();
  Flow* flow_of(const Key& key, bool client_is_low, unsigned version);
  void dress(Flow& flow);  // new cookies and ports
  bool choose_target(Flow& flow, bool fresh);
  [[nodiscard]] bool usable(std::size_t target, bool fresh) const;

  void from_targets();
  void check(const sockaddr_in& from, std::uint8_t* bytes, std::size_t size);
  bool check_header(const Flow& flow, unsigned way, const std::uint8_t* bytes, std::size_t header,
                    unsigned port, bool& current);
  bool take_outstanding(Direction& way, std::uint64_t digest, std::uint32_t& generation);
  void deliver(const Flow& flow, bool to_server, const std::uint8_t* packet, std::size_t size);

  bool command(const std::string& line);  // false: stop
  bool read_commands();
  void report() const;
  Target* target_called(const std::string& name);

  Settings settings_;
  Counters counters_;
  std::mt19937_64 random_;
  std::vector<Target> targets_;
  std::vector<std::array<int, 2>> tuns_;  // of each endpoint: client, server
  int udp_ = -1;
  int raw_ = -1;
  in_addr self_{};
  std::unordered_map<Key, Flow, KeyHash> flows_;
  std::unordered_map<std::uint32_t, Flow*> by_cookie_;
  std::string commands_;
  bool commands_ended_ = false;
  std::map<std::string, std::uint64_t> reasons_;  // of malformed packets
  Octets buffer_ = Octets(66'000);
  Octets late_;  // held back (Settings::reorder); empty: none
  in_addr late_to_{};
  unsigned since_late_ = 0;
  HealthChecks health_;
};

// A TUN device in a network namespace.
int open_tun(const Device& device);

}  // namespace gwlbsim
