// A naive defragmenter: maps and byte strings, one rule after the other as the documents put them.
// No limits, no bitmaps. Shared by the unit test and the fuzzer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/net/fragment.h"

namespace weir::test {

class FragmentOracle {
 public:
  explicit FragmentOracle(net::FragmentPolicy policy)
      : strict_(policy == net::FragmentPolicy::Strict) {}

  struct Answer {
    net::Defragmented::Kind kind = net::Defragmented::Kind::Held;
    net::FragmentLoss cause = net::FragmentLoss::None;
    std::string whole;
    std::vector<std::uint64_t> packets;
    std::multiset<std::uint64_t> lost;
  };

  Answer add(const net::Datagram& f) {
    Answer a;
    expire(f.time, a.lost);
    std::string bytes(f.payload.begin(), f.payload.end());
    const bool six = f.version() == 6;
    net::FragmentLoss loss = net::FragmentLoss::None;
    if (f.dropped_by_host()) return drop(a, net::FragmentLoss::HostDrops);
    if (strict_ && f.suspicious()) return drop(a, net::FragmentLoss::Suspicious);
    std::size_t length = bytes.size() + f.missing;
    if (f.fragment.more && length % 8 != 0) {
      if (!strict_ && !six) {
        length -= length % 8;
      } else {
        loss = net::FragmentLoss::UnevenLength;
      }
    }
    if (loss == net::FragmentLoss::None) {
      if ((six ? 0 : f.header_length) + f.fragment.offset + length > 65535) {
        loss = net::FragmentLoss::TooLong;
      } else if (length == 0) {
        loss = net::FragmentLoss::ZeroLength;
      } else if (length > bytes.size()) {
        loss = net::FragmentLoss::Truncated;
      }
    }
    if (!strict_ && six &&
        (loss == net::FragmentLoss::UnevenLength || loss == net::FragmentLoss::TooLong)) {
      return drop(a, loss);
    }
    const Key key{
        six, f.source, f.destination, f.encapsulation, f.fragment.id, six ? 0 : f.protocol};
    const auto found = open_.find(key);
    if (loss != net::FragmentLoss::None) {
      if (found != open_.end()) lose(found, a.lost);
      return drop(a, loss);
    }
    Assembly& as =
        open_.try_emplace(key, Assembly{f.time, {}, {}, std::nullopt, 0, {}, {}}).first->second;
    const std::size_t begin = f.fragment.offset;
    const std::size_t end = begin + length;
    if (!f.fragment.more) {
      if (end < as.highest || (as.end && *as.end != end)) loss = net::FragmentLoss::EndsDiffer;
    } else if (as.end && end > *as.end) {
      loss = net::FragmentLoss::EndsDiffer;
    }
    if (loss == net::FragmentLoss::None) {
      if (!f.fragment.more) as.end = end;
      bool overlaps = false;
      bool duplicate = false;
      for (const auto& [b, e] : strict_ ? as.pieces : as.runs) {
        if (begin >= e || end <= b) continue;
        overlaps = true;
        duplicate = duplicate || (strict_ ? b == begin && e == end : b <= begin && end <= e);
      }
      if (duplicate) {
        a.kind = net::Defragmented::Kind::Duplicate;
        return a;
      }
      if (overlaps) loss = net::FragmentLoss::Overlap;
    }
    if (loss != net::FragmentLoss::None) {
      lose(open_.find(key), a.lost);
      return drop(a, loss);
    }
    if (!as.runs.empty() && begin == as.highest && begin != 0) {
      for (auto& run : as.runs) {
        if (run.second == begin) run.second = end;
      }
    } else {
      as.runs.emplace_back(begin, end);
    }
    as.pieces.emplace_back(begin, end);
    as.packets.push_back(f.packet_number);
    as.ecn.insert(f.fragment.ecn);
    as.highest = std::max(as.highest, end);
    for (std::size_t i = 0; i < length; ++i)
      as.bytes[begin + i] = bytes[i];
    if (begin == 0) as.header = f.header_length;
    if (!as.end || as.bytes.size() != *as.end) return a;
    if (as.ecn.count(0) != 0 && as.ecn.size() > 1) {
      loss = net::FragmentLoss::MixedEcn;
    } else if ((six ? as.header - 48 : as.header) + *as.end > 65535) {
      loss = net::FragmentLoss::TooLong;
    }
    if (loss != net::FragmentLoss::None) {
      as.packets.pop_back();
      lose(open_.find(key), a.lost);
      return drop(a, loss);
    }
    a.kind = net::Defragmented::Kind::Complete;
    for (const auto& [at, c] : as.bytes)
      a.whole.push_back(c);
    a.packets = as.packets;
    open_.erase(key);
    return a;
  }

 private:
  using Key = std::tuple<bool, IpAddress, IpAddress, net::Encapsulation, std::uint32_t, int>;
  struct Assembly {
    Timestamp started;
    std::map<std::size_t, char> bytes;
    std::vector<std::pair<std::size_t, std::size_t>> pieces;
    std::optional<std::size_t> end;
    std::size_t highest = 0;
    std::vector<std::uint64_t> packets;
    std::set<int> ecn;
    std::vector<std::pair<std::size_t, std::size_t>> runs{};
    std::size_t header = 0;
  };
  using Map = std::map<Key, Assembly>;

  static Answer& drop(Answer& a, net::FragmentLoss cause) {
    a.kind = net::Defragmented::Kind::Dropped;
    a.cause = cause;
    return a;
  }
  void lose(Map::iterator it, std::multiset<std::uint64_t>& lost) {
    lost.insert(it->second.packets.begin(), it->second.packets.end());
    open_.erase(it);
  }
  void expire(Timestamp now, std::multiset<std::uint64_t>& lost) {
    for (auto it = open_.begin(); it != open_.end();) {
      const auto current = it++;
      const std::int64_t limit = std::get<0>(current->first) ? 60 : 30;
      if (now.ns - current->second.started.ns >= limit * 1'000'000'000) lose(current, lost);
    }
  }

  bool strict_;
  Map open_;
};

}  // namespace weir::test
