#include "app/live/gateway_input.h"

#include <numeric>
#include <utility>

#include "app/health/self_test.h"
#include "app/live/clock.h"
#include "app/live/inputs.h"

namespace weir::app {
namespace {

geneve::PortOptions port_options(const Config& config) {
  const GatewayConfig& from = *config.geneve;
  geneve::PortOptions options;
  const bool mirror = from.profile == GatewayProfile::Mirror;
  options.tunnel = from.profile == GatewayProfile::Azure ? geneve::Tunnel::Vxlan : geneve::Tunnel::Geneve;
  options.replies = mirror ? geneve::Replies::Never : geneve::Replies::Echo;
  options.inspect_all = mirror;
  options.vxlan = {from.internal_port, from.external_port, from.internal_vni, from.external_vni};
  if (from.address) options.address = *from.address;
  options.port = from.port;
  options.sources = from.sources;
  if (!mirror) options.self_test = SelfTest::address();
  options.inspected_ports = config.ports;
  if (config.ports.empty()) {
    options.inspected_ports.resize(65'536);
    std::iota(options.inspected_ports.begin(), options.inspected_ports.end(), std::uint16_t{0});
  }
  options.require_aws_options = from.require_aws_options;
  options.workers = from.workers;
  options.key = random_key();
  const base::SipKey secret = random_key();
  options.steer = {static_cast<std::uint32_t>(secret.k0) | 1U, static_cast<std::uint32_t>(secret.k1) | 1U};
  options.connections = from.connections;
  options.copies = from.copies;
  options.receive_buffer = static_cast<int>(from.receive_buffer);
  options.sender.source_sockets = from.source_sockets;
  options.clock = time_now;
  return options;
}

}  // namespace

Result<std::shared_ptr<GatewayGroup>> open_gateway(const Config& config) {
  auto group = std::make_shared<GatewayGroup>();
  group->options = port_options(config);
  auto ports = geneve::GenevePort::open(group->options);
  if (!ports) return fail(ports.error().message);
  group->ports = std::move(*ports);
  return group;
}

}  // namespace weir::app
