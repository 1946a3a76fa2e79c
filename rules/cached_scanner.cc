#include "rules/cached_scanner.h"

#include <optional>

#include "rules/cache_file.h"

namespace weir::rules {

namespace {

constexpr CacheKind kKind = {"hs", 4};

Digest key_of(std::span<const HsPattern> patterns) {
  Digester digest;
  digest.text(hs_build()).number(patterns.size());
  for (const HsPattern& p : patterns) {
    digest.text(p.pattern).number((p.caseless ? 1U : 0U) | (p.multiline ? 2U : 0U));
  }
  return digest.finish();
}

// One byte for each pattern (how), the database.
std::optional<CachedDatabase> decode(std::string_view content, std::size_t patterns) {
  if (content.size() < patterns) return std::nullopt;
  CachedDatabase out;
  for (const char c : content.substr(0, patterns)) {
    const auto b = static_cast<std::uint8_t>(c);
    if (b > static_cast<std::uint8_t>(HsDatabase::Compiled::How::Left)) return std::nullopt;
    out.how.push_back(static_cast<HsDatabase::Compiled::How>(b));
  }
  out.database = HsDatabase::restore(content.substr(patterns));
  if (out.database == nullptr || out.database->patterns() != patterns) return std::nullopt;
  out.from_cache = true;
  return out;
}

std::string encode(const CachedDatabase& made) {
  std::string content;
  for (const auto how : made.how) content += static_cast<char>(how);
  return content + made.database->serialise();
}

}  // namespace

CachedDatabase restore_cached(std::span<const HsPattern> patterns, const std::string& directory) {
  const auto content = read_cache(kKind, directory, key_of(patterns));
  auto there = content ? decode(*content, patterns.size()) : std::nullopt;
  return there ? std::move(*there) : CachedDatabase{};
}

CachedDatabase compile_cached(std::span<const HsPattern> patterns, const std::string& directory) {
  CachedDatabase made = restore_cached(patterns, directory);
  if (made.database != nullptr) return made;
  HsDatabase::Compiled compiled = HsDatabase::compile(patterns, false);
  made.database = std::move(compiled.database);
  made.how = std::move(compiled.how);
  if (made.database != nullptr && !directory.empty()) {
    write_cache(kKind, directory, key_of(patterns), encode(made));
  }
  return made;
}

}  // namespace weir::rules
