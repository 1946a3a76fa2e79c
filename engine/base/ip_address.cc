#include "engine/base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weir {

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> b) {
  IpAddress a;
  a.version = 4;
  std::copy(b.begin(), b.end(), a.bytes.begin());
  return a;
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> b) {
  IpAddress a;
  a.version = 6;
  std::copy(b.begin(), b.end(), a.bytes.begin());
  return a;
}

std::optional<IpAddress> IpAddress::mapped_v4() const {
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (version != 6 || !std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return std::nullopt;
  return v4(std::span<const std::uint8_t, 4>(bytes.data() + kMapped.size(), 4));
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char z[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof z || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::memcpy(z, text.data(), text.size());
  z[text.size()] = '\0';
  IpAddress a;
  if (inet_pton(AF_INET, z, a.bytes.data()) == 1) {
    a.version = 4;
    return a;
  }
  if (inet_pton(AF_INET6, z, a.bytes.data()) == 1) {
    a.version = 6;
    return a;
  }
  return std::nullopt;
}

std::string IpAddress::to_string() const {
  char z[INET6_ADDRSTRLEN] = "";
  if (version == 0) return {};
  if (version == 6) {
    inet_ntop(AF_INET6, bytes.data(), z, sizeof z);
    return z;
  }
  std::size_t length = 0;  // at most 15: four numbers of three digits
  for (std::size_t i = 0; i < 4; ++i) {
    const unsigned octet = bytes[i];
    if (i > 0) z[length++] = '.';
    if (octet >= 100) z[length++] = static_cast<char>('0' + octet / 100);
    if (octet >= 10) z[length++] = static_cast<char>('0' + octet / 10 % 10);
    z[length++] = static_cast<char>('0' + octet % 10);
  }
  return {z, length};
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned most = address->version == 4 ? 32 : 128;
  unsigned length = most;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (ec != std::errc() || end != digits.data() + digits.size() || length > most) {
      return std::nullopt;
    }
  }
  return IpPrefix{*address, static_cast<std::uint8_t>(length)};
}

bool IpPrefix::contains(const IpAddress& a) const {
  if (a.version != address.version) {
    const std::optional<IpAddress> v4 = address.version == 4 ? a.mapped_v4() : std::nullopt;
    return v4 && contains(*v4);
  }
  const std::uint8_t* other = a.bytes.data();
  const unsigned whole = length / 8;
  const unsigned rest = length % 8;
  if (std::memcmp(address.bytes.data(), other, whole) != 0) return false;
  if (rest == 0) return true;
  const unsigned mask = 0xffU << (8 - rest) & 0xffU;
  return ((address.bytes[whole] ^ other[whole]) & mask) == 0;
}

}  // namespace weir
