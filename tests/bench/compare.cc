// Weir's rule engine and Debian's libmodsecurity on the same requests and rules, in one process,
// alternately: CPU time per request, and the ratio of the two. Rules alone; no packets, no sockets.
//
//   compare --rules FILE [--rules FILE…] [--rounds N] [--only weir|modsecurity] CORPUS…
//
// A corpus is what make_corpus.py writes. Both engines get the request head parsed into fields by the
// same code, run the phases 1, 2 and 5, and are asked for nothing else.
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/transaction.h"

namespace {

struct Request {
  std::string bytes;
  std::string_view method, target, version;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view body;
};

std::string_view until(std::string_view& rest, std::string_view mark) {
  const std::size_t at = rest.find(mark);
  const std::string_view piece = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + mark.size());
  return piece;
}

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

std::vector<std::unique_ptr<Request>> load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::unique_ptr<Request>> out;
  for (std::size_t at = 0; at + 4 <= all.size();) {
    std::uint32_t length = 0;
    std::memcpy(&length, &all[at], 4);
    out.push_back(parse(all.substr(at + 4, length)));
    at += 4 + length;
  }
  return out;
}

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

class WeirEngine {
 public:
  explicit WeirEngine(const std::vector<std::string>& files) {
    std::vector<weir::rules::Source> sources;
    for (const std::string& file : files) sources.push_back(weir::rules::Source::file(file));
    weir::rules::LoadOptions options;
    auto loaded = weir::rules::RuleSet::load(sources, options);
    if (!loaded.rules) {
      for (const auto& d : loaded.diagnostics) std::fprintf(stderr, "%s:%u: %s\n", d.file.c_str(), d.line, d.message.c_str());
      std::exit(2);
    }
    rules_ = loaded.rules;
  }
  std::size_t run(const Request& request) {
    weir::rules::Transaction::Peers peers;
    peers.client = *weir::IpAddress::parse("192.0.2.7");
    peers.server = *weir::IpAddress::parse("198.51.100.1");
    peers.client_port = 40000;
    peers.server_port = 80;
    const weir::Timestamp now{1'700'000'000'000'000'000};
    transaction_.begin(rules_, peers, "bench", now);
    transaction_.request_line(request.method, request.target, request.version);
    for (const auto& [name, value] : request.headers) transaction_.request_header(name, value);
    (void)transaction_.request_headers_done(now);
    if (!request.body.empty() && transaction_.wants_request_body()) (void)transaction_.request_body(request.body);
    (void)transaction_.request_body_done(now);
    transaction_.finish(now);
    return transaction_.matches().size();
  }

 private:
  std::shared_ptr<const weir::rules::RuleSet> rules_;
  weir::rules::Scratch scratch_;
  weir::rules::Transaction transaction_{scratch_};
};

class ModSecurityEngine {
 public:
  explicit ModSecurityEngine(const std::vector<std::string>& files) {
    engine_.setServerLogCb([](void*, const void*) {});
    for (const std::string& file : files) {
      if (rules_.loadFromUri(file.c_str()) < 0) {
        std::fprintf(stderr, "libmodsecurity: %s\n", rules_.getParserError().c_str());
        std::exit(2);
      }
    }
  }
  std::size_t run(const Request& request) {
    modsecurity::Transaction t(&engine_, &rules_, nullptr);
    t.processConnection("192.0.2.7", 40000, "198.51.100.1", 80);
    const std::string target(request.target);
    const std::string method(request.method);
    const std::string version(request.version.substr(std::min<std::size_t>(5, request.version.size())));
    t.processURI(target.c_str(), method.c_str(), version.c_str());
    for (const auto& [name, value] : request.headers) {
      t.addRequestHeader(reinterpret_cast<const unsigned char*>(name.data()), name.size(),
                         reinterpret_cast<const unsigned char*>(value.data()), value.size());
    }
    t.processRequestHeaders();
    if (!request.body.empty()) {
      t.appendRequestBody(reinterpret_cast<const unsigned char*>(request.body.data()), request.body.size());
    }
    t.processRequestBody();
    t.processLogging();
    return t.m_rulesMessages.size();
  }

 private:
  modsecurity::ModSecurity engine_;
  modsecurity::RulesSet rules_;
};

struct Figures {
  double mean = 0, p50 = 0, p99 = 0, most = 0;  // microseconds of CPU time per request
};

Figures measure(const std::vector<std::unique_ptr<Request>>& corpus,
                const std::function<std::size_t(const Request&)>& run, std::vector<double>& best) {
  std::vector<double> each(corpus.size());
  const double start = cpu_seconds();
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    const auto from = std::chrono::steady_clock::now();
    run(*corpus[i]);
    each[i] = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - from).count();
  }
  Figures f;
  f.mean = (cpu_seconds() - start) * 1e6 / static_cast<double>(corpus.size());
  if (best.empty()) best = each;
  for (std::size_t i = 0; i < each.size(); ++i) best[i] = std::min(best[i], each[i]);
  return f;
}

void quantiles(Figures& f, std::vector<double> best) {
  std::sort(best.begin(), best.end());
  f.p50 = best[best.size() / 2];
  f.p99 = best[best.size() * 99 / 100];
  f.most = best.back();
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files, corpora;
  int rounds = 3;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--rules" && i + 1 < argc) files.emplace_back(argv[++i]);
    else if (word == "--rounds" && i + 1 < argc) rounds = std::atoi(argv[++i]);
    else if (word == "--only" && i + 1 < argc) only = argv[++i];
    else corpora.push_back(word);
  }
  if (files.empty() || corpora.empty() || rounds < 1) {
    std::fputs("usage: compare --rules FILE… [--rounds N] [--only weir|modsecurity] CORPUS…\n", stderr);
    return 2;
  }
  const auto load_start = std::chrono::steady_clock::now();
  std::unique_ptr<WeirEngine> weir;
  if (only != "modsecurity") weir = std::make_unique<WeirEngine>(files);
  const auto loaded = std::chrono::steady_clock::now();
  std::unique_ptr<ModSecurityEngine> modsecurity;
  if (only != "weir") modsecurity = std::make_unique<ModSecurityEngine>(files);
  std::fprintf(stderr, "load: Weir %.2f s, libmodsecurity %.2f s\n", std::chrono::duration<double>(loaded - load_start).count(),
               std::chrono::duration<double>(std::chrono::steady_clock::now() - loaded).count());
  std::printf("%-12s %8s | %10s %9s %9s %9s | %10s %9s %9s %9s | %7s\n", "corpus", "requests", "Weir us", "p50", "p99", "max",
              "modsec us", "p50", "p99", "max", "ratio");
  for (const std::string& path : corpora) {
    const auto corpus = load(path);
    if (corpus.empty()) {
      std::fprintf(stderr, "%s holds no request\n", path.c_str());
      return 3;
    }
    std::vector<double> w_means, m_means, ratios, w_best, m_best;
    for (int round = 0; round <= rounds; ++round) {  // round 0 warms up
      Figures w, m;
      if (weir) w = measure(corpus, [&](const Request& r) { return weir->run(r); }, w_best);
      if (modsecurity && (round > 0 || !weir)) m = measure(corpus, [&](const Request& r) { return modsecurity->run(r); }, m_best);
      if (round == 0) continue;
      w_means.push_back(w.mean);
      m_means.push_back(m.mean);
      ratios.push_back(w.mean > 0 ? m.mean / w.mean : 0);
    }
    Figures w, m;
    if (weir) quantiles(w, w_best);
    if (modsecurity) quantiles(m, m_best);
    const std::string name = path.substr(path.rfind('/') + 1);
    std::printf("%-12s %8zu | %10.1f %9.1f %9.1f %9.1f | %10.1f %9.1f %9.1f %9.1f | %7.1f\n", name.c_str(), corpus.size(),
                median(w_means), w.p50, w.p99, w.most, median(m_means), m.p50, m.p99, m.most, median(ratios));
    std::fflush(stdout);
  }
  return 0;
}
