// GenevePort: what is done with one datagram.
#include <array>
#include <cstring>

#include "engine/base/pool.h"
#include "engine/net/segment.h"
#include "engine/net/wire.h"
#include "geneve/port.h"

namespace weir::geneve {
namespace {

constexpr std::size_t kVxlanHeader = 8;
constexpr std::size_t kEthernet = 14;
constexpr int kMostTags = 3;

}  // namespace

bool GenevePort::surely_echo(Bytes datagram) {
  constexpr std::size_t kNeeded = kAwsHeader + 24;  // IPv4 and the ports of TCP
  if (last_length_ != kAwsHeader || datagram.size() < kNeeded) return false;
  const std::uint8_t* p = datagram.data();
  std::array<std::uint64_t, 2 * kAwsHeader / 8> words;
  std::memcpy(words.data(), p, kAwsHeader);
  std::memcpy(words.data() + kAwsHeader / 8, last_header_.data(), kAwsHeader);
  std::uint64_t differ = 0;
  for (std::size_t i = 0; i < kAwsHeader / 8; ++i)
    differ |= words[i] ^ words[i + kAwsHeader / 8];
  if (differ != 0 || last_.protocol != net::kEtherIpv4 || !last_.complete_aws()) return false;
  const std::uint8_t* ip = p + kAwsHeader;
  if (ip[0] != 0x45) return false;
  if (ip[9] == net::kTcp) {
    if ((net::load16(ip + 6) & 0x3fff) != 0) return false;
    if (inspects(net::load16(ip + 20)) || inspects(net::load16(ip + 22))) return false;
  }
  ++counters_.echoed;
  return true;
}

GenevePort::Way GenevePort::examine(Bytes datagram, const Slot& slot, Origin origin, Seen& seen) {
  const bool readable = options_->tunnel == Tunnel::Geneve ? read_geneve(datagram, seen)
                                                           : read_vxlan(datagram, slot, seen);
  if (!readable) return Way::Drop;
  if (slot.self_test) {
    ++counters_.self_tests;
    ++counters_.echoed;
    return Way::Echo;
  }
  if (bypass()) {
    ++counters_.bypassed;
    ++counters_.echoed;
    return Way::Echo;
  }
  const Way way = judge(datagram, slot, origin, seen);
  if (way == Way::Echo) ++counters_.echoed;
  return way;
}

bool GenevePort::read_geneve(Bytes datagram, Seen& seen) {
  if (last_length_ == 0 || datagram.size() < last_length_ ||
      std::memcmp(datagram.data(), last_header_.data(), last_length_) != 0) {
    const Parsed parsed = parse(datagram);
    if (parsed.fault != Fault::None) {
      ++counters_.faults[static_cast<std::size_t>(parsed.fault)];
      return false;
    }
    last_ = parsed.header;
    last_length_ = 0;
    if (last_.length <= last_header_.size()) {
      std::memcpy(last_header_.data(), datagram.data(), last_.length);
      last_length_ = last_.length;
    }
  }
  if (!last_.complete_aws() || last_.unknown_options) {
    ++counters_.unusual;
    if (options_->require_aws_options && !last_.complete_aws()) {
      ++counters_.refused;
      return false;
    }
  }
  seen.header = last_.length;
  seen.ip_at = last_.length;
  seen.protocol = last_.protocol;
  seen.domain = last_.domain();
  if (last_.protocol == net::kEtherBridge) {
    seen.link = LinkType::Ethernet;
    step_over_ethernet(datagram, seen);
  }
  return true;
}

// RFC 7348. A datagram whose network does not belong to its port is not the load balancer's.
bool GenevePort::read_vxlan(Bytes datagram, const Slot& slot, Seen& seen) {
  if (datagram.size() < kVxlanHeader + kEthernet) {
    ++counters_.faults[static_cast<std::size_t>(Fault::Short)];
    return false;
  }
  const VxlanPair& pair = options_->vxlan;
  const std::uint32_t vni = slot.outer.lane == 0 ? pair.internal_vni : pair.external_vni;
  if ((datagram[0] & 0x08) == 0 || net::load24(datagram.data() + 4) != vni) {
    ++counters_.faults[static_cast<std::size_t>(Fault::Version)];
    return false;
  }
  seen.header = kVxlanHeader;
  seen.ip_at = kVxlanHeader;
  seen.link = LinkType::Ethernet;
  step_over_ethernet(datagram, seen);
  return true;
}

// From seen.ip_at, where an Ethernet header is, to the packet behind it. 0: none was found.
void GenevePort::step_over_ethernet(Bytes bytes, Seen& seen) {
  std::size_t at = seen.ip_at + kEthernet;
  seen.protocol = 0;
  if (at > bytes.size()) return;
  std::uint16_t type = net::load16(bytes.data() + at - 2);
  for (int i = 0; i < kMostTags && (type == net::kEtherVlan || type == net::kEtherServiceVlan);
       ++i) {
    if (at + 4 > bytes.size()) return;
    type = net::load16(bytes.data() + at + 2);
    at += 4;
  }
  seen.ip_at = static_cast<std::uint32_t>(at);
  seen.protocol = type;
}

GenevePort::Way GenevePort::judge(Bytes datagram, const Slot& slot, Origin origin,
                                  const Seen& seen) {
  const Bytes ip = datagram.subspan(seen.ip_at);
  const Inner inner = look(ip, seen.protocol);
  if (options_->inspect_all) return inner.fragment() ? Way::DeliverCopy : Way::Deliver;
  switch (inner.kind) {
    case InnerKind::NotTcp:
      return Way::Echo;
    case InnerKind::Tcp:
      if (!inspects(inner)) return Way::Echo;
      break;
    case InnerKind::FirstFragment:
    case InnerKind::LaterFragment:
      if (origin == Origin::Wire) return judge_fragment(datagram, slot, ip, inner, seen);
      return for_the_engine_to_read(Way::Deliver);
    case InnerKind::Unclear:
      break;
  }
  if (origin == Origin::Wire && options_->workers > 1) {
    const std::uint32_t worker = steer(steer_hash(ip, inner, options_->steer), options_->workers);
    if (worker != index_) return hand_over(worker, slot.outer, datagram);
  }
  return inner.kind == InnerKind::Unclear ? for_the_engine_to_read(Way::Deliver)
                                          : judge_tcp(datagram, slot, ip, inner, seen);
}

// It may be, or complete, a SYN of any connection.
GenevePort::Way GenevePort::for_the_engine_to_read(Way way) {
  connections_.take_back_all();
  return way;
}

GenevePort::Way GenevePort::judge_tcp(Bytes datagram, const Slot& slot, Bytes ip,
                                      const Inner& inner, const Seen& seen) {
  const Connections::Place place = Connections::place(seen.domain, ip, inner);
  Connection& connection = connections_.take(place.key);
  remember(connection.envelopes[place.direction], slot.outer, datagram.first(seen.header));
  const TcpSigns signs = geneve::signs(ip, inner);
  const bool released = connection.bytes == SequenceRange{} ? still_released(connection, place.direction, signs)
                                                            : among_bytes(connection, place.direction, signs, only_data(ip, inner));
  if (!released) return Way::Deliver;
  ++counters_.released;
  return Way::Echo;
}

// What engine/port.h asks of one that listens to release(). A SYN takes all back: it may begin another connection with
// the same addresses. Of a single direction the engine sees the end. And what of a connection comes behind news for the
// engine in the same batch is for the engine too, which may resume it.
bool GenevePort::still_released(Connection& connection, std::uint8_t direction,
                                const TcpSigns& signs) {
  constexpr std::uint8_t kEnds = net::kFin | net::kRst | net::kUrg;
  const auto seconds = static_cast<std::uint32_t>(now_.ns / 1'000'000'000);
  const bool own = connections_.released(connection, direction, seconds);
  const bool other = connections_.released(connection, direction ^ 1U, seconds);
  if (!own && !other) return false;
  if ((signs.flags & net::kSyn) != 0) {
    Connections::take_back(connection);
    return false;
  }
  const bool end = (signs.flags & kEnds) != 0;
  if (!own || connection.round == round_ || (!other && end)) {
    if (signs.data || end) connection.round = round_;
    return false;
  }
  connection.released_at = seconds;
  return true;
}

// The same where bytes are released: everything but those is news, except what acknowledges and has no data.
bool GenevePort::among_bytes(Connection& connection, std::uint8_t direction, const TcpSigns& signs,
                             const std::optional<TcpData>& data) {
  const auto seconds = static_cast<std::uint32_t>(now_.ns / 1'000'000'000);
  if ((signs.flags & net::kSyn) != 0) {
    Connections::take_back(connection);
    return false;
  }
  const bool within = data && connections_.released(connection, direction, *data, seconds);
  if (!within || connection.round == round_) {
    if (signs.data || signs.flags != net::kAck) connection.round = round_;
    return false;
  }
  connection.released_at = seconds;
  return true;
}

// The kernel has brought all fragments of the datagram here. The first one says where they belong.
GenevePort::Way GenevePort::judge_fragment(Bytes datagram, const Slot& slot, Bytes ip,
                                           const Inner& inner, const Seen& seen) {
  const FragmentKey key = FragmentKey::of(seen.domain, ip, inner);
  std::uint32_t route = routes_.find(key, now_);
  if (inner.kind == InnerKind::FirstFragment) {
    Inner whole = inner;
    whole.kind = InnerKind::Tcp;
    const std::uint32_t worker = steer(steer_hash(ip, whole, options_->steer), options_->workers);
    const std::uint32_t found = inspects(inner) ? worker : FragmentRoutes::kEcho;
    if (route == FragmentRoutes::kUnknown || route == FragmentRoutes::kEcho) {
      // A second first fragment never takes away from inspection what the first one gave to it.
      route = found;
      routes_.learn(key, route, now_);
    }
    release_waiting(key, route);
  }
  if (route == FragmentRoutes::kUnknown) {
    wait_for_first(key, slot.outer, datagram);
    return Way::Drop;
  }
  if (route == FragmentRoutes::kEcho) return Way::Echo;
  if (route != index_) return hand_over(route, slot.outer, datagram);
  return for_the_engine_to_read(Way::DeliverCopy);
}

GenevePort::Way GenevePort::hand_over(std::uint32_t worker, const Outer& outer, Bytes datagram) {
  if (inboxes_[worker]->put(outer, datagram))
    ++counters_.handed_over;
  else
    ++counters_.lost;
  return Way::Drop;
}

void GenevePort::wait_for_first(const FragmentKey& key, const Outer& outer, Bytes datagram) {
  if (waiting_.size() == kMostWaiting ||
      (!waiting_.empty() && now_ - waiting_.front().since > FragmentRoutes::kLife)) {
    unreference(waiting_.front().slot);
    waiting_.erase(waiting_.begin());
    ++counters_.lost;
  }
  const std::uint32_t slot = copy(outer, datagram);
  if (slot == base::kNone) {
    ++counters_.lost;
    return;
  }
  waiting_.push_back({key, slot, now_});
}

void GenevePort::release_waiting(const FragmentKey& key, std::uint32_t route) {
  std::size_t kept = 0;
  for (const Waiting& w : waiting_) {
    if (!(w.key == key)) {
      waiting_[kept++] = w;
      continue;
    }
    const Slot& slot = slots_[w.slot];
    if (route == FragmentRoutes::kEcho) {
      ++counters_.echoed;
      forward(w.slot, 0, slot.length);
      unreference(w.slot);
    } else if (route == index_) {
      ready_.push_back(w.slot);
    } else {
      static_cast<void>(hand_over(route, slot.outer, Bytes(slot.data, slot.length)));
      unreference(w.slot);
    }
  }
  waiting_.resize(kept);
}

}  // namespace weir::geneve
