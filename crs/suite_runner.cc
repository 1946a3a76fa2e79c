#include "crs/suite_runner.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "crs/back_end.h"
#include "crs/ftw_request.h"
#include "crs/log_line.h"
#include "engine/inspect/direct.h"
#include "rules/match_re.h"
#include "rules/memory_store.h"
#include "weir_overrides.h"

namespace weir::crs {

namespace {

// A store that can be emptied: what a test keeps is no other test's matter.
class TestStore final : public rules::CollectionStore {
 public:
  void clear() { store_ = std::make_unique<rules::MemoryStore>(limits()); }

  void load(std::string_view collection, std::string_view key, Timestamp now,
            const Visitor& each) override {
    store_->load(collection, key, now, each);
  }
  void set(std::string_view collection, std::string_view key, std::string_view variable,
           std::string_view value, Timestamp now) override {
    store_->set(collection, key, variable, value, now);
  }
  std::int64_t add(std::string_view collection, std::string_view key, std::string_view variable,
                   std::int64_t delta, Timestamp now) override {
    return store_->add(collection, key, variable, delta, now);
  }
  void remove(std::string_view collection, std::string_view key, std::string_view variable,
              Timestamp now) override {
    store_->remove(collection, key, variable, now);
  }
  void expire(std::string_view collection, std::string_view key, std::string_view variable,
              Duration after, Timestamp now) override {
    store_->expire(collection, key, variable, after, now);
  }
  void deprecate(std::string_view collection, std::string_view key, std::string_view variable,
                 std::int64_t amount, Duration period, Timestamp now) override {
    store_->deprecate(collection, key, variable, amount, period, now);
  }
  void set_timeout(Duration timeout) override { store_->set_timeout(timeout); }

 private:
  static rules::StoreLimits limits() {
    rules::StoreLimits limits;
    limits.records = 256;
    limits.bytes = std::uint64_t{1} << 20U;
    limits.shards = 1;
    return limits;
  }
  std::unique_ptr<rules::MemoryStore> store_ = std::make_unique<rules::MemoryStore>(limits());
};

// Collects what is logged.
class Log final : public EventSink {
 public:
  void begin(StageOutcome& into) { into_ = &into; }
  void write(const Event& event) override {
    if (event.type != EventType::Http || into_ == nullptr) return;
    const std::string id =
        std::to_string(event.origin.flow_id) + "-" + std::to_string(event.http.tx_id);
    for (const RuleHit& hit : event.waf.rules) {
      into_->ids.push_back(hit.id);
      into_->log += log_line(hit, event.http, id);
      into_->log.push_back('\n');
    }
    if (into_->decision == DecisionKind::Continue && event.waf.decision_rule != 0) {
      into_->decision = event.waf.decision;
    }
  }

 private:
  StageOutcome* into_ = nullptr;
};

inspect::InspectorOptions inspector_options(inspect::Stance stance, WafMode mode = WafMode::Detect) {
  inspect::InspectorOptions options;
  options.stance = stance;
  options.mode = mode;
  options.transactions = 64;
  return options;
}

std::shared_ptr<const rules::RuleSet> no_rules() {
  return rules::RuleSet::load({rules::Source::memory("no rules", "SecRuleEngine On")}, {}).rules;
}

inspect::SessionOrigin origin() {
  inspect::SessionOrigin at;
  at.flow_id = 1;
  at.client = at.server = *IpAddress::parse("127.0.0.1");
  at.client_port = 40000;
  at.server_port = 80;
  return at;
}

std::string joined(const std::vector<std::uint64_t>& ids) {
  if (ids.empty()) return "none";
  std::string out;
  for (const std::uint64_t id : ids) {
    if (!out.empty()) out += ", ";
    out += std::to_string(id);
  }
  return out;
}

bool logged(const StageOutcome& outcome, std::uint64_t id) {
  return std::find(outcome.ids.begin(), outcome.ids.end(), id) != outcome.ids.end();
}

using Pattern = std::unique_ptr<rules::Regex>;

Result<Pattern> compiled(const std::string& pattern) {
  auto regex = rules::Regex::compile(pattern, {});
  if (regex) return regex;
  return fail("cannot use the regular expression " + pattern + ": " + regex.error().message);
}

bool found(const rules::Regex& regex, std::string_view text, rules::ReScratch& scratch) {
  return regex.search(text, scratch, {}) == rules::ReResult::Match;
}

// In one line of the text: as go-ftw reads a log.
Result<bool> found_in_lines(const std::string& pattern, std::string_view text) {
  const auto regex = compiled(pattern);
  if (!regex) return fail(regex.error().message);
  rules::ReScratch scratch;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (found(**regex, text.substr(0, end), scratch)) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

// Where a redirect leads, as far as one server is concerned: the path.
std::optional<std::string> location(std::string_view response) {
  constexpr std::string_view kName = "\r\nlocation: ";
  std::string lower(response);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::size_t at = lower.find(kName);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + kName.size();
  std::string target(response.substr(begin, response.find("\r\n", begin) - begin));
  if (const std::size_t scheme = target.find("://"); scheme != std::string::npos) {
    const std::size_t path = target.find('/', scheme + 3);
    target = path == std::string::npos ? "/" : target.substr(path);
  }
  if (target.empty() || target[0] != '/') target.insert(0, "/");
  return target;
}

}  // namespace

void SuiteCounts::add(TestResult::Verdict verdict) {
  switch (verdict) {
    case TestResult::Verdict::Passed:
      ++passed;
      break;
    case TestResult::Verdict::Failed:
      ++failed;
      break;
    case TestResult::Verdict::Skipped:
      ++skipped;
      break;
  }
}

std::string summary(const SuiteCounts& counts) {
  return std::to_string(counts.passed) + " passed, " + std::to_string(counts.failed) + " failed, " +
         std::to_string(counts.skipped) + " skipped";
}

std::vector<FtwOverride> builtin_overrides() {
  auto read = read_ftw_overrides(kBuiltinOverrides, "crs/overrides.yaml");
  return read ? std::move(*read) : std::vector<FtwOverride>{};
}

Result<std::vector<std::string>> check_stage(const FtwOutput& expected,
                                             const StageOutcome& outcome) {
  std::vector<std::string> failures;
  const std::string got = outcome.status == 0 ? "no answer" : std::to_string(outcome.status);
  if (expected.expect_error) {
    // As in go-ftw: then nothing else is looked at.
    if (outcome.status != 0) failures.push_back("expected that no HTTP answer comes, got " + got);
    return failures;
  }
  if (outcome.status == 0) failures.emplace_back("the request is not complete, so no answer came");
  if (!expected.status.empty() && std::find(expected.status.begin(), expected.status.end(),
                                            outcome.status) == expected.status.end()) {
    std::string wanted;
    for (const int status : expected.status) {
      wanted += (wanted.empty() ? "" : " or ") + std::to_string(status);
    }
    failures.push_back("expected status " + wanted + ", got " + got +
                       (outcome.refusal.empty() ? "" : " (" + outcome.refusal + ")"));
  }
  if (expected.response_contains && !expected.response_contains->empty()) {
    const auto regex = compiled(*expected.response_contains);
    if (!regex) return fail(regex.error().message);
    rules::ReScratch scratch;
    if (!found(**regex, outcome.response, scratch))
      failures.push_back("the response does not contain " + *expected.response_contains);
  }
  for (const std::uint32_t id : expected.expect_ids) {
    if (!logged(outcome, id)) {
      failures.push_back("rule " + std::to_string(id) +
                         " is not logged; logged: " + joined(outcome.ids));
    }
  }
  for (const std::uint32_t id : expected.no_expect_ids) {
    if (logged(outcome, id)) failures.push_back("rule " + std::to_string(id) + " is logged");
  }
  if (!expected.match_regex.empty()) {
    const auto hit = found_in_lines(expected.match_regex, outcome.log);
    if (!hit) return fail(hit.error().message);
    if (!*hit) failures.push_back("the log does not match " + expected.match_regex);
  }
  if (!expected.no_match_regex.empty()) {
    const auto hit = found_in_lines(expected.no_match_regex, outcome.log);
    if (!hit) return fail(hit.error().message);
    if (*hit) {
      failures.push_back("the log matches " + expected.no_match_regex +
                         "; logged: " + joined(outcome.ids));
    }
  }
  if (expected.isolated) {
    std::vector<std::uint64_t> distinct = outcome.ids;
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    if (distinct.size() != 1) {
      failures.push_back("expected that only one rule is logged; logged: " + joined(distinct));
    }
  }
  return failures;
}

struct SuiteRunner::State {
  State(std::shared_ptr<const rules::RuleSet> rules, Options chosen)
      : options(std::move(chosen)),
        now(options.now),
        gate(inspector_options(inspect::Stance::Inline, WafMode::Block), unheard, no_rules(), nullptr),
        box(inspector_options(inspect::Stance::Inline), log, rules, &store),
        mirror(inspector_options(inspect::Stance::Passive), log, rules, &store) {}

  [[nodiscard]] const FtwOverride* override_of(const FtwTest& test) const;

  Options options;
  Pattern include, exclude;
  rules::ReScratch scratch;
  TestStore store;
  Log log, unheard;
  Timestamp now;
  inspect::DirectConnection gate;  // refuses what is refused for its framing
  inspect::DirectConnection box;   // what passed it
  inspect::DirectConnection mirror;
  std::string last_response;  // of the stage before, for follow_redirect
};

SuiteRunner::SuiteRunner(std::unique_ptr<State> state) : state_(std::move(state)) {}
SuiteRunner::SuiteRunner(SuiteRunner&&) noexcept = default;
SuiteRunner::~SuiteRunner() = default;

Result<SuiteRunner> SuiteRunner::make(std::shared_ptr<const rules::RuleSet> rules,
                                      Options options) {
  auto state = std::make_unique<State>(std::move(rules), std::move(options));
  for (const auto& [pattern, into] : {std::pair(&state->options.include, &state->include),
                                      std::pair(&state->options.exclude, &state->exclude)}) {
    if (pattern->empty()) continue;
    auto regex = compiled(*pattern);
    if (!regex) return fail(regex.error().message);
    *into = std::move(*regex);
  }
  return SuiteRunner(std::move(state));
}

StageOutcome SuiteRunner::request(std::string_view bytes) {
  State& s = *state_;
  s.now = s.now + seconds(1);
  const Answers answers = answers_to(bytes);
  StageOutcome out;
  out.status = answers.version_less ? 0 : answers.status;
  out.response = answers.first;
  s.log.begin(out);
  s.gate.open(s.now, origin());
  const bool passed = s.gate.send(http::Side::Request, bytes);
  s.gate.close();
  if (passed) {
    s.box.open(s.now, origin());
    s.box.send(http::Side::Request, bytes);
    s.box.send(http::Side::Response, answers.bytes);
    s.box.end(http::Side::Request);
    s.box.end(http::Side::Response);
    s.box.close();
    return out;  // what is refused from here on comes after the answer
  }
  out = {};
  s.log.begin(out);
  out.refusal = s.gate.refusal().detail;
  out.status = 400;
  out.response = "HTTP/1.1 400 Bad Request\r\n\r\n";
  s.mirror.open(s.now, origin());
  s.mirror.send(http::Side::Request, bytes);
  s.mirror.end(http::Side::Request);
  s.mirror.close();
  if (out.decision == DecisionKind::Continue) out.decision = DecisionKind::Deny;
  return out;
}

const FtwOverride* SuiteRunner::State::override_of(const FtwTest& test) const {
  for (const FtwOverride& one : options.overrides) {
    if (one.test == test.id && (one.crs == 0 || one.crs == options.crs)) return &one;
  }
  return nullptr;
}

TestResult SuiteRunner::run(const FtwTest& test) {
  State& s = *state_;
  TestResult result;
  const auto skip = [&result](std::string reason) {
    result.verdict = TestResult::Verdict::Skipped;
    result.reason = std::move(reason);
    return result;
  };
  // As in go-ftw, what is included is never excluded.
  const bool included = s.include && found(*s.include, test.id, s.scratch);
  if (s.include && !included) return skip("not included");
  if (!included && s.exclude && found(*s.exclude, test.id, s.scratch)) return skip("excluded");
  if (!test.enabled) return skip("its file says enabled: false");

  s.store.clear();
  s.last_response.clear();
  const FtwOverride* const other = s.override_of(test);
  if (other != nullptr) result.reason = other->reason;
  for (std::size_t i = 0; i < test.stages.size(); ++i) {
    const FtwOutput& expected = other != nullptr ? other->output : test.stages[i].output;
    StageResult stage;
    for (int attempt = 0; attempt < (expected.retry_once ? 2 : 1) && !stage.ok; ++attempt) {
      stage = {};
      stage.test = test.id;
      stage.stage = i + 1;
      FtwInput input = test.stages[i].input;
      if (input.follow_redirect) {
        const auto target = location(s.last_response);
        if (target) input.uri = *target;
        if (!target) stage.failures.emplace_back("the response before has no Location to follow");
      }
      const auto bytes = build_request(input);
      if (!bytes) {
        stage.failures.push_back(bytes.error().message);
        continue;
      }
      stage.outcome = request(*bytes);
      s.last_response = stage.outcome.response;
      auto checked = check_stage(expected, stage.outcome);
      if (!checked) {
        stage.failures.push_back(checked.error().message);
      } else {
        stage.failures.insert(stage.failures.end(), checked->begin(), checked->end());
      }
      stage.ok = stage.failures.empty();
    }
    if (!stage.ok) result.verdict = TestResult::Verdict::Failed;
    result.stages.push_back(std::move(stage));
  }
  return result;
}

}  // namespace weir::crs
