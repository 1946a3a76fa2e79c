// SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): one compression round for
// each eight bytes, three to finish. The hash of every table that an attacker can fill: without the key he
// cannot choose records that fall into one place. Not for authentication. Pure; no allocation.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace weir::base {

// 128 secret bits, made by whoever starts the program; fixed in tests and where runs must be equal.
struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

[[nodiscard]] inline std::uint64_t siphash13(std::span<const std::uint8_t> bytes, std::uint64_t k0,
                                             std::uint64_t k1) {
  std::uint64_t v0 = k0 ^ 0x736f6d6570736575ULL;
  std::uint64_t v1 = k1 ^ 0x646f72616e646f6dULL;
  std::uint64_t v2 = k0 ^ 0x6c7967656e657261ULL;
  std::uint64_t v3 = k1 ^ 0x7465646279746573ULL;
  const auto round = [&] {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  };
  const auto load = [](const std::uint8_t* p, std::size_t n) {  // little-endian, n <= 8
    std::uint64_t m = 0;
    for (std::size_t i = 0; i < n; ++i) m |= std::uint64_t{p[i]} << (8 * i);
    return m;
  };
  const std::size_t whole = bytes.size() & ~std::size_t{7};
  for (std::size_t at = 0; at < whole; at += 8) {
    std::uint64_t m = 0;
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(&m, bytes.data() + at, 8);
    } else {
      m = load(bytes.data() + at, 8);
    }
    v3 ^= m;
    round();
    v0 ^= m;
  }
  const std::uint64_t last =
      load(bytes.data() + whole, bytes.size() - whole) | std::uint64_t{bytes.size() & 0xff} << 56;
  v3 ^= last;
  round();
  v0 ^= last;
  v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

[[nodiscard]] inline std::uint64_t siphash13(std::span<const std::uint8_t> bytes, const SipKey& key) {
  return siphash13(bytes, key.k0, key.k1);
}

}  // namespace weir::base
