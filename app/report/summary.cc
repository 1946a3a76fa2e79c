#include "app/report/summary.h"

#include <string_view>

#include "app/formats/colors.h"
#include "app/report/progress.h"

namespace weir::app {
namespace {

std::string counted(std::uint64_t n, std::string_view one, std::string_view many) {
  return grouped(n) + " " + std::string(n == 1 ? one : many);
}

// "a, b and c" of those that are not zero.
class Parts {
 public:
  void add(std::uint64_t n, std::string_view one, std::string_view many) {
    if (n == 0) return;
    if (!text_.empty()) text_ += ", ";
    text_ += counted(n, one, many);
  }
  void add(std::uint64_t n, std::string_view what) { add(n, what, what); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string connections(const inspect::InspectorCounters& c) {
  Parts parts;
  parts.add(c.flows_http, "HTTP");
  parts.add(c.flows_tls, "TLS (not readable)");
  parts.add(c.flows_http2, "HTTP/2 (not read yet)");
  parts.add(c.flows_other, "with no HTTP");
  parts.add(c.flows_skipped, "to other ports");
  std::string text = counted(c.flows, "TCP connection", "TCP connections");
  return parts.text().empty() ? text : text + " (" + parts.text() + ")";
}

std::string losses(const inspect::InspectorCounters& c) {
  Parts parts;
  parts.add(c.gaps, "gap in the streams", "gaps in the streams");
  parts.add(c.snapped, "packet cut by the snaplen", "packets cut by the snaplen");
  parts.add(c.malformed, "malformed packet", "malformed packets");
  parts.add(c.bad_checksum, "packet with a wrong checksum", "packets with a wrong checksum");
  parts.add(c.offloaded_checksum, "checksum left to the sender's card", "checksums left to the sender's card");
  parts.add(c.refused_segments, "TCP segment that its receiver would refuse",
            "TCP segments that their receivers would refuse");
  parts.add(c.evicted, "transaction given up for want of memory", "transactions given up for want of memory");
  return parts.text();
}

}  // namespace

std::string summary(const inspect::InspectorCounters& c, const RunFacts& facts, bool colored) {
  std::string out;
  out += counted(facts.captures, "capture", "captures") + ", " + counted(c.packets, "packet", "packets") + ", " +
         connections(c) + ", " + counted(c.transactions, "transaction", "transactions") + "\n";
  const std::string refused = grouped(c.refused);
  out += grouped(c.matched) + " matched a rule, " + painted(refused, c.refused > 0 ? Color::Red : Color::Green, colored);
  out += facts.mode == WafMode::Block ? " refused" : " would be refused";
  out += " (paranoia level " + std::to_string(facts.paranoia) +
         (facts.mode == WafMode::Block ? ", block mode)" : ", detect mode)");
  Parts more;
  more.add(c.with_violations, "deviates from HTTP's grammar", "deviate from HTTP's grammar");
  more.add(c.truncated, "not complete");
  if (!more.text().empty()) out += ", " + more.text();
  out += "\n";
  if (facts.inline_mode) {
    out += counted(c.dropped_packets, "packet", "packets") + " not let through";
    if (c.injected > 0) out += ", " + grouped(c.injected) + " sent to answer them";
    out += "\n";
  }
  if (const std::string lost = losses(c); !lost.empty()) out += painted("note: ", Color::Yellow, colored) + lost + "\n";
  return out;
}

}  // namespace weir::app
