// What the rule benchmarks share: corpora, Weir's engine, clocks, quantiles.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/ruleset.h"
#include "rules/transaction.h"

namespace weir::bench {

// A request, its head parsed into fields by the same code for every engine.
struct Request {
  std::string bytes;
  std::string_view method, target, version;  // version: "HTTP/1.1"
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view body;
};
using Corpus = std::vector<std::unique_ptr<Request>>;

[[nodiscard]] std::unique_ptr<Request> parse(std::string bytes);
// What make_corpus.py writes. At most `most` requests, spread evenly over the file; 0: all.
[[nodiscard]] Corpus read_corpus(const std::string& path, std::size_t most = 0);

// CPU time of this thread: other programs on the machine do not count.
[[nodiscard]] double cpu_seconds();
[[nodiscard]] double wall_seconds();
// Of this process, from /proc.
[[nodiscard]] double resident_mib();
// What is allocated next lies on huge pages, as in the program weir.
void heap_as_in_weir();

[[nodiscard]] double median(std::vector<double> values);
// `sorted` ascending and not empty.
[[nodiscard]] double quantile(const std::vector<double>& sorted, double q);

struct WeirOptions {
  std::vector<std::string> files;
  std::string cache;  // directory for compiled patterns; empty: none
  bool scanners = true;
};

// Phases 1, 2 and 5 of a request.
class WeirEngine {
 public:
  // Exits with 2 where the rules do not load.
  explicit WeirEngine(const WeirOptions& options);
  // The number of rules that matched and were logged.
  std::size_t run(const Request& request);
  // Wall-clock time until requests could have been served, and CPU time of compiling scanners after that.
  [[nodiscard]] double ready_seconds() const { return ready_; }
  [[nodiscard]] double ready_cpu_seconds() const { return ready_cpu_; }
  [[nodiscard]] double scanner_seconds() const { return compiling_; }
  [[nodiscard]] const rules::RuleSet& rules() const { return *rules_; }

 private:
  double ready_ = 0;
  double ready_cpu_ = 0;
  double compiling_ = 0;
  std::shared_ptr<const rules::RuleSet> rules_;
  rules::Scratch scratch_;
  rules::Transaction transaction_{scratch_};
};

}  // namespace weir::bench
