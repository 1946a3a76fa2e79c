// Files that rule sets name: reading them within bounds, and the patterns of Include.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace weir::rules::syntax {

// The whole file. Errors: a sentence ("cannot open …: No such file or directory"). Only regular
// files.
Result<std::string> read_file(const std::string& path, std::size_t most_bytes);

// The directory part of a path; "." if there is none.
[[nodiscard]] std::string directory_of(std::string_view path);
// `path` as seen from `directory`, unless it is absolute.
[[nodiscard]] std::string beside(std::string_view directory, std::string_view path);

[[nodiscard]] bool has_wildcard(std::string_view path);

// The files that an Include's argument stands for, in byte order of their names as Apache takes
// them: one file; all that a pattern (*, ?, [...]) matches; for a directory, the files in it. An
// empty list is no error here.
Result<std::vector<std::string>> expand(const std::string& path, std::size_t most_files);

// The same file has the same identity, whatever path leads to it; empty if there is no such file.
[[nodiscard]] std::string identity_of(const std::string& path);

}  // namespace weir::rules::syntax
