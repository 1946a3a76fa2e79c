// The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt, 2020): what a proxy puts in front of a
// connection to say for whom it is. Knows the bytes only; whom to believe is the caller's matter.
//
// Strict: what the specification lets a receiver refuse is Bad. Bounded: 107 bytes are kept at most; the rest of
// a longer version 2 header (TLVs) is skipped by its length.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/ip_address.h"

namespace weir::http {

enum class ProxyState : std::uint8_t {
  More,  // so far it is one, or may become one
  None,  // it does not begin like one
  Done,
  Bad,   // it begins like one, and is none
};

struct ProxyHeader {
  std::uint8_t version = 0;
  // Nothing: a connection of the proxy's own (LOCAL), or of a kind without IP addresses (UNKNOWN, UNSPEC, UNIX), or
  // datagrams. Then it is from whom it seems to be.
  bool told = false;
  IpAddress client, server;
  std::uint16_t client_port = 0, server_port = 0;
  std::uint32_t length = 0;  // all of it, in bytes
};

struct ProxyParse {
  ProxyState state = ProxyState::More;
  ProxyHeader header;  // Done: whole, though `length` may exceed what there was to look at
};

inline constexpr std::size_t kLongestProxyLine = 107;  // version 1, CR LF included

// From the first byte of a connection on. Conclusive at the latest with kLongestProxyLine bytes.
[[nodiscard]] ProxyParse parse_proxy_header(std::string_view start) noexcept;

// The same in pieces, until the last byte of the header.
class ProxyReader {
 public:
  void begin() { *this = {}; }
  // `used`: how many of `bytes` are the header's. None: none of them, and what is held() was not either. After an
  // answer that is not More only begin() may follow.
  ProxyState feed(std::string_view bytes, std::size_t& used) noexcept;
  [[nodiscard]] std::string_view held() const noexcept { return {start_.data(), size_}; }
  // Whether what was held is certainly no beginning of HTTP.
  [[nodiscard]] bool committed() const noexcept;
  [[nodiscard]] const ProxyHeader& header() const noexcept { return header_; }

 private:
  ProxyHeader header_;
  std::array<char, kLongestProxyLine> start_{};
  std::size_t size_ = 0;
  std::uint32_t skip_ = 0;  // the header is known; so much of it is still to come
};

}  // namespace weir::http
