// Spreads a SO_REUSEPORT group of UDP sockets by the flow inside the tunnel: a classic BPF program
// that computes steer(steer_hash(…)) of the common packets in the kernel, so that both directions
// of a flow meet in one worker whatever their outer ports. Where the program cannot see it all
// (IPv6 extension headers before TCP, IPv4 with a damaged header) it decides by the addresses, and
// the port hands the packet over.
//
// Source: Linux Documentation/networking/filter.rst; socket(7) on SO_ATTACH_REUSEPORT_CBPF: the
// program sees the payload of UDP and returns the number of a socket in the order in which they
// were bound. Tested by tests/unit/geneve/steer_test.cc (against steer_hash, in the kernel).
#pragma once

#include <cstdint>
#include <vector>

#include <linux/filter.h>

#include "engine/result.h"
#include "geneve/inner.h"

namespace weir::geneve {

enum class Tunnel : std::uint8_t { Geneve, Vxlan };

[[nodiscard]] std::vector<sock_filter> steering_program(Tunnel tunnel, std::uint32_t workers,
                                                        const SteerKey& key);
// For the group that `socket` is in; once a group is enough. REQUIRES: a bound socket.
[[nodiscard]] Result<void> attach_steering(int socket, Tunnel tunnel, std::uint32_t workers,
                                           const SteerKey& key);

}  // namespace weir::geneve
