// PcapReader: packets of a pcap file (draft-ietf-opsawg-pcap), of either byte order, with micro- or
// nanoseconds, and of Kuznetzov's variant. What is a packet and what is damage is as with libpcap
// 1.10 (tests/unit/capture/pcap_libpcap_test.cc compares); packets are views into the source's
// buffer. Fuzzed by tests/fuzz/capture/pcap_file_fuzz.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "capture/reader.h"

namespace weir::capture {

class PcapReader final : public CaptureReader {
 public:
  // libpcap's bound for the link types that Weir knows.
  static constexpr std::uint32_t kMostCaptured = 262'144;

  explicit PcapReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  // Reads the file header.
  Result<void> start(const std::string& name);

  [[nodiscard]] ReadResult next(CaptureRecord& record) override;
  [[nodiscard]] bool next_is_at_hand() const override;
  [[nodiscard]] const std::string& damage() const override { return damage_; }
  [[nodiscard]] ByteSource& source() override { return *source_; }

 private:
  // Which of a record's two lengths is which: early versions had them the other way round.
  enum class Lengths : std::uint8_t { CapturedFirst, WireFirst, Guess };

  [[nodiscard]] std::uint32_t u32(Bytes bytes, std::size_t at) const;
  ReadResult broken(std::string why);

  std::unique_ptr<ByteSource> source_;
  FileLink link_;
  std::string damage_;
  std::uint32_t snaplen_ = 0;
  std::uint32_t header_ = 16;  // bytes in front of each packet
  bool swapped_ = false;       // the file is big-endian
  bool nanoseconds_ = false;
  Lengths lengths_ = Lengths::CapturedFirst;
};

}  // namespace weir::capture
