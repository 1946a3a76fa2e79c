// X-Forwarded-For and Forwarded (RFC 7239): for whom proxies say that a request comes, hop by hop. Read from the
// right, where the nearest proxy wrote: nothing that a client put in front of that changes how it is read. Knows
// the bytes only; whom to believe is the caller's matter.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/ip_address.h"

namespace weir::http {

struct ForwardedNode {
  enum class Kind : std::uint8_t {
    Address,
    Hidden,  // Forwarded: "unknown", an obfuscated name, or no `for`
    Bad,     // not of the field's grammar
  } kind = Kind::Bad;
  IpAddress address;
  std::uint16_t port = 0;  // 0: none was said
};

enum class ForwardedField : std::uint8_t { XForwardedFor, Forwarded };

// Elements of one field value, the last first. Work is linear in its bytes.
class ForwardedElements {
 public:
  ForwardedElements(ForwardedField field, std::string_view value) noexcept : field_(field), rest_(value) {}
  // False: there are no more.
  bool next(ForwardedNode& node) noexcept;

 private:
  ForwardedField field_;
  std::string_view rest_;
  bool over_ = false;
};

}  // namespace weir::http
