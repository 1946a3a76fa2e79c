#include "capture/nfqueue.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <variant>

#include "engine/net/checksum.h"
#include "engine/net/decode.h"

namespace weir::capture {
namespace {

constexpr std::size_t kVerdictBytes = 256 * 1024;
constexpr std::size_t kLongestPacket = 0xffff;
constexpr int kSendTries = 100;
// More than a batch of the largest packets takes.
constexpr std::uint64_t kMostTouched = 8ULL << 20U;
constexpr std::uint32_t kMostLost = 1U << 31U;  // ids between two packets; more: it is an older one
constexpr std::uint8_t kTcp = 6;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kTcpChecksumAt = 16;

// Bits of the mark, above mark_bit.
constexpr std::uint32_t kReleaseThis = 1;
constexpr std::uint32_t kResume = 2;
constexpr std::uint32_t kReleaseBoth = kReleaseThis | kResume;
constexpr std::uint32_t kMade = 4;

timespec timeout_of(Duration wait) {
  const std::int64_t ns = std::max<std::int64_t>(wait.ns, 0);
  timespec out{};
  out.tv_sec = static_cast<time_t>(ns / seconds(1).ns);
  out.tv_nsec = static_cast<long>(ns % seconds(1).ns);
  return out;
}

// Interface numbers are small and grow by one; two that differ by 2^16 are not on one machine.
std::uint16_t short_number(std::uint32_t interface) {
  return static_cast<std::uint16_t>(interface == 0 ? 0 : (interface - 1) % 0xffff + 1);
}

}  // namespace

struct NfqueuePort::Messages {
  std::array<mmsghdr, kBatch> headers{};
  std::array<iovec, kBatch> pieces{};
  std::array<std::uint32_t, kBatch> slots{};
};

NfqueuePort::NfqueuePort(const NfqueueOptions& options, int descriptor, std::size_t slots)
    : options_(options),
      descriptor_(descriptor),
      neighbours_(options.key),
      slots_(slots),
      messages_(std::make_unique<Messages>()),
      waiting_(slots),
      verdicts_(options.queue, kVerdictBytes),
      scratch_(kLongestPacket) {
  free_.reserve(slots);
  for (std::size_t i = slots; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
}

Result<std::unique_ptr<NfqueuePort>> NfqueuePort::open(const NfqueueOptions& options, const NfqueueSocket& socket) {
  const std::size_t slots = kBatch + options.most_held;
  std::unique_ptr<NfqueuePort> port(new NfqueuePort(options, socket.descriptor(), slots));
  // Reserved, and touched only as far as packets are long and many: free slots are used last in, first out.
  void* memory = ::mmap(nullptr, slots * kSlotBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return fail("no memory for packets: " + std::generic_category().message(errno));
  port->memory_ = static_cast<std::uint8_t*>(memory);
  auto sender = RawSender::open(kMade << options.mark_bit);
  if (!sender) return fail(sender.error().message);
  port->sender_ = std::move(*sender);
  // What an earlier reader released was of connections that may have gone on unseen.
  if (options.uploads) options.uploads->clear(options.queue);
  return port;
}

NfqueuePort::~NfqueuePort() {
  static_cast<void>(flush());
  if (options_.uploads) options_.uploads->clear(options_.queue);
  if (memory_ != nullptr) ::munmap(memory_, slots_.size() * kSlotBytes);
}

// --- receiving ---

int NfqueuePort::fetch(std::size_t most, Duration wait) {
  Messages& m = *messages_;
  for (std::size_t i = 0; i < most; ++i) {
    m.slots[i] = free_[free_.size() - 1 - i];
    m.pieces[i] = {memory_of(m.slots[i]), kSlotBytes};
    m.headers[i] = {};
    m.headers[i].msg_hdr.msg_iov = &m.pieces[i];
    m.headers[i].msg_hdr.msg_iovlen = 1;
  }
  for (bool waited = false;; waited = true) {
    const int n = ::recvmmsg(descriptor_, m.headers.data(), static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
    if (n >= 0) return n;
    if (errno == ENOBUFS) {  // packets were lost; the ones after them are there
      ++overruns_;
      continue;
    }
    if (errno == EINTR) return 0;
    if (errno != EAGAIN) return -1;
    if (waited || wait.ns <= 0) return 0;
    pollfd ready{descriptor_, POLLIN, 0};
    const timespec timeout = timeout_of(wait);
    if (::ppoll(&ready, 1, &timeout, nullptr) <= 0) return 0;
  }
}

Result<Received> NfqueuePort::receive(std::span<Packet> out, Duration wait) {
  if (const Result<void> sent = flush(); !sent) return fail(sent.error().message);
  Received received;
  const std::size_t most = std::min({out.size(), kBatch, free_.size()});
  if (most == 0) return received;  // everything is held: the caller must settle something
  const std::optional<QueueCounters> kernel = began_ ? std::nullopt : read_queue_counters(options_.queue);
  int n = fetch(most, kernel ? Duration{0} : wait);
  if (n == 0 && kernel) {
    // Nothing is there to be read, and yet packets may wait: their ends say no more until they are settled.
    begin_after(kernel->last_id, kernel->waiting > 0);
    if (const Result<void> sent = flush(); !sent) return fail(sent.error().message);
    n = fetch(most, wait);
  }
  if (n < 0) return fail("queue " + std::to_string(options_.queue) + ": " + std::generic_category().message(errno));
  if (n == 0) return received;
  const Timestamp now = options_.clock();
  // Those that were filled leave the free list; those without a packet come back to it.
  const auto filled = static_cast<std::size_t>(n);
  free_.resize(free_.size() - filled);
  for (std::size_t i = 0; i < filled; ++i) {
    const std::size_t before = received.count;
    take(messages_->slots[i], messages_->headers[i].msg_len, out, received.count, now);
    if (received.count == before) free_.push_back(messages_->slots[i]);
  }
  return received;
}

void NfqueuePort::take(std::uint32_t index, std::size_t length, std::span<Packet> out, std::size_t& count,
                       Timestamp now) {
  bool taken = false;
  for (Bytes rest(memory_of(index), length); !rest.empty();) {
    const ParsedMessage parsed = parse_queue_message(rest);
    if (parsed.kind == QueueMessage::Malformed) {
      ++stats_.errors;
      return;
    }
    rest = rest.subspan(parsed.consumed);
    if (parsed.kind == QueueMessage::Answer && parsed.error != 0) ++stats_.errors;
    if (parsed.kind != QueueMessage::Packet) continue;
    const QueuedPacket& packet = parsed.packet;
    arrived(packet);
    if (taken) {  // no kernel puts two into one message; the slot has room for one
      ++stats_.errors;
      make_room(0);
      verdicts_.verdict(packet.id, Fate::Drop, std::nullopt);
      continue;
    }
    taken = true;
    Slot& slot = slots_[index];
    const auto touched = std::max(slot.touched, static_cast<std::uint32_t>(length));
    touched_ += touched - slot.touched;
    slot = {packet.payload, packet.id, packet.mark, packet.length, packet.checksum, Release::None, false, touched};
    waiting_[(first_ + waiting_count_++) % waiting_.size()] = index;
    Packet& given = out[count++];
    given = Packet{};
    given.bytes = packet.payload;
    given.wire_length = packet.length;
    given.link = LinkType::RawIp;
    given.checksum = packet.checksum;
    if (options_.sides) {
      given.came_by = short_number(packet.came_by());
      given.leaves_by = short_number(packet.leaves_by());
    }
    given.time = now;
    given.number = ++number_;
    given.token = index;
    ++stats_.packets;
    stats_.bytes += packet.length;
  }
}

// Whatever waits from before, up to `last`, had another reader, who is gone.
void NfqueuePort::begin_after(std::uint32_t last, bool any_wait) {
  began_ = true;
  last_id_ = last;
  if (!any_wait) return;
  make_room(0);
  if (options_.stale == Fate::Drop) {
    verdicts_.drop_up_to(last);
  } else {
    verdicts_.accept_up_to(last);
  }
}

void NfqueuePort::arrived(const QueuedPacket& packet) {
  if (!began_) begin_after(packet.id - 1, packet.id > 1);
  const std::uint32_t ahead = packet.id - last_id_;
  if (ahead - 1 < kMostLost) {
    lost_ += ahead - 1;
    last_id_ = packet.id;
  }
  if (packet.bridge_in != 0 && packet.mac) {
    IpAddress source;
    IpAddress destination;
    if (addresses_of(packet.payload, source, destination)) {
      neighbours_.seen(source, {packet.bridge_in, *packet.mac});
    }
  }
}

// --- verdicts ---

void NfqueuePort::make_room(std::size_t payload) {
  if (accept_) {
    if (!verdicts_.room()) static_cast<void>(flush());
    if (accept_) verdicts_.accept_up_to(*accept_);
    accept_.reset();
  }
  if (!verdicts_.room(payload)) static_cast<void>(flush());
}

Result<void> NfqueuePort::flush() {
  unsent_ = 0;
  if (accept_) {
    const std::uint32_t id = *accept_;
    accept_.reset();
    if (!verdicts_.room()) {
      if (const Result<void> sent = flush(); !sent) return sent;
    }
    verdicts_.accept_up_to(id);
  }
  const Bytes bytes = verdicts_.bytes();
  if (bytes.empty() && !broken_) return {};
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  int error = 0;
  // A verdict must not get lost: one that accepts everything up to a later packet would take in what this
  // one refuses.
  for (int tries = 0; tries < kSendTries && !broken_; ++tries) {
    const ssize_t n = ::sendto(descriptor_, bytes.data(), bytes.size(), 0,
                               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (n >= 0) {
      verdicts_.clear();
      return {};
    }
    error = errno;
    if (error == EINTR) continue;
    const timespec pause = timeout_of(milliseconds(1));
    ::ppoll(nullptr, 0, &pause, nullptr);
  }
  broken_ = true;
  verdicts_.clear();
  ++stats_.errors;
  return fail("queue " + std::to_string(options_.queue) +
              ": verdicts cannot be sent: " + std::generic_category().message(error));
}

std::optional<std::uint32_t> NfqueuePort::mark_of(const Slot& slot) {
  std::uint32_t bits = 0;
  switch (slot.release) {
    case Release::None:
    case Release::Range:
    case Release::Acks: return std::nullopt;
    case Release::This: bits = kReleaseThis; break;
    case Release::Both: bits = kReleaseBoth; break;
    case Release::Resume: bits = kResume; break;
  }
  const std::uint32_t mask = kReleaseBoth << options_.mark_bit;
  return (slot.mark & ~mask) | bits << options_.mark_bit;
}

std::uint64_t NfqueuePort::most_memory(const FragmentLimits& held) {
  constexpr std::uint64_t kEdges = 2 * 4096;  // of a slot, which begins and ends in the middle of a page
  return kMostTouched + kBatch * kSlotBytes + held.bytes + held.packets * (kEdges + 1024);
}

// Slots take turns when packets are held, so that each would in time be as large as the largest packet.
void NfqueuePort::shrink(Slot& slot, std::uint32_t index) {
  constexpr std::uintptr_t kPage = 4096;
  const auto from = (reinterpret_cast<std::uintptr_t>(memory_of(index)) + kPage - 1) / kPage * kPage;
  const auto to = reinterpret_cast<std::uintptr_t>(memory_of(index) + kSlotBytes) / kPage * kPage;
  ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  touched_ -= slot.touched;
  slot.touched = 0;
}

void NfqueuePort::done(std::uint32_t index) {
  slots_[index].settled = true;
  if (touched_ > kMostTouched) shrink(slots_[index], index);
  free_.push_back(index);
  while (waiting_count_ > 0 && slots_[waiting_[first_]].settled) {
    first_ = (first_ + 1) % waiting_.size();
    --waiting_count_;
  }
}

void NfqueuePort::settle(const Packet& packet, Fate fate) {
  const auto index = static_cast<std::uint32_t>(packet.token);
  assert(index < slots_.size() && !slots_[index].settled);
  Slot& slot = slots_[index];
  const std::optional<std::uint32_t> mark = mark_of(slot);
  if (options_.uploads && fate == Fate::Forward) forget_bytes(slot.bytes, false);
  const bool in_order = waiting_[first_] == index;
  if (fate == Fate::Forward && !mark && in_order) {
    accept_ = slot.id;
  } else {
    make_room(0);
    verdicts_.verdict(slot.id, fate, mark);
  }
  ++(fate == Fate::Forward ? stats_.forwarded : stats_.discarded);
  done(index);
  // An error shows with the next receive().
  if (++unsent_ >= options_.verdicts_at_once) static_cast<void>(flush());
}

void NfqueuePort::replace(const Packet& packet, Bytes bytes) {
  const auto index = static_cast<std::uint32_t>(packet.token);
  assert(index < slots_.size() && !slots_[index].settled);
  Slot& slot = slots_[index];
  if (options_.uploads) forget_bytes(slot.bytes, false);
  const Bytes whole = with_checksum(bytes, slot.checksum);
  make_room(whole.size());
  if (whole.empty()) {
    ++stats_.errors;
    verdicts_.verdict(slot.id, Fate::Drop, std::nullopt);
    ++stats_.discarded;
  } else {
    verdicts_.replace(slot.id, whole, mark_of(slot));
    ++stats_.forwarded;
  }
  done(index);
}

// The kernel takes a replaced packet for one whose checksum is complete.
Bytes NfqueuePort::with_checksum(Bytes bytes, ChecksumState state) {
  if (bytes.size() > kLongestPacket) return {};
  if (state != ChecksumState::NotFilled) return bytes;
  Packet packet;
  packet.bytes = bytes;
  packet.wire_length = static_cast<std::uint32_t>(bytes.size());
  packet.link = LinkType::RawIp;
  packet.checksum = state;
  const net::Decoded decoded = net::decode(packet, {});
  const auto* datagram = std::get_if<net::Datagram>(&decoded);
  if (datagram == nullptr || datagram->protocol != kTcp || datagram->transport_at == 0 ||
      datagram->payload.size() < kTcpHeader) {
    return {};
  }
  std::copy(bytes.begin(), bytes.end(), scratch_.begin());
  std::uint8_t* field = scratch_.data() + datagram->transport_at + kTcpChecksumAt;
  field[0] = field[1] = 0;
  const Bytes segment(scratch_.data() + datagram->transport_at, datagram->payload.size());
  const std::uint16_t sum = net::transport_checksum(datagram->source, datagram->destination, kTcp, segment);
  field[0] = static_cast<std::uint8_t>(sum >> 8U);
  field[1] = static_cast<std::uint8_t>(sum & 0xffU);
  return {scratch_.data(), bytes.size()};
}

void NfqueuePort::release(const Packet& packet, Release what) {
  const auto index = static_cast<std::uint32_t>(packet.token);
  assert(index < slots_.size() && !slots_[index].settled);
  slots_[index].release = what;
  if (what == Release::Resume) {
    if (options_.uploads) forget_bytes(slots_[index].bytes, true);
    ++stats_.resumed;
  } else if (what != Release::None) {
    ++stats_.released;
  }
}

void NfqueuePort::release_bytes(const Packet& packet, SequenceRange bytes) {
  let_by(packet, {.first = bytes.first, .end = bytes.end});
  if (options_.uploads) ++stats_.released;
}

void NfqueuePort::release_acks(const Packet& packet, AckRange acks) {
  let_by(packet, {.first = acks.acks.first, .end = acks.acks.end, .acks = 1, .seq = acks.seq});
}

void NfqueuePort::let_by(const Packet& packet, UploadRange range) {
  const auto index = static_cast<std::uint32_t>(packet.token);
  assert(index < slots_.size() && !slots_[index].settled);
  if (!options_.uploads) return;
  const std::optional<UploadPacket> whose = upload_packet(slots_[index].bytes);
  if (!whose || whose->syn) return;
  range.queue = options_.queue;
  if (!options_.uploads->set(whose->key, range)) ++stats_.errors;
}

// The kernel does the same with a SYN as it leaves (capture/upload_program.h); here it is known with the addresses that
// the ranges were said with, whatever is translated in between, and behind extension headers.
void NfqueuePort::forget_bytes(Bytes packet, bool any) {
  if (!any && !may_be_syn(packet)) return;
  const std::optional<UploadPacket> whose = upload_packet(packet);
  if (!whose || !(any || whose->syn)) return;
  options_.uploads->remove(whose->key);
  options_.uploads->remove(reversed(whose->key));
}

void NfqueuePort::set_bypass(bool on) {
  static_cast<void>(on);
  if (options_.uploads) options_.uploads->clear(options_.queue);
}

Result<void> NfqueuePort::inject(const Packet& like, Towards towards, Bytes frame) {
  static_cast<void>(like);     // the addresses say where it goes
  static_cast<void>(towards);
  Result<void> sent = flush();  // what was let through before it goes first
  IpAddress source;
  IpAddress destination;
  if (sent && addresses_of(frame, source, destination)) {
    const auto to = neighbours_.find(destination);
    const auto from = neighbours_.find(source);
    sent = to && from ? sender_->send(frame, *to, from->mac) : sender_->send(frame);
  }
  ++(sent ? stats_.injected : stats_.errors);
  return sent;
}

PortStats NfqueuePort::stats() const {
  PortStats out = stats_;
  out.dropped = lost_;
  if (const auto kernel = read_queue_counters(options_.queue)) {
    out.dropped = kernel->queue_full + std::max(kernel->socket_full, lost_);
  }
  return out;
}

}  // namespace weir::capture
