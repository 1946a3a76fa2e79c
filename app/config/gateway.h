// What weir.yaml says of a gateway load balancer and of health checks. Defaults are those of the table in
// schema_gateway.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/ip_address.h"
#include "engine/packet.h"

namespace weir::app {

enum class GatewayProfile : std::uint8_t { Aws, Generic, Azure, Mirror };

struct GatewayConfig {
  GatewayProfile profile = GatewayProfile::Aws;
  std::optional<IpAddress> address;  // none: every IPv4 address
  std::uint16_t port = 6'081;
  std::vector<IpPrefix> sources;
  std::uint32_t workers = 1;
  bool require_aws_options = false;
  std::uint32_t connections = 65'536;
  std::uint32_t copies = 4'096;
  std::uint64_t receive_buffer = 16ULL << 20U;
  std::uint32_t source_sockets = 1'024;
  std::uint16_t internal_port = 10'800, external_port = 10'801;
  std::uint32_t internal_vni = 900, external_vni = 901;
  Duration stuck_after = milliseconds(500);
  bool operator==(const GatewayConfig&) const = default;
};

struct HealthConfig {
  std::optional<IpAddress> address;  // none: every IPv4 address
  std::uint16_t http_port = 0, https_port = 0, tcp_port = 0;  // 0: not
  std::string certificate, key;                               // files; empty: made at start
  [[nodiscard]] bool wanted() const { return http_port != 0 || https_port != 0 || tcp_port != 0; }
  bool operator==(const HealthConfig&) const = default;
};

}  // namespace weir::app
