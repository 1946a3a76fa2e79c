#include "engine/http/chunked.h"

#include <algorithm>
#include <limits>

#include "engine/http/syntax.h"

namespace weir::http {
namespace {

constexpr auto kMaxSize = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
constexpr std::uint8_t kMaxDigits = 16;

ChunkStep framing(std::optional<Violation> v = std::nullopt) {
  return {ChunkEvent::Framing, 1, v};
}

bool is_quoted_text(char c) {
  return c == '\t' || (c >= ' ' && c != 0x7f) || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

ChunkStep ChunkDecoder::step(std::string_view in) noexcept {
  if (state_ == State::Data) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(size_, in.size()));
    size_ -= n;
    if (size_ == 0) state_ = State::DataCr;
    return {ChunkEvent::Data, n, std::nullopt};
  }
  std::size_t used = 0;
  while (used < in.size() && state_ != State::Data) {
    ChunkStep one = octet(in[used]);
    ++used;
    if (one.event != ChunkEvent::Framing || one.violation) {
      one.consumed = used;
      return one;
    }
  }
  return {ChunkEvent::Framing, used, std::nullopt};
}

bool ChunkDecoder::skip(std::uint64_t count) noexcept {
  if (state_ != State::Data || count > size_) return false;
  size_ -= count;
  if (size_ == 0) state_ = State::DataCr;
  return true;
}

ChunkStep ChunkDecoder::broken(Violation v) noexcept {
  state_ = State::Final;
  return {ChunkEvent::Broken, 1, v};
}

ChunkStep ChunkDecoder::line_end() noexcept {
  state_ = size_ == 0 ? State::Final : State::Data;
  return {size_ == 0 ? ChunkEvent::Last : ChunkEvent::Framing, 1, std::nullopt};
}

ChunkStep ChunkDecoder::octet(char c) noexcept {
  switch (state_) {
    case State::SizeFirst:
    case State::Size:
    case State::SizeBlank:
    case State::SizeCr:
      return size_octet(c);
    case State::DataCr:
      if (c == '\r') {
        state_ = State::DataLf;
        return framing();
      }
      if (c != '\n') return broken(Violation::ChunkDataUnterminated);
      state_ = State::SizeFirst;
      return framing(Violation::ChunkBareLf);
    case State::DataLf:
      if (c != '\n') return broken(Violation::ChunkDataUnterminated);
      state_ = State::SizeFirst;
      return framing();
    case State::Data:
    case State::Final:
      return broken(Violation::ChunkSizeInvalid);
    default:
      return extension_octet(c);
  }
}

// chunk = chunk-size [ chunk-ext ] CRLF …; chunk-size = 1*HEXDIG
ChunkStep ChunkDecoder::size_octet(char c) noexcept {
  if (state_ == State::SizeCr) {
    return c == '\n' ? line_end() : broken(Violation::ChunkBareCr);
  }
  if (state_ == State::SizeFirst) {
    size_ = 0;
    digits_ = 0;
    extension_ = 0;
    if (c == ' ' || c == '\t') return framing(Violation::ChunkSizeWhitespace);
    if (hex_value(c) < 0) return broken(Violation::ChunkSizeInvalid);
    state_ = State::Size;
  }
  if (const int digit = hex_value(c); digit >= 0 && state_ == State::Size) {
    size_ = (size_ << 4U) | static_cast<std::uint64_t>(digit);
    if (++digits_ > kMaxDigits || size_ > kMaxSize) return broken(Violation::ChunkSizeOverflow);
    return framing();
  }
  switch (c) {
    case '\r':
      state_ = State::SizeCr;
      return framing();
    case '\n': {
      ChunkStep step = line_end();
      step.violation = Violation::ChunkBareLf;
      return step;
    }
    case ';':
      state_ = State::ExtStart;
      return framing(Violation::ChunkExtension);
    case ' ':
    case '\t':
      state_ = State::SizeBlank;
      return framing(Violation::ChunkSizeWhitespace);
    default:
      return broken(Violation::ChunkSizeInvalid);
  }
}

// chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ), without the bad white space that
// RFC 9112 7.1.1 tells senders not to generate.
ChunkStep ChunkDecoder::extension_octet(char c) noexcept {
  if (c == '\n') {
    const bool after_cr = state_ == State::ExtCr;
    ChunkStep step = line_end();
    if (!after_cr) step.violation = Violation::ChunkBareLf;
    return step;
  }
  if (state_ == State::ExtCr) {
    state_ = State::ExtBad;
    return framing(Violation::ChunkBareCr);
  }
  const State before = state_;
  state_ = next_in_extension(before, c);
  ChunkStep step = framing();
  // CR ends the line; it is an error only where the grammar wants something else first.
  const bool unfinished = before != State::ExtName && before != State::ExtToken &&
                          before != State::ExtAfter && before != State::ExtBad;
  if ((state_ == State::ExtBad && before != State::ExtBad) || (c == '\r' && unfinished)) {
    step.violation = Violation::ChunkExtensionInvalid;
  } else if (extension_ <= max_extension_ && c != '\r' && ++extension_ > max_extension_) {
    step.violation = Violation::ChunkExtensionTooLong;
  }
  return step;
}

ChunkDecoder::State ChunkDecoder::next_in_extension(State state, char c) noexcept {
  if (c == '\r') return State::ExtCr;
  switch (state) {
    case State::ExtStart:
      return is_token_char(c) ? State::ExtName : State::ExtBad;
    case State::ExtName:
      if (c == '=') return State::ExtValue;
      if (c == ';') return State::ExtStart;
      return is_token_char(c) ? State::ExtName : State::ExtBad;
    case State::ExtValue:
      if (c == '"') return State::ExtQuoted;
      return is_token_char(c) ? State::ExtToken : State::ExtBad;
    case State::ExtToken:
      if (c == ';') return State::ExtStart;
      return is_token_char(c) ? State::ExtToken : State::ExtBad;
    case State::ExtQuoted:
      if (c == '"') return State::ExtAfter;
      if (c == '\\') return State::ExtEscape;
      return is_quoted_text(c) ? State::ExtQuoted : State::ExtBad;
    case State::ExtEscape:
      return is_quoted_text(c) ? State::ExtQuoted : State::ExtBad;
    case State::ExtAfter:
      return c == ';' ? State::ExtStart : State::ExtBad;
    default:
      return State::ExtBad;
  }
}

}  // namespace weir::http
