// An IPv4 or IPv6 address, and address prefixes (CIDR). Plain values; comparable; no allocation.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir {

struct IpAddress {
  // IPv4 uses the first four bytes, the rest are zero. Network byte order.
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t version = 0;  // 4, 6, or 0 for "none"

  auto operator<=>(const IpAddress&) const = default;

  [[nodiscard]] std::size_t size() const { return version == 4 ? 4U : 16U; }

  static IpAddress v4(std::span<const std::uint8_t, 4> b);
  static IpAddress v6(std::span<const std::uint8_t, 16> b);

  // RFC 4291 and dotted-quad text; no zone ids, no leading or trailing blanks.
  static std::optional<IpAddress> parse(std::string_view text);
  // What ::ffff:a.b.c.d (RFC 4291 2.5.5.2) stands for; nullopt: it is no such address.
  [[nodiscard]] std::optional<IpAddress> mapped_v4() const;
  // RFC 5952 form.
  [[nodiscard]] std::string to_string() const;
};

// A prefix such as 10.0.0.0/8 or 2001:db8::/32; a bare address is a full-length prefix.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;  // 0..32 or 0..128

  auto operator<=>(const IpPrefix&) const = default;

  static std::optional<IpPrefix> parse(std::string_view text);
  // IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) also match IPv4 prefixes.
  [[nodiscard]] bool contains(const IpAddress& a) const;
};

}  // namespace weir
