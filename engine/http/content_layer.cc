#include "engine/http/content_layer.h"

namespace weir::http {
namespace {

constexpr int kGzipWindow = 15 + 16;
constexpr int kZlibWindow = 15;
constexpr int kRawWindow = -15;

void* zlib_allocate(void* pool, uInt items, uInt size) {
  return static_cast<DecoderPool*>(pool)->allocate(static_cast<std::size_t>(items) * size);
}
void zlib_release(void* pool, void* block) {
  static_cast<DecoderPool*>(pool)->release(block);
}
void* brotli_allocate(void* pool, std::size_t size) {
  return static_cast<DecoderPool*>(pool)->allocate(size);
}
void brotli_release(void* pool, void* block) {
  static_cast<DecoderPool*>(pool)->release(block);
}

unsigned octet(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool is_gzip(std::string_view text) {
  return octet(text, 0) == 0x1f && (text.size() < 2 || octet(text, 1) == 0x8b);
}

// RFC 1950 2.2: method 8, window at most 32 KiB, header a multiple of 31, no preset dictionary.
bool is_zlib(std::string_view text) {
  const unsigned cmf = octet(text, 0);
  if ((cmf & 0x0fU) != 8 || (cmf >> 4U) > 7) return false;
  if (text.size() < 2) return true;
  const unsigned flags = octet(text, 1);
  return (cmf * 256 + flags) % 31 == 0 && (flags & 0x20U) == 0;
}

bool is_memory_error(BrotliDecoderErrorCode code) {
  return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
         code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

}  // namespace

ContentLayer::ContentLayer(DecoderPool& pool) noexcept : pool_(pool) {}

ContentLayer::~ContentLayer() {
  if (zlib_ready_) inflateEnd(&zlib_);
  if (brotli_ != nullptr) BrotliDecoderDestroyInstance(brotli_);
}

bool ContentLayer::begin(Coding coding) noexcept {
  coding_ = coding;
  mode_ = Mode::Sniff;
  input_ = first_ = {};
  produced_ = 0;
  more_ = false;
  labelled_ = true;
  if (coding == Coding::Brotli) {
    brotli_ = BrotliDecoderCreateInstance(brotli_allocate, brotli_release, &pool_);
    return brotli_ != nullptr;
  }
  return start_inflate(kGzipWindow);
}

bool ContentLayer::start_inflate(int window_bits) noexcept {
  if (zlib_ready_) return inflateReset2(&zlib_, window_bits) == Z_OK;
  zlib_ = {};
  zlib_.zalloc = zlib_allocate;
  zlib_.zfree = zlib_release;
  zlib_.opaque = &pool_;
  zlib_ready_ = inflateInit2(&zlib_, window_bits) == Z_OK;
  return zlib_ready_;
}

void ContentLayer::retire() noexcept {
  // brotli has no reset; its window may be 16 MiB, so it is not kept. zlib's 40 KiB are.
  if (brotli_ != nullptr) BrotliDecoderDestroyInstance(brotli_);
  brotli_ = nullptr;
  input_ = first_ = {};
  more_ = false;
}

void ContentLayer::offer(std::string_view input) noexcept {
  input_ = input;
  // Kept only for the first block: what came before has been given away by its owner.
  first_ = mode_ == Mode::Sniff ? input : std::string_view{};
}

ContentLayer::Output ContentLayer::step() noexcept {
  switch (mode_) {
    case Mode::Sniff:
      return sniff();
    case Mode::Zlib:
      return inflate_step();
    case Mode::Brotli:
      return brotli_step();
    case Mode::Between:
      return between_step();
    case Mode::Plain:
      break;
  }
  return plain_step();
}

// Goes by what the octets are rather than by the label where the two differ.
ContentLayer::Output ContentLayer::sniff() noexcept {
  if (coding_ == Coding::Brotli) {
    mode_ = Mode::Brotli;  // it has no magic number: a failure at the start means a wrong label
    return brotli_step();
  }
  const bool gzip = is_gzip(input_);
  const bool zlib = !gzip && is_zlib(input_);
  labelled_ = coding_ == Coding::Gzip ? gzip : zlib;
  mode_ = Mode::Zlib;
  Output out;
  if (!labelled_) out.violation = Violation::ContentCodingMislabelled;
  if (!gzip && !zlib && coding_ == Coding::Gzip) {
    mode_ = Mode::Plain;
    return out;
  }
  const int window = gzip ? kGzipWindow : (zlib ? kZlibWindow : kRawWindow);
  if (!start_inflate(window)) {
    mode_ = Mode::Plain;
    out.violation = Violation::ContentCodingMemory;
  }
  return out;
}

ContentLayer::Output ContentLayer::inflate_step() noexcept {
  zlib_.next_in =
      reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));  // NOLINT: zlib's type
  zlib_.avail_in = static_cast<uInt>(input_.size());
  zlib_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
  zlib_.avail_out = static_cast<uInt>(kBuffer);
  const int status = inflate(&zlib_, Z_SYNC_FLUSH);
  const std::string_view output{buffer_.data(), kBuffer - zlib_.avail_out};
  input_.remove_prefix(input_.size() - zlib_.avail_in);
  produced_ += output.size();
  more_ = zlib_.avail_out == 0;
  switch (status) {
    case Z_STREAM_END:
      return finished(output);
    case Z_OK:
    case Z_BUF_ERROR:  // no input left, or the last of the output went exactly into the buffer
      if (status == Z_BUF_ERROR && !more_) input_ = {};
      return {output, std::nullopt};
    case Z_MEM_ERROR:
      mode_ = Mode::Plain;
      more_ = false;
      return {output, Violation::ContentCodingMemory};
    default:
      return failed(output);
  }
}

ContentLayer::Output ContentLayer::brotli_step() noexcept {
  std::size_t in_size = input_.size();
  const auto* in = reinterpret_cast<const std::uint8_t*>(input_.data());
  std::size_t out_size = kBuffer;
  auto* out = reinterpret_cast<std::uint8_t*>(buffer_.data());
  const BrotliDecoderResult status =
      BrotliDecoderDecompressStream(brotli_, &in_size, &in, &out_size, &out, nullptr);
  const std::string_view output{buffer_.data(), kBuffer - out_size};
  input_.remove_prefix(input_.size() - in_size);
  produced_ += output.size();
  more_ = status == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
  switch (status) {
    case BROTLI_DECODER_RESULT_SUCCESS:
      return finished(output);
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
      input_ = {};
      return {output, std::nullopt};
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
      return {output, std::nullopt};
    default:
      break;
  }
  if (is_memory_error(BrotliDecoderGetErrorCode(brotli_))) {
    mode_ = Mode::Plain;
    more_ = false;
    return {output, Violation::ContentCodingMemory};
  }
  return failed(output);
}

ContentLayer::Output ContentLayer::finished(std::string_view output) noexcept {
  mode_ = Mode::Between;
  more_ = false;
  first_ = {};
  return {output, std::nullopt};
}

// Gives back the input from its beginning if nothing came of it, else goes on with what is left of
// it.
ContentLayer::Output ContentLayer::failed(std::string_view output) noexcept {
  mode_ = Mode::Plain;
  more_ = false;
  if (produced_ == 0 && !first_.empty()) {
    input_ = first_;
    if (coding_ == Coding::Brotli) return {output, Violation::ContentCodingMislabelled};
    if (!labelled_) return {output, std::nullopt};  // told by sniff()
  }
  return {output, Violation::ContentCodingCorrupt};
}

// A gzip body may be several members (RFC 1952 2.2); anything else after the end does not belong
// there.
ContentLayer::Output ContentLayer::between_step() noexcept {
  if (coding_ == Coding::Gzip && octet(input_, 0) == 0x1f && start_inflate(kGzipWindow)) {
    mode_ = Mode::Zlib;
    return {};
  }
  mode_ = Mode::Plain;
  return {{}, Violation::ContentCodingTrailing};
}

ContentLayer::Output ContentLayer::plain_step() noexcept {
  const std::string_view all = input_;
  input_ = {};
  produced_ += all.size();
  return {all, std::nullopt};
}

}  // namespace weir::http
