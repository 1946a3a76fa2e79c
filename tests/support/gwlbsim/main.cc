// weir-gwlbsim: plays a gateway load balancer between network namespaces. See --help.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "tests/support/gwlbsim/balancer.h"
#include "tests/support/gwlbsim/options.h"

namespace gwlbsim {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "weir-gwlbsim: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(3);
}

}  // namespace

int open_tun(const Device& device) {
  const int home = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (!device.netns.empty()) {
    const std::string path = "/run/netns/" + device.netns;
    const int there = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (there < 0 || ::setns(there, CLONE_NEWNET) != 0) give_up("namespace " + device.netns);
    ::close(there);
  }
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) give_up("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, device.name.c_str(), IFNAMSIZ - 1);
  if (::ioctl(fd, TUNSETIFF, &request) != 0) give_up("device " + device.name);
  if (::setns(home, CLONE_NEWNET) != 0) give_up("cannot return to the own namespace");
  ::close(home);
  return fd;
}

}  // namespace gwlbsim

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const gwlbsim::Settings settings = gwlbsim::read_command_line(argc, argv);
  gwlbsim::Balancer(settings).run();
}
