// Binding a queue, and what the kernel counts of it.
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "capture/nfqueue.h"

namespace weir::capture {
namespace {

constexpr int kAnswerTimeout = 5'000;  // ms

std::string sentence(std::uint16_t queue, int error) {
  const std::string name = "queue " + std::to_string(queue);
  // The kernel says the same of both.
  if (error == EPERM || error == EBUSY) {
    return read_queue_counters(queue) ? name + " is another program's: see /proc/net/netfilter/nfnetlink_queue"
                                      : name + " cannot be bound: CAP_NET_ADMIN is needed";
  }
  return name + " cannot be set up: " + std::generic_category().message(error);
}

// Sends one request and waits for the kernel's answer; 0 or an errno. Packets cannot come before the copy
// mode is set, which is the last request.
int ask(int descriptor, const nlmsghdr* message) {
  if (::send(descriptor, message, message->nlmsg_len, 0) < 0) return errno;
  std::array<std::uint8_t, 8192> answer{};
  for (;;) {
    pollfd wait{descriptor, POLLIN, 0};
    const int ready = ::poll(&wait, 1, kAnswerTimeout);
    if (ready == 0) return ETIMEDOUT;
    if (ready < 0 && errno != EINTR) return errno;
    const ssize_t n = ::recv(descriptor, answer.data(), answer.size(), MSG_DONTWAIT);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return errno;
    for (Bytes rest(answer.data(), n > 0 ? static_cast<std::size_t>(n) : 0); !rest.empty();) {
      const ParsedMessage parsed = parse_queue_message(rest);
      if (parsed.kind == QueueMessage::Malformed) break;
      if (parsed.kind == QueueMessage::Answer) return parsed.error;
      rest = rest.subspan(parsed.consumed);
    }
  }
}

}  // namespace

Result<std::unique_ptr<NfqueueSocket>> NfqueueSocket::open(const NfqueueOptions& options) {
  const int descriptor = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (descriptor < 0) return fail(sentence(options.queue, errno));
  std::unique_ptr<NfqueueSocket> socket(new NfqueueSocket(descriptor, options.queue));
  if (const Result<void> done = socket->configure(options); !done) return fail(done.error().message);
  return socket;
}

std::unique_ptr<NfqueueSocket> NfqueueSocket::take_over(int descriptor, std::uint16_t queue) {
  std::unique_ptr<NfqueueSocket> socket(new NfqueueSocket(descriptor, queue));
  socket->learn_buffer();
  return socket;
}

void NfqueueSocket::learn_buffer() {
  int granted = 0;
  socklen_t length = sizeof granted;
  if (::getsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &granted, &length) == 0) {
    buffer_ = static_cast<std::uint64_t>(granted);
  }
}

NfqueueSocket::~NfqueueSocket() { ::close(descriptor_); }

Result<void> NfqueueSocket::configure(const NfqueueOptions& options) {
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    return fail(sentence(options.queue, errno));
  }
  // An overrun is counted by the kernel and shows as missing ids. Without this option the kernel also
  // drops everything else until the socket is empty.
  const int on = 1;
  ::setsockopt(descriptor_, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  const int wanted = static_cast<int>(options.socket_buffer / 2);  // the kernel doubles it
  if (::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0) {
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  }
  learn_buffer();

  std::array<char, 256> buffer{};
  const auto begin = [&] {
    nlmsghdr* message = nfq_nlmsg_put(buffer.data(), NFQNL_MSG_CONFIG, options.queue);
    message->nlmsg_flags |= NLM_F_ACK;
    return message;
  };
  nlmsghdr* message = begin();
  nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
  if (const int error = ask(descriptor_, message); error != 0) return fail(sentence(options.queue, error));

  // All flags in one message, with their mask: a second message would set the first one's back.
  std::uint32_t flags = 0;
  if (options.gso) flags |= NFQA_CFG_F_GSO;
  if (options.fail_open) flags |= NFQA_CFG_F_FAIL_OPEN;
  const std::uint32_t mask = NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_UID_GID | NFQA_CFG_F_CONNTRACK;
  message = begin();
  nfq_nlmsg_cfg_put_qmaxlen(message, options.queue_length);
  mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(flags));
  mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(mask));
  nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, static_cast<int>(options.copy_range));
  int error = ask(descriptor_, message);
  if (error == EOPNOTSUPP) {
    // A kernel without conntrack in queue messages refuses to hear of that flag.
    message = begin();
    nfq_nlmsg_cfg_put_qmaxlen(message, options.queue_length);
    mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(flags));
    mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(mask & ~std::uint32_t{NFQA_CFG_F_CONNTRACK}));
    nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, static_cast<int>(options.copy_range));
    error = ask(descriptor_, message);
  }
  if (error != 0) return fail(sentence(options.queue, error));
  return {};
}

// Columns: queue, port id, waiting, copy mode, copy range, dropped (queue full), dropped (socket full),
// last id, 1.
std::optional<QueueCounters> parse_queue_counters(std::string_view table, std::uint16_t queue) {
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(table.size(), line.size() + 1));
    std::array<std::uint64_t, 8> columns{};
    std::size_t found = 0;
    for (; found < columns.size(); ++found) {
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), columns[found]);
      if (error != std::errc{}) break;
      line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    }
    if (found == columns.size() && columns[0] == queue) return QueueCounters{columns[2], columns[5], columns[6], static_cast<std::uint32_t>(columns[7])};
  }
  return std::nullopt;
}

std::optional<QueueCounters> read_queue_counters(std::uint16_t queue) {
  std::ifstream in("/proc/net/netfilter/nfnetlink_queue");
  if (!in) return std::nullopt;
  const std::string table{std::istreambuf_iterator<char>(in), {}};
  return parse_queue_counters(table, queue);
}

}  // namespace weir::capture
