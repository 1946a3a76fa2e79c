#include "geneve/header.h"

#include <array>

#include "engine/net/wire.h"

namespace weir::geneve {
namespace {

using net::load16;
using net::load24;
using net::load32;
using net::load64;

constexpr std::uint8_t kControlBit = 0x80;
constexpr std::uint8_t kCriticalBit = 0x40;
constexpr std::uint8_t kCriticalType = 0x80;

// Class and type in one number.
constexpr std::uint32_t kAwsEndpoint = 0x010801;
constexpr std::uint32_t kAwsAttachment = 0x010802;
constexpr std::uint32_t kAwsCookie = 0x010803;
constexpr std::uint32_t kGoogleNetwork = 0x013201;
constexpr std::uint32_t kGoogleEndpoint = 0x013202;
constexpr std::uint32_t kGoogleProfile = 0x013203;

// The first of equal options counts. false: not understood.
bool take(Header& header, std::uint32_t option, const std::uint8_t* data, std::size_t length) {
  switch (option) {
    case kAwsEndpoint:
      if (length != 8) return false;
      if (!header.has_endpoint) header.endpoint = load64(data);
      header.has_endpoint = true;
      return true;
    case kAwsAttachment:
      if (length != 8) return false;
      if (!header.has_attachment) header.attachment = load64(data);
      header.has_attachment = true;
      return true;
    case kAwsCookie:
      if (length != 4) return false;
      if (!header.has_cookie) header.cookie = load32(data);
      header.has_cookie = true;
      return true;
    case kGoogleNetwork:
      if (length < 4) return false;
      if (!header.has_google_network) header.google_network = load32(data) >> 4;
      header.has_google_network = true;
      return true;
    case kGoogleEndpoint:
    case kGoogleProfile:
      return true;
    default:
      return false;
  }
}

Fault walk(Header& header, Bytes options) {
  for (std::size_t at = 0; at < options.size();) {
    const std::size_t left = options.size() - at;
    if (left < 4) return Fault::OptionPastEnd;
    const std::uint8_t* option = options.data() + at;
    const std::size_t length = (option[3] & 0x1fU) * 4U;
    if (length > left - 4) return Fault::OptionPastEnd;
    if (!take(header, load24(option), option + 4, length)) {
      if ((option[2] & kCriticalType) != 0) return Fault::CriticalUnknown;
      header.unknown_options = true;
    }
    at += 4 + length;
  }
  return Fault::None;
}

}  // namespace

std::string_view name(Fault fault) noexcept {
  static constexpr std::array<std::string_view, kFaults> kNames{
      "none",   "short", "version", "options_past_end", "option_past_end", "critical_unknown",
      "control"};
  return kNames[static_cast<std::size_t>(fault)];
}

std::uint64_t Header::domain() const noexcept {
  if (has_endpoint) return endpoint;
  if (has_google_network) return std::uint64_t{0x0132} << 48 | google_network;
  return vni == 0 ? 0 : std::uint64_t{0xfffe} << 48 | vni;
}

Parsed parse(Bytes datagram) noexcept {
  Parsed parsed;
  if (datagram.size() < kBaseLength) {
    parsed.fault = Fault::Short;
    return parsed;
  }
  const std::uint8_t* p = datagram.data();
  const std::size_t options = (p[0] & 0x3fU) * 4U;
  Header& header = parsed.header;
  if (p[0] >> 6 != 0) {
    parsed.fault = Fault::Version;
  } else if (kBaseLength + options > datagram.size()) {
    parsed.fault = Fault::OptionsPastEnd;
  } else if ((p[1] & kControlBit) != 0) {
    parsed.fault = Fault::Control;
  } else {
    header.length = static_cast<std::uint16_t>(kBaseLength + options);
    header.critical = (p[1] & kCriticalBit) != 0;
    header.protocol = load16(p + 2);
    header.vni = load24(p + 4);
    parsed.fault = walk(header, datagram.subspan(kBaseLength, options));
  }
  return parsed;
}

}  // namespace weir::geneve
