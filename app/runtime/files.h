// Which capture a packet came from: packets are numbered through all captures, records name the file and
// the place in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::app {

class FileMap {
 public:
  // Packets from now on are of this file; the first of them will have the number before + 1.
  void add(std::string name, std::uint64_t before) { files_.push_back({std::move(name), before}); }

  struct Place {
    std::string_view file;
    std::uint64_t number = 0;  // 1, 2, … within the file
  };
  // REQUIRES: a file was added.
  [[nodiscard]] Place place(std::uint64_t packet) const {
    std::size_t i = files_.size() - 1;
    while (i > 0 && packet <= files_[i].before) --i;
    return {files_[i].name, packet > files_[i].before ? packet - files_[i].before : 0};
  }

 private:
  struct File {
    std::string name;
    std::uint64_t before = 0;
  };
  std::vector<File> files_;
};

}  // namespace weir::app
