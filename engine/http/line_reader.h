// Cuts a stream into lines. A line that is whole in the input is viewed in place; the beginning of
// one that is not is carried over in a small buffer, never longer than the limit, which is given
// back as soon as it is not needed: a connection without an unfinished line holds no memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>

namespace weir::http {

struct Line {
  std::string_view text;   // without the line end; the first `max` octets of a longer line
  std::string_view tail;   // the last octets of the line, up to 16, of a truncated line
  std::uint64_t wire = 0;  // octets on the wire, with the line end
  bool crlf = false;       // ended by CRLF, not by LF alone
  bool truncated = false;
};

class LineReader {
 public:
  explicit LineReader(std::pmr::memory_resource* memory) : carry_(memory) {}

  // Takes octets of `in` up to and including a LF. True: a line is complete; `line` is valid until
  // next() or the end of the input's life. `too_long` becomes true in the one call that finds the
  // line longer than `max`, which may be before it is complete.
  [[nodiscard]] bool take(std::string_view& in, std::size_t max, Line& line, bool& too_long);
  // As if the line were ended here by CRLF: the stream is at its end.
  [[nodiscard]] Line finish(std::size_t max);
  // The line was used; prepares for the next.
  void next() noexcept;
  // Gives the buffer back.
  void release() noexcept;

  // Octets of the unfinished line, as far as they are kept.
  [[nodiscard]] std::string_view partial() const noexcept { return carry_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return carry_.capacity(); }
  [[nodiscard]] bool started() const noexcept { return length_ > 0; }
  [[nodiscard]] std::uint64_t length() const noexcept { return length_; }

 private:
  void keep_tail(std::string_view piece) noexcept;
  Line complete(std::size_t max, bool lf, bool& too_long);

  static constexpr std::size_t kTail = 16;

  std::pmr::string carry_;
  std::uint64_t length_ = 0;  // of the unfinished line
  std::array<char, kTail> tail_{};
  std::uint8_t tail_size_ = 0;
  bool reported_ = false;  // too_long was told
};

}  // namespace weir::http
