// The chunked transfer coding (RFC 9112 7.1), incrementally and without buffering: sizes,
// extensions and chunk data up to the end of the last-chunk line. The trailer section that follows
// has the syntax of a header section and is read by whoever reads those.
//
//   ChunkDecoder decoder(256);
//   while (!in.empty()) {
//     const ChunkStep step = decoder.step(in);
//     if (step.event == ChunkEvent::Data) use(in.substr(0, step.consumed));
//     …
//     in.remove_prefix(step.consumed);
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/http/violation.h"

namespace weir::http {

enum class ChunkEvent : std::uint8_t {
  Framing,  // octets of framing
  Data,     // octets of chunk data, all of them
  Broken,   // where the next chunk starts is unknown: final, has a violation
  Last,     // the last-chunk line is complete, the trailer section follows: final
};

struct ChunkStep {
  ChunkEvent event = ChunkEvent::Framing;
  std::size_t consumed = 0;            // of the input, at least 1
  std::optional<Violation> violation;  // found in the last consumed octet
};

class ChunkDecoder {
 public:
  explicit ChunkDecoder(std::size_t max_extension) noexcept : max_extension_(max_extension) {}

  // REQUIRES: !in.empty(), and no final event was returned before.
  [[nodiscard]] ChunkStep step(std::string_view in) noexcept;
  // Skips octets that are lost. False if they reach beyond the data of the current chunk, which
  // makes everything after them unintelligible.
  [[nodiscard]] bool skip(std::uint64_t count) noexcept;

 private:
  enum class State : std::uint8_t {
    SizeFirst,
    Size,
    SizeBlank,
    SizeCr,
    ExtStart,
    ExtName,
    ExtValue,
    ExtToken,
    ExtQuoted,
    ExtEscape,
    ExtAfter,
    ExtBad,
    ExtCr,
    Data,
    DataCr,
    DataLf,
    Final,
  };

  ChunkStep octet(char c) noexcept;
  ChunkStep size_octet(char c) noexcept;
  ChunkStep extension_octet(char c) noexcept;
  static State next_in_extension(State state, char c) noexcept;
  ChunkStep line_end() noexcept;
  ChunkStep broken(Violation v) noexcept;

  std::uint64_t size_ = 0;  // of the current chunk; in Data: what is left of it
  std::size_t max_extension_;
  std::uint32_t extension_ = 0;  // octets of the current extension, saturating
  std::uint8_t digits_ = 0;
  State state_ = State::SizeFirst;
};

}  // namespace weir::http
