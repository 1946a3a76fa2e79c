// NfqueuePort: packets that iptables or nftables rules send to an NFQUEUE, each of which waits in the
// kernel for its verdict.
//
//   auto socket = NfqueueSocket::open(options);      // once: binds the queue
//   auto port = NfqueuePort::open(options, *socket); // its reader; after fork() in the child
//
// The socket may outlive its reader: packets wait meanwhile, and the next reader begins by settling what
// the one before it had received and not answered (NfqueueOptions::stale).
//
// Packets are IP packets without link header, as they come from the stack: put together again where
// connection tracking is loaded, large ones (GSO) in one piece, with the kernel's word on their checksum.
// Verdicts are collected and sent when there are verdicts_at_once, or with the next receive() or inject(). Loss is
// counted, never fatal.
//
// Requirements D3 and Q1 to Q6. Tested by tests/e2e/lab_nfqueue.py and tests/unit/capture. One owner, no
// thread, no clock of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "capture/neighbours.h"
#include "capture/nfq_message.h"
#include "capture/raw_sender.h"
#include "capture/upload_ranges.h"
#include "engine/base/siphash.h"
#include "engine/limits.h"
#include "engine/port.h"

namespace weir::capture {

struct NfqueueOptions {
  std::uint16_t queue = 0;
  std::uint32_t copy_range = 0xffff;    // bytes of each packet
  std::uint32_t queue_length = 8'192;   // packets that wait in the kernel
  std::uint64_t socket_buffer = 32ULL << 20U;
  bool fail_open = false;               // the kernel accepts what finds the queue full
  bool gso = true;
  bool sides = true;  // Packet::came_by and leaves_by are told
  // The lowest of three bits of packet marks: 1 release this direction, 2 take both back, 1 and 2 release
  // both directions, 4 made by Weir. packaging/firewall has the rules that go with them.
  std::uint32_t mark_bit = 28;
  std::shared_ptr<UploadRanges> uploads;  // null: release_bytes() and release_acks() are ignored
  // Packets that may be received and not settled at a time, besides those of one receive().
  std::uint32_t most_held = 1'024;
  // Verdicts are sent with the next receive(), or when there are so many: what is settled first need not wait for what
  // takes longer to be judged.
  std::uint32_t verdicts_at_once = 64;
  // What becomes of packets that an earlier reader of the same socket left without a verdict.
  Fate stale = Fate::Drop;
  base::SipKey key;                     // secret
  Timestamp (*clock)() = nullptr;       // not null
};

// A bound queue. Closed when the last process that has it is gone: the kernel then drops what waits.
class NfqueueSocket {
 public:
  // Errors: no right to, the queue is another's, the kernel cannot.
  static Result<std::unique_ptr<NfqueueSocket>> open(const NfqueueOptions& options);
  // One that another process has bound, and set up as it wanted; takes the descriptor.
  static std::unique_ptr<NfqueueSocket> take_over(int descriptor, std::uint16_t queue);
  NfqueueSocket(const NfqueueSocket&) = delete;
  NfqueueSocket& operator=(const NfqueueSocket&) = delete;
  ~NfqueueSocket();
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::uint16_t queue() const { return queue_; }
  // As the kernel granted it.
  [[nodiscard]] std::uint64_t buffer() const { return buffer_; }

 private:
  NfqueueSocket(int descriptor, std::uint16_t queue) : descriptor_(descriptor), queue_(queue) {}
  Result<void> configure(const NfqueueOptions& options);
  void learn_buffer();

  int descriptor_;
  std::uint16_t queue_;
  std::uint64_t buffer_ = 0;
};

// What the kernel counts of a queue (/proc/net/netfilter/nfnetlink_queue).
struct QueueCounters {
  std::uint64_t waiting = 0;
  std::uint64_t queue_full = 0;   // dropped: queue_length
  std::uint64_t socket_full = 0;  // dropped: socket_buffer
  std::uint32_t last_id = 0;      // of the newest packet
};
[[nodiscard]] std::optional<QueueCounters> parse_queue_counters(std::string_view table, std::uint16_t queue);
[[nodiscard]] std::optional<QueueCounters> read_queue_counters(std::uint16_t queue);

class NfqueuePort final : public PacketPort {
 public:
  // `socket` must outlive the port.
  static Result<std::unique_ptr<NfqueuePort>> open(const NfqueueOptions& options, const NfqueueSocket& socket);
  ~NfqueuePort() override;

  Result<Received> receive(std::span<Packet> out, Duration wait) override;
  void settle(const Packet& packet, Fate fate) override;
  void replace(const Packet& packet, Bytes bytes) override;
  void release(const Packet& packet, Release what) override;
  // In the kernel before this returns: nothing that is settled later can overtake it.
  void release_bytes(const Packet& packet, SequenceRange bytes) override;
  void release_acks(const Packet& packet, AckRange acks) override;
  // What follows is not looked at, and numbers come round again: takes back all released bytes.
  void set_bypass(bool on) override;
  Result<void> inject(const Packet& like, Towards towards, Bytes frame) override;
  // Reads the kernel's counters: not for every packet.
  [[nodiscard]] PortStats stats() const override;

  // Sends the verdicts that were collected.
  Result<void> flush();
  // Bytes that the packets of a port with most_held of these take at most: what came in pieces waits in it, too.
  [[nodiscard]] static std::uint64_t most_memory(const FragmentLimits& held);

 private:
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kSlotBytes = 69'696;  // a packet and its attributes; no multiple of a page

  struct Slot {
    Bytes bytes;
    std::uint32_t id = 0;
    std::uint32_t mark = 0;
    std::uint32_t length = 0;
    ChecksumState checksum = ChecksumState::Unknown;
    Release release = Release::None;
    bool settled = true;
    std::uint32_t touched = 0;  // bytes of its memory that are there, at most
  };
  struct Messages;  // what recvmmsg() fills in

  NfqueuePort(const NfqueueOptions& options, int descriptor, std::size_t slots);
  [[nodiscard]] std::uint8_t* memory_of(std::uint32_t slot) const { return memory_ + slot * kSlotBytes; }
  int fetch(std::size_t most, Duration wait);
  void take(std::uint32_t slot, std::size_t length, std::span<Packet> out, std::size_t& count, Timestamp now);
  void begin_after(std::uint32_t last, bool any_wait);
  void arrived(const QueuedPacket& packet);
  void verdict(Slot& slot, Fate fate);
  // Makes room for one more message; sends what is there if there is none.
  void make_room(std::size_t payload);
  void done(std::uint32_t slot);
  // Gives back the memory of a slot that is free.
  void shrink(Slot& slot, std::uint32_t index);
  void let_by(const Packet& packet, UploadRange range);
  // Of a connection that may be another one's, if the packet goes on.
  void forget_bytes(Bytes packet, bool any);
  [[nodiscard]] std::optional<std::uint32_t> mark_of(const Slot& slot);
  [[nodiscard]] Bytes with_checksum(Bytes bytes, ChecksumState state);

  NfqueueOptions options_;
  int descriptor_;
  std::unique_ptr<RawSender> sender_;
  Neighbours neighbours_;
  std::uint8_t* memory_ = nullptr;
  std::uint64_t touched_ = 0;  // bytes of it that are there, at most
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::unique_ptr<Messages> messages_;
  // Received and not settled, in the order of their ids: a ring of slots.
  std::vector<std::uint32_t> waiting_;
  std::size_t first_ = 0;
  std::size_t waiting_count_ = 0;
  VerdictBuffer verdicts_;
  std::optional<std::uint32_t> accept_;  // everything up to it is to be accepted; not yet in verdicts_
  std::vector<std::uint8_t> scratch_;
  std::uint32_t unsent_ = 0;  // verdicts
  bool began_ = false;
  bool broken_ = false;  // verdicts cannot be sent
  std::uint32_t last_id_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t lost_ = 0;  // ids that never came
  std::uint64_t overruns_ = 0;
  PortStats stats_;
};

}  // namespace weir::capture
