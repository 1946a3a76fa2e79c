#include "engine/net/checksum.h"

#include <array>
#include <bit>
#include <cstring>

#include "engine/net/wire.h"

namespace weir::net {
namespace {

std::uint16_t fold(std::uint64_t sum) {
  sum = (sum & 0xffffffffU) + (sum >> 32);
  sum = (sum & 0xffffffffU) + (sum >> 32);
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t swap_if_little(std::uint16_t v) {
  if constexpr (std::endian::native == std::endian::little) {
    return static_cast<std::uint16_t>(v << 8 | v >> 8);
  }
  return v;
}

}  // namespace

// Summed in the machine's own byte order, 32 bits at a time, and swapped once (RFC 1071 2 (B)).
std::uint16_t ones_sum(Bytes bytes, std::uint16_t start) {
  std::uint64_t sum = swap_if_little(start);
  const std::uint8_t* p = bytes.data();
  std::size_t n = bytes.size();
  for (; n >= 8; p += 8, n -= 8) {
    std::array<std::uint32_t, 2> words;
    std::memcpy(words.data(), p, 8);
    sum += std::uint64_t{words[0]} + words[1];
  }
  for (; n >= 2; p += 2, n -= 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, p, 2);
    sum += word;
  }
  if (n == 1) {
    std::uint16_t word = 0;
    std::memcpy(&word, p, 1);
    sum += word;
  }
  return swap_if_little(fold(sum));
}

std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint32_t length) {
  std::uint16_t sum = ones_sum({source.bytes.data(), source.size()});
  sum = ones_sum({destination.bytes.data(), destination.size()}, sum);
  return fold(std::uint64_t{sum} + protocol + length);
}

std::uint16_t transport_checksum(const IpAddress& source, const IpAddress& destination,
                                 std::uint8_t protocol, Bytes segment) {
  const std::uint16_t pseudo =
      pseudo_header_sum(source, destination, protocol, static_cast<std::uint32_t>(segment.size()));
  const auto sum = static_cast<std::uint16_t>(~ones_sum(segment, pseudo));
  return sum == 0 && protocol == kUdp ? std::uint16_t{0xffff} : sum;
}

ChecksumVerdict verify_transport(const IpAddress& source, const IpAddress& destination,
                                 std::uint8_t protocol, Bytes segment, std::size_t field_at) {
  const std::uint16_t pseudo =
      pseudo_header_sum(source, destination, protocol, static_cast<std::uint32_t>(segment.size()));
  if (ones_sum(segment, pseudo) == 0xffff) return ChecksumVerdict::Right;
  const std::uint16_t field = load16(segment.data() + field_at);
  // Some stacks leave the length out, because the card cuts the segment and adds each piece's.
  if (field == pseudo || field == pseudo_header_sum(source, destination, protocol, 0)) {
    return ChecksumVerdict::Partial;
  }
  return ChecksumVerdict::Wrong;
}

OffloadDetector::OffloadDetector(std::uint32_t hosts, const base::SipKey& key)
    : hosts_(hosts), table_(hosts), key_(key) {}

std::uint32_t OffloadDetector::hash(const IpAddress& address) const {
  std::array<std::uint8_t, 17> bytes;
  std::memcpy(bytes.data(), address.bytes.data(), 16);
  bytes[16] = address.version;
  return static_cast<std::uint32_t>(base::siphash13(bytes, key_));
}

std::uint32_t OffloadDetector::find(const IpAddress& address, std::uint32_t hash) const {
  return table_.find(hash, [&](std::uint32_t i) { return hosts_[i].address == address; });
}

bool OffloadDetector::offloads(const IpAddress& source) const {
  const std::uint32_t found = find(source, hash(source));
  return found != base::kNone && hosts_[found].offloads;
}

bool OffloadDetector::accept(const IpAddress& source, ChecksumVerdict verdict, bool telling) {
  if (verdict == ChecksumVerdict::NotVerified) return true;
  if (verdict == ChecksumVerdict::Wrong) return false;
  const bool right = verdict == ChecksumVerdict::Right;
  if (right && !telling)
    return true;  // resets are often summed in software even where the rest is not
  const std::uint32_t place = hash(source);
  std::uint32_t found = find(source, place);
  if (found == base::kNone) {
    found = hosts_.allocate();
    if (found == base::kNone) return right;
    hosts_[found] = {source, !right};
    if (!table_.insert(place, found)) {
      hosts_.release(found);
      return right;
    }
    if (!right) ++offloading_;
  }
  if (right) return true;
  if (!hosts_[found].offloads) return false;
  ++accepted_;
  return true;
}

}  // namespace weir::net
