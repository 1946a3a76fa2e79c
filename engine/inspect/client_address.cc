#include "engine/inspect/client_address.h"

#include <algorithm>

#include "engine/http/forwarded.h"

namespace weir::inspect {

bool trusted(const ClientAddressOptions& options, const IpAddress& address) {
  return std::any_of(options.trusted.begin(), options.trusted.end(),
                     [&address](const IpPrefix& prefix) { return prefix.contains(address); });
}

std::string_view field_name(ForwardedHeader header) {
  switch (header) {
    case ForwardedHeader::None: return {};
    case ForwardedHeader::XForwardedFor: return "x-forwarded-for";
    case ForwardedHeader::Forwarded: return "forwarded";
  }
  return {};
}

Client client_of(const ClientAddressOptions& options, const Client& hop, std::span<const std::string_view> fields) {
  Client client = hop;
  if (options.header == ForwardedHeader::None) return client;
  const auto grammar = options.header == ForwardedHeader::Forwarded ? http::ForwardedField::Forwarded
                                                                    : http::ForwardedField::XForwardedFor;
  std::size_t hops = 0;
  for (std::size_t i = fields.size(); i > 0; --i) {
    http::ForwardedElements elements(grammar, fields[i - 1]);
    http::ForwardedNode node;
    while (elements.next(node)) {
      if (hops++ == kMostHops || !trusted(options, client.address)) return client;
      if (node.kind != http::ForwardedNode::Kind::Address) return client;
      client = {node.address.mapped_v4().value_or(node.address), node.port, field_name(options.header)};
    }
  }
  return client;
}

}  // namespace weir::inspect
