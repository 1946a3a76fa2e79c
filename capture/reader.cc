#include "capture/reader.h"

#include "capture/pcap.h"
#include "capture/pcapng.h"

namespace weir::capture {
namespace {

enum class Format : std::uint8_t { Pcap, Pcapng, Gzip, Zstandard, Xz, Other };

Format format_of(Bytes b) {
  if (b.size() >= 2 && b[0] == 0x1f && b[1] == 0x8b) return Format::Gzip;
  if (b.size() < 4) return Format::Other;
  const std::uint32_t magic =
      std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  switch (magic) {
    case 0x0a0d0d0a:
      return Format::Pcapng;
    case 0xa1b2c3d4:
    case 0xd4c3b2a1:  // microseconds
    case 0xa1b23c4d:
    case 0x4d3cb2a1:  // nanoseconds
    case 0xa1b2cd34:
    case 0x34cdb2a1:  // Kuznetzov's variant
      return Format::Pcap;
    case 0x28b52ffd:
      return Format::Zstandard;
    case 0xfd377a58:
      return Format::Xz;
    default:
      return Format::Other;
  }
}

Unexpected<Error> compressed(const std::string& name, const char* with, const char* by) {
  return fail(name + " is compressed with " + with + "; decompress it first, for example with " +
              by);
}

}  // namespace

Result<std::unique_ptr<CaptureReader>> open_capture(const std::string& name,
                                                    std::unique_ptr<ByteSource> source) {
  const Bytes start = source->peek(4);
  if (!source->error().empty()) return fail("cannot read " + name + ": " + source->error());
  if (start.empty()) return fail(name + " is empty");
  switch (format_of(start)) {
    case Format::Gzip:
      return compressed(name, "gzip", "gunzip");
    case Format::Zstandard:
      return compressed(name, "zstd", "unzstd");
    case Format::Xz:
      return compressed(name, "xz", "unxz");
    case Format::Other:
      return fail(name + " is not a capture file (neither pcap nor pcapng)");
    case Format::Pcap: {
      auto reader = std::make_unique<PcapReader>(std::move(source));
      if (auto started = reader->start(name); !started) return fail(started.error().message);
      return std::unique_ptr<CaptureReader>(std::move(reader));
    }
    case Format::Pcapng: {
      auto reader = std::make_unique<PcapngReader>(std::move(source));
      if (auto started = reader->start(name); !started) return fail(started.error().message);
      return std::unique_ptr<CaptureReader>(std::move(reader));
    }
  }
  return fail(name + " is not a capture file (neither pcap nor pcapng)");
}

}  // namespace weir::capture
