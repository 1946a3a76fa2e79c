#include "engine/http/content.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine/http/content_layer.h"
#include "engine/http/syntax.h"

namespace weir::http {
namespace {

// In front of each block, so that release() knows its size; keeps malloc's alignment.
constexpr std::size_t kPrefix = alignof(std::max_align_t);

Coding coding_of(std::string_view name) {
  if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) {
    return Coding::Gzip;
  }
  if (equals_ignoring_case(name, "deflate")) return Coding::Deflate;
  if (equals_ignoring_case(name, "br")) return Coding::Brotli;
  return Coding::Unknown;
}

}  // namespace

void CodingList::add(std::string_view name) noexcept {
  if (name.empty() || equals_ignoring_case(name, "identity")) return;
  if (size_ == kCapacity) {
    overflow_ = true;
    return;
  }
  codings_[size_++] = coding_of(name);
}

void CodingList::append(const CodingList& other) noexcept {
  for (std::size_t i = 0; i < other.size_; ++i) {
    if (size_ == kCapacity) {
      overflow_ = true;
      return;
    }
    codings_[size_++] = other.codings_[i];
  }
  overflow_ = overflow_ || other.overflow_;
}

DecoderPool::DecoderPool(std::size_t max_bytes, std::size_t max_idle)
    : max_bytes_(max_bytes), max_idle_(max_idle) {
  idle_layers_.reserve(max_idle);
  idle_decoders_.reserve(max_idle);
}

DecoderPool::~DecoderPool() = default;

void* DecoderPool::allocate(std::size_t size) noexcept {
  if (size > max_bytes_ || used_ > max_bytes_ - size) return nullptr;
  void* block = std::malloc(size + kPrefix);  // NOLINT: what the libraries' hooks deal in
  if (block == nullptr) return nullptr;
  std::memcpy(block, &size, sizeof size);
  used_ += size;
  return static_cast<char*>(block) + kPrefix;
}

void DecoderPool::release(void* block) noexcept {
  if (block == nullptr) return;
  void* start = static_cast<char*>(block) - kPrefix;
  std::size_t size = 0;
  std::memcpy(&size, start, sizeof size);
  used_ -= size;
  std::free(start);  // NOLINT
}

std::unique_ptr<ContentLayer> DecoderPool::take_layer() noexcept {
  if (!idle_layers_.empty()) {
    std::unique_ptr<ContentLayer> layer = std::move(idle_layers_.back());
    idle_layers_.pop_back();
    return layer;
  }
  if (used_ + sizeof(ContentLayer) > max_bytes_) return nullptr;
  return std::unique_ptr<ContentLayer>(new (std::nothrow) ContentLayer(*this));
}

void DecoderPool::give_back(std::unique_ptr<ContentLayer> layer) noexcept {
  layer->retire();
  if (idle_layers_.size() < max_idle_)
    idle_layers_.push_back(std::move(layer));  // reserved: cannot throw
}

std::unique_ptr<ContentDecoder> DecoderPool::borrow() noexcept {
  if (!idle_decoders_.empty()) {
    std::unique_ptr<ContentDecoder> decoder = std::move(idle_decoders_.back());
    idle_decoders_.pop_back();
    return decoder;
  }
  return std::unique_ptr<ContentDecoder>(new (std::nothrow) ContentDecoder(*this));
}

void DecoderPool::give_back(std::unique_ptr<ContentDecoder> decoder) noexcept {
  decoder->abandon();
  if (idle_decoders_.size() < max_idle_) idle_decoders_.push_back(std::move(decoder));
}

ContentDecoder::ContentDecoder(DecoderPool& pool) noexcept : pool_(&pool) {}

ContentDecoder::~ContentDecoder() {
  drop_layers();
}

void ContentDecoder::drop_layers() noexcept {
  for (std::size_t i = 0; i < layer_count_; ++i) {
    if (layers_[i]) pool_->give_back(std::move(layers_[i]));
  }
  layer_count_ = 0;
}

bool ContentDecoder::start(const CodingList& codings, const ContentLimits& limits,
                           ContentSink& sink) noexcept {
  drop_layers();
  limits_ = limits;
  wire_ = 0;
  held_ = 0;
  stopped_ = false;
  if (codings.overflow() || codings.size() > std::min(limits.max_layers, kMaxLayers)) {
    sink.on_content_violation(Violation::ContentCodingLayers);
    return false;
  }
  for (std::size_t i = codings.size(); i-- > 0;) {
    if (codings[i] == Coding::Unknown) {
      sink.on_content_violation(Violation::ContentCodingUnknown);
      break;
    }
    std::unique_ptr<ContentLayer> layer = pool_->take_layer();
    if (!layer || !layer->begin(codings[i])) {
      if (layer) pool_->give_back(std::move(layer));
      sink.on_content_violation(Violation::ContentCodingMemory);
      break;
    }
    layers_[layer_count_++] = std::move(layer);
  }
  return layer_count_ > 0;
}

void ContentDecoder::feed(std::string_view wire, ContentSink& sink) noexcept {
  while (!wire.empty() && !stopped_) {
    if (held_ == 0 && wire.size() >= kBlock) {
      block(wire.substr(0, kBlock), sink);
      wire.remove_prefix(kBlock);
      continue;
    }
    const std::size_t n = std::min(kBlock - held_, wire.size());
    std::memcpy(hold_.data() + held_, wire.data(), n);
    held_ += n;
    wire.remove_prefix(n);
    if (held_ < kBlock) return;
    held_ = 0;
    block({hold_.data(), kBlock}, sink);
  }
}

// The innermost layer that has input goes first, so a layer's output is used up before it makes
// more.
void ContentDecoder::block(std::string_view input, ContentSink& sink) noexcept {
  wire_ += input.size();
  layers_[0]->offer(input);
  while (!stopped_) {
    std::size_t i = layer_count_;
    while (i > 0 && !layers_[i - 1]->has_work())
      --i;
    if (i == 0) return;
    ContentLayer& layer = *layers_[i - 1];
    const ContentLayer::Output output = layer.step();
    if (output.violation) sink.on_content_violation(*output.violation);
    if (output.violation == Violation::ContentCodingMemory) stopped_ = true;
    const std::uint64_t total = layer.produced();
    if (total > limits_.max_output ||
        (total > limits_.ratio_from && total / limits_.max_ratio > wire_)) {
      sink.on_content_violation(Violation::ContentCodingBomb);
      stopped_ = true;
    }
    if (stopped_ || output.bytes.empty()) continue;
    if (i == layer_count_) {
      sink.on_decoded(output.bytes);
    } else {
      layers_[i]->offer(output.bytes);
    }
  }
}

void ContentDecoder::finish(bool complete, ContentSink& sink) noexcept {
  const std::size_t n = held_;
  held_ = 0;
  if (n > 0 && !stopped_) block({hold_.data(), n}, sink);
  bool cut = false;
  for (std::size_t i = 0; i < layer_count_; ++i)
    cut = cut || !layers_[i]->at_end();
  if (cut && !stopped_ && wire_ > 0) {
    if (complete) sink.on_content_violation(Violation::ContentCodingTruncated);
    // Nothing came of a body that is still at hand: show it as it is.
    if (wire_ == n && layers_[layer_count_ - 1]->produced() == 0) {
      sink.on_decoded({hold_.data(), n});
    }
  }
  drop_layers();
}

}  // namespace weir::http
