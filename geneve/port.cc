// GenevePort: receive(), settle() and their kin. What is done with one datagram is in
// port_examine.cc, the start in port_open.cc.
#include "geneve/port.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <netinet/udp.h>

#include "engine/base/pool.h"
#include "engine/net/wire.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace weir::geneve {
namespace {

// Batches that one receive() echoes before it returns without a packet, so that the worker's other
// duties and its heartbeat are not put off.
constexpr int kMostBatches = 16;
// Longer than that between two rounds, and somebody may have stood in (Bypass).
constexpr Duration kLate = milliseconds(80);
// Longest inner packet that Weir makes itself: AWS drops larger ones.
constexpr std::size_t kMostInjected = 8'500;

}  // namespace

GenevePort::~GenevePort() {
  for (const int s : sockets()) {
    if (s >= 0) ::close(s);
  }
}

Result<Received> GenevePort::receive(std::span<Packet> out, Duration wait) {
  flush();
  ++round_;
  come_round(options_->clock());
  std::size_t count = take_copies(out);
  count += walk(out.subspan(count));
  for (int batch = 0; count == 0 && batch < kMostBatches; ++batch) {
    if (!fetch()) {
      flush();
      if (batch > 0 || wait.ns <= 0) break;
      sleep(wait);
      now_ = options_->clock();
      if (!fetch() && inboxes_[index_]->empty()) break;
    }
    count = take_copies(out);
    count += walk(out.subspan(count));
  }
  flush();  // what is echoed does not wait for what is inspected
  stats_.packets += count;
  Received received;
  received.count = count;
  return received;
}

// A SYN may have gone by while everything was let by, or while somebody stood in for a worker that did not come round.
void GenevePort::come_round(Timestamp now) {
  const bool late = now - now_ > kLate;
  if (late || bypass() != bypassed_) connections_.take_back_all();
  bypassed_ = bypass();
  now_ = now;
}

void GenevePort::sleep(Duration wait) const {
  std::array<pollfd, 3> polled{};
  for (std::size_t i = 0; i < lanes_; ++i)
    polled[i] = {sockets_[i], POLLIN, 0};
  polled[lanes_] = {inboxes_[index_]->descriptor(), POLLIN, 0};
  const timespec limit{wait.ns / 1'000'000'000, wait.ns % 1'000'000'000};
  ::ppoll(polled.data(), lanes_ + 1, &limit, nullptr);
}

bool GenevePort::fetch() {
  bool any = false;
  for (std::uint8_t lane = 0; lane < lanes_; ++lane)
    any = fetch_from(lane) || any;
  return any;
}

bool GenevePort::fetch_from(std::uint8_t lane) {
  const std::size_t most = lanes_ == 1 ? free_receive_.size() : (free_receive_.size() + 1) / 2;
  if (most == 0) return false;
  const std::size_t first = free_receive_.size() - most;
  for (std::size_t i = 0; i < most; ++i) {
    pieces_[i] = {slots_[free_receive_[first + i]].data, kSlotBytes};
    messages_[i].msg_hdr = {
        &names_[i], sizeof names_[i], &pieces_[i], 1, control_[i].bytes.data(), sizeof(Control), 0};
  }
  const int n = ::recvmmsg(sockets_[lane], messages_.data(), static_cast<unsigned>(most),
                           MSG_DONTWAIT, nullptr);
  if (n <= 0) {
    if (n < 0 && errno != EAGAIN && errno != EINTR) ++stats_.errors;
    return false;
  }
  // Slots 0..n-1 of the span are filled; they leave the list of free ones, in order.
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
    arrived(i, free_receive_[first + i], lane);
  std::rotate(free_receive_.begin() + static_cast<std::ptrdiff_t>(first),
              free_receive_.begin() + static_cast<std::ptrdiff_t>(first) + n, free_receive_.end());
  free_receive_.resize(free_receive_.size() - static_cast<std::size_t>(n));
  return true;
}

void GenevePort::arrived(std::size_t message, std::uint32_t index, std::uint8_t lane) {
  Slot& slot = slots_[index];
  msghdr& head = messages_[message].msg_hdr;
  slot.length = messages_[message].msg_len;
  slot.part = slot.length;
  slot.references = 1;  // until it is walked
  slot.envelope_length = 0;
  slot.outer.from = names_[message].sin_addr;
  slot.outer.source_port = names_[message].sin_port;
  slot.outer.lane = lane;
  slot.outer.to = listening_;  // unless the kernel says which
  for (cmsghdr* c = CMSG_FIRSTHDR(&head); c != nullptr; c = CMSG_NXTHDR(&head, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      slot.outer.to = info.ipi_addr;
    } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      if (size > 0) slot.part = std::min(slot.length, static_cast<std::uint32_t>(size));
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
      std::uint32_t drops = 0;
      std::memcpy(&drops, CMSG_DATA(c), sizeof drops);
      stats_.dropped += drops - lane_drops_[lane];
      lane_drops_[lane] = drops;
    }
  }
  const std::uint32_t parts = slot.part == 0 ? 1 : (slot.length + slot.part - 1) / slot.part;
  counters_.datagrams += parts;
  if (parts > 1) counters_.merged += parts;
  stats_.bytes += slot.length;
  slot.self_test = self_test_ != 0 && slot.outer.from.s_addr == self_test_;
  if (!slot.self_test && !may_send(slot.outer.from.s_addr)) {
    counters_.foreign += parts;
    slot.length = 0;  // nothing to walk
  } else if (slot.length == 0) {
    ++counters_.faults[static_cast<std::size_t>(Fault::Short)];
  }
  received_.push_back(index);
}

bool GenevePort::may_send(std::uint32_t from) {
  if (from == last_source_ && from != 0) return true;
  for (const auto& [address, mask] : sources_) {
    if ((from & mask) == address) {
      last_source_ = from;
      return true;
    }
  }
  return false;
}

std::size_t GenevePort::walk(std::span<Packet> out) {
  std::size_t count = 0;
  while (received_at_ < received_.size()) {
    const std::uint32_t slot = received_[received_at_];
    if (!walk_slot(slot, out, count)) return count;
    ++received_at_;
    within_ = 0;
    unreference(slot);
  }
  received_.clear();
  received_at_ = 0;
  return count;
}

// false: `out` is full; within_ says where to go on. What is echoed is gathered to runs as long as
// possible.
bool GenevePort::walk_slot(std::uint32_t index, std::span<Packet> out, std::size_t& count) {
  const Slot& slot = slots_[index];
  const bool plain =
      options_->tunnel == Tunnel::Geneve && !options_->inspect_all && !slot.self_test && !bypass();
  std::uint32_t run = within_;  // echoed from here
  const auto end_run = [&] {
    if (run < within_) forward(index, run, within_ - run);
  };
  while (within_ < slot.length) {
    const std::uint32_t length = std::min(slot.part, slot.length - within_);
    const Bytes datagram(slot.data + within_, length);
    if (plain && surely_echo(datagram)) {
      within_ += length;
      continue;
    }
    if (count == out.size()) {
      end_run();
      return false;
    }
    Seen seen;
    const Way way = examine(datagram, slot, Origin::Wire, seen);
    if (way != Way::Echo) {
      end_run();
      run = within_ + length;
      if (way != Way::Drop) {
        deliver_from(index, within_, way == Way::DeliverCopy, datagram, seen, out, count);
      }
    }
    within_ += length;
  }
  end_run();
  return true;
}

void GenevePort::deliver_from(std::uint32_t index, std::uint32_t at, bool copied, Bytes datagram,
                              const Seen& seen, std::span<Packet> out, std::size_t& count) {
  Place place{index, at, static_cast<std::uint32_t>(datagram.size()), seen.header};
  if (copied) {
    place.slot = copy(slots_[index].outer, datagram);
    place.at = 0;
    if (place.slot == base::kNone) {
      ++counters_.lost;
      return;
    }
  }
  deliver(place, seen, out[count++]);
  if (copied) unreference(place.slot);
}

// Handed over by others, and fragments whose first has come.
std::size_t GenevePort::take_copies(std::span<Packet> out) {
  std::size_t count = 0;
  const auto take = [&](std::uint32_t index, Origin origin) {
    Slot& slot = slots_[index];
    const Bytes datagram(slot.data, slot.length);
    Seen seen;
    const Way way = examine(datagram, slot, origin, seen);
    if (way == Way::Echo) forward(index, 0, slot.length);
    if (way == Way::Deliver || way == Way::DeliverCopy) {
      deliver({index, 0, slot.length, seen.header}, seen, out[count++]);
    }
    unreference(index);
  };
  while (!ready_.empty() && count < out.size()) {
    const std::uint32_t index = ready_.front();
    ready_.erase(ready_.begin());
    take(index, Origin::Inbox);
  }
  Inbox& inbox = *inboxes_[index_];
  while (!inbox.empty() && count < out.size() && !free_copies_.empty()) {
    const std::uint32_t index = free_copies_.back();
    Slot& slot = slots_[index];
    slot.length = inbox.take(slot.outer, slot.data);
    if (slot.length == 0) break;
    free_copies_.pop_back();
    slot.part = slot.length;
    slot.references = 1;
    slot.envelope_length = 0;
    slot.self_test = false;
    take(index, Origin::Inbox);
  }
  return count;
}

void GenevePort::deliver(const Place& place, const Seen& seen, Packet& packet) {
  ++slots_[place.slot].references;
  packet = {};
  packet.bytes =
      Bytes(slots_[place.slot].data + place.at + place.header, place.length - place.header);
  packet.wire_length = static_cast<std::uint32_t>(packet.bytes.size());
  packet.link = seen.link;
  packet.time = now_;
  packet.domain = seen.domain;
  packet.number = ++number_;
  packet.token = token_of(place);
  packet.envelope =
      envelope_of(slots_[place.slot], Bytes(slots_[place.slot].data + place.at, place.header));
  ++counters_.delivered;
}

// Empty where the datagrams in one slot have different headers, or long ones; then connections_
// knows.
Bytes GenevePort::envelope_of(Slot& slot, Bytes header) {
  const std::size_t length = sizeof(Outer) + header.size();
  if (length > slot.envelope.size()) return {};
  if (slot.envelope_length == 0) {
    std::memcpy(slot.envelope.data(), &slot.outer, sizeof(Outer));
    std::memcpy(slot.envelope.data() + sizeof(Outer), header.data(), header.size());
    slot.envelope_length = static_cast<std::uint32_t>(length);
  } else if (slot.envelope_length != length ||
             std::memcmp(slot.envelope.data() + sizeof(Outer), header.data(), header.size()) != 0) {
    return {};
  }
  return Bytes(slot.envelope).first(length);
}

void GenevePort::settle(const Packet& packet, Fate fate) {
  const Place place = place_of(packet.token);
  if (fate == Fate::Forward) {
    ++stats_.forwarded;
    forward(place.slot, place.at, place.length);
  } else {
    ++stats_.discarded;
  }
  unreference(place.slot);
}

void GenevePort::replace(const Packet& packet, Bytes bytes) {
  const Place place = place_of(packet.token);
  flush();
  Slot& slot = slots_[place.slot];
  ++stats_.forwarded;
  if (options_->replies == Replies::Echo) {
    Run head = run_of(slot.outer, lane_out(slot.outer.lane));
    if (options_->tunnel == Tunnel::Vxlan)
      turn_vxlan(slot.data + place.at, lane_out(slot.outer.lane));
    head.data = slot.data + place.at;
    head.length = place.header;
    head.part = place.header;
    if (!sender_->send(head, bytes)) ++stats_.errors;
  }
  unreference(place.slot);
}

Result<void> GenevePort::inject(const Packet& like, Towards towards, Bytes frame) {
  static_cast<void>(towards);  // the frame's own addresses say it
  if (options_->replies == Replies::Never) return fail("this port sends nothing");
  if (frame.size() > kMostInjected) {
    ++stats_.errors;
    return fail("a frame of " + std::to_string(frame.size()) + " bytes is too long for the tunnel");
  }
  Envelope envelope;
  std::uint8_t out_lane = 0;
  if (!envelope_for(like, frame, envelope, out_lane)) {
    ++stats_.errors;
    return fail("no envelope is known for this connection");
  }
  flush();
  if (options_->tunnel == Tunnel::Vxlan) turn_vxlan(envelope.bytes.data(), out_lane);
  Run head = run_of(envelope.outer, out_lane);
  head.data = envelope.bytes.data();
  head.length = envelope.length;
  head.part = envelope.length;
  if (!sender_->send(head, frame)) {
    ++stats_.errors;
    return fail("the kernel did not take a frame of Weir's");
  }
  ++stats_.injected;
  return {};
}

bool GenevePort::envelope_for(const Packet& like, Bytes frame, Envelope& envelope,
                              std::uint8_t& out_lane) {
  const auto place = connection_of(like, frame);
  if (!place) return false;
  if (Connection* c = connections_.find(place->key)) {
    const Envelope& same = c->envelopes[place->direction];
    const Envelope& other = c->envelopes[place->direction ^ 1U];
    if (same.length != 0 || other.length != 0) {
      envelope = same.length != 0 ? same : other;
      const std::uint8_t lane = envelope.outer.lane;
      out_lane = same.length != 0 ? lane_out(lane) : lane;
      return true;
    }
  }
  if (like.envelope.size() > sizeof(Outer)) {
    std::memcpy(&envelope.outer, like.envelope.data(), sizeof(Outer));
    remember(envelope, envelope.outer, like.envelope.subspan(sizeof(Outer)));
    const auto travels = connection_of(like, like.bytes);
    const bool back = travels && travels->direction != place->direction;
    out_lane = back ? envelope.outer.lane : lane_out(envelope.outer.lane);
    return true;
  }
  if (like.bytes.empty()) return false;  // settled long ago: its slot may be another's
  const Place at = place_of(like.token);
  const Slot& slot = slots_[at.slot];
  envelope.length = 0;
  remember(envelope, slot.outer, Bytes(slot.data + at.at, at.header));
  const auto travels = connection_of(like, like.bytes);
  const bool same_way = travels && travels->direction == place->direction;
  out_lane = same_way ? lane_out(slot.outer.lane) : slot.outer.lane;
  return envelope.length != 0;
}

// Of a packet of the link type and domain of `like`, with these bytes.
std::optional<Connections::Place> GenevePort::connection_of(const Packet& like, Bytes bytes) {
  if (bytes.empty()) return std::nullopt;
  Seen seen;
  seen.protocol = bytes[0] >> 4 == 6 ? net::kEtherIpv6 : net::kEtherIpv4;
  if (like.link == LinkType::Ethernet) step_over_ethernet(bytes, seen);
  const Bytes ip = bytes.subspan(std::min<std::size_t>(seen.ip_at, bytes.size()));
  const Inner inner = look(ip, seen.protocol);
  if (!inner.has_ports()) return std::nullopt;
  return Connections::place(like.domain, ip, inner);
}

void GenevePort::release(const Packet& packet, Release what) {
  if (what == Release::None) return;
  const auto place = connection_of(packet, packet.bytes);
  if (!place) return;
  if (what == Release::Resume) {
    if (Connection* c = connections_.find(place->key)) Connections::take_back(*c);
    ++stats_.resumed;
    return;
  }
  Connection& c = connections_.take(place->key);
  const auto seconds = static_cast<std::uint32_t>(now_.ns / 1'000'000'000);
  connections_.release(c, place->direction, seconds);
  if (what == Release::Both) connections_.release(c, place->direction ^ 1U, seconds);
  ++stats_.released;
}

void GenevePort::release_bytes(const Packet& packet, SequenceRange bytes) {
  const auto place = connection_of(packet, packet.bytes);
  if (!place || bytes.first == bytes.end) return;
  connections_.release(connections_.take(place->key), place->direction, bytes, static_cast<std::uint32_t>(now_.ns / 1'000'000'000));
  ++stats_.released;
}

std::uint32_t GenevePort::copy(const Outer& outer, Bytes datagram) {
  if (free_copies_.empty() || datagram.size() > kMostCopied) return base::kNone;
  const std::uint32_t index = free_copies_.back();
  free_copies_.pop_back();
  Slot& slot = slots_[index];
  slot.length = static_cast<std::uint32_t>(datagram.size());
  slot.part = slot.length;
  slot.references = 1;
  slot.envelope_length = 0;
  slot.self_test = false;
  slot.outer = outer;
  std::memcpy(slot.data, datagram.data(), datagram.size());
  return index;
}

void GenevePort::unreference(std::uint32_t index) {
  if (--slots_[index].references != 0) return;
  (index < kReceiveSlots ? free_receive_ : free_copies_).push_back(index);
}

// slot 14 bits, offset 17, length 17, header 10
std::uint64_t GenevePort::token_of(const Place& place) {
  return std::uint64_t{place.slot} << 44 | std::uint64_t{place.at} << 27 |
         std::uint64_t{place.length} << 10 | place.header;
}

GenevePort::Place GenevePort::place_of(std::uint64_t token) {
  Place place;
  place.slot = static_cast<std::uint32_t>(token >> 44);
  place.at = static_cast<std::uint32_t>(token >> 27 & 0x1ffff);
  place.length = static_cast<std::uint32_t>(token >> 10 & 0x1ffff);
  place.header = static_cast<std::uint32_t>(token & 0x3ff);
  return place;
}

void GenevePort::forward(std::uint32_t index, std::uint32_t at, std::uint32_t length) {
  if (options_->replies == Replies::Never) return;
  Slot& slot = slots_[index];
  if (options_->tunnel == Tunnel::Vxlan) turn_vxlan(slot.data + at, lane_out(slot.outer.lane));
  if (!pending_.empty()) {
    Pending& last = pending_.back();
    if (last.slot == index && last.at + last.length == at && last.length % slot.part == 0) {
      last.length += length;
      return;
    }
  }
  if (pending_.size() >= kMostPending) flush();
  ++slot.references;
  pending_.push_back({index, at, length, slot.part});
}

void GenevePort::flush() {
  if (pending_.empty()) return;
  for (const Pending& p : pending_) {
    const Slot& slot = slots_[p.slot];
    Run run = run_of(slot.outer, lane_out(slot.outer.lane));
    run.data = slot.data + p.at;
    run.length = p.length;
    run.part = p.part;
    run.headroom = p.slot < kReceiveSlots && p.at == 0;
    sender_->add(run);
  }
  sender_->flush();
  for (const Pending& p : pending_)
    unreference(p.slot);
  pending_.clear();
}

std::uint8_t GenevePort::lane_out(std::uint8_t lane_in) const {
  return lanes_ == 2 ? lane_in ^ 1U : lane_in;
}

Run GenevePort::run_of(const Outer& outer, std::uint8_t out_lane) const {
  Run run;
  run.to = outer.from;
  run.from = outer.to;
  run.source_port = outer.source_port;
  run.destination_port = lane_ports_[out_lane];
  return run;
}

void GenevePort::turn_vxlan(std::uint8_t* datagram, std::uint8_t out_lane) const {
  const VxlanPair& pair = options_->vxlan;
  const std::uint32_t vni = out_lane == 0 ? pair.internal_vni : pair.external_vni;
  net::store32(datagram + 4, vni << 8 | datagram[7]);
}

PortStats GenevePort::stats() const {
  PortStats stats = stats_;
  stats.forwarded += counters_.echoed;
  stats.bypassed = counters_.bypassed;
  return stats;
}

GeneveCounters GenevePort::counters() const {
  GeneveCounters counters = counters_;
  counters.connections_forgotten = connections_.forgotten();
  counters.sender = sender_->counters();
  return counters;
}

std::size_t GenevePort::memory() const {
  return kReceiveSlots * kSlotStride + std::size_t{options_->copies} * kMostCopied +
         connections_.memory() + inboxes_[index_]->memory() + 65'536 * sizeof(int);
}

}  // namespace weir::geneve
