// What the HTTP/1 parser is told by configuration. Shared by all connections, read only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/http/sink.h"
#include "engine/http/violation.h"

namespace weir::http {

struct ParserOptions {
  // Limits. Sizes in octets, of what is on the wire.
  std::size_t max_line = 16 * 1024;  // request line, status line or field line with its folds
  std::size_t max_header_bytes = 64 * 1024;  // header section and trailer section together
  std::size_t max_headers = 128;             // fields of both
  std::size_t max_chunk_extension = 256;     // on one chunk
  std::size_t max_leading_crlf = 4;          // empty lines before a request line
  std::size_t max_pipeline = 64;             // requests that wait for a response; at most 64

  // Content decoding.
  bool decode_request = true;
  bool decode_response = true;
  std::size_t max_content_layers = 2;
  std::uint64_t max_decoded = 64ULL << 20;  // octets of one body after decoding
  std::uint64_t max_ratio = 500;            // decoded to coded …
  std::uint64_t ratio_from = 1ULL << 20;    // … once this much has been decoded

  // Which violations end the reading of a side; indexed by Side. All others are noted.
  std::array<ViolationSet, 2> refused{};
  // Both directions are seen (inline): a client that runs ahead of every response is a violation
  // even before the first response. A capture may hold one direction only.
  bool both_sides = false;

  [[nodiscard]] bool refuses(Side side, Violation v) const noexcept {
    return refused[static_cast<std::size_t>(side)].contains(v);
  }
  // A named leniency: the violation is noted, no longer refused.
  void tolerate(Violation v) noexcept {
    for (ViolationSet& set : refused)
      set.erase(v);
  }
  void refuse(Side side, Violation v) noexcept {
    refused[static_cast<std::size_t>(side)].insert(v);
  }

  // Detection: everything is noted, ambiguous framing is read as most servers read it.
  [[nodiscard]] static ParserOptions passive() noexcept;
  // Prevention: refuses what default_disposition() says.
  [[nodiscard]] static ParserOptions inline_strict() noexcept;
};

}  // namespace weir::http
