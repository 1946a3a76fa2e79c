// Defragmenter: fragments to whole datagrams (RFC 791 3.2, RFC 8200 4.5, RFC 5722, RFC 3168 5.3).
//
// Fragments are identified by addresses, identification, protocol (IPv4 only) and the whole
// encapsulation, so equal addresses behind different tunnels do not mix. Copies are kept in place
// in pages of 2 KiB; two bitmaps of 8-byte blocks say what is there. The work for one fragment is
// linear in its length, whatever came before.
//
// Inline the caller holds every packet of an unfinished datagram and lets them go together when it
// is complete and judged; so `packets` and `lost` name packets by number and token, each exactly
// once.
//
// Memory is reserved at construction; when something is used up the datagram begun first is given
// up. One owner, no thread, no clock: time is that of the packets. Tested against a naive oracle by
// tests/unit/net/fragment_test.cc and tests/fuzz/net/fragment_fuzz.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/base/flat_table.h"
#include "engine/base/pool.h"
#include "engine/base/siphash.h"
#include "engine/limits.h"
#include "engine/net/decode.h"

namespace weir::net {

enum class FragmentPolicy : std::uint8_t {
  // Inline. Exact duplicates are ignored; anything else that is odd discards the datagram.
  Strict,
  // Passive: what Linux does since 4.19 (IPv4) and 5.0 (IPv6). A fragment that lies within
  // contiguous ones that
  // came in order is ignored even if it is no exact duplicate; IPv4 lengths are cut to multiples of
  // 8;
  // IPv6 fragments with a bad length are ignored; tiny IPv4 fragments are taken.
  Linux,
};

// Why a fragment, or one that was held, becomes no part of a datagram.
enum class FragmentLoss : std::uint8_t {
  None,
  HostDrops,   // a receiving host discards that packet (Datagram::anomalies)
  Suspicious,  // Strict: hosts differ on that packet
  Overlap,
  ZeroLength,
  UnevenLength,  // more to come, but no multiple of 8
  TooLong,       // offset + length > 65535
  EndsDiffer,    // two last fragments at different places, or data behind the last one
  MixedEcn,      // Not-ECT together with ECT or CE
  Truncated,     // cut by the snaplen
  Timeout,
  DatagramLimit,  // FragmentLimits
  ByteLimit,
  PacketLimit,
  Count,
};
// kebab-case, stable: "ends-differ".
[[nodiscard]] std::string_view name(FragmentLoss loss);

struct HeldPacket {
  std::uint64_t number = 0;  // Packet::number
  std::uint64_t token = 0;   // Packet::token
  auto operator<=>(const HeldPacket&) const = default;
};

struct LostPacket {
  HeldPacket packet;
  FragmentLoss cause = FragmentLoss::None;
};

struct Defragmented {
  enum class Kind : std::uint8_t {
    Held,       // kept; the datagram is not complete
    Duplicate,  // says nothing new: inline it is dropped
    Complete,   // `datagram` is whole; `packets` made it
    Dropped,    // for `cause`
  };
  Kind kind = Kind::Dropped;
  FragmentLoss cause = FragmentLoss::None;
  Datagram
      datagram;  // Complete: payload in the Defragmenter's buffer; go on with decode_reassembled()
  // All packets of the datagram in order of arrival, the present one last.
  std::span<const HeldPacket> packets;
  // Packets held before that are given up by this call, without the present one.
  std::span<const LostPacket> lost;
};

struct FragmentStats {
  std::uint64_t fragments = 0;
  std::uint64_t completed = 0;
  std::uint64_t duplicates = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(FragmentLoss::Count)>
      lost{};  // packets, by cause
};

class Defragmenter {
 public:
  static constexpr Duration kIpv4Timeout = seconds(30);  // Linux net.ipv4.ipfrag_time
  static constexpr Duration kIpv6Timeout = seconds(60);  // RFC 8200 4.5

  Defragmenter(const FragmentLimits& limits, FragmentPolicy policy, const base::SipKey& key);

  // REQUIRES: fragment.fragment.present. All views are valid until the next call.
  [[nodiscard]] Defragmented add(const Datagram& fragment, std::uint64_t token);
  // Gives up datagrams whose time is over. add() does it too; call it when no fragments come.
  [[nodiscard]] std::span<const LostPacket> expire(Timestamp now);
  // Gives up everything (end of input, shutdown).
  [[nodiscard]] std::span<const LostPacket> clear(FragmentLoss cause = FragmentLoss::Timeout);

  [[nodiscard]] const FragmentStats& stats() const { return stats_; }
  [[nodiscard]] std::uint32_t datagrams() const { return trackers_.size(); }
  [[nodiscard]] std::uint32_t held() const { return packets_.size(); }
  [[nodiscard]] std::size_t memory() const;  // reserved, bytes

 private:
  static constexpr std::size_t kPage = 2048;
  static constexpr std::size_t kMost = 65535;
  static constexpr std::size_t kBlocks = 8192;

  struct Key {
    std::uint64_t domain = 0;
    std::uint64_t network = 0;
    std::array<std::uint8_t, 16> source{};
    std::array<std::uint8_t, 16> destination{};
    std::uint32_t id = 0;
    std::array<std::uint16_t, 3> vlans{};
    std::uint8_t version = 0;
    std::uint8_t protocol = 0;  // IPv6: 0
    std::uint32_t zero = 0;
  };
  static_assert(sizeof(Key) == 64 && std::has_unique_object_representations_v<Key>);

  struct Page {
    std::array<std::uint8_t, kPage> bytes;
  };
  struct Held {
    HeldPacket packet;
    std::uint32_t next;
  };
  using Bitmap = std::array<std::uint64_t, kBlocks / 64>;

  struct Tracker {
    Key key;
    Datagram head;  // of the fragment at offset 0
    Timestamp started;
    std::uint64_t order = 0;
    std::uint32_t hash = 0;
    std::uint32_t previous = base::kNone;  // list of its IP version, by age
    std::uint32_t next = base::kNone;
    std::uint32_t first_packet = base::kNone;
    std::uint32_t last_packet = base::kNone;
    std::uint32_t highest = 0;   // end of the fragment furthest behind
    std::uint32_t received = 0;  // bytes
    bool has_first = false;
    bool has_last = false;      // then `highest` is the datagram's end
    std::uint8_t ecn_seen = 0;  // bit n: codepoint n
    bool checksum_differs = false;
    AnomalySet anomalies;
    std::array<std::uint32_t, 32> pages;
    Bitmap covered{};
    Bitmap starts{};  // Strict: first blocks of fragments; Linux: of runs
  };
  struct List {
    std::uint32_t first = base::kNone;
    std::uint32_t last = base::kNone;
  };

  enum class Place : std::uint8_t { Free, Duplicate, Overlap };

  [[nodiscard]] static Key key_of(const Datagram& fragment);
  [[nodiscard]] List& list_of(const Tracker& t) { return lists_[t.key.version == 6 ? 1 : 0]; }
  [[nodiscard]] std::uint32_t find(const Key& key, std::uint32_t hash, Timestamp now);
  [[nodiscard]] std::uint32_t open(const Key& key, std::uint32_t hash, Timestamp now);
  [[nodiscard]] FragmentLoss check(const Datagram& fragment, std::size_t& length) const;
  [[nodiscard]] FragmentLoss ends(Tracker& t, std::uint32_t end, bool more) const;
  [[nodiscard]] Place place(const Tracker& t, std::uint32_t begin, std::uint32_t end) const;
  [[nodiscard]] FragmentLoss store(std::uint32_t index, const Datagram& fragment, Bytes bytes,
                                   std::uint64_t token);
  [[nodiscard]] Defragmented complete(std::uint32_t index, const Datagram& last);
  [[nodiscard]] Defragmented dropped(FragmentLoss cause);
  bool evict_oldest(std::uint32_t except, FragmentLoss cause);
  void give_up(std::uint32_t index, FragmentLoss cause);
  void close(std::uint32_t index);
  void expire_list(List& list, Timestamp now, Duration timeout);

  FragmentPolicy policy_;
  base::SipKey key_;
  base::Pool<Tracker> trackers_;
  base::Pool<Page> pages_;
  base::Pool<Held> packets_;
  base::FlatTable table_;
  std::array<List, 2> lists_;  // IPv4, IPv6
  std::uint64_t order_ = 0;
  std::vector<std::uint8_t> whole_;
  std::vector<HeldPacket> made_;
  std::vector<LostPacket> lost_;
  FragmentStats stats_;
};

}  // namespace weir::net
