// PacketPort: where packets come from and go back to. Implemented by capture/ and geneve/, used by the
// workers in app/. One instance per worker; all packets of one flow come to the same instance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir {

enum class Fate : std::uint8_t { Forward, Drop };

// Which endpoint an invented packet is meant for.
enum class Towards : std::uint8_t { Client, Server };

// What of a connection needs no more inspection. Relative to the packet it is said with: "its direction"
// are the packets with the same source and destination.
enum class Release : std::uint8_t {
  None,    // as before
  This,    // packets of its direction need not come to receive() any more
  Both,    // packets of neither direction need
  Resume,  // all packets of the connection must come again
  Range,   // some of its direction's bytes need not: PacketPort::release_bytes()
  Acks,    // most of its direction's bare acknowledgements need not: PacketPort::release_acks()
};

// TCP sequence numbers (RFC 9293 3.4): from `first` up to `end`, which is not one of them, modulo 2^32. At most 2^30.
struct SequenceRange {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
  bool operator==(const SequenceRange&) const = default;
};

// Bare acknowledgements of a direction: numbers that they may have, and the sequence number that all of them have.
struct AckRange {
  SequenceRange acks;
  std::uint32_t seq = 0;
  bool operator==(const AckRange&) const = default;
};

struct PortStats {
  std::uint64_t packets = 0;   // delivered by receive()
  std::uint64_t bytes = 0;
  std::uint64_t dropped = 0;   // lost before receive(): full queue, ring or socket buffer
  std::uint64_t forwarded = 0;
  std::uint64_t discarded = 0;
  std::uint64_t injected = 0;
  std::uint64_t released = 0;  // connections or directions handed to the fast path
  std::uint64_t resumed = 0;
  std::uint64_t errors = 0;
  std::uint64_t bypassed = 0;  // forwarded, undelivered, because of set_bypass(); part of `forwarded`
};

struct Received {
  std::size_t count = 0;   // packets written to the span; 0 with !ended is a timeout
  bool ended = false;      // no packet will ever follow (end of a capture)
};

class PacketPort {
 public:
  PacketPort() = default;
  PacketPort(const PacketPort&) = delete;
  PacketPort& operator=(const PacketPort&) = delete;
  virtual ~PacketPort() = default;

  // Fills `out` with up to out.size() packets, waiting at most `wait` for the first.
  virtual Result<Received> receive(std::span<Packet> out, Duration wait) = 0;
  // Exactly once for each received packet, in any order: settle() or replace(). Afterwards its bytes are
  // gone. Only token, number, link and envelope of `packet` are looked at.
  virtual void settle(const Packet& packet, Fate fate) = 0;
  // Settles as forwarded, but with these bytes: as many as the packet had, of its link type, headers and
  // checksums done (a partial checksum stays partial). They are copied or sent before this returns.
  virtual void replace(const Packet& packet, Bytes bytes) = 0;
  // Told directly before the packet is settled. A port that can lets the kernel, or a loop without the
  // engine, forward what needs no inspection (NFQUEUE: connmark; GENEVE: echo); one that cannot ignores
  // it, and the engine copes with packets that come all the same. After Resume no packet of the connection
  // that is received later than `packet` may be forwarded without the engine. Said with packets that are forwarded
  // only. Whatever was released, a packet with SYN must come, and takes back all of its connection, known to the engine
  // or not, before any later packet is looked at (it may begin another one between the same ends); of one released
  // direction packets with FIN, RST or URG must come, too.
  // Resume may also be said with a packet that is not forwarded: it then takes back what release_bytes() and
  // release_acks() said only.
  virtual void release(const Packet& packet, Release what) { (void)packet, (void)what; }
  // Release::Range, in place of release(); takes the place of what was said before of this direction. Of the packet's
  // direction only such packets need not come that are nothing but data (no fragment, no IP option or extension header,
  // of TCP's flags ACK and perhaps PSH, no others) and lie in `bytes` from their first byte to their last. A port that
  // cannot tell ignores it.
  virtual void release_bytes(const Packet& packet, SequenceRange bytes) { (void)packet, (void)bytes; }
  // Release::Acks, in place of release(), in the same way: packets need not come that have no data at all, of TCP's flags
  // ACK and perhaps ECE, no TCP options but timestamps and SACK, `acks.seq` as their sequence number, and a number within
  // `acks.acks`. One comes all the same for each 4 MiB of progress, and for each second or so.
  virtual void release_acks(const Packet& packet, AckRange acks) { (void)packet, (void)acks; }
  // Sends a frame that Weir made towards one end of a connection. It is a whole frame of the link type of
  // `like`: with link header, addresses and VLAN tags as they must be on that side, for RawIp a bare
  // IP packet; never longer than the endpoint's MSS allows. Checksums are right. It must not come back
  // through receive().
  //   `like` is a packet of the connection: the one whose inspection made the frame (not yet settled), or,
  // where time alone made it (Inspector::on_time), what is left of an earlier one: link, domain, token,
  // number, and the envelope; its bytes are empty. If the engine has seen a packet that travels as the
  // frame is to travel since it began to answer, `like` is that one.
  //   An error is counted; the engine repeats what must arrive.
  virtual Result<void> inject(const Packet& like, Towards towards, Bytes frame) = 0;
  // From the next receive() on nothing is to be inspected. A port that can forwards everything itself; one that
  // cannot ignores it, and its owner forwards what is delivered.
  virtual void set_bypass(bool on) { (void)on; }
  [[nodiscard]] virtual PortStats stats() const = 0;
};

}  // namespace weir
