#include "capture/upload_ranges.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::capture {
namespace {

std::uint64_t pointer(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

// The attributes are as long as they were when the command came into being: what is behind must be zero.
int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

// Descriptors that are to be closed unless they are handed on.
struct Descriptor {
  explicit Descriptor(int number = -1) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int take() { return std::exchange(fd, -1); }
  int fd;
};

int make_map(std::uint32_t entries) {
  bpf_attr a{};
  a.map_type = BPF_MAP_TYPE_LRU_HASH;
  a.key_size = sizeof(UploadKey);
  a.value_size = sizeof(UploadRange);
  a.max_entries = entries;
  std::memcpy(a.map_name, "weir_ranges", sizeof "weir_ranges");
  return bpf(BPF_MAP_CREATE, a);
}

int make_program(int map) {
  const std::vector<bpf_insn> code = upload_program(map);
  bpf_attr a{};
  a.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  a.insn_cnt = static_cast<std::uint32_t>(code.size());
  a.insns = pointer(code.data());
  a.license = pointer("none");  // it needs none of the helpers that ask for one
  std::memcpy(a.prog_name, "weir_uploads", sizeof "weir_uploads");
  return bpf(BPF_PROG_LOAD, a);
}

int pinned(const std::string& path) {
  bpf_attr a{};
  a.pathname = pointer(path.c_str());
  return bpf(BPF_OBJ_GET, a);
}

bool pin(int descriptor, const std::string& path) {
  bpf_attr a{};
  a.pathname = pointer(path.c_str());
  a.bpf_fd = static_cast<std::uint32_t>(descriptor);
  return bpf(BPF_OBJ_PIN, a) == 0;
}

template <class Info>
bool describe(int descriptor, Info& out) {
  bpf_attr a{};
  a.info.bpf_fd = static_cast<std::uint32_t>(descriptor);
  a.info.info_len = sizeof(Info);
  a.info.info = pointer(&out);
  return bpf(BPF_OBJ_GET_INFO_BY_FD, a) == 0;
}

bool is_our_map(int map, std::uint32_t entries) {
  bpf_map_info info{};
  return describe(map, info) && info.type == BPF_MAP_TYPE_LRU_HASH && info.key_size == sizeof(UploadKey) &&
         info.value_size == sizeof(UploadRange) && info.max_entries == entries;
}

// The same instructions over the same map: the kernel has a digest of the former, in which the map does not show.
bool is_our_program(int program, int map) {
  bpf_map_info of_map{};
  if (!describe(map, of_map)) return false;
  std::uint32_t used = 0;
  bpf_prog_info info{};
  info.nr_map_ids = 1;
  info.map_ids = pointer(&used);
  const Descriptor fresh(make_program(map));
  bpf_prog_info ours{};
  if (fresh.fd < 0 || !describe(program, info) || !describe(fresh.fd, ours)) return false;
  return info.type == BPF_PROG_TYPE_SOCKET_FILTER && info.nr_map_ids == 1 && used == of_map.id &&
         std::memcmp(info.tag, ours.tag, sizeof info.tag) == 0;
}

std::string sentence(int error) {
  if (error == EPERM || error == EACCES) return "the kernel does not allow eBPF programs: CAP_BPF is needed";
  if (error == ENOSYS || error == EINVAL) return "this kernel does not know the eBPF that is needed";
  return "eBPF cannot be set up: " + std::generic_category().message(error);
}

// Of the directory, or of the one where it is to be.
Result<void> on_bpf(const std::string& directory) {
  struct statfs where {};
  bool known = ::statfs(directory.c_str(), &where) == 0;
  if (!known) known = ::statfs(directory.substr(0, directory.rfind('/') + 1).c_str(), &where) == 0;
  if (known && where.f_type == BPF_FS_MAGIC) return {};
  return fail(directory + " is not on a bpf file system: mount -t bpf bpf /sys/fs/bpf");
}

}  // namespace

Result<std::shared_ptr<UploadRanges>> UploadRanges::open(const std::string& directory, std::uint32_t entries) {
  const std::string map_path = directory + "/ranges";
  const std::string program_path = directory + "/uploads";
  bool replaced = false;
  if (!directory.empty()) {
    if (const Result<void> there = on_bpf(directory); !there) return fail(there.error().message);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
      return fail(directory + " cannot be made: " + std::generic_category().message(errno));
    }
    Descriptor map(pinned(map_path));
    Descriptor program(pinned(program_path));
    if (map.fd >= 0 && program.fd >= 0 && is_our_map(map.fd, entries) && is_our_program(program.fd, map.fd)) {
      return std::shared_ptr<UploadRanges>(new UploadRanges(map.take(), program.take()));
    }
    replaced = program.fd >= 0;
  }
  Descriptor map(make_map(entries));
  if (map.fd < 0) return fail(sentence(errno));
  Descriptor program(make_program(map.fd));
  if (program.fd < 0) return fail(sentence(errno));
  if (!directory.empty()) {
    ::unlink(map_path.c_str());
    ::unlink(program_path.c_str());
    if (!pin(map.fd, map_path) || !pin(program.fd, program_path)) {
      return fail(directory + ": nothing can be pinned there: " + std::generic_category().message(errno));
    }
  }
  std::shared_ptr<UploadRanges> made(new UploadRanges(map.take(), program.take()));
  made->replaced_ = replaced;
  return made;
}

Result<void> UploadRanges::check(const std::string& directory) {
  if (const Result<void> there = on_bpf(directory); !there) return fail(there.error().message);
  const auto made = open({}, 1);
  if (!made) return fail(made.error().message);
  return {};
}

UploadRanges::~UploadRanges() {
  ::close(map_);
  ::close(program_);
}

bool UploadRanges::set(const UploadKey& key, const UploadRange& range) {
  bpf_attr a{};
  a.map_fd = static_cast<std::uint32_t>(map_);
  a.key = pointer(&key);
  a.value = pointer(&range);
  a.flags = BPF_ANY;
  return bpf(BPF_MAP_UPDATE_ELEM, a) == 0;
}

void UploadRanges::remove(const UploadKey& key) {
  bpf_attr a{};
  a.map_fd = static_cast<std::uint32_t>(map_);
  a.key = pointer(&key);
  bpf(BPF_MAP_DELETE_ELEM, a);  // it may not be there
}

std::optional<UploadRange> UploadRanges::find(const UploadKey& key) const {
  UploadRange out;
  bpf_attr a{};
  a.map_fd = static_cast<std::uint32_t>(map_);
  a.key = pointer(&key);
  a.value = pointer(&out);
  if (bpf(BPF_MAP_LOOKUP_ELEM, a) != 0) return std::nullopt;
  return out;
}

void UploadRanges::clear(std::uint32_t queue) {
  std::vector<UploadKey> found;
  UploadKey at, next;
  bool first = true;
  // Where the key in hand is taken out meanwhile the kernel begins anew: more than twice is not looked at any.
  for (std::uint32_t i = 0; i < 2 * kEntries; ++i) {
    bpf_attr a{};
    a.map_fd = static_cast<std::uint32_t>(map_);
    a.key = first ? 0 : pointer(&at);
    a.next_key = pointer(&next);
    if (bpf(BPF_MAP_GET_NEXT_KEY, a) != 0) break;
    first = false;
    at = next;
    if (const std::optional<UploadRange> range = find(at); range && range->queue == queue) found.push_back(at);
  }
  for (const UploadKey& key : found) remove(key);
}

}  // namespace weir::capture
