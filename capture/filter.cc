#include "capture/filter.h"

#include <algorithm>
#include <cctype>

#include <pcap/pcap.h>

namespace weir::capture {

struct Filter::Program {
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { pcap_freecode(&code); }
  int dlt = 0;
  bpf_program code{};
};

Filter::Filter(std::string expression) : expression_(std::move(expression)) {
  const bool blank = std::all_of(expression_.begin(), expression_.end(),
                                 [](unsigned char c) { return std::isspace(c) != 0; });
  if (blank) expression_.clear();
}
Filter::~Filter() = default;

Result<Filter::Program*> Filter::program(int dlt) {
  for (const auto& p : programs_) {
    if (p->dlt == dlt) return p.get();
  }
  pcap_t* dead = pcap_open_dead(dlt, 262144);
  if (dead == nullptr) return fail("not enough memory to compile the filter");
  auto p = std::make_unique<Program>();
  p->dlt = dlt;
  if (pcap_compile(dead, &p->code, expression_.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    const std::string why = pcap_geterr(dead);
    pcap_close(dead);
    return fail("filter \"" + expression_ + "\": " + why);
  }
  pcap_close(dead);
  programs_.push_back(std::move(p));
  return programs_.back().get();
}

Result<void> Filter::check(int dlt) {
  if (empty()) return {};
  if (auto p = program(dlt); !p) return fail(p.error().message);
  return {};
}

Result<bool> Filter::passes(int dlt, Bytes bytes, std::uint32_t wire_length) {
  if (empty()) return true;
  auto p = program(dlt);
  if (!p) return fail(p.error().message);
  pcap_pkthdr header{};
  header.caplen = static_cast<bpf_u_int32>(bytes.size());
  header.len = wire_length;
  return pcap_offline_filter(&(*p)->code, &header, bytes.data()) != 0;
}

}  // namespace weir::capture
