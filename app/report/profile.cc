#include "app/report/profile.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "app/report/progress.h"
#include "engine/base/json_writer.h"
#include "engine/base/utf8.h"

namespace weir::app {
namespace {

using rules::ProfileKind;
using rules::ProfileRow;

constexpr std::size_t kShown = 20;        // of each kind
constexpr std::size_t kNameLength = 100;  // bytes of a pattern

struct KindName {
  ProfileKind kind;
  const char* word;     // in JSON
  const char* heading;  // in the table
};
constexpr std::array kKinds = {
    KindName{ProfileKind::Rule, "rule", "rules (targets and actions)"},
    KindName{ProfileKind::Operator, "operator", "operators"},
    KindName{ProfileKind::Scan, "scan", "Hyperscan, by scan unit"},
    KindName{ProfileKind::Filter, "filter", "ruling out"},
    KindName{ProfileKind::Transform, "transform", "transformations"},
};

std::uint64_t total(std::span<const ProfileRow> rows) {
  std::uint64_t sum = 0;
  for (const ProfileRow& row : rows) sum += row.cost.ns;
  return sum;
}

std::string shown(std::string_view name) {
  std::string out;
  base::append_json_escaped(out, base::cut_utf8(name, kNameLength));
  return name.size() > kNameLength ? out + "…" : out;
}

std::string table_line(std::uint64_t ns, std::uint64_t sum, std::uint64_t calls, const std::string& text) {
  std::array<char, 64> head{};
  std::snprintf(head.data(), head.size(), "%10.3f ms %5.1f %% %12s  ", static_cast<double>(ns) / 1e6,
                sum == 0 ? 0.0 : 100.0 * static_cast<double>(ns) / static_cast<double>(sum), grouped(calls).c_str());
  return head.data() + text + "\n";
}

}  // namespace

std::uint64_t profile_clock() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

std::string profile_text(std::span<const ProfileRow> rows, std::uint64_t transactions) {
  const std::uint64_t sum = total(rows);
  std::string out = "profile of " + grouped(transactions) + " transactions; taking it costs time itself\n";
  for (const KindName& kind : kKinds) {
    std::uint64_t ns = 0;
    std::uint64_t calls = 0;
    std::string lines;
    std::size_t n = 0;
    for (const ProfileRow& row : rows) {
      if (row.kind != kind.kind) continue;
      ns += row.cost.ns;
      calls += row.cost.calls;
      if (n++ >= kShown) continue;
      const std::string id = row.kind == ProfileKind::Operator ? std::to_string(row.rule_id) + " " : "";
      lines += table_line(row.cost.ns, sum, row.cost.calls, "  " + id + shown(row.name));
    }
    if (n == 0) continue;
    out += "\n" + table_line(ns, sum, calls, kind.heading) + lines;
    if (n > kShown) out += std::string(35, ' ') + "and " + grouped(n - kShown) + " more\n";
  }
  return out;
}

std::string profile_json(std::span<const ProfileRow> rows, std::uint64_t transactions) {
  std::string out;
  base::JsonWriter json(out);
  json.begin_object();
  json.field("transactions", transactions);
  json.field("ns", total(rows));
  json.key("rows");
  json.begin_array();
  for (const ProfileRow& row : rows) {
    const auto* kind = std::find_if(kKinds.begin(), kKinds.end(), [&](const KindName& k) { return k.kind == row.kind; });
    json.begin_object();
    json.field("kind", kind->word);
    if (row.rule_id != 0) json.field("rule", row.rule_id);
    json.field("name", row.name);
    json.field("calls", row.cost.calls);
    json.field("ns", row.cost.ns);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return out + "\n";
}

}  // namespace weir::app
