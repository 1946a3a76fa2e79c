#include "tests/bench/harness.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "engine/base/huge_pages.h"

namespace weir::bench {
namespace {

std::string_view until(std::string_view& rest, std::string_view mark) {
  const std::size_t at = rest.find(mark);
  const std::string_view piece = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + mark.size());
  return piece;
}

double seconds_of(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

std::unique_ptr<Request> parse(std::string bytes) {
  auto request = std::make_unique<Request>();
  request->bytes = std::move(bytes);
  std::string_view rest = request->bytes;
  std::string_view head = until(rest, "\r\n\r\n");
  request->body = rest;
  std::string_view line = until(head, "\r\n");
  request->method = until(line, " ");
  const std::size_t last = line.rfind(' ');
  request->target = line.substr(0, last);
  request->version = last == std::string_view::npos ? "" : line.substr(last + 1);
  while (!head.empty()) {
    std::string_view field = until(head, "\r\n");
    const std::string_view name = until(field, ":");
    while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
    request->headers.emplace_back(name, field);
  }
  return request;
}

Corpus read_corpus(const std::string& path, std::size_t most) {
  std::ifstream in(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at + 4 <= all.size();) {
    std::uint32_t length = 0;
    std::memcpy(&length, &all[at], 4);
    found.push_back(std::string_view(all).substr(at + 4, length));
    at += 4 + length;
  }
  Corpus out;
  const std::size_t count = most == 0 ? found.size() : std::min(most, found.size());
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(parse(std::string(found[i * found.size() / count])));
  }
  return out;
}

double cpu_seconds() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }
double wall_seconds() { return seconds_of(CLOCK_MONOTONIC); }

double resident_mib() {
  std::ifstream in("/proc/self/statm");
  double size = 0;
  double resident = 0;
  in >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

void heap_as_in_weir() { base::heap_on_huge_pages(std::size_t{64} << 20); }

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

double quantile(const std::vector<double>& sorted, double q) {
  const auto at = static_cast<std::size_t>(std::floor(q * static_cast<double>(sorted.size())));
  return sorted[std::min(at, sorted.size() - 1)];
}

WeirEngine::WeirEngine(const WeirOptions& options) {
  std::vector<rules::Source> sources;
  for (const std::string& file : options.files) sources.push_back(rules::Source::file(file));
  rules::LoadOptions load;
  load.cache_directory = options.scanners ? options.cache : std::string();
  load.scanners_later = true;
  const double start = wall_seconds();
  const double start_cpu = cpu_seconds();
  auto loaded = rules::RuleSet::load(sources, load);
  ready_ = wall_seconds() - start;
  ready_cpu_ = cpu_seconds() - start_cpu;
  if (!loaded.rules) {
    for (const auto& d : loaded.diagnostics) {
      if (d.severity != rules::Severity::Error) continue;
      std::fprintf(stderr, "%s:%u: %s\n", d.file.c_str(), d.line, d.message.c_str());
    }
    std::exit(2);
  }
  rules_ = loaded.rules;
  if (!options.scanners) return;
  const double compiling = cpu_seconds();
  rules_->compile_scanners();
  compiling_ = cpu_seconds() - compiling;
}

std::size_t WeirEngine::run(const Request& request) {
  rules::Transaction::Peers peers;
  peers.client = *IpAddress::parse("192.0.2.7");
  peers.server = *IpAddress::parse("198.51.100.1");
  peers.client_port = 40000;
  peers.server_port = 80;
  const Timestamp now{1'700'000'000'000'000'000};
  transaction_.begin(rules_, peers, "bench", now);
  transaction_.request_line(request.method, request.target, request.version);
  for (const auto& [name, value] : request.headers) transaction_.request_header(name, value);
  (void)transaction_.request_headers_done(now);
  if (!request.body.empty() && transaction_.wants_request_body()) {
    (void)transaction_.request_body(request.body);
  }
  (void)transaction_.request_body_done(now);
  transaction_.finish(now);
  const auto matches = transaction_.matches();
  return static_cast<std::size_t>(
      std::count_if(matches.begin(), matches.end(), [](const rules::Match& m) { return m.log; }));
}

}  // namespace weir::bench
