#include "app/runtime/collector.h"

namespace weir::app {

void Collector::write(const Event& event) {
  Event placed = event;
  const FileMap::Place place = files_->place(event.origin.packet_number);
  placed.origin.packet_number = place.number;
  Line line;
  line.packet = packet_;
  line.time = event.origin.time.ns;
  line.flow = event.origin.flow_id;
  line.tx = event.http.tx_id;
  line.from = lines_.bytes.size();
  format_->append(placed, {place.file}, lines_.bytes);
  line.length = lines_.bytes.size() - line.from;
  if (line.length > 0) lines_.lines.push_back(line);
}

}  // namespace weir::app
