// ByteSource: the bytes of a file, a pipe or standard input, with a look ahead and a count. The one
// place of capture/ that reads a descriptor for captures. Retries interrupted reads; errors become
// the end of input with a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir::capture {

class ByteSource {
 public:
  // "-" is standard input. The error is a whole sentence that names the file.
  static Result<std::unique_ptr<ByteSource>> open(const std::string& path);
  // Whether it can be opened once only: a FIFO, whose writer would be ended by a second look.
  [[nodiscard]] static bool is_pipe(const std::string& path);
  // Takes the descriptor over.
  ByteSource(int descriptor, bool regular, std::uint64_t size);
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  ~ByteSource();

  // The next bytes without taking them; fewer than n at the end only. n <= 4096.
  [[nodiscard]] Bytes peek(std::size_t n);
  // The next bytes, taken; fewer than n at the end only. They stay where they are until the next call
  // of any function that reads. n <= kMostTaken.
  static constexpr std::size_t kMostTaken = 256 * 1024;
  [[nodiscard]] Bytes take(std::size_t n);
  // What was read already and not taken: to take no more than that moves nothing that was taken before.
  [[nodiscard]] Bytes at_hand() const { return {buffer_.get() + begin_, end_ - begin_}; }
  // Reads up to out.size() bytes; fewer at the end only.
  std::size_t read(std::span<std::uint8_t> out);
  // false: the input ended before n bytes.
  bool skip(std::uint64_t n);
  // Whether a read would answer at once (with bytes or the end), waiting at most `wait`.
  [[nodiscard]] bool ready(Duration wait);

  [[nodiscard]] std::uint64_t taken() const { return taken_; }
  [[nodiscard]] bool regular() const { return regular_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }  // of a regular file, else 0
  // Why reading stopped, if it was not the end of the input; else empty.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  bool fill();  // false: nothing more

  int descriptor_;
  bool regular_;
  bool ended_ = false;
  std::uint64_t size_;
  std::uint64_t taken_ = 0;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string error_;
};

}  // namespace weir::capture
