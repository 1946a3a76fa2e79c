#include "rules/include.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include <sys/stat.h>

namespace weir::rules::syntax {

namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { (void)std::fclose(file); }
};

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string reason(int error) {
  return std::generic_category().message(error);
}

// The regular files in a directory (none of them hidden), without descending.
Result<void> list_directory(const std::string& path, std::vector<std::string>& out,
                            std::size_t most) {
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error);
  if (error) return fail("cannot list " + path + ": " + error.message());
  for (const std::filesystem::directory_iterator end; entries != end; entries.increment(error)) {
    if (error) return fail("cannot list " + path + ": " + error.message());
    const std::string name = entries->path().string();
    if (entries->path().filename().string().front() == '.' || !is_file(name)) continue;
    if (out.size() >= most) return fail("more than " + std::to_string(most) + " files in " + path);
    out.push_back(name);
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most_bytes) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return fail("cannot open " + path + ": " + reason(errno));
  if (!S_ISREG(info.st_mode)) {
    return fail("cannot read " + path + ": it is " +
                (S_ISDIR(info.st_mode) ? "a directory" : "no regular file"));
  }
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return fail("cannot open " + path + ": " + reason(errno));
  std::string text;
  char block[65536];
  for (;;) {
    const std::size_t n = std::fread(block, 1, sizeof block, file.get());
    text.append(block, n);
    if (text.size() > most_bytes) {
      return fail(path + " is longer than " + std::to_string(most_bytes) + " bytes");
    }
    if (n < sizeof block) break;
  }
  if (std::ferror(file.get()) != 0) return fail("cannot read " + path + ": " + reason(errno));
  return text;
}

std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<std::size_t>(slash, 1)));
}

std::string beside(std::string_view directory, std::string_view path) {
  if (!path.empty() && path.front() == '/') return std::string(path);
  if (directory.empty() || directory == ".") return std::string(path);
  std::string out(directory);
  if (out.back() != '/') out.push_back('/');
  return out.append(path);
}

bool has_wildcard(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

Result<std::vector<std::string>> expand(const std::string& path, std::size_t most_files) {
  std::vector<std::string> found;
  if (!has_wildcard(path)) {
    if (is_directory(path)) {
      if (auto listed = list_directory(path, found, most_files); !listed) {
        return fail(listed.error().message);
      }
      std::sort(found.begin(), found.end());
    } else if (is_file(path)) {
      found.push_back(path);
    }
    return found;
  }
  glob_t matches{};
  const int status = ::glob(path.c_str(), GLOB_NOSORT, nullptr, &matches);
  std::vector<std::string> names;
  if (status == 0) names.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  ::globfree(&matches);
  if (status != 0 && status != GLOB_NOMATCH) return fail("cannot look for files like " + path);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    std::vector<std::string> inside;
    if (is_directory(name)) {
      if (auto listed = list_directory(name, inside, most_files); !listed) {
        return fail(listed.error().message);
      }
      std::sort(inside.begin(), inside.end());
    } else if (is_file(name)) {
      inside.push_back(name);
    }
    if (found.size() + inside.size() > most_files) {
      return fail("more than " + std::to_string(most_files) + " files match " + path);
    }
    found.insert(found.end(), inside.begin(), inside.end());
  }
  return found;
}

std::string identity_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

}  // namespace weir::rules::syntax
