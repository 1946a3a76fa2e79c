#include "engine/net/fragment.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace weir::net {
namespace {

constexpr std::size_t kIpv6Headers =
    48;  // fixed and fragment header, not counted in RFC 8200's length

// Calls visit(word index, mask) for the blocks [first, last] until it answers false; whether it
// never did.
template <class Visit>
bool for_words(std::size_t first, std::size_t last, Visit&& visit) {
  for (std::size_t word = first / 64; word <= last / 64; ++word) {
    std::uint64_t mask = ~std::uint64_t{0};
    if (word == first / 64) mask &= ~std::uint64_t{0} << (first % 64);
    if (word == last / 64) mask &= ~std::uint64_t{0} >> (63 - last % 64);
    if (!visit(word, mask)) return false;
  }
  return true;
}

template <class Bitmap>
bool none(const Bitmap& bits, std::size_t first, std::size_t last) {
  return for_words(first, last, [&](std::size_t w, std::uint64_t m) { return (bits[w] & m) == 0; });
}
template <class Bitmap>
bool all(const Bitmap& bits, std::size_t first, std::size_t last) {
  return for_words(first, last, [&](std::size_t w, std::uint64_t m) { return (bits[w] & m) == m; });
}
template <class Bitmap>
bool test(const Bitmap& bits, std::size_t block) {
  return (bits[block / 64] >> (block % 64) & 1) != 0;
}

}  // namespace

std::string_view name(FragmentLoss loss) {
  switch (loss) {
    case FragmentLoss::None:
      return "none";
    case FragmentLoss::HostDrops:
      return "host-drops";
    case FragmentLoss::Suspicious:
      return "suspicious";
    case FragmentLoss::Overlap:
      return "overlap";
    case FragmentLoss::ZeroLength:
      return "zero-length";
    case FragmentLoss::UnevenLength:
      return "uneven-length";
    case FragmentLoss::TooLong:
      return "too-long";
    case FragmentLoss::EndsDiffer:
      return "ends-differ";
    case FragmentLoss::MixedEcn:
      return "mixed-ecn";
    case FragmentLoss::Truncated:
      return "truncated";
    case FragmentLoss::Timeout:
      return "timeout";
    case FragmentLoss::DatagramLimit:
      return "datagram-limit";
    case FragmentLoss::ByteLimit:
      return "byte-limit";
    case FragmentLoss::PacketLimit:
      return "packet-limit";
    case FragmentLoss::Count:
      break;
  }
  return "none";
}

Defragmenter::Defragmenter(const FragmentLimits& limits, FragmentPolicy policy,
                           const base::SipKey& key)
    : policy_(policy),
      key_(key),
      trackers_(std::max(limits.datagrams, 1U)),
      pages_(static_cast<std::uint32_t>(std::max<std::uint64_t>(limits.bytes / kPage, 32))),
      packets_(std::max(limits.packets, 2U)),
      table_(std::max(limits.datagrams, 1U)),
      whole_(kMost) {
  made_.reserve(std::size_t{packets_.capacity()} + 1);
  lost_.reserve(std::size_t{packets_.capacity()} + 1);
}

std::size_t Defragmenter::memory() const {
  return trackers_.capacity() * sizeof(Tracker) + pages_.capacity() * sizeof(Page) +
         packets_.capacity() * (sizeof(Held) + sizeof(HeldPacket) + sizeof(LostPacket)) +
         table_.memory() + whole_.size();
}

Defragmenter::Key Defragmenter::key_of(const Datagram& fragment) {
  Key key;
  key.domain = fragment.encapsulation.domain;
  key.network = fragment.encapsulation.network;
  key.source = fragment.source.bytes;
  key.destination = fragment.destination.bytes;
  key.id = fragment.fragment.id;
  key.vlans = fragment.encapsulation.vlans;
  key.version = fragment.version();
  key.protocol = fragment.version() == 4 ? fragment.protocol : std::uint8_t{0};
  return key;
}

Defragmented Defragmenter::dropped(FragmentLoss cause) {
  ++stats_.lost[static_cast<std::size_t>(cause)];
  Defragmented out;
  out.kind = Defragmented::Kind::Dropped;
  out.cause = cause;
  out.lost = lost_;
  return out;
}

// What can be said of a fragment by itself. `length`: how much of its payload counts.
FragmentLoss Defragmenter::check(const Datagram& fragment, std::size_t& length) const {
  if (fragment.dropped_by_host()) return FragmentLoss::HostDrops;
  const bool strict = policy_ == FragmentPolicy::Strict;
  if (strict && fragment.suspicious()) return FragmentLoss::Suspicious;
  length = fragment.payload.size() + fragment.missing;
  if (fragment.fragment.more && length % 8 != 0) {
    if (strict || fragment.version() == 6) return FragmentLoss::UnevenLength;
    length &= ~std::size_t{7};
  }
  const std::size_t before = fragment.version() == 4 ? fragment.header_length : 0;
  if (before + fragment.fragment.offset + length > kMost) return FragmentLoss::TooLong;
  if (length == 0) return FragmentLoss::ZeroLength;
  if (length > fragment.payload.size()) return FragmentLoss::Truncated;
  return FragmentLoss::None;
}

std::uint32_t Defragmenter::find(const Key& key, std::uint32_t hash, Timestamp now) {
  const std::uint32_t index = table_.find(
      hash, [&](std::uint32_t i) { return std::memcmp(&trackers_[i].key, &key, sizeof key) == 0; });
  if (index == base::kNone) return index;
  const Duration timeout = key.version == 6 ? kIpv6Timeout : kIpv4Timeout;
  if (now - trackers_[index].started < timeout) return index;
  // Still there because times of a capture may run backwards, and lists are in order of arrival.
  give_up(index, FragmentLoss::Timeout);
  return base::kNone;
}

std::uint32_t Defragmenter::open(const Key& key, std::uint32_t hash, Timestamp now) {
  if (trackers_.full()) evict_oldest(base::kNone, FragmentLoss::DatagramLimit);
  const std::uint32_t index = trackers_.allocate();
  Tracker& t = trackers_[index];
  t.key = key;
  t.hash = hash;
  t.started = now;
  t.order = order_++;
  t.pages.fill(base::kNone);
  List& list = list_of(t);
  t.previous = list.last;
  (list.last == base::kNone ? list.first : trackers_[list.last].next) = index;
  list.last = index;
  const bool inserted = table_.insert(hash, index);
  assert(inserted);
  static_cast<void>(inserted);
  return index;
}

// Where the datagram ends, by this fragment and by those before it.
FragmentLoss Defragmenter::ends(Tracker& t, std::uint32_t end, bool more) const {
  if (!more) {
    if (end < t.highest || (t.has_last && end != t.highest)) return FragmentLoss::EndsDiffer;
    t.has_last = true;
  } else if (t.has_last && end > t.highest) {
    return FragmentLoss::EndsDiffer;
  }
  return FragmentLoss::None;
}

Defragmenter::Place Defragmenter::place(const Tracker& t, std::uint32_t begin,
                                        std::uint32_t end) const {
  const std::size_t first = begin / 8;
  const std::size_t last = (end - 1) / 8;
  if (none(t.covered, first, last)) return Place::Free;
  if (!all(t.covered, first, last)) return Place::Overlap;
  if (last > first && !none(t.starts, first + 1, last)) return Place::Overlap;
  if (policy_ == FragmentPolicy::Linux) return Place::Duplicate;
  // Exactly one fragment: it begins here, and another one or nothing begins behind.
  if (!test(t.starts, first)) return Place::Overlap;
  const bool goes_on = last + 1 < kBlocks && test(t.covered, last + 1) && !test(t.starts, last + 1);
  return goes_on ? Place::Overlap : Place::Duplicate;
}

FragmentLoss Defragmenter::store(std::uint32_t index, const Datagram& fragment, Bytes bytes,
                                 std::uint64_t token) {
  Tracker& t = trackers_[index];
  while (packets_.full()) {
    if (!evict_oldest(index, FragmentLoss::PacketLimit)) return FragmentLoss::PacketLimit;
  }
  const std::uint32_t begin = fragment.fragment.offset;
  for (std::size_t done = 0; done < bytes.size();) {
    const std::size_t at = begin + done;
    std::uint32_t& page = t.pages[at / kPage];
    if (page == base::kNone) {
      while (pages_.full()) {
        if (!evict_oldest(index, FragmentLoss::ByteLimit)) return FragmentLoss::ByteLimit;
      }
      page = pages_.allocate();
    }
    const std::size_t n = std::min(bytes.size() - done, kPage - at % kPage);
    std::memcpy(pages_[page].bytes.data() + at % kPage, bytes.data() + done, n);
    done += n;
  }
  const auto end = static_cast<std::uint32_t>(begin + bytes.size());
  const std::size_t first = begin / 8;
  for_words(first, (end - 1) / 8, [&](std::size_t w, std::uint64_t m) {
    t.covered[w] |= m;
    return true;
  });
  // Linux makes one run of fragments that each come directly behind the furthest one so far.
  const bool appended = t.received != 0 && begin == t.highest;
  if (policy_ == FragmentPolicy::Strict || !appended) {
    t.starts[first / 64] |= std::uint64_t{1} << (first % 64);
  }
  t.highest = std::max(t.highest, end);
  t.received += static_cast<std::uint32_t>(bytes.size());

  const std::uint32_t held = packets_.allocate();
  packets_[held] = {{fragment.packet_number, token}, base::kNone};
  (t.last_packet == base::kNone ? t.first_packet : packets_[t.last_packet].next) = held;
  t.last_packet = held;
  return FragmentLoss::None;
}

Defragmented Defragmenter::add(const Datagram& fragment, std::uint64_t token) {
  assert(fragment.fragment.present);
  ++stats_.fragments;
  lost_.clear();
  expire_list(lists_[0], fragment.time, kIpv4Timeout);
  expire_list(lists_[1], fragment.time, kIpv6Timeout);

  std::size_t length = 0;
  FragmentLoss loss = check(fragment, length);
  const bool alone = loss == FragmentLoss::HostDrops || loss == FragmentLoss::Suspicious;
  const bool ignored_by_linux =
      policy_ == FragmentPolicy::Linux && fragment.version() == 6 &&
      (loss == FragmentLoss::UnevenLength || loss == FragmentLoss::TooLong);
  if (alone || ignored_by_linux) return dropped(loss);

  const Key key = key_of(fragment);
  const auto hash = static_cast<std::uint32_t>(
      base::siphash13({reinterpret_cast<const std::uint8_t*>(&key), sizeof key}, key_));
  std::uint32_t index = find(key, hash, fragment.time);
  if (index == base::kNone) {
    if (loss != FragmentLoss::None) return dropped(loss);  // makes no room for itself
    index = open(key, hash, fragment.time);
  }
  Tracker& t = trackers_[index];
  const std::uint32_t begin = fragment.fragment.offset;
  const auto end = static_cast<std::uint32_t>(begin + length);
  if (loss == FragmentLoss::None) loss = ends(t, end, fragment.fragment.more);
  if (loss == FragmentLoss::None) {
    const Place where = place(t, begin, end);
    if (where == Place::Duplicate) {
      ++stats_.duplicates;
      Defragmented out;
      out.kind = Defragmented::Kind::Duplicate;
      out.lost = lost_;
      return out;
    }
    if (where == Place::Overlap) loss = FragmentLoss::Overlap;
  }
  if (loss == FragmentLoss::None) {
    loss = store(index, fragment, fragment.payload.first(length), token);
  }
  if (loss != FragmentLoss::None) {
    give_up(index, loss);
    return dropped(loss);
  }
  t.anomalies.add(fragment.anomalies);
  t.ecn_seen |= static_cast<std::uint8_t>(1U << fragment.fragment.ecn);
  if (begin == 0) {
    t.head = fragment;
    t.has_first = true;
  }
  if (fragment.checksum == ChecksumState::Unknown) t.checksum_differs = true;
  if (t.has_first && t.has_last && t.received == t.highest) return complete(index, fragment);
  Defragmented out;
  out.kind = Defragmented::Kind::Held;
  out.lost = lost_;
  return out;
}

Defragmented Defragmenter::complete(std::uint32_t index, const Datagram& last) {
  const Tracker& t = trackers_[index];
  const std::size_t total = t.highest;
  const std::size_t header = t.head.header_length;
  const std::size_t length =
      t.key.version == 4 ? header + total : header - std::min(header, kIpv6Headers) + total;
  FragmentLoss loss = FragmentLoss::None;
  if (length > kMost) loss = FragmentLoss::TooLong;
  if ((t.ecn_seen & 1) != 0 && t.ecn_seen != 1) loss = FragmentLoss::MixedEcn;
  if (loss != FragmentLoss::None) {
    // The present packet is among the held ones; it is reported by `cause`, the others as lost.
    give_up(index, loss);
    lost_.pop_back();
    Defragmented out;
    out.kind = Defragmented::Kind::Dropped;
    out.cause = loss;
    out.lost = lost_;
    return out;
  }
  Defragmented out;
  out.kind = Defragmented::Kind::Complete;
  out.datagram = t.head;
  Datagram& d = out.datagram;
  for (std::size_t at = 0; at < total; at += kPage) {
    std::memcpy(whole_.data() + at, pages_[t.pages[at / kPage]].bytes.data(),
                std::min(kPage, total - at));
  }
  d.payload = Bytes(whole_).first(total);
  d.missing = 0;
  d.fragment = {};
  d.reassembled = true;
  d.anomalies = t.anomalies;
  if (t.checksum_differs) d.checksum = ChecksumState::Unknown;
  // Whoever answers copies the link header of the packet at hand.
  d.ip_at = last.ip_at;
  d.transport_at = 0;
  d.time = last.time;
  d.packet_number = last.packet_number;
  d.came_by = last.came_by;
  d.leaves_by = last.leaves_by;
  made_.clear();
  for (std::uint32_t i = t.first_packet; i != base::kNone; i = packets_[i].next) {
    made_.push_back(packets_[i].packet);
  }
  close(index);
  ++stats_.completed;
  out.packets = made_;
  out.lost = lost_;
  return out;
}

// Reports the packets of a datagram as lost and forgets it.
void Defragmenter::give_up(std::uint32_t index, FragmentLoss cause) {
  for (std::uint32_t i = trackers_[index].first_packet; i != base::kNone; i = packets_[i].next) {
    lost_.push_back({packets_[i].packet, cause});
    ++stats_.lost[static_cast<std::size_t>(cause)];
  }
  close(index);
}

void Defragmenter::close(std::uint32_t index) {
  Tracker& t = trackers_[index];
  for (std::uint32_t i = t.first_packet; i != base::kNone;) {
    const std::uint32_t next = packets_[i].next;
    packets_.release(i);
    i = next;
  }
  for (const std::uint32_t page : t.pages) {
    if (page != base::kNone) pages_.release(page);
  }
  List& list = list_of(t);
  (t.previous == base::kNone ? list.first : trackers_[t.previous].next) = t.next;
  (t.next == base::kNone ? list.last : trackers_[t.next].previous) = t.previous;
  table_.erase(t.hash, index);
  trackers_.release(index);
}

bool Defragmenter::evict_oldest(std::uint32_t except, FragmentLoss cause) {
  std::uint32_t oldest = base::kNone;
  for (const List& list : lists_) {
    std::uint32_t i = list.first;
    if (i == except && i != base::kNone) i = trackers_[i].next;
    if (i == base::kNone) continue;
    if (oldest == base::kNone || trackers_[i].order < trackers_[oldest].order) oldest = i;
  }
  if (oldest == base::kNone) return false;
  give_up(oldest, cause);
  return true;
}

void Defragmenter::expire_list(List& list, Timestamp now, Duration timeout) {
  while (list.first != base::kNone && now - trackers_[list.first].started >= timeout) {
    give_up(list.first, FragmentLoss::Timeout);
  }
}

std::span<const LostPacket> Defragmenter::expire(Timestamp now) {
  lost_.clear();
  expire_list(lists_[0], now, kIpv4Timeout);
  expire_list(lists_[1], now, kIpv6Timeout);
  return lost_;
}

std::span<const LostPacket> Defragmenter::clear(FragmentLoss cause) {
  lost_.clear();
  for (List& list : lists_) {
    while (list.first != base::kNone)
      give_up(list.first, cause);
  }
  return lost_;
}

}  // namespace weir::net
