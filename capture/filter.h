// Filter: a BPF expression (pcap-filter(7)), compiled by libpcap for each link type that turns up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir::capture {

class Filter {
 public:
  // An empty expression passes everything.
  explicit Filter(std::string expression);
  ~Filter();
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  [[nodiscard]] bool empty() const { return expression_.empty(); }
  // Whether the packet passes; an error if the expression means nothing for that link type.
  [[nodiscard]] Result<bool> passes(int dlt, Bytes bytes, std::uint32_t wire_length);
  // Compiles only.
  [[nodiscard]] Result<void> check(int dlt);

 private:
  struct Program;
  [[nodiscard]] Result<Program*> program(int dlt);

  std::string expression_;
  std::vector<std::unique_ptr<Program>> programs_;  // a handful: one for each link type
};

}  // namespace weir::capture
