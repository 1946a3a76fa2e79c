// What the fields of one header section say of the message's length, its codings and the connection
// (RFC 9112 6, 9; RFC 9110 7.6.1, 7.8, 8.4). Fed field by field; keeps no text but a host to
// compare.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>

#include "engine/http/content.h"
#include "engine/http/sink.h"
#include "engine/http/violation.h"

namespace weir::http {

enum class Framing : std::uint8_t { None, Length, Chunked, UntilClose };

class MessageFacts {
 public:
  explicit MessageFacts(std::pmr::memory_resource* memory) : authority_(memory) {}

  void reset() noexcept;
  [[nodiscard]] std::size_t capacity() const noexcept { return authority_.capacity(); }
  // The authority of an absolute-form or authority-form target, to compare with Host.
  void expect_authority(std::string_view authority) { authority_.assign(authority); }
  // Takes a field of the header section; adds what is wrong with it to `out`.
  void add(Side side, std::string_view name, std::string_view value, ViolationSet& out);

  // To be called at the end of the section: how the body ends, and what is wrong with the section.
  // `bodiless`: a response that has no body whatever its fields say.
  [[nodiscard]] Framing request_framing(bool http10, bool needs_host, ViolationSet& out) noexcept;
  [[nodiscard]] Framing response_framing(bool http10, bool bodiless, ViolationSet& out) noexcept;

  [[nodiscard]] std::uint64_t content_length() const noexcept { return content_length_; }
  [[nodiscard]] bool has_framing() const noexcept { return has_length_ || transfer_encoding_; }
  [[nodiscard]] bool close() const noexcept { return close_; }
  [[nodiscard]] bool upgrade() const noexcept { return upgrade_; }
  [[nodiscard]] bool upgrade_h2c() const noexcept { return upgrade_h2c_; }
  // Content codings and then transfer codings but chunked, in the order in which they were applied.
  [[nodiscard]] CodingList codings() const noexcept;

 private:
  void add_content_length(std::string_view value, ViolationSet& out) noexcept;
  void add_transfer_encoding(std::string_view value, ViolationSet& out) noexcept;
  void add_connection(std::string_view value, ViolationSet& out) noexcept;
  void add_host(std::string_view value, ViolationSet& out);
  [[nodiscard]] bool check_framing(bool http10, ViolationSet& out) noexcept;

  std::pmr::string authority_;
  std::uint64_t content_length_ = 0;
  CodingList content_codings_;
  CodingList transfer_codings_;
  std::uint8_t chunked_ = 0;  // times
  std::uint8_t hosts_ = 0;
  bool has_length_ = false;
  bool transfer_encoding_ = false;
  bool chunked_last_ = false;
  bool close_ = false;
  bool upgrade_ = false;
  bool upgrade_h2c_ = false;
};

// Fields that must not come in a trailer section (RFC 9110 6.5.1).
[[nodiscard]] bool is_forbidden_in_trailer(std::string_view name) noexcept;

}  // namespace weir::http
