#include "tests/support/gwlbsim/health.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace gwlbsim {
namespace {

class Socket {
 public:
  Socket(const std::string& address, unsigned port, unsigned timeout_ms) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval wait{static_cast<time_t>(timeout_ms / 1000),
                 static_cast<suseconds_t>(timeout_ms % 1000 * 1000)};
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);  // of connect(), too
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, address.c_str(), &name.sin_addr);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(fd_); }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1;
  bool connected_ = false;
};

bool good_status(const std::string& answer) {
  if (answer.compare(0, 7, "HTTP/1.") != 0 || answer.size() < 12) return false;
  const int status = std::atoi(answer.c_str() + 9);
  return status >= 200 && status < 400;
}

bool http(int fd, const std::string& request) {
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
  std::array<char, 512> buffer{};
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  return n > 0 && good_status(std::string(buffer.data(), static_cast<std::size_t>(n)));
}

bool https(int fd, const std::string& request, unsigned timeout_ms) {
  gnutls_session_t session = nullptr;
  gnutls_certificate_credentials_t credentials = nullptr;
  gnutls_certificate_allocate_credentials(&credentials);
  gnutls_init(&session, GNUTLS_CLIENT);
  gnutls_set_default_priority(session);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_transport_set_int(session, fd);
  gnutls_handshake_set_timeout(session, timeout_ms);
  int result = 0;
  do {
    result = gnutls_handshake(session);
  } while (result < 0 && gnutls_error_is_fatal(result) == 0);
  bool good = false;
  if (result >= 0 && gnutls_record_send(session, request.data(), request.size()) > 0) {
    std::array<char, 512> buffer{};
    ssize_t n = 0;
    do {
      n = gnutls_record_recv(session, buffer.data(), buffer.size());
    } while (n == GNUTLS_E_INTERRUPTED);
    good = n > 0 && good_status(std::string(buffer.data(), static_cast<std::size_t>(n)));
  }
  gnutls_deinit(session);
  gnutls_certificate_free_credentials(credentials);
  return good;
}

}  // namespace

HealthChecks::HealthChecks(const Settings& settings) : settings_(settings) {
  for (std::size_t i = 0; i < settings.targets.size(); ++i)
    states_.push_back(std::make_unique<State>());
  if (settings.check == Check::None) return;
  for (std::size_t i = 0; i < settings.targets.size(); ++i)
    threads_.emplace_back([this, i] { run(i); });
}

HealthChecks::~HealthChecks() {
  stop_.store(true);
  for (std::thread& t : threads_)
    t.join();
}

void HealthChecks::run(std::size_t target) {
  State& state = *states_[target];
  unsigned good = 0;
  unsigned bad = 0;
  while (!stop_.load()) {
    const bool ok = check(settings_.targets[target]);
    ++state.checks;
    good = ok ? good + 1 : 0;
    bad = ok ? 0 : bad + 1;
    if (good >= settings_.healthy) state.healthy.store(true);
    if (bad >= settings_.unhealthy && state.healthy.exchange(false)) ++state.failures;
    for (unsigned waited = 0; waited < settings_.interval_ms && !stop_.load(); waited += 20) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

bool HealthChecks::check(const std::string& address) const {
  const Socket socket(address, settings_.check_port, settings_.timeout_ms);
  if (!socket.connected()) return false;
  if (settings_.check == Check::Tcp) return true;
  const std::string request = "GET " + settings_.check_path + " HTTP/1.1\r\nHost: " + address +
                              "\r\nUser-Agent: weir-gwlbsim\r\nConnection: close\r\n\r\n";
  return settings_.check == Check::Http ? http(socket.fd(), request)
                                        : https(socket.fd(), request, settings_.timeout_ms);
}

}  // namespace gwlbsim
