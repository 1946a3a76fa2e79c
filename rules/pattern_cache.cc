#include "rules/pattern_cache.h"

#include "rules/little_endian.h"
#include "rules/match_re.h"

namespace weir::rules {

namespace {

constexpr CacheKind kKind = {"patterns", 1};

}  // namespace

PatternCache::PatternCache(const std::vector<std::string_view>& patterns, bool multiline,
                           const std::string& directory)
    : directory_(directory) {
  if (directory_.empty() || patterns.empty()) return;
  Digester digest;
  digest.text(Regex::library()).number(multiline ? 1 : 0).number(patterns.size());
  for (const std::string_view pattern : patterns) digest.text(pattern);
  key_ = digest.finish();
  put_number(content_, patterns.size(), 8);
  known_ = read_cache(kKind, directory_, key_) == content_;
}

void PatternCache::remember() const {
  if (!content_.empty() && !known_) write_cache(kKind, directory_, key_, content_);
}

}  // namespace weir::rules
