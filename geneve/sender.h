// Sends datagrams back to the load balancer: to port 6081 of whoever sent them, from the address
// they came to, with the source port they came with (rules G1, G2, G4 of the insertion contract).
// No socket that is bound to 6081 can do that, so there are two ways, chosen for each run of
// datagrams:
//
//   * one by one or in small runs: a raw socket, headers of IPv4 and UDP written here, sendmmsg.
//   Fresh TTL,
//     DF set, Not-ECT, UDP checksum 0 (rules G6, G7).
//   * runs that the kernel merged on receipt (UDP_GRO): merged again (UDP_SEGMENT), from a socket
//   bound to
//     that very source port. Such sockets receive nothing; there is a bound on how many there are,
//     and what does not get one goes the first way.
//
// Without CAP_NET_RAW the second way is used for all. docs/decisions/geneve-io.md says why, with
// figures. Payload is never copied in user space: it must stay until flush(). No allocation after
// construction. One owner, one thread. Tested by tests/unit/geneve/port_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir::geneve {

// Datagrams that lie behind one another in memory, all of `part` bytes but the last, which may be
// shorter.
struct Run {
  const std::uint8_t* data = nullptr;
  std::uint32_t length = 0;
  std::uint32_t part = 0;
  bool headroom = false;  // kHeadroom bytes before `data` may be written: headers go there
  in_addr to{};           // where they go
  in_addr from{};         // the address of ours
  in_port_t source_port = 0;
  in_port_t destination_port = 0;

  [[nodiscard]] std::uint32_t count() const { return part == 0 ? 1 : (length + part - 1) / part; }
};

inline constexpr std::size_t kHeadroom = 28;  // headers of IPv4 and UDP

struct SenderOptions {
  bool raw = true;                      // false: never use a raw socket
  std::uint32_t source_sockets = 1024;  // most sockets bound to a source port, 0..65535
  std::uint32_t merge_from = 4;         // shortest run that is worth a socket of its own
};

struct SenderCounters {
  std::uint64_t datagrams = 0;  // given to the kernel
  std::uint64_t merged = 0;     // of them: in merged runs
  std::uint64_t too_large = 0;  // longer than the interface takes
  std::uint64_t failed = 0;     // refused by the kernel for another reason
  std::uint64_t sockets_opened = 0;
};

class Sender {
 public:
  static Result<std::unique_ptr<Sender>> open(const SenderOptions& options);
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  ~Sender();

  // Runs of one flow leave in the order in which they were added.
  void add(const Run& run);
  // Everything has been given to the kernel when this returns.
  void flush();
  // One datagram in two pieces, at once, after all that was added before. false: the kernel refused
  // it.
  bool send(const Run& head, Bytes tail);

  [[nodiscard]] const SenderCounters& counters() const { return counters_; }
  [[nodiscard]] bool has_raw() const { return raw_ >= 0; }

 private:
  static constexpr std::size_t kBatch = 256;
  static constexpr std::size_t kHeaders = 28;      // IPv4 and UDP
  static constexpr std::uint32_t kMostParts = 64;  // Linux's UDP_MAX_SEGMENTS, in all versions
  static constexpr std::uint32_t kMostMerged = 65'000;

  explicit Sender(const SenderOptions& options);
  void queue_raw(const Run& run, const std::uint8_t* data, std::size_t size);
  void write_headers(std::uint8_t* at, const Run& run, std::size_t size);
  void flush_raw();
  bool send_merged(const Run& run);  // false: nothing was sent
  bool send_from_port(int socket, const Run& run, const iovec* pieces, std::size_t count,
                      std::uint32_t part);
  void refused(int error);
  // A socket bound to the port, or -1.
  [[nodiscard]] int socket_for(in_port_t port, bool worth_it);
  [[nodiscard]] int open_source_socket(in_port_t port);

  SenderOptions options_;
  SenderCounters counters_;
  int raw_ = -1;
  std::uint16_t ip_id_ = 1;
  std::size_t queued_ = 0;
  std::uint64_t queued_ports_ = 0;  // a bit for each source port in the queue, modulo 64
  std::array<mmsghdr, kBatch> messages_{};
  std::array<std::array<iovec, 2>, kBatch> pieces_{};
  std::array<sockaddr_in, kBatch> names_{};
  std::array<std::array<std::uint8_t, kHeaders>, kBatch> headers_{};
  std::vector<int> by_port_;       // socket of each port; kNoSocket, kRefused
  std::vector<in_port_t> opened_;  // a ring: the oldest makes room
  std::size_t oldest_ = 0;
  std::size_t open_sockets_ = 0;
};

}  // namespace weir::geneve
