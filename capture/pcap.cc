#include "capture/pcap.h"

#include <algorithm>
#include <climits>
#include <limits>
#include <utility>

namespace weir::capture {
namespace {

constexpr std::size_t kFileHeader = 24;
constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kKuznetzov = 0xa1b2cd34;
constexpr std::uint32_t kLinkBits = 0xffff;      // the rest tells of frame check sequences
constexpr std::uint32_t kReservedBits = 0x03ff0000;

// Seconds: sums of times stay far from the end of their type.
constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max() / 4 / 1'000'000'000;

std::uint32_t swap(std::uint32_t v) {
  return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

}  // namespace

std::uint32_t PcapReader::u32(Bytes bytes, std::size_t at) const {
  const std::uint8_t* p = bytes.data() + at;
  const std::uint32_t little = std::uint32_t{p[3]} << 24 | std::uint32_t{p[2]} << 16 |
                               std::uint32_t{p[1]} << 8 | p[0];
  return swapped_ ? swap(little) : little;
}

ReadResult PcapReader::broken(std::string why) {
  damage_ = source_->error().empty() ? std::move(why) : source_->error();
  return ReadResult::Damaged;
}

Result<void> PcapReader::start(const std::string& name) {
  const std::string cannot = name + " cannot be read as a capture: ";
  const Bytes head = source_->take(kFileHeader);
  if (head.size() < kFileHeader) {
    broken("truncated dump file; tried to read 24 file header bytes, only got " +
           std::to_string(head.size()));
    return fail(cannot + damage_);
  }
  std::uint32_t magic = u32(head, 0);
  if (magic != kMicroseconds && magic != kNanoseconds && magic != kKuznetzov) {
    swapped_ = true;
    magic = swap(magic);
  }
  nanoseconds_ = magic == kNanoseconds;
  if (magic == kKuznetzov) header_ = 24;
  const std::uint32_t versions = u32(head, 4);
  const std::uint32_t major = swapped_ ? versions >> 16 : versions & 0xffff;
  const std::uint32_t minor = swapped_ ? versions & 0xffff : versions >> 16;
  if (!(major == 2 && minor <= 4) && !(major == 543 && minor == 0)) {
    return fail(cannot + "pcap version " + std::to_string(major) + "." + std::to_string(minor) +
                " is not known");
  }
  if (major == 543 || minor < 3) {
    lengths_ = Lengths::WireFirst;
  } else if (minor == 3) {
    lengths_ = Lengths::Guess;
  }
  const std::uint32_t network = u32(head, 20);
  if ((network & kReservedBits) != 0) {
    return fail(cannot + "reserved bits of its link type are set");
  }
  const auto number = static_cast<int>(network & kLinkBits);
  const auto link = file_link(number);
  if (!link) return fail(name + " has " + describe_link(number) + ", which is not supported");
  link_ = *link;
  snaplen_ = u32(head, 16);
  if (snaplen_ == 0 || snaplen_ > INT_MAX) snaplen_ = kMostCaptured;
  // Packets of a "cooked" socket got an Ethernet header on top of what was captured.
  if (magic == kKuznetzov && link_.link == LinkType::Ethernet) snaplen_ += 14;
  return {};
}

bool PcapReader::next_is_at_hand() const {
  const Bytes bytes = source_->at_hand();
  if (bytes.size() < header_) return false;
  const std::uint32_t length = std::max(u32(bytes, 8), lengths_ == Lengths::CapturedFirst ? 0 : u32(bytes, 12));
  return length <= kMostCaptured && length <= bytes.size() - header_;
}

ReadResult PcapReader::next(CaptureRecord& record) {
  const Bytes head = source_->take(header_);
  if (head.size() < header_) {
    if (head.empty() && source_->error().empty()) return ReadResult::End;
    return broken("truncated dump file; tried to read " + std::to_string(header_) +
                  " header bytes, only got " + std::to_string(head.size()));
  }
  const std::uint32_t seconds = u32(head, 0);
  const std::uint32_t fraction = u32(head, 4);
  std::uint32_t captured = u32(head, 8);
  std::uint32_t wire = u32(head, 12);
  if (lengths_ == Lengths::WireFirst || (lengths_ == Lengths::Guess && captured > wire)) {
    std::swap(captured, wire);
  }
  if (captured > kMostCaptured) {
    return broken("invalid packet capture length " + std::to_string(captured) +
                  ", bigger than maximum of " + std::to_string(kMostCaptured));
  }
  const Bytes bytes = source_->take(captured);
  const std::uint32_t kept = std::min(captured, snaplen_);
  if (bytes.size() < captured) {
    return broken("truncated dump file; tried to read " +
                  std::to_string(bytes.size() < kept ? kept : captured) +
                  " captured bytes, only got " + std::to_string(bytes.size()));
  }
  // What is longer than the file says packets are is cut to that.
  record.bytes = bytes.first(kept);
  record.wire_length = std::max(wire, kept);
  const std::int64_t ns = nanoseconds_ ? std::int64_t{fraction} : std::int64_t{fraction} * 1000;
  record.time = {std::min(std::int64_t{seconds}, kLatest) * 1'000'000'000 + std::min<std::int64_t>(ns, 999'999'999)};
  record.link = link_;
  return ReadResult::Packet;
}

}  // namespace weir::capture
