// Reading and writing integers in network byte order at any address. The caller has checked the
// bounds.
#pragma once

#include <cstdint>

namespace weir::net {

[[nodiscard]] constexpr std::uint16_t load16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] << 8 | p[1]);
}
[[nodiscard]] constexpr std::uint32_t load24(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 16 | std::uint32_t{p[1]} << 8 | p[2];
}
[[nodiscard]] constexpr std::uint32_t load32(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | load24(p + 1);
}
[[nodiscard]] constexpr std::uint64_t load64(const std::uint8_t* p) {
  return std::uint64_t{load32(p)} << 32 | load32(p + 4);
}
constexpr void store16(std::uint8_t* p, std::uint32_t v) {
  p[0] = static_cast<std::uint8_t>(v >> 8);
  p[1] = static_cast<std::uint8_t>(v);
}
constexpr void store32(std::uint8_t* p, std::uint32_t v) {
  store16(p, v >> 16);
  store16(p + 2, v);
}
constexpr void store64(std::uint8_t* p, std::uint64_t v) {
  store32(p, static_cast<std::uint32_t>(v >> 32));
  store32(p + 4, static_cast<std::uint32_t>(v));
}

// IANA protocol numbers that engine/net knows by name.
enum Protocol : std::uint8_t {
  kHopByHop = 0,
  kIcmp = 1,
  kIpInIp = 4,
  kTcp = 6,
  kUdp = 17,
  kIpv6InIp = 41,
  kRouting = 43,
  kFragmentHeader = 44,
  kGre = 47,
  kEsp = 50,
  kAuthentication = 51,
  kIcmpv6 = 58,
  kNoNextHeader = 59,
  kDestinationOptions = 60,
  kMobility = 135,
  kHostIdentity = 139,
  kShim6 = 140,
};

// IEEE 802 EtherTypes.
enum EtherType : std::uint16_t {
  kEtherIpv4 = 0x0800,
  kEtherBridge = 0x6558,  // transparent Ethernet bridging
  kEtherVlan = 0x8100,
  kEtherIpv6 = 0x86dd,
  kEtherPpp = 0x880b,
  kEtherMpls = 0x8847,
  kEtherMplsMulticast = 0x8848,
  kEtherPppoe = 0x8864,
  kEtherServiceVlan = 0x88a8,
  kEtherErspan = 0x88be,
  kEtherErspan3 = 0x22eb,
  kEtherOldVlan = 0x9100,
};

}  // namespace weir::net
