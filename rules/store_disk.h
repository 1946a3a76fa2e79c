// Where a MemoryStore keeps its copy: two named texts, one of which can be appended to. An interface so
// that tests can crash it between any two bytes, and so that another medium can take its place.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace weir::rules {

class StoreDisk {
 public:
  virtual ~StoreDisk() = default;
  enum class File : unsigned char { Snapshot, Journal };

  // The whole content; empty if there is none yet.
  virtual Result<std::string> read(File file) = 0;
  // Adds to the journal. On success the bytes are on stable storage. After a failure any part of them may
  // be there.
  virtual Result<void> append(std::string_view bytes) = 0;
  // Puts `bytes` in place of the whole file: after a crash either the old or the new content is there,
  // never a mixture. On success it is on stable storage.
  virtual Result<void> replace(File file, std::string_view bytes) = 0;
};

// Two files, `path` and `path`.journal (mode 0600), and `path`.lock, which is held as long as the object
// lives: a second process that opens the same store gets an error. Blocking system calls; one thread.
Result<std::unique_ptr<StoreDisk>> open_store_files(const std::string& path);

}  // namespace weir::rules
