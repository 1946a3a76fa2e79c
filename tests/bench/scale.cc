// Very many connections at once through the inline engine: a flood of SYNs, idle keep-alive connections, requests that are
// never finished; others go on talking meanwhile. Prints what it took and what was given up, by cause, and fails if somebody
// who behaved noticed, if an attack came through, or if memory went beyond what was said beforehand.
//
//   scale [--quick] [RULES…]      RULES: files of rules besides the few of its own
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "engine/inspect/ceiling.h"
#include "engine/inspect/inspector.h"
#include "rules/ruleset.h"
#include "tests/support/crowd.h"
#include "tests/support/resident.h"

namespace {

using namespace weir;
using test::Crowd;

constexpr const char* kRules = R"(
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 1000000
SecRule ARGS "@contains attack" "id:10,phase:2,deny,status:403,log"
)";
constexpr std::uint32_t kMany = 1'000'000;
constexpr std::uint32_t kHalfSent = 100'000;
constexpr double kMiB = 1024.0 * 1024.0;

struct Forget final : EventSink {
  void write(const Event&) override {}
};

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: scale/1\r\nAccept: */*\r\n\r\n";
}

// Of this thread, in µs: what other programs do does not count.
double processor_time() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

// Those who behave, on connections of their own, and attackers on new ones.
class Others {
 public:
  Others(Crowd& crowd, std::uint32_t first) : crowd_(crowd), next_(first) {
    for (Kept& one : kept_) {
      one.number = next_++;
      failures += crowd_.connect(one.number) ? 0 : 1;
    }
  }

  // A request with its answer on a connection that was there before; now and then on a new one, and an attack.
  void go_on() {
    Kept& one = kept_[turn_++ % kept_.size()];
    const double start = processor_time();
    exchange(one.number, one.at);
    times_.push_back(processor_time() - start);
    if (turn_ % 10 != 0) return;
    Crowd::Connection fresh;
    const std::uint32_t number = next_++;
    failures += crowd_.connect(number) ? 0 : 1;
    exchange(number, fresh);
    ++attacks;
    refused += crowd_.client(number, fresh, get("/?q=attack")).forwarded() ? 0 : 1;
  }

  // In µs; forgets what was measured.
  double p99() {
    if (times_.empty()) return 0;
    std::sort(times_.begin(), times_.end());
    const double out = times_[times_.size() * 99 / 100];
    times_.clear();
    return out;
  }

  std::uint64_t requests = 0, failures = 0, attacks = 0, refused = 0;

 private:
  struct Kept {
    std::uint32_t number = 0;
    Crowd::Connection at;
  };

  void exchange(std::uint32_t number, Crowd::Connection& at) {
    ++requests;
    const bool passed = crowd_.client(number, at, request_).forwarded() && crowd_.server(number, at, response_).forwarded();
    failures += passed ? 0 : 1;
  }

  Crowd& crowd_;
  std::array<Kept, 100> kept_;
  std::uint32_t next_;
  std::size_t turn_ = 0;
  std::vector<double> times_;
  const std::string request_ = get("/index.html");
  const std::string response_ = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
};

struct Stage {
  Stage(const inspect::Inspector& of, Others& with) : inspector(of), others(with) {}
  void row(const char* what, std::uint64_t times) {
    const inspect::InspectorCounters& c = inspector.counters();
    const flow::FlowCounters& f = inspector.flow_counters();
    std::printf("| %s | %llu | %u | %u | %llu | %.0f | %.0f | %.1f |\n", what, static_cast<unsigned long long>(times), f.half_open_now,
                f.flows_now, static_cast<unsigned long long>(c.evicted), static_cast<double>(c.held) / kMiB,
                static_cast<double>(test::resident_bytes() - before) / kMiB, others.p99());
    std::fflush(stdout);
    most = std::max(most, test::resident_bytes() - before);
  }
  const inspect::Inspector& inspector;
  Others& others;
  std::size_t before = 0, most = 0;
};

inspect::InspectorOptions options(bool open, std::uint32_t part) {
  inspect::InspectorOptions o;
  o.stance = inspect::Stance::Inline;
  o.mode = WafMode::Block;
  o.failures.open = open;
  o.flow_limits.half_open = kMany / part;
  o.flow_limits.flows = (kMany + 2 * kHalfSent) / part + 50'000;
  o.transactions = 2 * kHalfSent;
  o.transaction_bytes = (256ULL << 20U) / std::min(part, 8U);
  o.table_k0 = 0x243f6a8885a308d3ULL;
  o.table_k1 = 0x13198a2e03707344ULL;
  return o;
}

std::uint64_t fired(const inspect::Inspector& inspector, FailureCause cause, FailureAction action) {
  return inspector.counters().failures[static_cast<std::size_t>(cause)][static_cast<std::size_t>(action)];
}

void causes(const inspect::Inspector& inspector) {
  for (std::size_t cause = 0; cause < kFailureCauses; ++cause) {
    for (const FailureAction action : {FailureAction::Pass, FailureAction::Drop, FailureAction::Reset}) {
      const std::uint64_t n = fired(inspector, static_cast<FailureCause>(cause), action);
      if (n == 0) continue;
      std::printf("failure.%s.%s %llu\n", std::string(name(static_cast<FailureCause>(cause))).c_str(),
                  std::string(name(action)).c_str(), static_cast<unsigned long long>(n));
    }
  }
}

// Half-sent requests of `kind`, one on each connection; every one of them is begun, whatever becomes of it then.
void half_sent(Crowd& crowd, Others& others, std::uint32_t first, std::uint32_t count, const std::string& bytes) {
  for (std::uint32_t n = first; n < first + count; ++n) {
    Crowd::Connection at;
    if (crowd.connect(n)) (void)crowd.client(n, at, bytes);
    if (n % 100 == 0) others.go_on();
  }
}

bool run(bool open, std::uint32_t part, const std::shared_ptr<const rules::RuleSet>& rules) {
  const inspect::InspectorOptions o = options(open, part);
  const inspect::Ceiling ceiling = inspect::ceiling(o, rules.get());
  Forget sink;
  const std::size_t before = test::resident_bytes();
  inspect::Inspector inspector(o, sink, rules);
  Crowd crowd(inspector);
  Others others(crowd, 8'000'000);
  Stage stage(inspector, others);
  stage.before = before;
  std::printf("\non_failure: %s\n\n| stage | of it | half-open | connections | given up | transactions MiB | resident MiB | p99 us of others |\n"
              "|---|--:|--:|--:|--:|--:|--:|--:|\n", open ? "open" : "closed");
  for (int i = 0; i < 20'000; ++i) others.go_on();
  stage.row("others alone", 20'000);
  for (std::uint32_t n = 0; n < kMany / part; ++n) {
    (void)crowd.syn(n);
    if (n % 2 == 0) (void)crowd.syn_ack(n);
    if (n % 100 == 0) others.go_on();
  }
  stage.row("SYN, half of them answered", kMany / part);
  const std::string request = get("/"), response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  for (std::uint32_t n = 2'000'000; n < 2'000'000 + kMany / part; ++n) {
    Crowd::Connection at;
    if (crowd.connect(n)) (void)crowd.client(n, at, request), (void)crowd.server(n, at, response);
    if (n % 100 == 0) others.go_on();
  }
  stage.row("idle keep-alive connections", kMany / part);
  half_sent(crowd, others, 4'000'000, kHalfSent / part,
            "POST /cart HTTP/1.1\r\nHost: shop.example\r\nX-Pad: " + std::string(1200, 'p'));
  stage.row("header sections not finished", kHalfSent / part);
  half_sent(crowd, others, 5'000'000, kHalfSent / part,
            "POST /cart HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 90000\r\n\r\na=" +
                std::string(1200, 'b'));
  stage.row("bodies not finished", kHalfSent / part);
  for (std::uint32_t n = 0; n < 10 * (kMany / part); ++n) {  // other addresses and ports than above
    (void)crowd.syn(20'000'000 + n);
    if (n % 100 == 0) others.go_on();
  }
  stage.row("more SYNs than there is room for", 10ULL * (kMany / part));
  const flow::FlowCounters& f = inspector.flow_counters();
  std::printf("\nothers: %llu requests, %llu noticed something; %llu attacks, %llu refused\n", static_cast<unsigned long long>(others.requests),
              static_cast<unsigned long long>(others.failures), static_cast<unsigned long long>(others.attacks),
              static_cast<unsigned long long>(others.refused));
  std::printf("half-open given up %llu; resident at most %.0f MiB, ceiling %.0f MiB (of it as reserved: %.0f connections, %.0f transactions)\n",
              static_cast<unsigned long long>(f.half_open_evicted), static_cast<double>(stage.most) / kMiB,
              static_cast<double>(ceiling.sum()) / kMiB, static_cast<double>(ceiling.connections) / kMiB,
              static_cast<double>(ceiling.transactions) / kMiB);
  causes(inspector);
  const bool bounded = f.half_open_evicted != 0 && inspector.counters().evicted != 0;  // else nothing was shown
  const bool kept = bounded && others.failures == 0 && others.attacks == others.refused && stage.most <= ceiling.sum() &&
                    inspector.counters().held <= o.transaction_bytes;
  if (!kept) std::printf("NOT KEPT\n");
  return kept;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t part = 1;
  std::vector<rules::Source> sources{rules::Source::memory("scale", kRules)};
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--quick") {
      part = 20;
    } else {
      sources.push_back(rules::Source::file(argv[i]));
    }
  }
  const rules::LoadResult loaded = rules::RuleSet::load(sources, {});
  if (loaded.rules == nullptr) {
    std::fprintf(stderr, "scale: the rules cannot be loaded\n");
    return 3;
  }
  bool kept = true;
  for (const bool open : {false, true}) kept = run(open, part, loaded.rules) && kept;
  return kept ? 0 : 1;
}
