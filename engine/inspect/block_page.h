// BlockPage: the HTTP response that a refused client gets (RFC 9112; RFC 9110 15.5.4 for 403).
//
// The body comes from the operator's template, in which {{transaction_id}} and {{status}} are replaced; it is
// never stored rendered: any part of it is written on demand, so an answer costs its head and an id. No byte
// that the client sent gets into it, but for a redirect's Location, which is what the rule says.
// Immutable after construction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/inspect/options.h"
#include "engine/inspect/record.h"
#include "engine/packet.h"
#include "engine/result.h"

namespace weir::inspect {

// What a page says, and how.
struct PageFacts {
  std::uint16_t status = 403;
  bool head_only = false;  // answers HEAD: the length is told, the body is not sent
  std::uint8_t id_length = 0;
  IdBuffer id{};

  [[nodiscard]] std::string_view transaction_id() const { return {id.data(), id_length}; }
};

class BlockPage {
 public:
  static constexpr std::size_t kMostPage = 32 * 1024;
  static constexpr std::size_t kMostHead = 1024;
  static constexpr std::size_t kMostLocation = 600;

  // A page that check() refuses is replaced by Weir's own.
  explicit BlockPage(const BlockOptions& options);
  // Whether the page can be used, in words for the operator.
  [[nodiscard]] static Result<void> check(const BlockOptions& options);

  // Status line, header fields, blank line; returns how many octets. A status that no final response with a
  // page can have becomes 403. A location with other octets than URIs have is percent-encoded; one that is
  // too long is left out.
  [[nodiscard]] std::size_t write_head(std::span<char, kMostHead> out, PageFacts& facts,
                                       std::string_view location, Timestamp now) const;
  // Of what follows the head on the wire.
  [[nodiscard]] std::size_t body_length(const PageFacts& facts) const;
  // Writes octets of the body from `from` on, as many as fit; returns how many.
  std::size_t copy_body(std::span<std::uint8_t> out, std::size_t from, const PageFacts& facts) const;

 private:
  enum class Kind : std::uint8_t { Text, TransactionId, Status };
  struct Part {
    Kind kind = Kind::Text;
    std::size_t from = 0;  // Text: in page_
    std::size_t length = 0;
  };
  void compile(std::string_view page);
  [[nodiscard]] std::size_t full_length(const PageFacts& facts) const;

  std::string page_;
  std::string type_;
  std::vector<Part> parts_;
};

}  // namespace weir::inspect
