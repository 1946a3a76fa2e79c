// Content codings (RFC 9110 8.4): gzip, x-gzip, deflate (zlib, and raw as some send it), br;
// stacked.
//
// Decoding is bounded in output, ratio and memory, and does not depend on how the body is cut:
// input is taken in blocks of fixed size, so that every check falls on the same octet. Where
// decoding fails before it gave anything, the octets are delivered as they are; where it fails
// later, what follows is delivered as it is. Nothing is passed over in silence.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/http/violation.h"

namespace weir::http {

enum class Coding : std::uint8_t { Gzip, Deflate, Brotli, Unknown };

// Codings in the order in which they were applied. "identity" is none.
class CodingList {
 public:
  static constexpr std::size_t kCapacity = 4;

  void add(std::string_view name) noexcept;
  void append(const CodingList& other) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool overflow() const noexcept { return overflow_; }
  // REQUIRES: i < size().
  [[nodiscard]] Coding operator[](std::size_t i) const noexcept { return codings_[i]; }

 private:
  std::array<Coding, kCapacity> codings_{};
  std::uint8_t size_ = 0;
  bool overflow_ = false;  // there were more
};

struct ContentLimits {
  std::size_t max_layers = 2;
  std::uint64_t max_output = 64ULL << 20;
  std::uint64_t max_ratio = 500;
  std::uint64_t ratio_from = 1ULL << 20;
};

class ContentSink {
 public:
  ContentSink() = default;
  ContentSink(const ContentSink&) = delete;
  ContentSink& operator=(const ContentSink&) = delete;
  virtual ~ContentSink() = default;
  virtual void on_decoded(std::string_view bytes) = 0;
  virtual void on_content_violation(Violation violation) = 0;
};

class ContentDecoder;
class ContentLayer;

// Decoder states for reuse, and the memory that all of them together may take. One per worker; not
// for use by several threads. Outlives the decoders that it serves.
class DecoderPool {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{256} << 20U;
  explicit DecoderPool(std::size_t max_bytes = kMostBytes, std::size_t max_idle = 32);
  DecoderPool(const DecoderPool&) = delete;
  DecoderPool& operator=(const DecoderPool&) = delete;
  ~DecoderPool();

  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return used_; }
  // A decoder to be given back after the body. Null: no memory.
  [[nodiscard]] std::unique_ptr<ContentDecoder> borrow() noexcept;
  void give_back(std::unique_ptr<ContentDecoder> decoder) noexcept;
  // For the libraries' allocation hooks and for layers: null when the bound is reached.
  [[nodiscard]] void* allocate(std::size_t size) noexcept;
  void release(void* block) noexcept;

 private:
  friend class ContentDecoder;
  [[nodiscard]] std::unique_ptr<ContentLayer> take_layer() noexcept;
  void give_back(std::unique_ptr<ContentLayer> layer) noexcept;

  std::size_t max_bytes_;
  std::size_t max_idle_;
  std::size_t used_ = 0;
  std::vector<std::unique_ptr<ContentLayer>> idle_layers_;
  std::vector<std::unique_ptr<ContentDecoder>> idle_decoders_;
};

// Undoes the codings of one body.
class ContentDecoder {
 public:
  explicit ContentDecoder(DecoderPool& pool) noexcept;
  ContentDecoder(const ContentDecoder&) = delete;
  ContentDecoder& operator=(const ContentDecoder&) = delete;
  ~ContentDecoder();

  // Prepares for a body; reports at once what of the list cannot be undone. False if nothing is to
  // be decoded, so that the body is to be taken as it is.
  [[nodiscard]] bool start(const CodingList& codings, const ContentLimits& limits,
                           ContentSink& sink) noexcept;
  // Forgets the body.
  void abandon() noexcept { drop_layers(); }
  // REQUIRES: start() returned true, neither finish() nor abandon() was called since.
  void feed(std::string_view wire, ContentSink& sink) noexcept;
  // The body is complete (or, if not, it ends early, which is no fault of the coding).
  void finish(bool complete, ContentSink& sink) noexcept;

 private:
  static constexpr std::size_t kMaxLayers = 4;
  static constexpr std::size_t kBlock = 1024;

  void block(std::string_view input, ContentSink& sink) noexcept;
  void drop_layers() noexcept;

  DecoderPool* pool_;
  ContentLimits limits_;
  std::array<std::unique_ptr<ContentLayer>, kMaxLayers> layers_;  // outermost coding first
  std::size_t layer_count_ = 0;
  std::uint64_t wire_ = 0;  // octets taken so far
  bool stopped_ = false;    // a bound was reached: nothing more is delivered
  std::size_t held_ = 0;
  std::array<char, kBlock> hold_;  // NOLINT: the start of a block
};

}  // namespace weir::http
