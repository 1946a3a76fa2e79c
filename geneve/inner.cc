#include "geneve/inner.h"

#include "engine/net/segment.h"
#include "engine/net/wire.h"

namespace weir::geneve {
namespace {

using net::load16;
using net::load32;

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kTcpPorts = 4;
constexpr int kMostExtensions = 16;

void ports(Inner& inner, Bytes ip, std::size_t at, InnerKind kind) {
  if (at + kTcpPorts > ip.size()) return;  // stays Unclear
  inner.source_port = load16(ip.data() + at);
  inner.destination_port = load16(ip.data() + at + 2);
  inner.tcp_at = static_cast<std::uint32_t>(at);
  inner.kind = kind;
}

Inner look4(Bytes ip) {
  Inner inner;
  if (ip.size() < kIpv4Header) return inner;
  const std::uint8_t* p = ip.data();
  if (p[0] >> 4 != 4) return inner;
  inner.version = 4;
  const std::size_t header = (p[0] & 0x0fU) * 4U;
  if (header < kIpv4Header || header > ip.size()) return inner;
  if (p[9] != net::kTcp) {
    inner.kind = InnerKind::NotTcp;
    return inner;
  }
  const std::uint16_t fragment = load16(p + 6);
  if ((fragment & 0x3fff) == 0) {
    ports(inner, ip, header, InnerKind::Tcp);
    return inner;
  }
  inner.fragment_id = load16(p + 4);
  if ((fragment & 0x1fff) != 0) {
    inner.kind = InnerKind::LaterFragment;
  } else {
    ports(inner, ip, header, InnerKind::FirstFragment);
  }
  return inner;
}

Inner look6(Bytes ip) {
  Inner inner;
  if (ip.size() < kIpv6Header) return inner;
  const std::uint8_t* p = ip.data();
  if (p[0] >> 4 != 6) return inner;
  inner.version = 6;
  std::uint8_t next = p[6];
  std::size_t at = kIpv6Header;
  InnerKind kind = InnerKind::Tcp;
  for (int i = 0; i < kMostExtensions; ++i) {
    switch (next) {
      case net::kTcp:
        ports(inner, ip, at, kind);
        return inner;
      case net::kHopByHop:
      case net::kRouting:
      case net::kDestinationOptions:
      case net::kAuthentication:
      case net::kMobility:
      case net::kHostIdentity:
      case net::kShim6: {
        if (at + 2 > ip.size()) return inner;
        const std::size_t length =
            next == net::kAuthentication ? (p[at + 1] + 2U) * 4U : (p[at + 1] + 1U) * 8U;
        next = p[at];
        at += length;
        break;
      }
      case net::kFragmentHeader: {
        if (at + 8 > ip.size()) return inner;
        next = p[at];
        const std::uint16_t offset = load16(p + at + 2);
        if ((offset & 0xfff9) != 0) {
          inner.fragment_id = load32(p + at + 4);
          kind = InnerKind::FirstFragment;
          if ((offset & 0xfff8) != 0) {
            // What follows is not at its header. The first fragment may have more extension
            // headers.
            const bool other = next == net::kUdp || next == net::kIcmpv6 || next == net::kEsp ||
                               next == net::kGre || next == net::kIpInIp || next == net::kIpv6InIp;
            inner.kind = other ? InnerKind::NotTcp : InnerKind::LaterFragment;
            return inner;
          }
        }
        at += 8;
        break;
      }
      default:
        inner.kind = InnerKind::NotTcp;
        return inner;
    }
  }
  return inner;
}

std::uint32_t fold6(const std::uint8_t* p) {
  std::uint32_t folded = 0;
  for (std::size_t i = 0; i < 32; i += 4)
    folded ^= load32(p + i);
  return folded;
}

}  // namespace

Inner look(Bytes ip, std::uint16_t protocol) noexcept {
  if (protocol == net::kEtherIpv4) return look4(ip);
  if (protocol == net::kEtherIpv6) return look6(ip);
  Inner inner;
  inner.kind = InnerKind::NotTcp;
  return inner;
}

TcpSigns signs(Bytes ip, const Inner& inner) noexcept {
  constexpr std::size_t kTcpHeader = 20;
  TcpSigns signs;
  if (!inner.has_ports() || inner.tcp_at + kTcpHeader > ip.size()) return signs;
  const std::uint8_t* tcp = ip.data() + inner.tcp_at;
  const std::size_t end =
      inner.version == 4 ? load16(ip.data() + 2) : kIpv6Header + load16(ip.data() + 4);
  signs.flags = tcp[13];
  signs.data = end != inner.tcp_at + (tcp[12] >> 4) * 4U;
  return signs;
}

std::optional<TcpData> only_data(Bytes ip, const Inner& inner) noexcept {
  constexpr std::size_t kTcpHeader = 20;
  const std::size_t plain = inner.version == 4 ? kIpv4Header : kIpv6Header;
  if (inner.kind != InnerKind::Tcp || inner.tcp_at != plain || ip.size() < plain + kTcpHeader) return std::nullopt;
  const std::size_t end = inner.version == 4 ? load16(ip.data() + 2) : kIpv6Header + load16(ip.data() + 4);
  const std::uint8_t* tcp = ip.data() + plain;
  const std::size_t before = plain + (tcp[12] >> 4) * std::size_t{4};
  const bool ordinary = (tcp[13] & ~net::kPsh) == net::kAck && (tcp[12] & 0xf) == 0 && load16(tcp + 18) == 0;
  if (!ordinary || end != ip.size() || before < plain + kTcpHeader || before >= end) return std::nullopt;
  return TcpData{load32(tcp + 4), static_cast<std::uint32_t>(end - before)};
}

std::uint32_t steer_hash(Bytes ip, const Inner& inner, const SteerKey& key) noexcept {
  std::uint32_t addresses = 0;
  if (inner.version == 4) {
    addresses = load32(ip.data() + 12) ^ load32(ip.data() + 16);
  } else if (inner.version == 6) {
    addresses = fold6(ip.data() + 8);
  }
  std::uint32_t between = 0;
  if (inner.kind == InnerKind::Tcp) {
    between = static_cast<std::uint32_t>(inner.source_port ^ inner.destination_port);
  }
  return addresses * key.addresses + between * key.ports;
}

}  // namespace weir::geneve
