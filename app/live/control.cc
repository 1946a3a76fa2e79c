#include "app/live/control.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace weir::app {
namespace {

constexpr std::size_t kMostPeers = 16;
constexpr std::size_t kMostRequest = 256;
constexpr std::size_t kMostAnswer = 4'096;

std::string reason() { return std::generic_category().message(errno); }

Result<sockaddr_un> named(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) return fail("the path of a control socket has at most 107 bytes: " + path);
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

int connected(const sockaddr_un& name) {
  const int s = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (s >= 0 && ::connect(s, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return s;
  const int error = errno;
  if (s >= 0) ::close(s);
  errno = error;
  return -1;
}

bool reply(int peer, const Answer& answer) {
  std::string text = answer.text.substr(0, kMostAnswer);
  const std::size_t bytes = answer.descriptors.size() * sizeof(int);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  if (bytes > kMostDescriptors * sizeof(int)) return false;
  iovec part{text.data(), text.size()};
  msghdr out{};
  out.msg_iov = &part;
  out.msg_iovlen = 1;
  if (bytes > 0) {
    out.msg_control = control.data();
    out.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* c = CMSG_FIRSTHDR(&out);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(c), answer.descriptors.data(), bytes);
  }
  return ::sendmsg(peer, &out, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

}  // namespace

Control::Control(Descriptor listener, std::string path)
    : listener_(std::move(listener)), path_(std::move(path)), owner_(::getpid()) {}

Control::Control(Control&& other) noexcept
    : listener_(std::move(other.listener_)),
      peers_(std::move(other.peers_)),
      path_(std::exchange(other.path_, {})),
      owner_(other.owner_) {}

Control::~Control() { withdraw(); }

void Control::withdraw() {
  if (!path_.empty() && owner_ == ::getpid()) ::unlink(path_.c_str());
  path_.clear();
}

void Control::let_go() {
  listener_.reset();
  peers_.clear();
  path_.clear();
}

Result<Control> Control::listen(const std::string& path) {
  const auto name = named(path);
  if (!name) return Unexpected(Error{name.error()});
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) return fail(path + " is there already, and is no socket");
    if (Descriptor other(connected(*name)); other.valid()) return fail("another weir run listens on " + path);
    if (errno == ECONNREFUSED) ::unlink(path.c_str());
  }
  Descriptor listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t before = ::umask(0177);
  const bool bound = listener.valid() && ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*name), sizeof *name) == 0;
  const std::string why = reason();
  ::umask(before);
  if (!bound) return fail("the control socket " + path + " cannot be made: " + why);
  Control control(std::move(listener), path);
  if (::listen(control.descriptor(), kMostPeers) != 0) return fail("the control socket " + path + ": " + reason());
  return control;
}

void Control::serve(const std::function<Answer(std::string_view request)>& answer) {
  for (std::size_t i = 0; i < kMostPeers; ++i) {
    Descriptor peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!peer.valid()) break;
    if (peers_.size() == kMostPeers) peers_.erase(peers_.begin());  // the one that has kept silent longest
    peers_.push_back(std::move(peer));
  }
  for (std::size_t i = 0; i < peers_.size();) {
    std::array<char, kMostRequest> request;
    const ssize_t n = ::recv(peers_[i].get(), request.data(), request.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      ++i;
      continue;
    }
    if (n > 0) {
      const Answer said = answer({request.data(), static_cast<std::size_t>(n)});
      if (reply(peers_[i].get(), said) && said.keep) {
        ++i;
        continue;
      }
    }
    peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

Result<Descriptor> connect_to(const std::string& path) {
  const auto name = named(path);
  if (!name) return Unexpected(Error{name.error()});
  return Descriptor(connected(*name));
}

Result<std::string> ask(const std::string& path, std::string_view request, Duration wait) {
  const auto connection = connect_to(path);
  if (!connection) return Unexpected(Error{connection.error()});
  const Descriptor& s = *connection;
  if (!s.valid()) return fail("no weir run listens on " + path + ": " + reason());
  const timeval limit{wait.ns / 1'000'000'000, wait.ns % 1'000'000'000 / 1'000};
  ::setsockopt(s.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::send(s.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return fail("no request could be sent: " + reason());
  std::string answer(kMostAnswer, '\0');
  const ssize_t n = ::recv(s.get(), answer.data(), answer.size(), 0);
  if (n <= 0) return fail("weir run does not answer");
  answer.resize(static_cast<std::size_t>(n));
  return answer;
}

}  // namespace weir::app
