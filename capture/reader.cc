#include "capture/reader.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

#include <pcap/pcap.h>

#include "capture/pcapng.h"

namespace weir::capture {
namespace {

constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max() / 4;

ssize_t read_source(void* cookie, char* buffer, std::size_t size) {
  auto* source = static_cast<ByteSource*>(cookie);
  return static_cast<ssize_t>(source->read({reinterpret_cast<std::uint8_t*>(buffer), size}));
}

class LibpcapReader final : public CaptureReader {
 public:
  explicit LibpcapReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}
  ~LibpcapReader() override {
    if (pcap_ != nullptr) pcap_close(pcap_);  // closes the stream too
  }

  Result<void> start(const std::string& name) {
    cookie_io_functions_t functions{};
    functions.read = read_source;
    FILE* stream = fopencookie(source_.get(), "rb", functions);
    if (stream == nullptr) return fail("not enough memory to read " + name);
    std::setvbuf(stream, nullptr, _IONBF, 0);  // ByteSource is the buffer
    std::array<char, PCAP_ERRBUF_SIZE> why{};
    pcap_ =
        pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, why.data());
    if (pcap_ == nullptr) {
      std::fclose(stream);
      return fail(name + " cannot be read as a capture: " + why.data());
    }
    const auto link = file_link(pcap_datalink(pcap_));
    if (!link) {
      return fail(name + " has " + describe_link(pcap_datalink(pcap_)) +
                  ", which is not supported");
    }
    link_ = *link;
    return {};
  }

  ReadResult next(CaptureRecord& record) override {
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    switch (pcap_next_ex(pcap_, &header, &bytes)) {
      case 1:
        break;
      case PCAP_ERROR_BREAK:
        if (source_->error().empty()) return ReadResult::End;
        damage_ = source_->error();
        return ReadResult::Damaged;
      default:
        damage_ = source_->error().empty() ? pcap_geterr(pcap_) : source_->error();
        return ReadResult::Damaged;
    }
    record.bytes = {bytes, header->caplen};
    record.wire_length = std::max(header->len, header->caplen);
    // With PCAP_TSTAMP_PRECISION_NANO tv_usec holds nanoseconds; the file may hold anything.
    const std::int64_t seconds =
        std::clamp<std::int64_t>(header->ts.tv_sec, 0, kLatest / 1'000'000'000);
    const std::int64_t rest = std::clamp<std::int64_t>(header->ts.tv_usec, 0, 999'999'999);
    record.time = {seconds * 1'000'000'000 + rest};
    record.link = link_;
    return ReadResult::Packet;
  }

  [[nodiscard]] const std::string& damage() const override { return damage_; }
  [[nodiscard]] ByteSource& source() override { return *source_; }

 private:
  std::unique_ptr<ByteSource> source_;
  pcap_t* pcap_ = nullptr;
  FileLink link_;
  std::string damage_;
};

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
      auto reader = std::make_unique<LibpcapReader>(std::move(source));
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
