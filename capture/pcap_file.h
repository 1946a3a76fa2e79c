// PcapFilePort: captures as a PacketPort, one file after the other.
//
// pcap and pcapng, either byte order, micro- and nanoseconds, several interfaces. Time is that of
// the packets. A file that is damaged is read up to the damage, then comes the next one; damage()
// tells. Each packet has a buffer of its own until it is settled (unless PcapFileOptions::settled_at_once: then it lies
// where it was read); buffers are reused, so nothing is allocated once they have grown.
//
// settle(), replace() and inject() go to PcapFileOptions::forwarded if there is one: what an inline Weir would
// have let through, in the order of its verdicts, and what it would have sent. One owner, no
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "capture/filter.h"
#include "capture/pcap_writer.h"
#include "capture/reader.h"
#include "engine/port.h"

namespace weir::capture {

struct PcapFileOptions {
  std::vector<std::string> files;                   // in order; "-", once, is standard input
  std::string filter;                               // BPF; empty: every packet
  ChecksumState checksum = ChecksumState::Unknown;  // of every packet
  // Packets that may be received and not settled at a time.
  std::uint32_t most_unsettled = 65'536;
  PcapWriter* forwarded = nullptr;  // not owned
  // Packets need no buffer of their own: each is settled before the next call of receive().
  bool settled_at_once = false;
};

class PcapFilePort final : public PacketPort {
 public:
  // Looks at every file that can be opened twice, so that all mistakes are known before the first
  // packet: missing, a directory, empty, no capture, unsupported link type, filter that does not
  // compile. The error names each of them, separated by "; ".
  static Result<std::unique_ptr<PcapFilePort>> open(PcapFileOptions options);

  Result<Received> receive(std::span<Packet> out, Duration wait) override;
  void settle(const Packet& packet, Fate fate) override;
  void replace(const Packet& packet, Bytes bytes) override;
  Result<void> inject(const Packet& like, Towards towards, Bytes frame) override;
  [[nodiscard]] PortStats stats() const override { return stats_; }

  // The file a packet of this port came from, also after it is settled.
  [[nodiscard]] std::string_view file_of(const Packet& packet) const;
  // One sentence for each file that could not be read to its end: "a.pcap: packet 17: …".
  [[nodiscard]] const std::vector<std::string>& damage() const { return damage_; }
  // Bytes read so far, and of all regular files together.
  [[nodiscard]] std::uint64_t bytes_read() const;
  [[nodiscard]] std::uint64_t bytes_total() const { return bytes_total_; }
  // Packets of the captures so far, those that the filter left out included: Packet::number counts
  // these, so that it can be found in another program that shows the whole capture.
  [[nodiscard]] std::uint64_t packets_read() const { return number_; }

 private:
  struct Slot {
    std::vector<std::uint8_t> bytes;
    bool used = false;
  };

  explicit PcapFilePort(PcapFileOptions options);
  [[nodiscard]] Result<void> examine(const std::string& file);
  bool next_file();  // false: there is none
  void finish_file(std::string_view why);
  // Copies them to a buffer, whose number is given.
  [[nodiscard]] Bytes keep(Bytes bytes, std::uint32_t& index);
  void deliver(const CaptureRecord& record, Packet& packet);
  [[nodiscard]] std::string_view label(std::size_t file) const;

  PcapFileOptions options_;
  Filter filter_;
  std::unique_ptr<CaptureReader> standard_input_;  // opened at start, until its turn
  std::unique_ptr<CaptureReader> reader_;
  std::unique_ptr<CaptureReader> finished_;  // until the next receive(): packets may lie in its buffer
  std::size_t next_ = 0;  // file to open next; the current one is next_ - 1
  std::uint64_t number_ = 0;
  std::uint64_t file_packets_ = 0;
  std::uint64_t bytes_done_ = 0;  // of files that are finished
  std::uint64_t bytes_total_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::string> damage_;
  PortStats stats_;
};

}  // namespace weir::capture
