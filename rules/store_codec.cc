#include "rules/store_codec.h"

#include <array>

#include "rules/little_endian.h"

namespace weir::rules {
namespace {

constexpr std::string_view kMagic = "WEIRSTO1";
constexpr std::uint32_t kMaxPayload = 64U << 20U;
constexpr char kRecord = 1, kRemoval = 2, kEnd = 3;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1U) != 0 ? 0xEDB88320U ^ (c >> 1U) : c >> 1U;
    table[i] = c;
  }
  return table;
}

constexpr auto kTable = make_table();

void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size(), 4);
  out += text;
}

bool take_time(std::string_view& in, std::int64_t& value) {
  std::uint64_t bits = 0;
  if (!take_number(in, bits, 8)) return false;
  value = static_cast<std::int64_t>(bits);
  return true;
}

bool take_text(std::string_view& in, std::string& text) {
  std::uint64_t size = 0;
  if (!take_number(in, size, 4) || size > in.size()) return false;
  text.assign(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

// Writes the frame around what was appended to `out` since `start` (where 8 bytes were left free).
std::size_t begin_entry(std::string& out) {
  const std::size_t start = out.size();
  out.append(8, '\0');
  return start;
}

void end_entry(std::string& out, std::size_t start) {
  std::string frame;
  put_number(frame, out.size() - start - 8, 4);
  const std::uint32_t sum = crc32(std::string_view(out).substr(start + 8), crc32(frame));
  put_number(frame, sum, 4);
  out.replace(start, 8, frame);
}

}  // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t c = ~seed;
  for (const char byte : bytes) {
    c = kTable[(c ^ static_cast<unsigned char>(byte)) & 0xFFU] ^ (c >> 8U);
  }
  return ~c;
}

void append_file_header(std::string& out, std::uint64_t generation) {
  out += kMagic;
  put_number(out, generation, 8);
}

void append_record(std::string& out, const StoredRecord& record) {
  const std::size_t start = begin_entry(out);
  out += kRecord;
  put_text(out, record.id);
  put_number(out, static_cast<std::uint64_t>(record.updated), 8);
  put_number(out, record.variables.size(), 4);
  for (const StoredVariable& v : record.variables) {
    put_text(out, v.name);
    put_text(out, v.value);
    put_number(out, static_cast<std::uint64_t>(v.updated), 8);
    put_number(out, static_cast<std::uint64_t>(v.expires), 8);
  }
  end_entry(out, start);
}

void append_removal(std::string& out, std::string_view id) {
  const std::size_t start = begin_entry(out);
  out += kRemoval;
  put_text(out, id);
  end_entry(out, start);
}

void append_end(std::string& out, std::uint64_t records) {
  const std::size_t start = begin_entry(out);
  out += kEnd;
  put_number(out, records, 8);
  end_entry(out, start);
}

std::optional<std::uint64_t> StoreReader::header() {
  std::string_view in = rest_;
  std::uint64_t generation = 0;
  if (in.substr(0, kMagic.size()) != kMagic) return std::nullopt;
  in.remove_prefix(kMagic.size());
  if (!take_number(in, generation, 8)) return std::nullopt;
  rest_ = in;
  return generation;
}

StoreReader::Kind StoreReader::next() {
  if (rest_.empty()) return Kind::Finished;
  std::string_view in = rest_;
  std::uint64_t size = 0, sum = 0;
  if (!take_number(in, size, 4) || !take_number(in, sum, 4)) return Kind::Damaged;
  if (size > kMaxPayload || size > in.size()) return Kind::Damaged;
  const std::string_view payload = in.substr(0, size);
  if (crc32(payload, crc32(rest_.substr(0, 4))) != sum) return Kind::Damaged;
  Kind kind = Kind::Damaged;
  if (!parse(payload, kind)) return Kind::Damaged;
  in.remove_prefix(size);
  rest_ = in;
  return kind;
}

bool StoreReader::parse(std::string_view in, Kind& kind) {
  if (in.empty()) return false;
  const char type = in.front();
  in.remove_prefix(1);
  if (type == kEnd) {
    kind = Kind::End;
    return take_number(in, count_, 8) && in.empty();
  }
  record_.variables.clear();
  if (!take_text(in, record_.id)) return false;
  if (type == kRemoval) {
    kind = Kind::Removal;
    return in.empty();
  }
  if (type != kRecord) return false;
  kind = Kind::Record;
  std::uint64_t count = 0;
  if (!take_time(in, record_.updated) || !take_number(in, count, 4)) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    StoredVariable v;
    if (!take_text(in, v.name) || !take_text(in, v.value) || !take_time(in, v.updated) ||
        !take_time(in, v.expires)) {
      return false;
    }
    record_.variables.push_back(std::move(v));
  }
  return in.empty();
}

}  // namespace weir::rules
