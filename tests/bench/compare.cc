// Weir's rule engine and Debian's libmodsecurity on the same requests and rules, in one process,
// alternately: CPU time per request, and the ratio of the two. Rules alone; no packets, no sockets.
//
//   compare --rules FILE [options] CORPUS…
//     --rounds N        passes that count; one more warms up (default 3)
//     --only ENGINE     weir or modsecurity
//     --most N          at most N requests of each corpus, spread evenly
//     --cache DIR       Weir's compiled patterns
//     --no-scanners     Weir as it serves before Hyperscan's databases are there
//     --passes N        no figures: go through the corpora N times (for callgrind)
//     --load-only       only the load figures
//
// Both engines get the request head parsed into fields by the same code, run the phases 1, 2 and 5, and
// are asked for nothing else. The output is for compare.sh: `key=value` pairs, times in microseconds of
// the thread's CPU time. p50, p99 and max are over the requests, each the best of all rounds.
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/harness.h"

namespace {

using weir::bench::Corpus;
using weir::bench::Request;
using weir::bench::WeirEngine;

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
    const std::string version(
        request.version.substr(std::min<std::size_t>(5, request.version.size())));
    t.processURI(target.c_str(), method.c_str(), version.c_str());
    for (const auto& [name, value] : request.headers) {
      t.addRequestHeader(reinterpret_cast<const unsigned char*>(name.data()), name.size(),
                         reinterpret_cast<const unsigned char*>(value.data()), value.size());
    }
    t.processRequestHeaders();
    if (!request.body.empty()) {
      t.appendRequestBody(reinterpret_cast<const unsigned char*>(request.body.data()),
                          request.body.size());
    }
    t.processRequestBody();
    t.processLogging();
    return t.m_rulesMessages.size();
  }

 private:
  modsecurity::ModSecurity engine_;
  modsecurity::RulesSet rules_;
};

using Run = std::function<std::size_t(const Request&)>;

// The passes of one engine over one corpus.
struct Passes {
  std::vector<double> means;  // one for each round that counts
  std::vector<double> best;   // by request
  std::size_t logged = 0;     // of the last pass

  void pass(const Corpus& corpus, const Run& run, bool counts) {
    logged = 0;
    if (best.empty()) best.assign(corpus.size(), 1e12);
    double sum = 0;
    for (std::size_t i = 0; i < corpus.size(); ++i) {
      const double from = weir::bench::cpu_seconds();
      logged += run(*corpus[i]);
      const double took = (weir::bench::cpu_seconds() - from) * 1e6;
      sum += took;
      best[i] = std::min(best[i], took);
    }
    if (counts) means.push_back(sum / static_cast<double>(corpus.size()));
  }
  void print(const char* name) const {
    if (means.empty()) return;
    std::vector<double> sorted = best;
    std::sort(sorted.begin(), sorted.end());
    std::printf(" %s_mean=%.2f %s_p50=%.2f %s_p99=%.2f %s_max=%.2f %s_logged=%zu", name,
                weir::bench::median(means), name, weir::bench::quantile(sorted, 0.5), name,
                weir::bench::quantile(sorted, 0.99), name, sorted.back(), name, logged);
  }
};

// The quantiles among requests of about the same size (within a power of two): what is left is how much
// the content matters.
void print_spread(const Corpus& corpus, const std::vector<double>& best, const std::string& name) {
  constexpr std::size_t kFewest = 50;
  std::map<std::size_t, std::vector<double>> classes;
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    std::size_t size = 256;
    while (size < corpus[i]->bytes.size()) size *= 2;
    classes[size].push_back(best[i]);
  }
  for (auto& [size, times] : classes) {
    if (times.size() < kFewest) continue;
    std::sort(times.begin(), times.end());
    std::printf("spread=%s bytes=%zu p50=%.2f p99=%.2f\n", name.c_str(), size,
                weir::bench::quantile(times, 0.5), weir::bench::quantile(times, 0.99));
  }
}

struct Options {
  weir::bench::WeirOptions weir;
  std::vector<std::string> corpora;
  int rounds = 3;
  int passes = 0;
  std::size_t most = 0;
  bool load_only = false;
  std::string only;
};

Options options_of(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto next = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (word == "--rules") o.weir.files.push_back(next());
    else if (word == "--cache") o.weir.cache = next();
    else if (word == "--no-scanners") o.weir.scanners = false;
    else if (word == "--rounds") o.rounds = std::max(1, std::atoi(next().c_str()));
    else if (word == "--passes") o.passes = std::atoi(next().c_str());
    else if (word == "--most") o.most = static_cast<std::size_t>(std::atoi(next().c_str()));
    else if (word == "--only") o.only = next();
    else if (word == "--load-only") o.load_only = true;
    else o.corpora.push_back(word);
  }
  return o;
}

void compare(const std::string& path, const Options& options, const Run& weir, const Run& modsecurity) {
  const Corpus corpus = weir::bench::read_corpus(path, options.most);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no request\n", path.c_str());
    std::exit(3);
  }
  Passes w;
  Passes m;
  if (options.passes > 0) {
    for (int pass = 0; pass < options.passes; ++pass) {
      if (weir) w.pass(corpus, weir, false);
      if (modsecurity) m.pass(corpus, modsecurity, false);
    }
    return;
  }
  if (weir) w.pass(corpus, weir, false);  // the other engine keeps nothing from one request to the next
  std::vector<double> ratios;
  for (int round = 0; round < options.rounds; ++round) {
    if (weir) w.pass(corpus, weir, true);
    if (modsecurity) m.pass(corpus, modsecurity, true);
    if (weir && modsecurity) ratios.push_back(m.means.back() / w.means.back());
  }
  std::string name = path.substr(path.rfind('/') + 1);
  name = name.substr(0, name.find('.'));
  std::printf("corpus=%s requests=%zu", name.c_str(), corpus.size());
  w.print("weir");
  m.print("modsecurity");
  if (!ratios.empty()) std::printf(" ratio=%.1f", weir::bench::median(ratios));
  std::printf("\n");
  if (weir) print_spread(corpus, w.best, name);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = options_of(argc, argv);
  if (options.weir.files.empty() || (options.corpora.empty() && !options.load_only)) {
    std::fputs("usage: compare --rules FILE… [options] CORPUS…; see compare.cc\n", stderr);
    return 2;
  }
  std::unique_ptr<WeirEngine> weir;
  std::unique_ptr<ModSecurityEngine> modsecurity;
  // The same heap for both.
  if (options.only != "modsecurity") {
    weir::bench::heap_as_in_weir();
    const double before = weir::bench::resident_mib();
    weir = std::make_unique<WeirEngine>(options.weir);
    const auto scanners = weir->rules().scanner_stats();
    std::printf("load=weir ready_ms=%.1f ready_cpu_ms=%.1f scanners_s=%.1f databases=%zu cached=%zu databases_mib=%.1f mib=%.1f\n",
                weir->ready_seconds() * 1e3, weir->ready_cpu_seconds() * 1e3, weir->scanner_seconds(), scanners.ready, scanners.restored,
                static_cast<double>(scanners.bytes) / (1 << 20), weir::bench::resident_mib() - before);
  }
  if (options.only != "weir") {
    weir::bench::heap_as_in_weir();
    const double before = weir::bench::resident_mib();
    const double start = weir::bench::wall_seconds();
    const double start_cpu = weir::bench::cpu_seconds();
    modsecurity = std::make_unique<ModSecurityEngine>(options.weir.files);
    std::printf("load=modsecurity ready_ms=%.1f ready_cpu_ms=%.1f mib=%.1f\n",
                (weir::bench::wall_seconds() - start) * 1e3, (weir::bench::cpu_seconds() - start_cpu) * 1e3,
                weir::bench::resident_mib() - before);
  }
  if (options.load_only) return 0;
  Run run_weir;
  Run run_modsecurity;
  if (weir) run_weir = [&](const Request& r) { return weir->run(r); };
  if (modsecurity) run_modsecurity = [&](const Request& r) { return modsecurity->run(r); };
  for (const std::string& path : options.corpora) compare(path, options, run_weir, run_modsecurity);
  return 0;
}
