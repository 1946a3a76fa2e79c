#include "app/sinks/audit_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <sys/stat.h>

namespace weir::app {
namespace {

Unexpected<Error> failed(const std::string& what, const std::string& path, int error) {
  return fail("cannot " + what + " " + path + ": " + std::generic_category().message(error));
}

// How many of the bytes were written; fewer: errno says why.
std::size_t write_all(int descriptor, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      break;
    }
  }
  return done;
}

}  // namespace

Result<std::unique_ptr<AuditFiles>> AuditFiles::open(AuditPlaces places) {
  std::unique_ptr<AuditFiles> out(new AuditFiles(std::move(places)));
  if (auto opened = out->reopen(); !opened) return Unexpected(opened.error());
  if (!out->places_.directory.empty()) {
    if (auto opened = out->open_directory(); !opened) return Unexpected(opened.error());
  }
  return out;
}

AuditFiles::~AuditFiles() {
  for (const Log& log : logs_)
    ::close(log.descriptor);
  if (directory_ >= 0) ::close(directory_);
}

Result<void> AuditFiles::open_directory() {
  const std::string& path = places_.directory;
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail("cannot make the directory " + path + ": " + error.message());
  directory_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_ < 0) return failed("open the directory", path, errno);
  // Known before anything slow is done, not at the first entry.
  if (::faccessat(directory_, ".", W_OK | X_OK, AT_EACCESS) != 0)
    return failed("write to", path, errno);
  return {};
}

Result<void> AuditFiles::reopen() {
  std::vector<Log> fresh;
  for (const std::string& path : places_.logs) {
    const int descriptor = ::open(
        path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, places_.file_mode);
    if (descriptor < 0) {
      const int error = errno;
      for (const Log& log : fresh)
        ::close(log.descriptor);
      return failed("write", path, error);
    }
    fresh.push_back({path, descriptor, false});
  }
  for (const Log& log : logs_)
    ::close(log.descriptor);
  logs_ = std::move(fresh);
  return {};
}

Result<void> AuditFiles::append(std::string_view bytes) {
  Result<void> result;
  for (Log& log : logs_) {
    // An entry that a full disk cut off ends its line, so that this one begins one.
    const std::string whole = log.torn ? "\n" + std::string(bytes) : std::string();
    const std::string_view text = log.torn ? std::string_view(whole) : bytes;
    const std::size_t done = write_all(log.descriptor, text);
    if (done == text.size()) {
      log.torn = false;
      continue;
    }
    result = failed("write", log.path, errno);
    if (done > 0) log.torn = true;
  }
  return result;
}

Result<std::string> AuditFiles::store(std::string_view relative_path, std::string_view bytes) {
  const std::string path(relative_path), full = places_.directory + "/" + path;
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, slash);
    if (::mkdirat(directory_, directory.c_str(), places_.directory_mode) != 0 && errno != EEXIST) {
      return failed("make the directory", places_.directory + "/" + directory, errno);
    }
  }
  // The same transaction inspected twice has the same name.
  const int descriptor =
      ::openat(directory_, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
               places_.file_mode);
  if (descriptor < 0) return failed("write", full, errno);
  const bool written = write_all(descriptor, bytes) == bytes.size();
  const int error = errno;
  if (!written) ::unlinkat(directory_, path.c_str(), 0);  // a part of an entry is none
  if (::close(descriptor) != 0 && written) return failed("write", full, errno);
  if (!written) return failed("write", full, error);
  return "/" + path;  // as ModSecurity 2 names it in its index
}

}  // namespace weir::app
