#include "capture/pcapng.h"

#include <algorithm>
#include <array>
#include <limits>

namespace weir::capture {
namespace {

constexpr std::uint32_t kSection = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kObsoletePacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::size_t kFrame = 12;  // type, length and length again
constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max() / 4;
constexpr std::size_t kStep = 64 * 1024;

__extension__ typedef unsigned __int128 Wide;
__extension__ typedef __int128 SignedWide;

std::uint32_t load(const std::uint8_t* p, bool big) {
  return big ? std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 |
                   p[3]
             : std::uint32_t{p[3]} << 24 | std::uint32_t{p[2]} << 16 | std::uint32_t{p[1]} << 8 |
                   p[0];
}

std::size_t padded(std::size_t n) {
  return (n + 3) & ~std::size_t{3};
}

}  // namespace

std::uint16_t PcapngReader::u16(std::size_t at) const {
  const std::uint8_t* p = body_.data() + at;
  return static_cast<std::uint16_t>(swapped_ ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}
std::uint32_t PcapngReader::u32(std::size_t at) const {
  return load(body_.data() + at, swapped_);
}

PcapngReader::Taken PcapngReader::broken(std::string why) {
  damage_ = source_->error().empty() ? std::move(why) : source_->error();
  return Taken::Damaged;
}

Result<void> PcapngReader::start(const std::string& name) {
  std::array<std::uint8_t, 8> head{};
  if (source_->read(head) != head.size() || !section(head)) {
    return fail(name + " cannot be read as a capture: " +
                (damage_.empty() ? "it ends in its first header" : damage_));
  }
  return {};
}

// Section header block; `head` are its first eight bytes. A new section forgets the interfaces.
bool PcapngReader::section(Bytes head) {
  std::array<std::uint8_t, 4> order{};
  if (source_->read(order) != order.size()) {
    broken("the file ends in a section header");
    return false;
  }
  if (load(order.data(), true) == kByteOrder) {
    swapped_ = true;
  } else if (load(order.data(), false) == kByteOrder) {
    swapped_ = false;
  } else {
    broken("a section header without byte-order magic");
    return false;
  }
  const std::uint32_t length = load(head.data() + 4, swapped_);
  if (length < 28 || length % 4 != 0) {
    broken("a section header of " + std::to_string(length) + " bytes");
    return false;
  }
  body_.resize(4);
  if (source_->read(body_) != body_.size()) {
    broken("the file ends in a section header");
    return false;
  }
  if (u16(0) != 1) {
    broken("pcapng version " + std::to_string(u16(0)) + "." + std::to_string(u16(2)) +
           " is not known");
    return false;
  }
  if (!source_->skip(length - kFrame - 8)) {
    broken("the file ends in a section header");
    return false;
  }
  interfaces_.clear();
  return trailer(length);
}

bool PcapngReader::trailer(std::uint32_t length) {
  std::array<std::uint8_t, 4> again{};
  if (source_->read(again) != again.size()) {
    broken("the file ends in a block");
    return false;
  }
  if (load(again.data(), swapped_) != length) {
    broken("the two lengths of a block differ");
    return false;
  }
  return true;
}

// In steps, so that a length that lies costs no more memory than the file has bytes.
bool PcapngReader::load_block(std::uint32_t length) {
  const std::size_t size = length - kFrame;
  body_.clear();
  while (body_.size() < size) {
    const std::size_t had = body_.size();
    const std::size_t step = std::min(size - had, kStep);
    body_.resize(had + step);
    if (source_->read(std::span(body_).subspan(had)) != step) {
      broken("the file ends in a block");
      return false;
    }
  }
  return trailer(length);
}

ReadResult PcapngReader::next(CaptureRecord& record) {
  for (;;) {
    std::array<std::uint8_t, 8> head{};
    const std::size_t n = source_->read(head);
    if (n == 0 && source_->error().empty()) return ReadResult::End;
    if (n != head.size()) {
      broken("the file ends in a block header");
      return ReadResult::Damaged;
    }
    const std::uint32_t type = load(head.data(), swapped_);
    if (type == kSection) {
      if (!section(head)) return ReadResult::Damaged;
      continue;
    }
    const std::uint32_t length = load(head.data() + 4, swapped_);
    if (length < kFrame || length % 4 != 0) {
      broken("a block of " + std::to_string(length) + " bytes");
      return ReadResult::Damaged;
    }
    const bool wanted = type == kInterface || type == kObsoletePacket || type == kSimplePacket ||
                        type == kEnhancedPacket;
    if (!wanted) {
      if (!source_->skip(length - kFrame)) {
        broken("the file ends in a block");
        return ReadResult::Damaged;
      }
      if (!trailer(length)) return ReadResult::Damaged;
      continue;
    }
    if (length > kMostBlockBytes) {
      broken("a packet block of " + std::to_string(length) + " bytes");
      return ReadResult::Damaged;
    }
    if (!load_block(length)) return ReadResult::Damaged;
    switch (take(type, record)) {
      case Taken::Packet:
        return ReadResult::Packet;
      case Taken::Damaged:
        return ReadResult::Damaged;
      case Taken::Nothing:
        break;
    }
  }
}

PcapngReader::Taken PcapngReader::take(std::uint32_t type, CaptureRecord& record) {
  switch (type) {
    case kInterface:
      return interface_block();
    case kSimplePacket: {
      if (body_.size() < 4 || interfaces_.empty())
        return broken("a simple packet without interface");
      const std::uint32_t wire = u32(0);
      std::uint32_t captured = std::min(wire, static_cast<std::uint32_t>(body_.size() - 4));
      const std::uint32_t snaplen = interfaces_[0].snaplen;
      if (snaplen != 0) captured = std::min(captured, snaplen);
      return packet(0, std::numeric_limits<std::uint64_t>::max(), 4, captured, wire, record);
    }
    default: {
      if (body_.size() < 20) return broken("a packet block that is too short");
      const std::uint64_t time = std::uint64_t{u32(4)} << 32 | u32(8);
      const std::uint32_t interface = type == kEnhancedPacket ? u32(0) : u16(0);
      return packet(interface, time, 20, u32(12), u32(16), record);
    }
  }
}

PcapngReader::Taken PcapngReader::interface_block() {
  if (body_.size() < 8) return broken("an interface block that is too short");
  if (interfaces_.size() >= kMostInterfaces) return broken("too many interfaces");
  Interface interface;
  interface.number = u16(0);
  interface.link = file_link(interface.number);
  interface.snaplen = u32(4);
  interface_options(interface, 8);
  interfaces_.push_back(interface);
  return Taken::Nothing;
}

void PcapngReader::interface_options(Interface& interface, std::size_t at) const {
  while (body_.size() - at >= 4) {
    const std::uint16_t code = u16(at);
    const std::size_t length = u16(at + 2);
    at += 4;
    if (code == 0 || length > body_.size() - at) return;
    if (code == 9 && length == 1) interface.resolution = body_[at];
    if (code == 14 && length == 8) {
      const std::uint64_t low = u32(swapped_ ? at + 4 : at);
      const std::uint64_t high = u32(swapped_ ? at : at + 4);
      interface.offset = static_cast<std::int64_t>(high << 32 | low);
    }
    at += std::min(padded(length), body_.size() - at);
  }
}

Timestamp PcapngReader::time_of(const Interface& interface, std::uint64_t units) {
  Wide ns = units;
  const unsigned exponent = interface.resolution & 0x7fU;
  if ((interface.resolution & 0x80) != 0) {  // a negative power of two
    ns *= 1'000'000'000;
    ns = exponent < 100 ? ns >> exponent : 0;
  } else {
    for (unsigned e = exponent; e < 9; ++e)
      ns *= 10;
    for (unsigned e = exponent; e > 9 && ns != 0; --e)
      ns /= 10;
  }
  const SignedWide offset = static_cast<SignedWide>(interface.offset) * 1'000'000'000;
  const SignedWide sum = static_cast<SignedWide>(ns) + offset;
  if (sum < 0) return {0};
  return {sum > kLatest ? kLatest : static_cast<std::int64_t>(sum)};
}

PcapngReader::Taken PcapngReader::packet(std::uint32_t interface, std::uint64_t time,
                                         std::size_t at, std::uint32_t captured, std::uint32_t wire,
                                         CaptureRecord& record) {
  if (interface >= interfaces_.size()) return broken("a packet of an unknown interface");
  if (captured > body_.size() - at) return broken("a packet longer than its block");
  if (captured > kMostPacketBytes) {
    return broken("a packet of " + std::to_string(captured) + " bytes");
  }
  const Interface& from = interfaces_[interface];
  if (!from.link) {
    ++skipped_;
    skipped_link_ = from.number;
    return Taken::Nothing;
  }
  if (time != std::numeric_limits<std::uint64_t>::max()) last_time_ = time_of(from, time);
  record.bytes = Bytes(body_).subspan(at, captured);
  record.wire_length = std::max(wire, captured);
  record.time = last_time_;
  record.link = *from.link;
  return Taken::Packet;
}

std::string PcapngReader::skipped_text() const {
  if (skipped_ == 0) return {};
  return std::to_string(skipped_) + (skipped_ == 1 ? " packet has " : " packets have ") +
         describe_link(skipped_link_) + ", which is not supported";
}

}  // namespace weir::capture
