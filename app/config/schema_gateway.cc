#include "app/config/schema_gateway.h"

#include <utility>

#include "app/config/units.h"

namespace weir::app {
namespace {

constexpr std::uint64_t kKiB = 1ULL << 10U;
constexpr std::uint64_t kGiB = 1ULL << 30U;
constexpr std::uint64_t kHour = 3'600'000;
constexpr Range kPorts{1, 65'535};
constexpr Range kNetworks{0, (1U << 24U) - 1};

GatewayConfig& gateway(Draft& d) { return *d.config.geneve; }

template <class T>
CountField count(Range range, T GatewayConfig::*member) {
  return {range, [member](Draft& d, std::uint64_t n) { gateway(d).*member = static_cast<T>(n); }};
}

CountField port(std::uint16_t HealthConfig::*member) {
  return {kPorts, [member](Draft& d, std::uint64_t n) { d.config.health.*member = static_cast<std::uint16_t>(n); }};
}

std::string put_address(std::optional<IpAddress>& into, const std::string& text) {
  const auto address = IpAddress::parse(text);
  if (!address || address->version != 4) return "must be an IPv4 address";
  into = *address;
  return {};
}

TextField path(std::string HealthConfig::*member) {
  return {"path", true, [member](Draft& d, const std::string& text) {
            d.config.health.*member = text;
            return std::string();
          }};
}

std::string put_source(Draft& d, const std::string& text) {
  auto prefix = parse_prefix(text);
  if (!prefix) return prefix.error().message;
  if (prefix->address.version != 4) return "must be IPv4: so are the outer addresses of a gateway load balancer";
  gateway(d).sources.push_back(*prefix);
  return {};
}

}  // namespace

std::vector<Field> gateway_input_fields() {
  return {
      {"inputs.geneve", Section{[](Draft& d) { d.config.geneve.emplace(); }}, "",
       "Inline behind a gateway load balancer: packets come in GENEVE and go back in it (docs/GATEWAY.md). Since it moves "
       "connections between appliances, `failures.midstream`, `asymmetric` and `unseen` are then `pass` unless you say otherwise."},
      {"inputs.geneve.profile",
       ChoiceField{{"aws", "generic", "azure", "mirror"},
                   [](Draft& d, std::size_t word) { gateway(d).profile = static_cast<GatewayProfile>(word); }},
       "aws",
       "`aws`: its Gateway Load Balancer. `generic`: GENEVE of anybody. `azure`: its pair of VXLAN tunnels. `mirror`: mirrored "
       "traffic in GENEVE, VXLAN inside or not; nothing is ever sent."},
      {"inputs.geneve.sources", TextListField{"networks", false, put_source}, "",
       "Who may send: the load balancer's addresses or subnets. Packets of others are ignored.", true},
      {"inputs.geneve.address",
       TextField{"address", false,
                 [](Draft& d, const std::string& text) { return put_address(gateway(d).address, text); }},
       "", "Own address to listen on. Without it, every one; answers leave from the one that was asked."},
      {"inputs.geneve.port", count(kPorts, &GatewayConfig::port), "6081", "UDP port of GENEVE, on both sides."},
      {"inputs.geneve.workers", count({1, 64}, &GatewayConfig::workers), "1",
       "Workers. The kernel spreads connections over them by the addresses and ports inside."},
      {"inputs.geneve.require_aws_options",
       FlagField{[](Draft& d, bool on) { gateway(d).require_aws_options = on; }}, "false",
       "Whether packets without all three options of AWS are dropped; otherwise they are counted."},
      {"inputs.geneve.connections", count({64, 16'777'216}, &GatewayConfig::connections), "65536",
       "Inspected connections, for each worker, whose envelopes are remembered (0.4 KiB each)."},
      {"inputs.geneve.copies", count({64, 16'000}, &GatewayConfig::copies), "4096",
       "Fragments, for each worker, that may wait for the rest of their datagram (9.5 KiB each)."},
      {"inputs.geneve.receive_buffer",
       SizeField{{64 * kKiB, kGiB}, [](Draft& d, std::uint64_t n) { gateway(d).receive_buffer = n; }}, "16MiB",
       "Receive buffer of each worker's socket. What does not fit is lost and counted."},
      {"inputs.geneve.source_sockets", count({0, 16'384}, &GatewayConfig::source_sockets), "1024",
       "UDP ports, for each worker, that may be taken to send merged datagrams with the source port they came with."},
      {"inputs.geneve.internal_port", count(kPorts, &GatewayConfig::internal_port), "10800", "`azure`: UDP port of the internal tunnel."},
      {"inputs.geneve.external_port", count(kPorts, &GatewayConfig::external_port), "10801", "`azure`: UDP port of the external tunnel."},
      {"inputs.geneve.internal_vni", count(kNetworks, &GatewayConfig::internal_vni), "900", "`azure`: network id of the internal tunnel."},
      {"inputs.geneve.external_vni", count(kNetworks, &GatewayConfig::external_vni), "901", "`azure`: network id of the external tunnel."},
      {"inputs.geneve.stuck_after",
       DurationField{{100, kHour}, [](Draft& d, Duration t) { gateway(d).stuck_after = t; }}, "500ms",
       "With `on_failure: open`: packets of a worker that does nothing for so long are echoed without inspection."},
  };
}

std::vector<Field> gateway_health_fields() {
  return {
      {"health", Section{}, "", "Health checks, answered from what the data path did in the last seconds (docs/GATEWAY.md)."},
      {"health.address",
       TextField{"address", false,
                 [](Draft& d, const std::string& text) { return put_address(d.config.health.address, text); }},
       "", "Own address to listen on. Without it, every one."},
      {"health.http_port", port(&HealthConfig::http_port), "",
       "TCP port for `/livez`, `/readyz` and, from this machine, `/drain`. Without it, none."},
      {"health.https_port", port(&HealthConfig::https_port), "", "The same with TLS 1.2 and 1.3."},
      {"health.tcp_port", port(&HealthConfig::tcp_port), "", "TCP port that accepts connections while Weir is ready, and refuses them otherwise."},
      {"health.certificate", path(&HealthConfig::certificate), "",
       "For `https_port`, PEM. Without it, one is made at every start, signed by itself; load balancers do not verify it."},
      {"health.key", path(&HealthConfig::key), "", "Its key, PEM."},
      {"drain", DurationField{{0, kHour}, [](Draft& d, Duration t) { d.config.drain = t; }}, "0s",
       "After SIGTERM: unready, but at work for so long, so that a load balancer can take connections elsewhere."},
  };
}

}  // namespace weir::app
