// CaptureReader: the packets of one capture, whatever its format: capture/pcap.h, capture/pcapng.h
// (docs/decisions/pcapng-reader.md says why not libpcap).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "capture/byte_source.h"
#include "capture/link_type.h"
#include "engine/packet.h"
#include "engine/result.h"

namespace weir::capture {

// Larger packets than this are damage: libpcap's own bound is 256 KiB, jumbograms of offload reach
// 512 KiB.
inline constexpr std::uint32_t kMostPacketBytes = 1U << 20;

struct CaptureRecord {
  Bytes bytes;  // until the next call
  std::uint32_t wire_length = 0;
  Timestamp time;
  FileLink link;
};

enum class ReadResult : std::uint8_t {
  Packet,
  End,
  Damaged,  // nothing more can be read; damage() says why
};

class CaptureReader {
 public:
  CaptureReader() = default;
  CaptureReader(const CaptureReader&) = delete;
  CaptureReader& operator=(const CaptureReader&) = delete;
  virtual ~CaptureReader() = default;

  [[nodiscard]] virtual ReadResult next(CaptureRecord& record) = 0;
  // Whether next() will give a packet and leave the bytes of those before it where they are.
  [[nodiscard]] virtual bool next_is_at_hand() const { return false; }
  [[nodiscard]] virtual const std::string& damage() const = 0;
  // Packets left out because their interface has an unsupported link type, and what to say about
  // it.
  [[nodiscard]] virtual std::uint64_t skipped() const { return 0; }
  [[nodiscard]] virtual std::string skipped_text() const { return {}; }
  [[nodiscard]] virtual ByteSource& source() = 0;
};

// `name` is what messages call it. Errors are whole sentences.
[[nodiscard]] Result<std::unique_ptr<CaptureReader>> open_capture(
    const std::string& name, std::unique_ptr<ByteSource> source);

}  // namespace weir::capture
