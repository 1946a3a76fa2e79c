#include "engine/net/checksum.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)

const bool kAvx2 = __builtin_cpu_supports("avx2") != 0;

// The sum of `blocks` times 32 bytes, as 32-bit words in the machine's order; below 2^64 for less than 2^36 bytes.
__attribute__((target("avx2"))) std::uint64_t sum_blocks(const std::uint8_t* p, std::size_t blocks) {
  // Whole 64-bit words, of whose sum the overflow is lost, and their high halves. Without 2^32 times the sum of the
  // high halves the former is that of the low halves, which has no overflow.
  __m256i words = _mm256_setzero_si256();
  __m256i high = _mm256_setzero_si256();
  for (; blocks >= 4; blocks -= 4, p += 128) {
    for (std::size_t i = 0; i < 128; i += 32) {
      const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i));
      words = _mm256_add_epi64(words, a);
      high = _mm256_add_epi64(high, _mm256_srli_epi64(a, 32));
    }
  }
  for (; blocks > 0; --blocks, p += 32) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    words = _mm256_add_epi64(words, a);
    high = _mm256_add_epi64(high, _mm256_srli_epi64(a, 32));
  }
  const __m256i low = _mm256_sub_epi64(words, _mm256_slli_epi64(high, 32));
  const __m256i both = _mm256_add_epi64(low, high);
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(two)) +
         static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(two, two)));
}

#endif

// Summed in the machine's own byte order, 32 bits at a time or more (RFC 1071 2 (B), (C)); not folded.
std::uint64_t native_sum(Bytes bytes) {
  const std::uint8_t* p = bytes.data();
  std::size_t n = bytes.size();
  std::uint64_t sum = 0;
#if defined(__x86_64__)
  if (kAvx2 && n >= 32) {
    sum = sum_blocks(p, n / 32);
    p += n / 32 * 32;
    n %= 32;
  }
#endif
  for (; n >= 8; p += 8, n -= 8) {
    std::array<std::uint32_t, 2> words;
    std::memcpy(words.data(), p, 8);
    sum += std::uint64_t{words[0]} + words[1];
  }
  if ((n & 4) != 0) {
    std::uint32_t word = 0;
    std::memcpy(&word, p, 4);
    sum += word;
    p += 4;
  }
  if ((n & 2) != 0) {
    std::uint16_t word = 0;
    std::memcpy(&word, p, 2);
    sum += word;
    p += 2;
  }
  if ((n & 1) != 0) {
    std::uint16_t word = 0;
    std::memcpy(&word, p, 1);
    sum += word;
  }
  return sum;
}

// Of the pseudo header, as native_sum().
std::uint64_t native_pseudo_sum(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                                std::uint32_t length) {
  const std::uint64_t rest = std::uint64_t{swap_if_little(static_cast<std::uint16_t>(length))} +
                             swap_if_little(static_cast<std::uint16_t>(length >> 16)) + swap_if_little(protocol);
  if (source.version == 4 && destination.version == 4) {
    std::array<std::uint32_t, 2> words;
    std::memcpy(&words[0], source.bytes.data(), 4);
    std::memcpy(&words[1], destination.bytes.data(), 4);
    return rest + words[0] + words[1];
  }
  return rest + native_sum({source.bytes.data(), source.size()}) +
         native_sum({destination.bytes.data(), destination.size()});
}

}  // namespace

std::uint16_t ones_sum(Bytes bytes, std::uint16_t start) {
  return swap_if_little(fold(native_sum(bytes) + swap_if_little(start)));
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
  const auto length = static_cast<std::uint32_t>(segment.size());
  if (fold(native_sum(segment) + native_pseudo_sum(source, destination, protocol, length)) == 0xffff) {
    return ChecksumVerdict::Right;
  }
  const std::uint16_t pseudo = pseudo_header_sum(source, destination, protocol, length);
  const std::uint16_t field = load16(segment.data() + field_at);
  // Some stacks leave the length out, because the card cuts the segment and adds each piece's.
  if (field == pseudo || field == pseudo_header_sum(source, destination, protocol, 0)) {
    return ChecksumVerdict::Partial;
  }
  return ChecksumVerdict::Wrong;
}

OffloadDetector::OffloadDetector(std::uint32_t hosts, const base::SipKey& key)
    : hosts_(hosts), table_(hosts), key_(key) {
  recent_.fill(base::kNone);
}

std::size_t OffloadDetector::place(const IpAddress& address) {
  std::array<std::uint64_t, 2> halves;
  std::memcpy(halves.data(), address.bytes.data(), sizeof halves);
  return static_cast<std::size_t>((halves[0] ^ std::rotl(halves[1], 32)) * 0x9e3779b97f4a7c15ULL >> (64 - kRecentBits));
}

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
  std::uint32_t& recent = recent_[place(source)];
  if (right && recent != base::kNone && hosts_[recent].address == source) return true;
  const std::uint32_t hashed = hash(source);
  std::uint32_t found = find(source, hashed);
  if (found == base::kNone) {
    found = hosts_.allocate();
    if (found == base::kNone) return right;
    hosts_[found] = {source, !right};
    if (!table_.insert(hashed, found)) {
      hosts_.release(found);
      return right;
    }
    if (!right) ++offloading_;
  }
  recent = found;
  if (right) return true;
  if (!hosts_[found].offloads) return false;
  ++accepted_;
  return true;
}

}  // namespace weir::net
