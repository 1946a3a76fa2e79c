// GenevePort: packets of a gateway load balancer. They come in GENEVE on UDP 6081 and go back in
// the very envelope they came in, or not at all.
//
// What the engine has no use for (no TCP, ports that are not inspected, directions that it
// released) is echoed inside receive(), without state and without a copy; everything else is
// delivered as RawIp with the endpoint id as its domain. Datagrams that the kernel merged are
// looked at one by one and sent back merged. All packets of a connection come to one port of a
// group, whatever their outer ports: the kernel steers (geneve/steer.h), and where it cannot decide
// the ports hand over.
//
// Azure's VXLAN pair (Tunnel::Vxlan) is the same with Ethernet inside and two UDP ports: what comes
// by one leaves by the other. GENEVE with Ethernet or VXLAN inside is read too; with Replies::Never
// nothing is ever sent (mirrored traffic, detection only).
//
// Memory is reserved at open(); no packet allocates. Nothing here decides about a packet's content.
// One owner and thread for each port; stats() and counters() are of that thread; set_bypass() is of
// any. Rules G1 to G11 and C1 to C30 are those of docs/GATEWAY.md. Tested by
// tests/unit/geneve/port_test.cc and tests/e2e/gateway; fuzzed by tests/fuzz/geneve/port_fuzz.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/ip_address.h"
#include "engine/base/siphash.h"
#include "engine/port.h"
#include "geneve/flows.h"
#include "geneve/fragments.h"
#include "geneve/header.h"
#include "geneve/inbox.h"
#include "geneve/sender.h"
#include "geneve/steer.h"

namespace weir::geneve {

enum class Replies : std::uint8_t { Echo, Never };

// Where one comes in the other goes out. Azure's defaults.
struct VxlanPair {
  std::uint16_t internal_port = 10'800;
  std::uint16_t external_port = 10'801;
  std::uint32_t internal_vni = 900;
  std::uint32_t external_vni = 901;
};

struct PortOptions {
  Tunnel tunnel = Tunnel::Geneve;
  Replies replies = Replies::Echo;
  VxlanPair vxlan;
  IpAddress address;              // to listen on; none: every IPv4 address
  std::uint16_t port = kPort;     // GENEVE only
  std::vector<IpPrefix> sources;  // who may send (rule G11); not empty, IPv4
  IpAddress self_test;            // one more, whose packets are always echoed; none: nobody
  std::vector<std::uint16_t> inspected_ports{80};
  bool inspect_all = false;            // deliver everything, whatever it is
  bool require_aws_options = false;    // drop what lacks one of the three, instead of counting it
  std::uint32_t workers = 1;           // ports in the group, 1..64
  SteerKey steer;                      // secret
  base::SipKey key;                    // secret
  std::uint32_t connections = 65'536;  // remembered by each port (about 0.4 KiB each)
  std::uint32_t copies = 4'096;   // datagrams that may be kept for long: fragments (9.5 KiB each)
  std::uint32_t inbox = 256;      // datagrams handed over that wait (9.5 KiB each)
  int receive_buffer = 16 << 20;  // of each socket, as far as the kernel lets
  SenderOptions sender;
  Timestamp (*clock)() = nullptr;  // not null
};

// Besides PortStats. A datagram is counted once as one of: foreign, faulty, echoed, delivered,
// handed over, lost.
struct GeneveCounters {
  std::uint64_t datagrams = 0;
  std::uint64_t merged = 0;                     // of them: that came merged with others
  std::uint64_t foreign = 0;                    // from a source that may not send
  std::array<std::uint64_t, kFaults> faults{};  // by Fault
  std::uint64_t echoed = 0;                     // without the engine
  std::uint64_t bypassed = 0;                   // of them: because of set_bypass()
  std::uint64_t released = 0;    // of them: because the engine released their direction
  std::uint64_t self_tests = 0;  // of them
  std::uint64_t delivered = 0;
  std::uint64_t unusual = 0;  // without the options of AWS, or with unknown ones
  std::uint64_t refused = 0;  // of them: because of require_aws_options
  std::uint64_t handed_over = 0;
  std::uint64_t lost = 0;  // no room: inbox full, no copy left, fragment without its first
  std::uint64_t connections_forgotten = 0;
  SenderCounters sender;
};

class GenevePort final : public PacketPort {
 public:
  // The whole group, one port for each worker, in the order of steering.
  static Result<std::vector<std::unique_ptr<GenevePort>>> open(const PortOptions& options);
  // One more reader of the sockets of `port`, always in bypass, with little memory
  // (geneve/bypass.h).
  static Result<std::unique_ptr<GenevePort>> stand_in(const GenevePort& port);
  ~GenevePort() override;

  Result<Received> receive(std::span<Packet> out, Duration wait) override;
  void settle(const Packet& packet, Fate fate) override;
  void replace(const Packet& packet, Bytes bytes) override;
  void release(const Packet& packet, Release what) override;
  void release_bytes(const Packet& packet, SequenceRange bytes) override;
  Result<void> inject(const Packet& like, Towards towards, Bytes frame) override;
  // `forwarded` includes what was echoed without the engine.
  [[nodiscard]] PortStats stats() const override;

  // Everything is echoed from the next receive() on, whatever it is. Any thread.
  void set_bypass(bool on) override { bypass_.store(on, std::memory_order_relaxed); }
  [[nodiscard]] bool bypass() const { return bypass_.load(std::memory_order_relaxed); }

  // Gives to the kernel what was settled since the last receive(), which does it too.
  void flush();

  [[nodiscard]] GeneveCounters counters() const;
  [[nodiscard]] const PortOptions& options() const { return *options_; }
  // What the port listens on (and whoever stands in for it, geneve/bypass.h).
  [[nodiscard]] std::span<const int> sockets() const { return {sockets_.data(), lanes_}; }
  // Bytes reserved at open(), what the kernel keeps not counted.
  [[nodiscard]] std::size_t memory() const;

 private:
  friend class PortTester;
  static constexpr std::size_t kReceiveSlots = 64;
  static constexpr std::size_t kSlotStride = 69'696;  // not a multiple of what one cache set covers
  static constexpr std::size_t kSlotBytes = 65'536;
  static constexpr std::size_t kBefore = 64;  // of a slot: headroom, and a cache line kept whole
  static constexpr std::size_t kMostPending = 1'024;
  static constexpr std::size_t kMostWaiting = 256;  // fragments that wait for their first

  // Memory that datagrams lie in: as received, or one copied datagram.
  struct Slot {
    std::uint8_t* data = nullptr;
    std::uint32_t length = 0;
    std::uint32_t part = 0;
    std::uint32_t references = 0;
    bool self_test = false;
    Outer outer;
    // Packet::envelope of what is delivered from here: `outer` and the header that most of it has.
    std::uint32_t envelope_length = 0;
    std::array<std::uint8_t, kMostEnvelope> envelope;
  };
  // A datagram in a slot.
  struct Place {
    std::uint32_t slot = 0;
    std::uint32_t at = 0;
    std::uint32_t length = 0;
    std::uint32_t header = 0;  // before the bytes that are delivered
  };
  struct Pending {
    std::uint32_t slot = 0;
    std::uint32_t at = 0;
    std::uint32_t length = 0;
    std::uint32_t part = 0;
  };
  enum class Way : std::uint8_t { Echo, Deliver, DeliverCopy, Drop };
  struct Seen {                  // of one datagram
    std::uint32_t header = 0;    // where the delivered bytes begin
    std::uint32_t ip_at = 0;     // where the IP header is
    std::uint16_t protocol = 0;  // EtherType there
    LinkType link = LinkType::RawIp;
    std::uint64_t domain = 0;
  };
  struct Waiting {
    FragmentKey key;
    std::uint32_t slot = 0;
    Timestamp since;
  };

  explicit GenevePort(std::shared_ptr<const PortOptions> options, std::uint32_t index);
  Result<void> listen();

  // receive()
  void come_round(Timestamp now);
  [[nodiscard]] bool fetch();  // false: nothing is there
  bool fetch_from(std::uint8_t lane);
  void arrived(std::size_t message, std::uint32_t slot, std::uint8_t lane);
  void sleep(Duration wait) const;
  std::size_t walk(std::span<Packet> out);
  void deliver_from(std::uint32_t slot, std::uint32_t at, bool copied, Bytes datagram,
                    const Seen& seen, std::span<Packet> out, std::size_t& count);
  bool walk_slot(std::uint32_t slot, std::span<Packet> out, std::size_t& count);
  std::size_t take_copies(std::span<Packet> out);
  [[nodiscard]] bool may_send(std::uint32_t from);
  // One datagram
  enum class Origin : std::uint8_t { Wire, Inbox };
  [[nodiscard]] Way examine(Bytes datagram, const Slot& slot, Origin origin, Seen& seen);
  // The common case of examine(), quickly: an ordinary header as before, IPv4 without options, and
  // no TCP, or TCP that is not inspected. false: ask examine().
  [[nodiscard]] bool surely_echo(Bytes datagram);
  [[nodiscard]] bool read_geneve(Bytes datagram, Seen& seen);
  [[nodiscard]] bool read_vxlan(Bytes datagram, const Slot& slot, Seen& seen);
  static void step_over_ethernet(Bytes datagram, Seen& seen);
  [[nodiscard]] Way judge(Bytes datagram, const Slot& slot, Origin origin, const Seen& seen);
  [[nodiscard]] Way judge_tcp(Bytes datagram, const Slot& slot, Bytes ip, const Inner& inner,
                              const Seen& seen);
  [[nodiscard]] bool still_released(Connection& connection, std::uint8_t direction,
                                    const TcpSigns& signs);
  [[nodiscard]] bool among_bytes(Connection& connection, std::uint8_t direction, const TcpSigns& signs,
                                 const std::optional<TcpData>& data);
  [[nodiscard]] Way for_the_engine_to_read(Way way);
  [[nodiscard]] Way judge_fragment(Bytes datagram, const Slot& slot, Bytes ip, const Inner& inner,
                                   const Seen& seen);
  [[nodiscard]] Way hand_over(std::uint32_t worker, const Outer& outer, Bytes datagram);
  [[nodiscard]] bool inspects(std::uint16_t port) const {
    return (inspected_[port >> 6] >> (port & 63) & 1) != 0;
  }
  [[nodiscard]] bool inspects(const Inner& inner) const {
    return inspects(inner.destination_port) || inspects(inner.source_port);
  }
  void wait_for_first(const FragmentKey& key, const Outer& outer, Bytes datagram);
  void release_waiting(const FragmentKey& key, std::uint32_t route);
  [[nodiscard]] static Bytes envelope_of(Slot& slot, Bytes header);
  void deliver(const Place& place, const Seen& seen, Packet& packet);

  // Slots
  [[nodiscard]] std::uint32_t copy(const Outer& outer, Bytes datagram);  // kNone: no room
  void unreference(std::uint32_t slot);
  [[nodiscard]] static std::uint64_t token_of(const Place& place);
  [[nodiscard]] static Place place_of(std::uint64_t token);

  // Sending
  void forward(std::uint32_t slot, std::uint32_t at, std::uint32_t length);
  [[nodiscard]] Run run_of(const Outer& outer, std::uint8_t out_lane) const;
  [[nodiscard]] std::uint8_t lane_out(std::uint8_t lane_in) const;
  void turn_vxlan(std::uint8_t* datagram, std::uint8_t out_lane) const;
  [[nodiscard]] static std::optional<Connections::Place> connection_of(const Packet& like,
                                                                       Bytes bytes);
  // The envelope for a frame of Weir's, and the lane that it leaves by. false: none is known.
  [[nodiscard]] bool envelope_for(const Packet& like, Bytes frame, Envelope& envelope,
                                  std::uint8_t& out_lane);

  std::shared_ptr<const PortOptions> options_;
  std::uint32_t index_;
  std::vector<std::shared_ptr<Inbox>> inboxes_;  // of the whole group
  std::array<int, 2> sockets_{-1, -1};
  std::size_t lanes_ = 1;
  std::array<in_port_t, 2> lane_ports_{};  // network order
  in_addr listening_{};
  std::unique_ptr<Sender> sender_;
  std::vector<std::uint64_t> inspected_;                          // a bit for each TCP port
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sources_;  // address and mask, network order
  std::uint32_t self_test_ = 0;

  std::unique_ptr<std::uint8_t[]> receive_memory_;
  std::unique_ptr<std::uint8_t[]> copy_memory_;
  std::vector<Slot> slots_;  // kReceiveSlots of the first kind, then copies
  std::vector<std::uint32_t> free_receive_;
  std::vector<std::uint32_t> free_copies_;
  std::array<mmsghdr, kReceiveSlots> messages_{};
  std::array<iovec, kReceiveSlots> pieces_{};
  std::array<sockaddr_in, kReceiveSlots> names_{};
  struct alignas(8) Control {
    std::array<char, 96> bytes;
  };
  std::array<Control, kReceiveSlots> control_{};

  // Received and not yet looked at, in order; and the place within the first of them.
  std::vector<std::uint32_t> received_;
  std::size_t received_at_ = 0;
  std::uint32_t within_ = 0;
  // Copies that may be delivered: fragments whose first has come.
  std::vector<std::uint32_t> ready_;
  std::vector<Waiting> waiting_;

  std::vector<Pending> pending_;
  Connections connections_;
  FragmentRoutes routes_;

  // The header met last: datagrams of one flow have the same.
  std::array<std::uint8_t, Envelope::kMost> last_header_{};
  std::uint32_t last_length_ = 0;
  Header last_;

  Timestamp now_;
  std::uint64_t number_ = 0;
  std::uint32_t round_ = 0;                    // receive() was called so often
  bool bypassed_ = false;                      // bypass(), at the last of them
  std::uint32_t last_source_ = 0;              // the source that was allowed last
  std::array<std::uint32_t, 2> lane_drops_{};  // as the kernel counts, for each socket
  std::atomic<bool> bypass_{false};
  GeneveCounters counters_;
  PortStats stats_;
};

}  // namespace weir::geneve
