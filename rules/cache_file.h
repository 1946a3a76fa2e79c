// Files of a cache on disk: what is dear to make at load, kept for the next start. A file is named by the
// digest of all that its content was made from; it repeats that digest and has a checksum of the rest. One that
// is damaged, not ours, or another's under a false name is ignored and made anew, never trusted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::rules {

using Digest = std::array<std::uint8_t, 32>;

// A digest of parts; each is taken with its length, so that no two lists of parts are alike. SipHash under four fixed
// keys: at every start some hundreds of kilobytes of patterns come by here. Two lists have the same digest by chance
// only, at 2^-128 and less; who could make such lists on purpose writes the rules anyway.
class Digester {
 public:
  Digester& text(std::string_view part);
  Digester& number(std::uint64_t n);
  [[nodiscard]] Digest finish() const;

 private:
  std::string parts_;
};

// What the files of one kind are called (KIND-DIGEST.db) and begin with (KIND-VERSION).
struct CacheKind {
  std::string_view name;  // "hs"
  unsigned version = 0;   // of the content's form
};

// The content, or nothing: no file, not to be trusted, or damaged. `directory` empty: nothing.
std::optional<std::string> read_cache(const CacheKind& kind, const std::string& directory, const Digest& key);
// Failures of the file system are not errors: then there is no such file the next time either.
void write_cache(const CacheKind& kind, const std::string& directory, const Digest& key,
                 std::string_view content);

}  // namespace weir::rules
