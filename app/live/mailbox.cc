#include "app/live/mailbox.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace weir::app {
namespace {

struct Header {
  Word word;
  std::uint32_t generation;
};
struct alignas(cmsghdr) Control {
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

void Descriptor::reset() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

Result<std::pair<Mailbox, Mailbox>> Mailbox::pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return fail("no socket pair: " + std::generic_category().message(errno));
  }
  return std::pair(Mailbox(Descriptor(ends[0])), Mailbox(Descriptor(ends[1])));
}

bool Mailbox::send(const Message& message) const {
  Header header{};
  header.word = message.word;
  header.generation = message.generation;
  std::string text = message.text.substr(0, kMostText);
  std::array<iovec, 2> parts{};
  parts[0] = {&header, sizeof header};
  parts[1] = {text.data(), text.size()};
  msghdr out{};
  out.msg_iov = parts.data();
  out.msg_iovlen = parts.size();
  Control control{};
  if (message.attachment.valid()) {
    out.msg_control = control.bytes.data();
    out.msg_controllen = control.bytes.size();
    cmsghdr* c = CMSG_FIRSTHDR(&out);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = message.attachment.get();
    std::memcpy(CMSG_DATA(c), &descriptor, sizeof descriptor);
  }
  ssize_t n = -1;
  do {
    n = ::sendmsg(descriptor_.get(), &out, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n >= 0;
}

std::optional<Message> Mailbox::receive() {
  Header header{};
  std::string text(kMostText, '\0');
  std::array<iovec, 2> parts{};
  parts[0] = {&header, sizeof header};
  parts[1] = {text.data(), text.size()};
  msghdr in{};
  in.msg_iov = parts.data();
  in.msg_iovlen = parts.size();
  Control control{};
  in.msg_control = control.bytes.data();
  in.msg_controllen = control.bytes.size();
  const ssize_t n = ::recvmsg(descriptor_.get(), &in, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) gone_ = true;
    return std::nullopt;
  }
  Message message;
  for (cmsghdr* c = CMSG_FIRSTHDR(&in); c != nullptr; c = CMSG_NXTHDR(&in, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(c), sizeof descriptor);
    message.attachment = Descriptor(descriptor);
  }
  if (static_cast<std::size_t>(n) < sizeof header) {
    gone_ = n == 0;
    return std::nullopt;
  }
  message.word = header.word;
  message.generation = header.generation;
  text.resize(static_cast<std::size_t>(n) - sizeof header);
  message.text = std::move(text);
  return message;
}

}  // namespace weir::app
