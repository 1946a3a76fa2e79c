// PcapLivePort: what a switch, a tap or tc mirred copies to one or several interfaces, for detection. Nothing
// is ever sent.
//
// libpcap with the kernel's ring (TPACKET_V3): packets come in blocks, a few milliseconds late and cheaply.
// Where a tap gives each direction on its own interface one port reads both, in order of time as far as
// their blocks allow. Loss is counted; to the engine it is a gap. Checksums are not verified: a mirror
// shows packets before the card has filled them in. Packet::time is the kernel's. One owner, no thread.
// Tested by tests/e2e/live.py.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/port.h"

namespace weir::capture {

struct PcapLiveOptions {
  std::vector<std::string> interfaces;
  std::string filter;  // BPF; empty: everything
  std::uint64_t buffer = 64ULL << 20U;  // ring of each interface
  std::uint32_t snaplen = 65'535;
  bool promiscuous = true;
  bool ignore_outgoing = true;  // what this host sends through the interface
  // Ports of one group share an interface's packets, spread by connection. 0: alone. The same for all
  // interfaces of the group's ports; other programs must not use it.
  std::uint16_t group = 0;
};

class PcapLivePort final : public PacketPort {
 public:
  static Result<std::unique_ptr<PcapLivePort>> open(const PcapLiveOptions& options);
  ~PcapLivePort() override;

  Result<Received> receive(std::span<Packet> out, Duration wait) override;
  void settle(const Packet& packet, Fate fate) override;
  void replace(const Packet& packet, Bytes bytes) override;
  // An error: a mirror cannot be answered.
  Result<void> inject(const Packet& like, Towards towards, Bytes frame) override;
  [[nodiscard]] PortStats stats() const override;

 private:
  struct Interface;
  PcapLivePort() = default;
  static Result<std::unique_ptr<Interface>> open_one(const PcapLiveOptions& options, const std::string& name,
                                                     std::uint16_t group);
  Result<void> take(Interface& interface, std::span<Packet> out, std::size_t& count);

  std::vector<std::unique_ptr<Interface>> interfaces_;
  std::vector<pollfd> ready_;         // of each
  std::vector<std::uint8_t> memory_;  // of the packets of one receive()
  std::size_t used_ = 0;
  std::uint64_t number_ = 0;
  PortStats stats_;
};

}  // namespace weir::capture
