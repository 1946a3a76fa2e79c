// The bytes of a store on disk: a file header, then entries, each with its length and a checksum, so that
// a file cut off anywhere still gives every entry that is whole. Entries say what a record *is* (all its
// variables), never what was done to it: reading one twice does no harm.
//
//   file    = "WEIRSTO1" generation:u64 entry*
//   entry   = length:u32 crc32(length, payload):u32 payload
//   payload = kind:u8 …       integers little-endian; texts as length:u32 bytes
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::rules {

struct StoredVariable {
  std::string name, value;
  std::int64_t updated = 0;  // ns since the epoch
  std::int64_t expires = 0;  // 0: never
};

struct StoredRecord {
  std::string id;            // collection, NUL, key
  std::int64_t updated = 0;
  std::vector<StoredVariable> variables;
};

// Polynomial of IEEE 802.3, as zlib's crc32(). `seed`: the result for the bytes before.
[[nodiscard]] std::uint32_t crc32(std::string_view bytes, std::uint32_t seed = 0);

void append_file_header(std::string& out, std::uint64_t generation);
void append_record(std::string& out, const StoredRecord& record);
void append_removal(std::string& out, std::string_view id);
// The last entry of a snapshot: it tells a whole snapshot from one that was cut between two entries.
void append_end(std::string& out, std::uint64_t records);

class StoreReader {
 public:
  explicit StoreReader(std::string_view bytes) : rest_(bytes) {}

  // The generation, or nullopt if this is no file of ours.
  std::optional<std::uint64_t> header();

  enum class Kind : std::uint8_t {
    Record, Removal, End,
    Finished,  // no bytes are left
    Damaged,   // what follows is cut off or not what was written; nothing more can be read
  };
  // The next entry. Record fills record(); Removal its id only; End leaves the count in count().
  Kind next();
  [[nodiscard]] StoredRecord& record() { return record_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::size_t unread() const { return rest_.size(); }

 private:
  bool parse(std::string_view payload, Kind& kind);

  std::string_view rest_;
  StoredRecord record_;
  std::uint64_t count_ = 0;
};

}  // namespace weir::rules
