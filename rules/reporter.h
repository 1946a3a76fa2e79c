// Collects diagnostics while rules are parsed; stops collecting after a number that nobody would
// read.
#pragma once

#include <cstddef>
#include <string>

#include "rules/syntax.h"

namespace weir::rules::syntax {

class Reporter {
 public:
  static constexpr std::size_t kMost = 1000;

  // Without a unit the diagnostics have neither file nor excerpt.
  explicit Reporter(Diagnostics& out, const Unit* unit = nullptr) : out_(out), unit_(unit) {}

  void add(Severity severity, Position at, std::string code, std::string message);
  void error(Position at, std::string code, std::string message) {
    add(Severity::Error, at, std::move(code), std::move(message));
  }
  void warning(Position at, std::string code, std::string message) {
    add(Severity::Warning, at, std::move(code), std::move(message));
  }
  void note(Position at, std::string code, std::string message) {
    add(Severity::Note, at, std::move(code), std::move(message));
  }
  // Concerns a whole file that may not even be open.
  void file_error(std::string file, std::string code, std::string message);

  [[nodiscard]] std::size_t errors() const { return errors_; }
  // No more will be collected: spare the trouble of a good message.
  [[nodiscard]] bool full() const { return count_ >= kMost; }
  // Says how many were left out, if any.
  void finish();

 private:
  Diagnostics& out_;
  const Unit* unit_;
  std::size_t count_ = 0;
  std::size_t errors_ = 0;
};

// "'name'", with bytes that are not printable ASCII as \xHH, shortened when long.
[[nodiscard]] std::string quoted(std::string_view name);
// " (did you mean 'x'?)", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view suggestion);

}  // namespace weir::rules::syntax
