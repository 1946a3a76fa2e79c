#include "tests/support/gwlbsim/options.h"

#include <cstdio>
#include <cstdlib>
#include <map>

namespace gwlbsim {
namespace {

constexpr const char* kHelp =
    R"(weir-gwlbsim: plays a gateway load balancer between network namespaces

  weir-gwlbsim --listen ADDRESS --target ADDRESS… --endpoint ID,NETNS/DEVICE,NETNS/DEVICE…

Makes two TUN devices for each endpoint, one towards the clients and one towards the servers (NETNS may be
empty). What is sent into one of them goes in GENEVE to a target, and what the target returns leaves by the
other, after every byte was checked. Addresses and routes are the caller's matter; "ready" is printed
when the devices are there. Needs root. Nothing leaves the named namespaces.

  --listen ADDRESS        outer IPv4 address, that the targets see
  --target ADDRESS        an appliance; may be repeated
  --endpoint ID,C,S       endpoint id (hexadecimal) and the two devices; may be repeated
  --stickiness 5|3|2      fields of the inner packet that choose the target            (5)
  --ports same|different  outer source ports of the two directions                     (same)
  --cookies same|different                                                             (same)
  --return target|direct  whether what servers send passes a target                    (target)
  --checksums right|zero  of the outer UDP header                                      (right)
  --reorder N             every N-th packet is overtaken by the next one               (none)
  --options aws|reordered|extra|long|bare   what the header holds                      (aws)
  --health none|tcp|http|https, --health-port N, --health-path P, --interval MS, --timeout MS,
  --healthy N, --unhealthy N                health checks of the targets               (none)
  --failover rebalance|no_rebalance         what becomes of flows of a failed target   (rebalance)
  --limit BYTES           longest inner packet, either way                             (8500)
  --flows N               most flows at a time                                         (200000)
  --seconds S             ends after this time                                         (60)
  --seed N                of cookies and ports                                         (1)

Commands, one a line, on standard input:
  rebalance          half of the flows go to another target
  recookie           every flow gets a new cookie and source port
  drain ADDRESS      no new flows to a target          undrain ADDRESS
  deregister ADDRESS as drain, and its flows leave it (with --failover rebalance)
  report             prints the counters as one line of JSON
  stop               prints them and ends, as does the end of the time
)";

[[noreturn]] void wrong(const std::string& what) {
  std::fprintf(stderr, "weir-gwlbsim: %s; see --help\n", what.c_str());
  std::exit(2);
}

Device device(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos || slash + 1 == text.size())
    wrong("'" + text + "' is not NETNS/DEVICE");
  return {text.substr(0, slash), text.substr(slash + 1)};
}

Endpoint endpoint(const std::string& text) {
  const auto first = text.find(',');
  const auto second = text.find(',', first + 1);
  if (first == std::string::npos || second == std::string::npos)
    wrong("'" + text + "' is not ID,C,S");
  Endpoint e;
  char* end = nullptr;
  e.id = std::strtoull(text.c_str(), &end, 16);
  if (end != text.c_str() + first) wrong("'" + text + "' does not begin with a hexadecimal id");
  e.client = device(text.substr(first + 1, second - first - 1));
  e.server = device(text.substr(second + 1));
  return e;
}

template <class T>
T one_of(const std::string& option, const std::string& value,
         const std::map<std::string, T>& words) {
  const auto found = words.find(value);
  if (found == words.end()) wrong("'" + value + "' is no value of " + option);
  return found->second;
}

double number(const std::string& option, const std::string& value) {
  char* end = nullptr;
  const double n = std::strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0' || n < 0) wrong("'" + value + "' is no value of " + option);
  return n;
}

void set(Settings& s, const std::string& option, const std::string& value) {
  const auto whole = [&] { return static_cast<unsigned>(number(option, value)); };
  if (option == "--listen")
    s.listen = value;
  else if (option == "--target")
    s.targets.push_back(value);
  else if (option == "--endpoint")
    s.endpoints.push_back(endpoint(value));
  else if (option == "--stickiness")
    s.stickiness = one_of<unsigned>(option, value, {{"5", 5}, {"3", 3}, {"2", 2}});
  else if (option == "--ports")
    s.different_ports = one_of<bool>(option, value, {{"same", false}, {"different", true}});
  else if (option == "--cookies")
    s.different_cookies = one_of<bool>(option, value, {{"same", false}, {"different", true}});
  else if (option == "--return")
    s.direct_return = one_of<bool>(option, value, {{"target", false}, {"direct", true}});
  else if (option == "--checksums")
    s.checksums = one_of<bool>(option, value, {{"right", true}, {"zero", false}});
  else if (option == "--options")
    s.options = one_of<Options>(option, value,
                                {{"aws", Options::Aws},
                                 {"reordered", Options::Reordered},
                                 {"extra", Options::Extra},
                                 {"long", Options::Long},
                                 {"bare", Options::Bare}});
  else if (option == "--health")
    s.check = one_of<Check>(option, value,
                            {{"none", Check::None},
                             {"tcp", Check::Tcp},
                             {"http", Check::Http},
                             {"https", Check::Https}});
  else if (option == "--health-port")
    s.check_port = whole();
  else if (option == "--health-path")
    s.check_path = value;
  else if (option == "--interval")
    s.interval_ms = whole();
  else if (option == "--timeout")
    s.timeout_ms = whole();
  else if (option == "--healthy")
    s.healthy = whole();
  else if (option == "--unhealthy")
    s.unhealthy = whole();
  else if (option == "--failover")
    s.rebalance = one_of<bool>(option, value, {{"rebalance", true}, {"no_rebalance", false}});
  else if (option == "--reorder")
    s.reorder = whole();
  else if (option == "--limit")
    s.limit = whole();
  else if (option == "--flows")
    s.most_flows = whole();
  else if (option == "--seconds")
    s.seconds = number(option, value);
  else if (option == "--seed")
    s.seed = whole();
  else
    wrong("there is no option " + option);
}

}  // namespace

Settings read_command_line(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--help" || option == "-h") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    }
    if (i + 1 == argc) wrong(option + " needs a value");
    set(s, option, argv[++i]);
  }
  if (s.listen.empty() || s.targets.empty() || s.endpoints.empty()) {
    wrong("--listen, --target and --endpoint are needed");
  }
  return s;
}

}  // namespace gwlbsim
