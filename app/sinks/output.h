// Where a command's result goes: standard output or a file. A reader that goes away (head, a pager) is no
// error; a full disk is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace weir::app {

class Output {
 public:
  // `path` empty: standard output.
  static Result<Output> open(const std::string& path);
  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  // Buffered. False once nothing more can be written: see error() and reader_gone().
  bool write(std::string_view text);
  bool flush();
  // flush() and close, so that late errors (a full disk, a network file system) are seen.
  Result<void> finish();

  // Nothing more can be written.
  [[nodiscard]] bool stopped() const { return reader_gone_ || !error_.empty(); }
  [[nodiscard]] bool reader_gone() const { return reader_gone_; }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  Output(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  int descriptor_;
  std::string name_;  // for messages
  std::string buffer_;
  std::string error_;
  bool reader_gone_ = false;
};

}  // namespace weir::app
