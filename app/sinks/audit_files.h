// AuditFiles: where the audit log goes. Appends to log files (created if they are not there, never
// emptied), and writes a file for each transaction below a directory. Each entry is one write, so
// that other programs, and other Weirs, may append to the same file.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "engine/result.h"
#include "rules/audit_log.h"

namespace weir::app {

struct AuditPlaces {
  std::vector<std::string>
      logs;  // of entries (serial) or index lines (concurrent); may be empty if concurrent
  std::string directory;    // concurrent: made if it is not there. Empty: serial
  mode_t file_mode = 0640;  // as ModSecurity; the umask applies
  mode_t directory_mode = 0750;
};

class AuditFiles final : public rules::AuditSink {
 public:
  // Errors say which file and why.
  static Result<std::unique_ptr<AuditFiles>> open(AuditPlaces places);
  ~AuditFiles() override;

  // What a full disk cut off is left as it is, and its line ended by the next entry.
  Result<void> append(std::string_view bytes) override;
  // `relative_path` is of audit_path()'s form. A symbolic link in the file's place is not followed.
  Result<std::string> store(std::string_view relative_path, std::string_view bytes) override;
  // Opens the log files anew, after they were rotated.
  Result<void> reopen();

 private:
  struct Log {
    std::string path;
    int descriptor = -1;
    bool torn = false;  // it ends within an entry
  };
  explicit AuditFiles(AuditPlaces places) : places_(std::move(places)) {}
  Result<void> open_directory();

  AuditPlaces places_;
  std::vector<Log> logs_;
  int directory_ = -1;
};

}  // namespace weir::app
