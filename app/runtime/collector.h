// Collector: formats the events of one worker and keeps the lines until their order among those of the
// other workers is known.
//
// The order is that of completion by packet. What one packet (or the end of the input) completes in several
// connections is ordered by the time of the request, flow and number, so that the output does not depend on
// how connections were spread over workers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "app/formats/format.h"
#include "app/runtime/files.h"
#include "engine/event.h"

namespace weir::app {

class Collector final : public EventSink {
 public:
  explicit Collector(std::unique_ptr<Format> format) : format_(std::move(format)) {}

  // Events from now on are made while this packet is inspected.
  void at(std::uint64_t packet) { packet_ = packet; }
  void files(std::shared_ptr<const FileMap> files) { files_ = std::move(files); }
  void write(const Event& event) override;

  struct Line {
    std::uint64_t packet = 0;
    std::int64_t time = 0;
    std::uint64_t flow = 0;
    std::uint64_t tx = 0;
    std::size_t from = 0, length = 0;  // in text()
    [[nodiscard]] auto key() const { return std::tie(packet, time, flow, tx); }
  };
  struct Lines {
    std::vector<Line> lines;
    std::string bytes;
    [[nodiscard]] std::string_view text(const Line& line) const {
      return std::string_view(bytes).substr(line.from, line.length);
    }
    void clear() {
      lines.clear();
      bytes.clear();
    }
  };
  // Changes what has been collected for `empty`, whose memory goes on being used.
  void take(Lines& empty) {
    empty.clear();
    std::swap(empty, lines_);
  }

 private:
  std::unique_ptr<Format> format_;
  std::shared_ptr<const FileMap> files_;
  std::uint64_t packet_ = 0;
  Lines lines_;
};

}  // namespace weir::app
