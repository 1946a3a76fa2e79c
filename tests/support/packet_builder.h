// PacketBuilder: packets for tests, layer by layer, right unless a test asks for a mistake.
//
//   const auto frame = PacketBuilder().eth().vlan(7).ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80)
//                          .seq(1).flags(kAck).payload("GET / HTTP/1.1\r\n").build();
//
// Modifiers act on the layer added last. Lengths, next-protocol fields and checksums are filled in
// from the inside out; set16() and the like override bytes afterwards. The checksum here is written
// naively on purpose: it is the oracle for engine/net's.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "engine/base/ip_address.h"
#include "engine/net/segment.h"
#include "engine/packet.h"

namespace weir::test {

using Octets = std::vector<std::uint8_t>;

inline std::uint32_t naive_sum(const Octets& b, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{b[i]} << 8 : std::uint32_t{b[i]};
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return sum;
}

class PacketBuilder {
 public:
  PacketBuilder() = default;

  // Link layers
  PacketBuilder& eth(bool to_everyone = false) {  // 02::01 to 02::02, or to ff:ff:ff:ff:ff:ff
    Layer& l = add(Kind::Ethernet, 14);
    l.head[0] = l.head[6] = 2;
    l.head[5] = 2;
    l.head[11] = 1;
    for (std::size_t i = 0; to_everyone && i < 6; ++i)
      l.head[i] = 0xff;
    return *this;
  }
  PacketBuilder& vlan(std::uint16_t id, std::uint16_t tpid = 0x8100) {
    Layer& l = add(Kind::Vlan, 4);
    l.type = tpid;
    put16(l.head, 0, id);
    return *this;
  }
  PacketBuilder& sll() {
    Layer& l = add(Kind::Sll, 16);
    put16(l.head, 2, 1);
    put16(l.head, 4, 6);
    return *this;
  }
  PacketBuilder& sll2() {
    Layer& l = add(Kind::Sll2, 20);
    put16(l.head, 8, 1);
    return *this;
  }
  PacketBuilder& family(std::initializer_list<std::uint8_t> four) {
    add(Kind::Raw, 0).head = four;
    return *this;
  }
  PacketBuilder& pppoe(std::uint16_t session) {
    Layer& l = add(Kind::Pppoe, 6);
    l.head[0] = 0x11;
    put16(l.head, 2, session);
    return *this;
  }
  PacketBuilder& ppp() {
    add(Kind::Ppp, 2);
    return *this;
  }
  PacketBuilder& mpls(std::uint32_t label, bool bottom = true) {
    Layer& l = add(Kind::Mpls, 4);
    put32(l.head, 0, label << 12 | (bottom ? 0x100U : 0U) | 64);
    return *this;
  }

  // IP
  PacketBuilder& ipv4(std::string_view from, std::string_view to) {
    Layer& l = add(Kind::Ipv4, 20);
    l.head[0] = 0x45;
    l.head[8] = 64;
    copy_address(l.head, 12, from);
    copy_address(l.head, 16, to);
    return *this;
  }
  PacketBuilder& ipv6(std::string_view from, std::string_view to) {
    Layer& l = add(Kind::Ipv6, 40);
    l.head[0] = 0x60;
    l.head[7] = 64;
    copy_address(l.head, 8, from);
    copy_address(l.head, 24, to);
    return *this;
  }
  PacketBuilder& ttl(std::uint8_t v) {
    Layer& l = layers_.back();
    l.head[l.kind == Kind::Ipv4 ? 8 : 7] = v;
    return *this;
  }
  PacketBuilder& id(std::uint16_t v) {
    put16(layers_.back().head, 4, v);
    return *this;
  }
  PacketBuilder& protocol(std::uint8_t v) {  // of what raw bytes follow
    layers_.back().next = v;
    return *this;
  }
  // offset in bytes
  PacketBuilder& fragment(std::uint32_t offset, bool more) {
    put16(layers_.back().head, 6, (more ? 0x2000U : 0U) | offset / 8);
    return *this;
  }
  PacketBuilder& ip_options(Octets options) {
    while (options.size() % 4 != 0)
      options.push_back(0);
    Layer& l = layers_.back();
    l.head.insert(l.head.end(), options.begin(), options.end());
    l.head[0] = static_cast<std::uint8_t>(0x40 | l.head.size() / 4);
    return *this;
  }
  // IPv6 extension headers: content without next header and length, padded with PadN.
  PacketBuilder& hop_by_hop(Octets options = {}) { return options_header(0, std::move(options)); }
  PacketBuilder& destination_options(Octets options = {}) {
    return options_header(60, std::move(options));
  }
  PacketBuilder& extension(std::uint8_t kind,
                           Octets content) {  // exactly these bytes behind the two
    Layer& l = add(Kind::Extension, 2);
    l.type = kind;
    l.head.insert(l.head.end(), content.begin(), content.end());
    l.head[1] =
        static_cast<std::uint8_t>(kind == 51 ? l.head.size() / 4 - 2 : l.head.size() / 8 - 1);
    return *this;
  }
  PacketBuilder& routing(std::uint8_t type, std::uint8_t segments_left) {
    return extension(43, {type, segments_left, 0, 0, 0, 0});
  }
  PacketBuilder& authentication() { return extension(51, Octets(22, 0)); }
  PacketBuilder& fragment6(std::uint32_t offset, bool more, std::uint32_t id) {
    Layer& l = add(Kind::Extension, 8);
    l.type = 44;
    put16(l.head, 2, offset | (more ? 1U : 0U));
    put32(l.head, 4, id);
    return *this;
  }

  // Transport
  PacketBuilder& tcp(std::uint16_t from, std::uint16_t to) {
    Layer& l = add(Kind::Tcp, 20);
    put16(l.head, 0, from);
    put16(l.head, 2, to);
    l.head[12] = 0x50;
    l.head[13] = net::kAck;
    put16(l.head, 14, 1000);
    return *this;
  }
  PacketBuilder& seq(std::uint32_t v) { return put(4, v); }
  PacketBuilder& ack(std::uint32_t v) { return put(8, v); }
  PacketBuilder& flags(unsigned v) {
    layers_.back().head[13] = static_cast<std::uint8_t>(v);
    return *this;
  }
  PacketBuilder& set_window(std::uint16_t v) {
    put16(layers_.back().head, 14, v);
    return *this;
  }
  PacketBuilder& urgent(std::uint16_t v) {
    put16(layers_.back().head, 18, v);
    return *this;
  }
  PacketBuilder& tcp_options(Octets options) {
    while (options.size() % 4 != 0)
      options.push_back(0);
    Layer& l = layers_.back();
    l.head.insert(l.head.end(), options.begin(), options.end());
    l.head[12] = static_cast<std::uint8_t>(l.head.size() / 4 << 4);
    return *this;
  }
  PacketBuilder& udp(std::uint16_t from, std::uint16_t to, bool checksum = true) {
    Layer& l = add(Kind::Udp, 8);
    put16(l.head, 0, from);
    put16(l.head, 2, to);
    l.no_sum = !checksum;
    return *this;
  }

  // Tunnels
  PacketBuilder& gre() {
    add(Kind::Gre, 4);
    return *this;
  }
  PacketBuilder& gre_checksum() { return gre_field(0x8000); }  // in this order
  PacketBuilder& gre_key(std::uint32_t key) { return gre_field(0x2000, key); }
  PacketBuilder& gre_sequence(std::uint32_t n) { return gre_field(0x1000, n); }
  PacketBuilder& pptp(std::uint16_t call) {
    Layer& l = add(Kind::Pptp, 12);
    put16(l.head, 0, 0x3001);
    put16(l.head, 2, 0x880b);
    put16(l.head, 6, call);
    return *this;
  }
  PacketBuilder& erspan2(std::uint16_t session) {
    Layer& l = add(Kind::Erspan, 8);
    l.type = 0x88be;
    put16(l.head, 0, 0x1000);
    put16(l.head, 2, session);
    return *this;
  }
  PacketBuilder& erspan3(std::uint16_t session) {
    Layer& l = add(Kind::Erspan, 12);
    l.type = 0x22eb;
    put16(l.head, 0, 0x2000);
    put16(l.head, 2, session);
    return *this;
  }
  PacketBuilder& vxlan(std::uint32_t vni) {
    Layer& l = add(Kind::Vxlan, 8);
    l.head[0] = 8;
    put32(l.head, 4, vni << 8);
    return *this;
  }
  PacketBuilder& geneve(std::uint32_t vni, Octets options = {}) {
    Layer& l = add(Kind::Geneve, 8);
    put32(l.head, 4, vni << 8);
    l.head[0] = static_cast<std::uint8_t>(options.size() / 4);
    l.head.insert(l.head.end(), options.begin(), options.end());
    return *this;
  }

  // Content
  PacketBuilder& payload(std::string_view text) { return raw(Octets(text.begin(), text.end())); }
  PacketBuilder& raw(Octets bytes) {
    add(Kind::Raw, 0).head = std::move(bytes);
    return *this;
  }
  PacketBuilder& padding(std::size_t n, std::uint8_t value = 0xee) {  // behind everything
    padding_.assign(n, value);
    return *this;
  }
  // After lengths and sums: 16 bits of the layer added last.
  PacketBuilder& set16(std::size_t at, std::uint16_t value) {
    layers_.back().late.push_back({at, value});
    return *this;
  }
  // Before sums, so that these stay right.
  PacketBuilder& early16(std::size_t at, std::uint16_t value) {
    layers_.back().early.push_back({at, value});
    return *this;
  }
  PacketBuilder& bad_checksum() {
    layers_.back().spoil = true;
    return *this;
  }
  // The sum of the pseudo header only, as a sending host with checksum offload leaves it.
  PacketBuilder& partial_checksum(bool with_length = true) {
    layers_.back().partial = true;
    layers_.back().partial_length = with_length;
    return *this;
  }

  [[nodiscard]] Octets build() const {
    Octets out;
    for (std::size_t i = layers_.size(); i-- > 0;)
      out = wrap(i, out);
    out.insert(out.end(), padding_.begin(), padding_.end());
    return out;
  }

 private:
  enum class Kind {
    Ethernet,
    Vlan,
    Sll,
    Sll2,
    Pppoe,
    Ppp,
    Mpls,
    Ipv4,
    Ipv6,
    Extension,
    Tcp,
    Udp,
    Gre,
    Pptp,
    Erspan,
    Vxlan,
    Geneve,
    Raw,
  };
  struct Change {
    std::size_t at;
    std::uint16_t value;
  };
  struct Layer {
    Kind kind;
    Octets head;
    std::uint16_t type = 0;  // VLAN tag type, extension header kind, ERSPAN type
    int next = -1;           // protocol() for raw content
    bool no_sum = false;
    bool spoil = false;
    bool partial = false;
    bool partial_length = true;
    std::vector<Change> early;
    std::vector<Change> late;
  };

  static void put16(Octets& b, std::size_t at, std::uint32_t v) {
    b[at] = static_cast<std::uint8_t>(v >> 8);
    b[at + 1] = static_cast<std::uint8_t>(v);
  }
  static void put32(Octets& b, std::size_t at, std::uint32_t v) {
    put16(b, at, v >> 16);
    put16(b, at + 2, v & 0xffff);
  }
  static std::uint16_t get16(const Octets& b, std::size_t at) {
    return static_cast<std::uint16_t>(b[at] << 8 | b[at + 1]);
  }
  static void copy_address(Octets& b, std::size_t at, std::string_view text) {
    const auto a = IpAddress::parse(text);
    for (std::size_t i = 0; a && i < a->size(); ++i)
      b[at + i] = a->bytes[i];
  }

  Layer& add(Kind kind, std::size_t size) {
    layers_.push_back(Layer{kind, Octets(size), 0, -1, false, false, false, true, {}, {}});
    return layers_.back();
  }
  PacketBuilder& put(std::size_t at, std::uint32_t v) {
    put32(layers_.back().head, at, v);
    return *this;
  }
  PacketBuilder& gre_field(unsigned flag, std::uint32_t value = 0) {
    Octets& h = layers_.back().head;
    put16(h, 0, get16(h, 0) | flag);
    h.resize(h.size() + 4);
    put32(h, h.size() - 4, value);
    return *this;
  }
  PacketBuilder& options_header(std::uint8_t kind, Octets options) {
    const std::size_t pad = (8 - (options.size() + 2) % 8) % 8;
    if (pad == 1) options.push_back(0);
    if (pad > 1) {
      options.push_back(1);
      options.push_back(static_cast<std::uint8_t>(pad - 2));
      options.insert(options.end(), pad - 2, 0);
    }
    return extension(kind, std::move(options));
  }

  // What the layer below calls the layer at i.
  [[nodiscard]] std::uint16_t ether_type(std::size_t i) const {
    if (i >= layers_.size()) return 0x88b5;
    switch (layers_[i].kind) {
      case Kind::Ethernet:
        return 0x6558;
      case Kind::Vlan:
      case Kind::Erspan:
        return layers_[i].type;
      case Kind::Ipv4:
        return 0x0800;
      case Kind::Ipv6:
        return 0x86dd;
      case Kind::Mpls:
        return 0x8847;
      case Kind::Pppoe:
        return 0x8864;
      default:
        return 0x88b5;
    }
  }
  [[nodiscard]] std::uint8_t ip_protocol(std::size_t i) const {
    if (layers_[i - 1].next >= 0) return static_cast<std::uint8_t>(layers_[i - 1].next);
    if (i >= layers_.size()) return 59;
    switch (layers_[i].kind) {
      case Kind::Ipv4:
        return 4;
      case Kind::Ipv6:
        return 41;
      case Kind::Extension:
        return static_cast<std::uint8_t>(layers_[i].type);
      case Kind::Tcp:
        return 6;
      case Kind::Udp:
        return 17;
      case Kind::Gre:
      case Kind::Pptp:
        return 47;
      default:
        return 253;
    }
  }
  [[nodiscard]] std::uint16_t ppp_protocol(std::size_t i) const {
    if (i >= layers_.size()) return 0xc021;
    if (layers_[i].kind == Kind::Ipv4) return 0x0021;
    if (layers_[i].kind == Kind::Ipv6) return 0x0057;
    return layers_[i].kind == Kind::Mpls ? 0x0281 : 0xc021;
  }
  // Sum of the pseudo header of the IP layer that carries layer i.
  [[nodiscard]] std::uint32_t pseudo(std::size_t i, std::uint8_t protocol,
                                     std::size_t length) const {
    while (i-- > 0) {
      const Layer& l = layers_[i];
      if (l.kind != Kind::Ipv4 && l.kind != Kind::Ipv6) continue;
      const bool four = l.kind == Kind::Ipv4;
      Octets b(l.head.begin() + (four ? 12 : 8), l.head.begin() + (four ? 20 : 40));
      for (const unsigned v : {0U, unsigned{protocol}, static_cast<unsigned>(length >> 8),
                               static_cast<unsigned>(length & 0xff)}) {
        b.push_back(static_cast<std::uint8_t>(v));
      }
      return naive_sum(b);
    }
    return 0;
  }

  [[nodiscard]] Octets wrap(std::size_t i, const Octets& inner) const {
    const Layer& l = layers_[i];
    Octets h = l.head;
    for (const Change& c : l.early)
      put16(h, c.at, c.value);
    const std::size_t total = h.size() + inner.size();
    switch (l.kind) {
      case Kind::Ethernet:
        put16(h, 12, ether_type(i + 1));
        break;
      case Kind::Vlan:
        put16(h, 2, ether_type(i + 1));
        break;
      case Kind::Sll:
        put16(h, 14, ether_type(i + 1));
        break;
      case Kind::Sll2:
        put16(h, 0, ether_type(i + 1));
        break;
      case Kind::Pppoe:
        put16(h, 4, static_cast<std::uint32_t>(inner.size() + 2));
        h.resize(8);
        put16(h, 6, ppp_protocol(i + 1));
        break;
      case Kind::Ppp:
        put16(h, 0, ppp_protocol(i + 1));
        break;
      case Kind::Pptp:
        put16(h, 4, static_cast<std::uint32_t>(inner.size()));
        break;
      case Kind::Gre:
        put16(h, 2, ether_type(i + 1));
        break;
      case Kind::Geneve:
        put16(h, 2, ether_type(i + 1));
        break;
      case Kind::Extension:
        h[0] = ip_protocol(i + 1);
        break;
      case Kind::Ipv4:
        put16(h, 2, static_cast<std::uint32_t>(total));
        h[9] = ip_protocol(i + 1);
        break;
      case Kind::Ipv6:
        put16(h, 4, static_cast<std::uint32_t>(inner.size()));
        h[6] = ip_protocol(i + 1);
        break;
      case Kind::Udp:
        put16(h, 4, static_cast<std::uint32_t>(total));
        break;
      default:
        break;
    }
    for (const Change& c : l.early)
      put16(h, c.at, c.value);
    if (l.kind == Kind::Ipv4) put16(h, 10, 0xffffU & ~naive_sum(h));
    Octets out = h;
    out.insert(out.end(), inner.begin(), inner.end());
    std::size_t field = 0;
    if (l.kind == Kind::Ipv4) field = 10;
    if (l.kind == Kind::Tcp || (l.kind == Kind::Udp && !l.no_sum)) {
      field = l.kind == Kind::Tcp ? 16 : 6;
      const std::uint8_t protocol = l.kind == Kind::Tcp ? 6 : 17;
      const std::uint32_t sum = 0xffffU & ~naive_sum(out, pseudo(i, protocol, total));
      put16(out, field, sum == 0 && protocol == 17 ? 0xffff : sum);
      if (l.partial) put16(out, field, pseudo(i, protocol, l.partial_length ? total : 0));
    }
    if (l.kind == Kind::Gre && (h[0] & 0x80) != 0) {
      field = 4;
      put16(out, field, 0xffffU & ~naive_sum(out));
    }
    if (l.spoil && field != 0) put16(out, field, get16(out, field) ^ 0x5a5aU);
    for (const Change& c : l.late)
      put16(out, c.at, c.value);
    return out;
  }

  std::vector<Layer> layers_;
  Octets padding_;
};

inline Packet as_packet(const Octets& bytes, LinkType link = LinkType::Ethernet,
                        Timestamp time = {0}, std::uint64_t number = 1) {
  Packet p;
  p.bytes = bytes;
  p.wire_length = static_cast<std::uint32_t>(bytes.size());
  p.link = link;
  p.time = time;
  p.number = number;
  p.token = number + 1000;
  return p;
}

}  // namespace weir::test
