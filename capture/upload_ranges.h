// UploadRanges: which bytes of uploads the kernel lets by (capture/upload_program.h), by the bpf(2) system call. The map
// and the program that looks into it are pinned below a directory of a bpf file system, where the firewall's rules find
// the program:
//
//   <directory>/uploads   the program    <directory>/ranges   the map
//
// Both stay when Weir ends, for rules may use them; the next Weir takes them over if they are what it would make. If not
// (another version's), it makes new ones: rules that know the old ones then release nothing until they are set up again.
//
// Full, or without memory, the kernel forgets what was not used longest: it comes by Weir again. Needs CAP_BPF (or
// CAP_SYS_ADMIN) to open. Shared by processes; calls of set(), remove() and clear() are single system calls for an entry.
// Tested by tests/unit/capture/upload_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "capture/upload_program.h"
#include "engine/result.h"

namespace weir::capture {

class UploadRanges {
 public:
  // Where `directory` is empty nothing is pinned. It is made if its parent is there.
  // Errors: plain sentences; no bpf file system, no right to, no such thing in this kernel.
  static Result<std::shared_ptr<UploadRanges>> open(const std::string& directory, std::uint32_t entries = kEntries);
  // Whether open() would succeed there; nothing is left behind.
  static Result<void> check(const std::string& directory);
  UploadRanges(const UploadRanges&) = delete;
  UploadRanges& operator=(const UploadRanges&) = delete;
  ~UploadRanges();

  // False: the kernel would not.
  bool set(const UploadKey& key, const UploadRange& range);
  void remove(const UploadKey& key);
  [[nodiscard]] std::optional<UploadRange> find(const UploadKey& key) const;
  // Everything that this queue's workers said.
  void clear(std::uint32_t queue);

  // What was pinned there could not be taken over: rules that use it are to be set up again.
  [[nodiscard]] bool replaced() const { return replaced_; }
  [[nodiscard]] int program() const { return program_; }

  static constexpr std::uint32_t kEntries = 16'384;

 private:
  UploadRanges(int map, int program) : map_(map), program_(program) {}

  int map_;
  int program_;
  bool replaced_ = false;
};

}  // namespace weir::capture
