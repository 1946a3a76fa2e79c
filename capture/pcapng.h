// PcapngReader: packets of a pcapng file (draft-ietf-opsawg-pcapng): several sections and
// interfaces, each with its byte order, link type, resolution and offset of time. Enhanced, simple
// and obsolete packet blocks; every other block is passed over. One block is in memory at a time,
// at most kMostBlockBytes. Fuzzed by tests/fuzz/capture/pcap_file_fuzz.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/reader.h"

namespace weir::capture {

class PcapngReader final : public CaptureReader {
 public:
  static constexpr std::uint32_t kMostBlockBytes = kMostPacketBytes + (1U << 20);
  static constexpr std::size_t kMostInterfaces = 65536;

  explicit PcapngReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  // Reads the first section header.
  Result<void> start(const std::string& name);

  [[nodiscard]] ReadResult next(CaptureRecord& record) override;
  [[nodiscard]] const std::string& damage() const override { return damage_; }
  [[nodiscard]] std::uint64_t skipped() const override { return skipped_; }
  [[nodiscard]] std::string skipped_text() const override;
  [[nodiscard]] ByteSource& source() override { return *source_; }

 private:
  struct Interface {
    int number = 0;                // link type
    std::optional<FileLink> link;  // of what is supported
    std::uint32_t snaplen = 0;     // 0: none
    std::uint8_t resolution = 6;   // if_tsresol
    std::int64_t offset = 0;       // if_tsoffset, seconds
  };
  enum class Taken : std::uint8_t { Packet, Nothing, Damaged };

  [[nodiscard]] std::uint16_t u16(std::size_t at) const;
  [[nodiscard]] std::uint32_t u32(std::size_t at) const;
  Taken broken(std::string why);
  [[nodiscard]] bool section(Bytes head);
  [[nodiscard]] bool load_block(std::uint32_t length);  // the body into body_
  [[nodiscard]] bool trailer(std::uint32_t length);
  Taken take(std::uint32_t type, CaptureRecord& record);
  Taken interface_block();
  void interface_options(Interface& interface, std::size_t at) const;
  Taken packet(std::uint32_t interface, std::uint64_t time, std::size_t at, std::uint32_t captured,
               std::uint32_t wire, CaptureRecord& record);
  [[nodiscard]] static Timestamp time_of(const Interface& interface, std::uint64_t units);

  std::unique_ptr<ByteSource> source_;
  std::vector<std::uint8_t> body_;
  std::vector<Interface> interfaces_;
  std::string damage_;
  Timestamp last_time_;  // simple packets have none of their own
  std::uint64_t skipped_ = 0;
  int skipped_link_ = 0;
  bool swapped_ = false;  // the section is big-endian
};

}  // namespace weir::capture
