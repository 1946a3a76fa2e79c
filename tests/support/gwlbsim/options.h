// The command line of weir-gwlbsim.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/gwlbsim/wire.h"

namespace gwlbsim {

// A device in a network namespace ("" is the simulator's own).
struct Device {
  std::string netns;
  std::string name;
};

struct Endpoint {
  std::uint64_t id = 0;
  Device client;
  Device server;
};

enum class Check { None, Tcp, Http, Https };

struct Settings {
  std::string listen;
  std::vector<std::string> targets;
  std::vector<Endpoint> endpoints;
  unsigned stickiness = 5;         // 5, 3 or 2 fields
  bool different_ports = false;    // another outer source port for the way back
  bool different_cookies = false;  // another cookie, too
  bool direct_return = false;     // servers' packets go to the clients without any target
  bool checksums = true;           // of the outer UDP header; false: 0
  unsigned reorder = 0;            // every so many'th packet is overtaken by the next one; 0: none
  Options options = Options::Aws;
  Check check = Check::None;
  unsigned check_port = 80;
  std::string check_path = "/";
  unsigned interval_ms = 1000;
  unsigned timeout_ms = 1000;
  unsigned healthy = 2;
  unsigned unhealthy = 2;
  bool rebalance = true;     // flows leave a target that fails or is deregistered
  std::size_t limit = 8500;  // longest inner packet
  std::size_t most_flows = 200'000;
  double seconds = 60;
  std::uint64_t seed = 1;
};

// Prints what is wrong, or the help, and ends the program.
Settings read_command_line(int argc, char** argv);

}  // namespace gwlbsim
