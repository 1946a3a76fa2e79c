// PcapWriter: packets into a pcap file with nanoseconds, through libpcap.
//
// A pcap file has one link type: that of the first packet. The file is created by open(), so a
// wrong path is known at start; closing it without a packet leaves a valid, empty Ethernet capture.
// One owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir::capture {

class PcapWriter {
 public:
  // Overwrites. "-" is standard output. Errors are whole sentences with the path.
  static Result<std::unique_ptr<PcapWriter>> open(const std::string& path);
  PcapWriter(const PcapWriter&) = delete;
  PcapWriter& operator=(const PcapWriter&) = delete;
  ~PcapWriter();  // closes; use close() to learn of errors

  // wire_length below bytes.size() counts as bytes.size(). After the first error every call repeats
  // it.
  Result<void> write(LinkType link, Timestamp time, Bytes bytes, std::uint32_t wire_length = 0);
  Result<void> flush();
  Result<void> close();  // the last bytes may find the disk full
  [[nodiscard]] std::uint64_t packets() const { return packets_; }

 private:
  struct Files;
  PcapWriter(std::string path, std::unique_ptr<Files> files);
  Result<void> begin(LinkType link);
  Result<void> failed(int error);

  std::string path_;
  std::unique_ptr<Files> files_;
  LinkType link_ = LinkType::Ethernet;
  std::uint64_t packets_ = 0;
  std::string error_;
};

}  // namespace weir::capture
