// Which patterns are right, kept on disk (cache_file.h): that all of a rule set's compile. So a load need not compile
// them, and each is compiled when it is first searched with (Regex::deferred). A file's name depends on the patterns,
// in their order, and on PCRE2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/cache_file.h"

namespace weir::rules {

class PatternCache {
 public:
  // `patterns`: of one rule set. `directory` empty: no cache.
  PatternCache(const std::vector<std::string_view>& patterns, bool multiline, const std::string& directory);

  // All of them compiled before.
  [[nodiscard]] bool known() const { return known_; }
  // All of them have compiled now.
  void remember() const;

 private:
  std::string directory_;
  Digest key_{};
  std::string content_;
  bool known_ = false;
};

}  // namespace weir::rules
