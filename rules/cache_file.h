// Files of a cache on disk: what is dear to make at load, kept for the next start. A file is named by the
// digest of all that its content was made from; it repeats that digest and has a checksum of the rest. One that
// is damaged, not ours, or another's under a false name is ignored and made anew, never trusted.
#pragma once

#include <sha256.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::rules {

using Digest = std::array<std::uint8_t, 32>;

// SHA-256 over parts; each is hashed with its length, so that no two lists of parts are alike.
class Digester {
 public:
  Digester();
  Digester& text(std::string_view part);
  Digester& number(std::uint64_t n);
  [[nodiscard]] Digest finish();

 private:
  SHA2_CTX context_{};
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
