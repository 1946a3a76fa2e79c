// Captures as byte strings, made by hand so that libpcap is not its own oracle.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/packet_builder.h"

namespace weir::test {

class FileBuilder {
 public:
  explicit FileBuilder(bool big = false) : big_(big) {}
  FileBuilder& u8(std::uint32_t v) {
    bytes_.push_back(static_cast<char>(v));
    return *this;
  }
  FileBuilder& u16(std::uint32_t v) {
    return big_ ? u8(v >> 8).u8(v & 255) : u8(v & 255).u8(v >> 8);
  }
  FileBuilder& u32(std::uint32_t v) {
    return big_ ? u16(v >> 16).u16(v & 0xffff) : u16(v & 0xffff).u16(v >> 16);
  }
  FileBuilder& u64(std::uint64_t v) {
    const auto high = static_cast<std::uint32_t>(v >> 32);
    const auto low = static_cast<std::uint32_t>(v);
    return big_ ? u32(high).u32(low) : u32(low).u32(high);
  }
  FileBuilder& raw(const Octets& b) {
    bytes_.append(b.begin(), b.end());
    return *this;
  }
  FileBuilder& raw(const std::string& b) {
    bytes_ += b;
    return *this;
  }
  FileBuilder& pad() {
    while (bytes_.size() % 4 != 0)
      u8(0);
    return *this;
  }

  // pcap
  FileBuilder& pcap(bool nano, std::uint32_t link = 1, std::uint32_t snaplen = 65535) {
    return u32(nano ? 0xa1b23c4d : 0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(snaplen).u32(link);
  }
  FileBuilder& record(std::uint32_t seconds, std::uint32_t fraction, const Octets& b,
                      std::uint32_t wire = 0) {
    const auto n = static_cast<std::uint32_t>(b.size());
    return u32(seconds).u32(fraction).u32(n).u32(wire == 0 ? n : wire).raw(b);
  }

  // pcapng
  FileBuilder& block(std::uint32_t type, const std::string& body) {
    const auto length = static_cast<std::uint32_t>(12 + (body.size() + 3) / 4 * 4);
    return u32(type).u32(length).raw(body).pad().u32(length);
  }
  FileBuilder& section() {
    return block(0x0a0d0d0a,
                 FileBuilder(big_).u32(0x1a2b3c4d).u16(1).u16(0).u64(~std::uint64_t{0}).text());
  }
  FileBuilder& interface(std::uint32_t link, const std::string& options = "",
                         std::uint32_t snaplen = 0) {
    return block(1, FileBuilder(big_).u16(link).u16(0).u32(snaplen).raw(options).text());
  }
  [[nodiscard]] std::string option(std::uint32_t code, const std::string& value) const {
    return FileBuilder(big_)
        .u16(code)
        .u16(static_cast<std::uint32_t>(value.size()))
        .raw(value)
        .pad()
        .text();
  }
  [[nodiscard]] std::string resolution(std::uint32_t v) const {
    return option(9, FileBuilder().u8(v).text());
  }
  [[nodiscard]] std::string offset(std::int64_t v) const {
    return option(14, FileBuilder(big_).u64(static_cast<std::uint64_t>(v)).text());
  }
  FileBuilder& enhanced(std::uint32_t interface, std::uint64_t time, const Octets& b,
                        std::uint32_t wire = 0) {
    const auto n = static_cast<std::uint32_t>(b.size());
    return block(6, FileBuilder(big_)
                        .u32(interface)
                        .u32(static_cast<std::uint32_t>(time >> 32))
                        .u32(static_cast<std::uint32_t>(time))
                        .u32(n)
                        .u32(wire == 0 ? n : wire)
                        .raw(b)
                        .text());
  }
  FileBuilder& obsolete(std::uint32_t interface, std::uint64_t time, const Octets& b) {
    const auto n = static_cast<std::uint32_t>(b.size());
    return block(2, FileBuilder(big_)
                        .u16(interface)
                        .u16(0)
                        .u32(static_cast<std::uint32_t>(time >> 32))
                        .u32(static_cast<std::uint32_t>(time))
                        .u32(n)
                        .u32(n)
                        .raw(b)
                        .text());
  }
  FileBuilder& simple(const Octets& b, std::uint32_t wire = 0) {
    return block(3, FileBuilder(big_)
                        .u32(wire == 0 ? static_cast<std::uint32_t>(b.size()) : wire)
                        .raw(b)
                        .text());
  }

  [[nodiscard]] const std::string& text() const { return bytes_; }

 private:
  bool big_;
  std::string bytes_;
};

// A directory that goes away with the test.
class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace weir::test
