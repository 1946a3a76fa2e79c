// Base64 (RFC 4648 section 4, the standard alphabet with padding).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::base {

void append_base64(std::string& out, std::string_view bytes);
[[nodiscard]] std::string encode_base64(std::string_view bytes);

// Strict: padding required, no white space, unused bits zero; anything else is nullopt.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace weir::base
