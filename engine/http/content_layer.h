// One content coding being undone: a state of zlib or brotli, with its output buffer. Private to
// the room.
#pragma once

#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <brotli/decode.h>

#include "engine/http/content.h"
#include "engine/http/violation.h"

namespace weir::http {

class ContentLayer {
 public:
  struct Output {
    std::string_view bytes;  // valid until the next step()
    std::optional<Violation> violation;
  };

  explicit ContentLayer(DecoderPool& pool) noexcept;
  ContentLayer(const ContentLayer&) = delete;
  ContentLayer& operator=(const ContentLayer&) = delete;
  ~ContentLayer();

  // Prepares for a body. False: no memory.
  [[nodiscard]] bool begin(Coding coding) noexcept;
  // Frees what is not worth keeping for the next body.
  void retire() noexcept;
  // REQUIRES: !has_work(). `input` stays valid until has_work() is false again.
  void offer(std::string_view input) noexcept;
  [[nodiscard]] bool has_work() const noexcept { return !input_.empty() || more_; }
  [[nodiscard]] Output step() noexcept;
  [[nodiscard]] std::uint64_t produced() const noexcept { return produced_; }
  // Nothing is missing: the coded stream ended, or this is no coded stream.
  [[nodiscard]] bool at_end() const noexcept {
    return mode_ == Mode::Between || mode_ == Mode::Plain || mode_ == Mode::Sniff;
  }

 private:
  enum class Mode : std::uint8_t {
    Sniff,  // no octet yet
    Zlib,   // gzip, zlib or raw deflate
    Brotli,
    Between,  // the stream ended; another gzip member may follow
    Plain,    // not coded, or no longer: octets pass as they are
  };

  Output sniff() noexcept;
  Output inflate_step() noexcept;
  Output brotli_step() noexcept;
  Output between_step() noexcept;
  Output plain_step() noexcept;
  Output failed(std::string_view output) noexcept;
  Output finished(std::string_view output) noexcept;
  [[nodiscard]] bool start_inflate(int window_bits) noexcept;

  static constexpr std::size_t kBuffer = 16 * 1024;

  DecoderPool& pool_;
  z_stream zlib_{};
  BrotliDecoderState* brotli_ = nullptr;
  std::string_view input_;
  std::string_view first_;  // the whole of the first input, while nothing was produced from it
  std::uint64_t produced_ = 0;
  Coding coding_ = Coding::Gzip;
  Mode mode_ = Mode::Sniff;
  bool zlib_ready_ = false;
  bool more_ = false;     // output is waiting inside the library
  bool labelled_ = true;  // the first octets were those of the coding
  std::array<char, kBuffer> buffer_;
};

}  // namespace weir::http
