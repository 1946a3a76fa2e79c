// Numbers in files of ours: so many bytes, the lowest first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::rules {

inline void put_number(std::string& out, std::uint64_t n, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(n >> (8 * i) & 0xff);
}

// Takes a number off the front; false, and nothing changed, if there are too few bytes.
inline bool take_number(std::string_view& in, std::uint64_t& n, unsigned bytes) {
  if (in.size() < bytes) return false;
  n = 0;
  for (unsigned i = 0; i < bytes; ++i) n |= std::uint64_t{static_cast<std::uint8_t>(in[i])} << (8 * i);
  in.remove_prefix(bytes);
  return true;
}

}  // namespace weir::rules
