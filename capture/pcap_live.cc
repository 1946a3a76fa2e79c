#include "capture/pcap_live.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include <pcap/pcap.h>

#include "capture/link_type.h"

namespace weir::capture {
namespace {

constexpr int kBlockTimeout = 10;  // ms until a block that is not full is handed over
constexpr std::size_t kMemory = std::size_t{8} << 20U;
constexpr std::size_t kLargest = 262'144;  // of a packet

}  // namespace

struct PcapLivePort::Interface {
  Interface() = default;
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;
  ~Interface() {
    if (handle != nullptr) pcap_close(handle);
  }
  std::string name;
  pcap_t* handle = nullptr;
  LinkType link = LinkType::Ethernet;
};

Result<std::unique_ptr<PcapLivePort::Interface>> PcapLivePort::open_one(const PcapLiveOptions& options,
                                                                       const std::string& name,
                                                                       std::uint16_t group) {
  char why[PCAP_ERRBUF_SIZE] = {};
  auto one = std::make_unique<Interface>();
  one->name = name;
  one->handle = pcap_create(name.c_str(), why);
  if (one->handle == nullptr) return fail(name + ": " + why);
  pcap_set_snaplen(one->handle, static_cast<int>(options.snaplen));
  pcap_set_promisc(one->handle, options.promiscuous ? 1 : 0);
  pcap_set_buffer_size(one->handle, static_cast<int>(options.buffer));
  pcap_set_immediate_mode(one->handle, 0);
  pcap_set_timeout(one->handle, kBlockTimeout);
  pcap_set_tstamp_precision(one->handle, PCAP_TSTAMP_PRECISION_NANO);
  const int activated = pcap_activate(one->handle);
  if (activated < 0) {
    const std::string more = pcap_geterr(one->handle);
    return fail("interface " + name + " cannot be listened on: " + pcap_statustostr(activated) +
                (more.empty() ? "" : " (" + more + ")"));
  }
  const auto link = file_link(pcap_datalink(one->handle));
  if (!link) return fail("interface " + name + ": " + describe_link(pcap_datalink(one->handle)) + " is not supported");
  one->link = link->link;
  if (options.ignore_outgoing && pcap_setdirection(one->handle, PCAP_D_IN) != 0) {
    return fail("interface " + name + ": " + pcap_geterr(one->handle));
  }
  if (!options.filter.empty()) {
    bpf_program program{};
    if (pcap_compile(one->handle, &program, options.filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
      return fail("filter \"" + options.filter + "\": " + pcap_geterr(one->handle));
    }
    const int set = pcap_setfilter(one->handle, &program);
    pcap_freecode(&program);
    if (set != 0) return fail("filter \"" + options.filter + "\": " + pcap_geterr(one->handle));
  }
  if (group != 0) {
    // The kernel's hash is the same for both directions; fragments are put together first.
    const std::uint32_t fanout = group | std::uint32_t{PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG} << 16U;
    if (::setsockopt(pcap_fileno(one->handle), SOL_PACKET, PACKET_FANOUT, &fanout, sizeof fanout) != 0) {
      return fail("interface " + name + " cannot be shared by workers: " + std::strerror(errno));
    }
  }
  if (pcap_setnonblock(one->handle, 1, why) != 0) return fail("interface " + name + ": " + why);
  return one;
}

Result<std::unique_ptr<PcapLivePort>> PcapLivePort::open(const PcapLiveOptions& options) {
  std::unique_ptr<PcapLivePort> port(new PcapLivePort);
  std::string wrong;
  for (std::size_t i = 0; i < options.interfaces.size(); ++i) {
    const auto group = static_cast<std::uint16_t>(options.group == 0 ? 0 : options.group + i);
    auto one = open_one(options, options.interfaces[i], group);
    if (one) {
      port->ready_.push_back({pcap_get_selectable_fd((*one)->handle), POLLIN, 0});
      port->interfaces_.push_back(std::move(*one));
    } else {
      wrong += (wrong.empty() ? "" : "; ") + one.error().message;
    }
  }
  if (!wrong.empty()) return fail(wrong);
  port->memory_.resize(kMemory);
  return port;
}

PcapLivePort::~PcapLivePort() = default;

Result<void> PcapLivePort::take(Interface& interface, std::span<Packet> out, std::size_t& count) {
  struct Taking {
    PcapLivePort& port;
    Interface& from;
    std::span<Packet> out;
    std::size_t& count;
  } taking{*this, interface, out, count};
  const auto one = [](u_char* user, const pcap_pkthdr* header, const u_char* bytes) {
    auto& t = *reinterpret_cast<Taking*>(user);
    PcapLivePort& port = t.port;
    std::uint8_t* to = port.memory_.data() + port.used_;
    std::memcpy(to, bytes, header->caplen);  // the room was looked at before
    port.used_ += header->caplen;
    Packet& packet = t.out[t.count++];
    packet = Packet{};
    packet.bytes = Bytes(to, header->caplen);
    packet.wire_length = header->len;
    packet.link = t.from.link;
    packet.checksum = ChecksumState::Ignore;
    packet.time = {std::int64_t{header->ts.tv_sec} * 1'000'000'000 + header->ts.tv_usec};  // nanoseconds
    ++port.stats_.packets;
    port.stats_.bytes += header->len;
    if (port.memory_.size() - port.used_ < kLargest || t.count == t.out.size()) pcap_breakloop(t.from.handle);
  };
  if (count == out.size() || memory_.size() - used_ < kLargest) return {};
  const int n = pcap_dispatch(interface.handle, static_cast<int>(out.size() - count), one,
                              reinterpret_cast<u_char*>(&taking));
  if (n == PCAP_ERROR) {
    ++stats_.errors;
    return fail("interface " + interface.name + ": " + pcap_geterr(interface.handle));
  }
  return {};
}

Result<Received> PcapLivePort::receive(std::span<Packet> out, Duration wait) {
  Received received;
  used_ = 0;
  for (bool waited = false;; waited = true) {
    for (const auto& interface : interfaces_) {
      if (const Result<void> taken = take(*interface, out, received.count); !taken) return fail(taken.error().message);
    }
    if (received.count > 0 || waited || wait.ns <= 0) break;
    if (::poll(ready_.data(), ready_.size(), static_cast<int>(std::max<std::int64_t>(wait.ns / 1'000'000, 1))) <= 0) break;
  }
  if (interfaces_.size() > 1) {
    std::stable_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(received.count),
                     [](const Packet& a, const Packet& b) { return a.time < b.time; });
  }
  for (std::size_t i = 0; i < received.count; ++i) out[i].number = ++number_;
  return received;
}

void PcapLivePort::settle(const Packet& packet, Fate fate) {
  static_cast<void>(packet);
  ++(fate == Fate::Forward ? stats_.forwarded : stats_.discarded);
}

void PcapLivePort::replace(const Packet& packet, Bytes bytes) {
  static_cast<void>(bytes);
  settle(packet, Fate::Forward);
}

Result<void> PcapLivePort::inject(const Packet& like, Towards towards, Bytes frame) {
  static_cast<void>(like), static_cast<void>(towards), static_cast<void>(frame);
  ++stats_.errors;
  return fail("a mirror cannot be answered");
}

PortStats PcapLivePort::stats() const {
  PortStats out = stats_;
  for (const auto& interface : interfaces_) {
    pcap_stat kernel{};
    if (pcap_stats(interface->handle, &kernel) == 0) out.dropped += kernel.ps_drop + kernel.ps_ifdrop;
  }
  return out;
}

}  // namespace weir::capture
