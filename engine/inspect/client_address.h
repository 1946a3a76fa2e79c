// For whom a request comes, where proxies stand in front: what trusted ones say, and nobody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/base/ip_address.h"
#include "engine/inspect/options.h"

namespace weir::inspect {

struct Client {
  IpAddress address;
  std::uint16_t port = 0;   // 0: not told
  std::string_view source;  // who says so: "proxy-protocol", "x-forwarded-for", "forwarded"; empty: the packets
};

inline constexpr std::string_view kProxyProtocol = "proxy-protocol";

// At most so many hops are followed; the last one is the client then.
inline constexpr std::size_t kMostHops = 64;

[[nodiscard]] bool trusted(const ClientAddressOptions& options, const IpAddress& address);

// The client of a request that `hop` sent. `fields`: the values of the header field that the options name, in the
// order of the message. From the right: as long as the hop is trusted, it is believed for whom it sends; the first
// that is not trusted, or of which the one before says nothing that can be read, is the client.
[[nodiscard]] Client client_of(const ClientAddressOptions& options, const Client& hop,
                               std::span<const std::string_view> fields);
// The field's name, in lower case; empty: none.
[[nodiscard]] std::string_view field_name(ForwardedHeader header);

}  // namespace weir::inspect
