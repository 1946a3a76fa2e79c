#include "app/live/predecessor.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "app/live/control.h"

namespace weir::app {
namespace {

constexpr int kPatience = 10'000;  // ms; for an answer
constexpr std::string_view kQueues = "queues";

// Waits until there is something to be read, or the other end is gone.
bool wait_for(int descriptor, int milliseconds) {
  pollfd ready{descriptor, POLLIN, 0};
  return ::poll(&ready, 1, milliseconds) == 1;
}

bool say(int descriptor, std::string_view text) {
  return ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// The descriptors that came with a message.
std::vector<Descriptor> attached(msghdr& message) {
  std::vector<Descriptor> out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    std::vector<int> numbers((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(numbers.data(), CMSG_DATA(c), numbers.size() * sizeof(int));
    for (const int number : numbers) out.emplace_back(number);
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Predecessor>> Predecessor::find(const std::string& control) {
  auto connection = connect_to(control);
  if (!connection) return Unexpected(Error{connection.error()});
  if (!connection->valid()) return std::unique_ptr<Predecessor>();
  return std::unique_ptr<Predecessor>(new Predecessor(std::move(*connection)));
}

Result<std::vector<GivenQueue>> Predecessor::queues() {
  if (!say(connection_.get(), kQueues) || !wait_for(connection_.get(), kPatience)) return fail("the weir run that is to be replaced does not answer");
  std::array<char, 4096> text{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(connection_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  std::vector<Descriptor> sockets = attached(message);
  std::string_view said(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  if (said.substr(0, kQueues.size()) != kQueues) return fail("the weir run that is to be replaced gives no queues away");
  said.remove_prefix(kQueues.size());
  std::vector<GivenQueue> out;
  for (Descriptor& socket : sockets) {
    said.remove_prefix(std::min(said.find_first_not_of(' '), said.size()));
    GivenQueue one;
    const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), one.number);
    if (error != std::errc{}) return fail("the weir run that is to be replaced does not say which queues it gives");
    said.remove_prefix(static_cast<std::size_t>(end - said.data()));
    one.socket = std::move(socket);
    out.push_back(std::move(one));
  }
  return out;
}

Result<void> Predecessor::leave(Duration wait) {
  if (!say(connection_.get(), "leave")) return fail("the weir run that is to be replaced does not listen any more");
  const auto milliseconds = static_cast<int>(wait.ns / 1'000'000);
  std::array<char, 256> text{};
  // An answer, and then, when the last of its workers is gone, the end.
  for (;;) {
    if (!wait_for(connection_.get(), milliseconds)) return fail("the weir run that is to be replaced does not leave");
    const ssize_t n = ::recv(connection_.get(), text.data(), text.size(), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return {};
    if (n > 0 && std::string_view(text.data(), static_cast<std::size_t>(n)).substr(0, 7) != "leaving") {
      return fail("the weir run that is to be replaced does not know what it is asked");
    }
  }
}

}  // namespace weir::app
