#include "rules/transaction.h"

#include <charconv>
#include <utility>

#include "rules/body/cookies.h"
#include "rules/body/urlencoded.h"
#include "rules/evaluate.h"
#include "rules/prescan.h"
#include "rules/scanners.h"
#include "rules/transaction_body.h"
#include "rules/transaction_state.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

constexpr std::size_t kArenaLimit = std::size_t{256} << 20;
constexpr std::size_t kArenaBlock = std::size_t{32} << 10;

class QuerySink : public body::BodySink {
 public:
  explicit QuerySink(TransactionState& tx) : tx_(tx) {}
  bool on_argument(std::string_view name, std::string_view value) override {
    return add_argument(tx_, name, value);
  }
  void on_urlencoded_error() override { tx_.request.urlencoded_error = true; }
  void on_error(std::string_view message) override { body_error(tx_, message); }

 private:
  TransactionState& tx_;
};

class CookieList : public body::CookieSink {
 public:
  explicit CookieList(std::vector<Entry>& out) : out_(out) {}
  bool on_cookie(std::string_view name, std::string_view value) override {
    Entry e;
    e.name.text = name;
    e.value.text = value;
    out_.push_back(e);
    return out_.size() < kMostCookies;
  }

 private:
  static constexpr std::size_t kMostCookies = 65536;
  std::vector<Entry>& out_;
};

// What phase 1 needs: query arguments, cookies, the body processor that the content type selects.
void prepare_request(TransactionState& tx) {
  RequestData& r = tx.request;
  parse_request_target(tx);
  QuerySink sink(tx);
  if (r.has_query) {
    tx.work += body::parse_urlencoded(r.query, tx.settings().body, tx.arena, sink).work;
  }
  r.query_args = r.args.size();
  CookieList cookies(r.cookies);
  for (const Entry& e : r.headers) {
    if (fold_equal(e.name.text, "cookie")) {
      const std::string_view v = e.value.text;
      const auto done =
          tx.settings().cookie_format == 1
              ? body::parse_cookies_v1(v, tx.arena, cookies)
              : body::parse_cookies_v0(v, tx.settings().cookie_separator, cookies);
      tx.work += done.work;
    } else if (fold_equal(e.name.text, "content-type") && r.processor.empty()) {
      if (fold_starts_with(e.value.text, "application/x-www-form-urlencoded")) {
        r.processor = "URLENCODED";
      } else if (fold_starts_with(e.value.text, "multipart/form-data")) {
        r.processor = "MULTIPART";
      }
    }
  }
}

Decision limit_exceeded(TransactionState& tx, Phase phase, std::uint16_t status) {
  Decision d;
  d.kind = DecisionKind::Deny;
  d.phase = phase;
  d.status = status;
  if (!tx.decision.disruptive()) tx.decision = d;
  tx.intercepted = true;
  return tx.decision;
}

// Runs a phase if nothing forbids it, and says what came of it.
Decision phase_result(TransactionState& tx, Phase phase, Timestamp now) {
  tx.now = now;
  const auto bit = static_cast<unsigned>(phase);
  const bool later_done = (tx.phases_done >> bit) != 0;
  if (tx.program == nullptr || later_done || tx.finished) {
    return tx.intercepted ? tx.decision : Decision{};
  }
  const bool request = phase == Phase::RequestHeaders || phase == Phase::RequestBody;
  const bool allowed = tx.allow_all || (request && tx.allow_request);
  if (!tx.intercepted && !allowed && !tx.unread) {
    run_phase(tx, phase);
  } else {
    tx.astray = true;
  }
  tx.phases_done = static_cast<std::uint8_t>(tx.phases_done | 1U << bit);
  if (tx.intercepted) return tx.decision;
  Decision d;
  if (tx.decision.kind == DecisionKind::Allow && tx.decision.phase == phase) d = tx.decision;
  return d;
}

void add_header(TransactionState& tx, std::vector<Entry>& list, std::string_view name,
                std::string_view value) {
  Entry e;
  e.name.text = tx.arena.copy(name);
  e.value.text = tx.arena.copy(value);
  e.header = tx.program->prefilter.headers.find(name);
  list.push_back(e);
}

void prepare_scratch(TransactionState& tx) {
  Scratch::State& s = tx.scratch;
  tx.scanners = tx.rules->scanners();
  const bool same = !s.prepared.owner_before(tx.rules) && !tx.rules.owner_before(s.prepared);
  if (same && s.fits == tx.scanners) return;
  // It only grows: transactions under way with older scanners go on.
  if (tx.scanners != nullptr) tx.scanners->prepare(s.hs);
  s.prepared = tx.rules;
  s.fits = tx.scanners;
  if (tx.store != nullptr) tx.store->set_timeout(tx.settings().collection_timeout);
}

void clear_string(std::string& s) {
  constexpr std::size_t kKeep = std::size_t{1} << 20;  // one large body must not pin its memory
  if (s.capacity() > kKeep) std::string().swap(s);
  s.clear();
}

void clear_request(RequestData& r) {
  r.headers.clear();
  r.cookies.clear();
  r.args.clear();
  clear_string(r.body);
  r.method = r.target = r.protocol = r.line = r.raw_path = r.path = r.query = {};
  r.processor = r.error_message = {};
  r.query_args = 0;
  r.body_length = 0;
  r.has_query = r.body_visible = r.body_done = r.error = false;
  r.urlencoded_error = r.inbound_error = false;
}

void clear_multipart(MultipartData& m) {
  m.files.clear();
  m.sizes.clear();
  m.contents.clear();
  m.part_headers.clear();
  m.files_size = 0;
  m.flags = 0;
  m.name = m.filename = {};
  m.present = false;
}

void clear_response(ResponseData& r) {
  r.headers.clear();
  clear_string(r.body);
  r.protocol = r.reason = {};
  r.status = 0;
  r.body_length = 0;
  r.present = r.wanted = r.body_done = r.outbound_error = false;
}

void clear_outcome(TransactionState& tx) {
  tx.matched_vars.clear();
  tx.matched_var = {};
  tx.highest_severity = 255;
  tx.pcre_limits_exceeded = false;
  tx.rule_flags_used = false;
  tx.target_removals.clear();
  tx.astray = tx.disappointed = false;
  tx.decision = Decision{};
  tx.intercepted = tx.allow_all = tx.allow_request = false;
  tx.matches.clear();
  tx.rule_matched.assign(tx.program->rules.size(), 0);
  tx.dropped_matches = 0;
  tx.finished = false;
  tx.phases_done = 0;
}

void use_settings(TransactionState& tx, std::optional<EngineMode> mode) {
  const Settings& s = tx.settings();
  tx.mode = mode.value_or(s.engine);
  tx.request_body_access = s.request_body_access;
  tx.response_body_access = s.response_body_access;
  tx.force_request_body = tx.force_response_body = false;
  tx.request_body_limit = s.request_body_limit;
  tx.response_body_limit = s.response_body_limit;
  tx.request_limit_action = s.request_body_limit_action;
  tx.response_limit_action = s.response_body_limit_action;
  tx.xml_into_args = s.xml_into_args;
  tx.audit_engine = s.audit.engine;
  tx.audit_parts = s.audit.parts;
  tx.sanitise.clear();
}

}  // namespace

TransactionState::TransactionState(Scratch& s, CollectionStore* store_)
    : scratch(s.state()), store(store_), arena(kArenaLimit, kArenaBlock) {}

std::string_view TransactionState::number(std::int64_t n) {
  constexpr std::string_view kDigits = "0123456789";
  if (n >= 0 && n < 10) return kDigits.substr(static_cast<std::size_t>(n), 1);
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, n).ptr;
  return arena.copy({buffer, static_cast<std::size_t>(end - buffer)});
}

std::string_view TransactionState::join(std::span<const std::string_view> parts) {
  std::size_t n = 0;
  for (const std::string_view p : parts) n += p.size();
  char* out = n == 0 ? nullptr : arena.allocate(n);
  if (out == nullptr) return {};
  char* at = out;
  for (const std::string_view p : parts) at = std::copy(p.begin(), p.end(), at);
  return {out, n};
}

Scratch::Scratch() : state_(std::make_unique<State>()) {}
Scratch::~Scratch() = default;

Transaction::Transaction(Scratch& scratch, CollectionStore* store)
    : state_(std::make_unique<State>(scratch, store)) {}
Transaction::~Transaction() = default;

void Transaction::begin(std::shared_ptr<const RuleSet> rules, const Peers& peers,
                        std::string_view unique_id, Timestamp time,
                        std::optional<EngineMode> mode, bool results_only) {
  State& tx = *state_;
  tx.arena.reset();
  tx.work = 0;
  if (tx.rules != rules) tx.rules = std::move(rules);
  tx.program = &tx.rules->program();
  tx.unread = results_only && tx.program->idle;
  tx.profile = tx.forms.profile = nullptr;
  tx.forms.arena = &tx.arena;
  tx.forms.chains = &tx.program->chains;
  tx.forms.steps = &tx.program->chain_steps;
  tx.forms.unicode = tx.program->unicode.get();
  tx.forms.work = &tx.work;
  tx.forms.cache = tx.program->optimisations.transform_cache;
  tx.forms.unchanged = tx.program->optimisations.unchanged;
  prepare_scratch(tx);
  use_settings(tx, mode);
  tx.peers = peers;
  tx.unique_id = tx.client_text = tx.server_text = {};
  if (!tx.unread) {
    tx.unique_id = tx.arena.copy(unique_id);
    tx.client_text = tx.arena.copy(peers.client.to_string());
    tx.server_text = tx.arena.copy(peers.server.to_string());
  }
  tx.started = tx.now = time;
  tx.phase = Phase::RequestHeaders;
  clear_request(tx.request);
  clear_multipart(tx.multipart);
  tx.xml.clear();
  clear_response(tx.response);
  tx.scalar_ready.reset();
  tx.before_trailers.kept = false;
  tx.tx.clear(&tx.program->tx_names);
  tx.env.clear();
  tx.geo.clear();
  for (OpenCollection& c : tx.collections) {
    c.vars.clear();
    c.open = c.fresh = c.written = false;
  }
  tx.session_id = tx.user_id = {};
  tx.body_reader.reset();
  clear_outcome(tx);
}

void Transaction::request_line(std::string_view method, std::string_view target,
                               std::string_view protocol) {
  State& tx = *state_;
  if (tx.unread) return;
  RequestData& r = tx.request;
  r.method = tx.arena.copy(method);
  r.target = tx.arena.copy(target);
  r.protocol = protocol.empty() ? "HTTP/0.9" : tx.arena.copy(protocol);  // as Apache names it
  r.line = protocol.empty() ? tx.join({method, " ", target})
                            : tx.join({method, " ", target, " ", protocol});
}

void Transaction::request_header(std::string_view name, std::string_view value) {
  if (!state_->unread) add_header(*state_, state_->request.headers, name, value);
}

Decision Transaction::request_headers_done(Timestamp now) {
  State& tx = *state_;
  if (tx.unread) return phase_result(tx, Phase::RequestHeaders, now);
  prepare_request(tx);
  if (tx.program->v3()) normalise_request_path(tx);
  const Decision d = phase_result(tx, Phase::RequestHeaders, now);
  if (!tx.program->v3()) normalise_request_path(tx);
  return d;
}

bool Transaction::wants_request_body() const {
  const State& tx = *state_;
  return tx.mode != EngineMode::Off && tx.request_body_access && !tx.intercepted &&
         !tx.allow_all && !tx.allow_request;
}

Decision Transaction::request_body(std::string_view bytes) {
  State& tx = *state_;
  if (!wants_request_body() || tx.request.body_done) return tx.intercepted ? tx.decision : Decision{};
  const std::uint64_t before = tx.request.body_length;
  tx.request.body_length += bytes.size();
  if (tx.request.body_length > tx.request_body_limit) {
    tx.request.inbound_error = true;
    if (tx.mode == EngineMode::On && tx.request_limit_action == LimitAction::Reject) {
      return limit_exceeded(tx, Phase::RequestBody, 413);
    }
    if (before >= tx.request_body_limit) return {};
    bytes = bytes.substr(0, static_cast<std::size_t>(tx.request_body_limit - before));
  }
  tx.body_reader.feed(tx, bytes);
  return {};
}

bool Transaction::request_body_settled() const {
  const State& tx = *state_;
  return !wants_request_body() || tx.request.body_done || tx.request.body_length > tx.request_body_limit;
}

Decision Transaction::request_body_done(Timestamp now, bool truncated, bool trailers_may_follow) {
  State& tx = *state_;
  if (!tx.request.body_done && tx.program != nullptr) {
    tx.now = now;
    if (wants_request_body()) {
      if (truncated) tx.request.inbound_error = true;  // rules shall know that they do not see all
      tx.body_reader.finish(tx, truncated || tx.request.inbound_error);
      const bool too_much = tx.body_reader.over_no_files_limit(tx);
      if (too_much && tx.mode == EngineMode::On && tx.request_limit_action == LimitAction::Reject) {
        return limit_exceeded(tx, Phase::RequestBody, 413);
      }
    }
    tx.request.body_done = true;
  }
  if (trailers_may_follow) {
    tx.before_trailers = {true, tx.tx, tx.rule_matched, tx.matches.size(), tx.dropped_matches, tx.highest_severity,
                          tx.astray, tx.disappointed};
  }
  return phase_result(tx, Phase::RequestBody, now);
}

Decision Transaction::request_trailers_done(Timestamp now) {
  State& tx = *state_;
  constexpr auto bit = static_cast<unsigned>(Phase::RequestBody);
  if (tx.before_trailers.kept && tx.phases_done >> bit == 1 && !tx.intercepted) {
    BeforePhase& before = tx.before_trailers;
    std::swap(tx.tx, before.tx);
    std::swap(tx.rule_matched, before.rule_matched);
    tx.matches.truncate(before.matches);
    tx.dropped_matches = before.dropped_matches;
    tx.highest_severity = before.highest_severity;
    tx.astray = before.astray;
    tx.disappointed = before.disappointed;
    before.kept = false;
    for (const Variable v : {Variable::FULL_REQUEST, Variable::FULL_REQUEST_LENGTH}) {
      tx.scalar_ready[static_cast<std::size_t>(v)] = false;
    }
    tx.phases_done = static_cast<std::uint8_t>(tx.phases_done & ~(1U << bit));
  }
  return phase_result(tx, Phase::RequestBody, now);
}

void Transaction::response_line(std::string_view protocol, std::uint16_t status,
                                std::string_view reason) {
  State& tx = *state_;
  tx.response.present = true;
  if (tx.unread) return;
  tx.response.protocol = tx.arena.copy(protocol);
  tx.response.status = status;
  tx.response.reason = tx.arena.copy(reason);
}

void Transaction::response_header(std::string_view name, std::string_view value) {
  if (!state_->unread) add_header(*state_, state_->response.headers, name, value);
}

Decision Transaction::response_headers_done(Timestamp now) {
  State& tx = *state_;
  std::string_view type = "(null)";
  for (const Entry& e : tx.response.headers) {
    if (fold_equal(e.name.text, "content-type")) type = e.value.text;
  }
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  for (const std::string& wanted : tx.settings().response_mime_types) {
    if (fold_equal(type, wanted)) tx.response.wanted = true;
  }
  return phase_result(tx, Phase::ResponseHeaders, now);
}

bool Transaction::wants_response_body() const {
  const State& tx = *state_;
  return tx.mode != EngineMode::Off && tx.response_body_access && !tx.intercepted &&
         !tx.allow_all && (tx.response.wanted || tx.force_response_body);
}

Decision Transaction::response_body(std::string_view bytes) {
  State& tx = *state_;
  if (!wants_response_body() || tx.response.body_done) {
    return tx.intercepted ? tx.decision : Decision{};
  }
  const std::uint64_t before = tx.response.body_length;
  tx.response.body_length += bytes.size();
  if (tx.response.body_length > tx.response_body_limit) {
    tx.response.outbound_error = true;
    if (tx.mode == EngineMode::On && tx.response_limit_action == LimitAction::Reject) {
      return limit_exceeded(tx, Phase::ResponseBody, 500);
    }
    if (before >= tx.response_body_limit) return {};
    bytes = bytes.substr(0, static_cast<std::size_t>(tx.response_body_limit - before));
  }
  tx.work += bytes.size();
  tx.response.body.append(bytes);
  return {};
}

bool Transaction::response_body_settled() const {
  const State& tx = *state_;
  return !wants_response_body() || tx.response.body_done || tx.response.body_length > tx.response_body_limit;
}

Decision Transaction::response_body_done(Timestamp now, bool truncated) {
  State& tx = *state_;
  if (truncated) tx.response.outbound_error = true;
  tx.response.body_done = true;
  return phase_result(tx, Phase::ResponseBody, now);
}

void Transaction::finish(Timestamp now) {
  State& tx = *state_;
  if (tx.finished || tx.program == nullptr) return;
  tx.now = now;
  if (!tx.unread) run_phase(tx, Phase::Logging);  // trap 23: always
  tx.finished = true;
}

std::span<const Match> Transaction::matches() const { return state_->matches.all(state_->client_text); }
bool Transaction::may_have_logged() const { return state_->matches.may_be_logged(); }
const Decision& Transaction::decision() const { return state_->decision; }
EngineMode Transaction::mode() const { return state_->mode; }
std::uint64_t Transaction::work() const { return state_->work; }

std::size_t Transaction::memory() const {
  const State& tx = *state_;
  std::size_t out = sizeof(State) + tx.arena.reserved() + tx.request.body.capacity() + tx.response.body.capacity() +
                    tx.body_reader.memory();
  for (const std::vector<Entry>* list :
       {&tx.request.headers, &tx.request.cookies, &tx.request.args, &tx.xml, &tx.response.headers, &tx.multipart.files,
        &tx.multipart.sizes, &tx.multipart.contents, &tx.multipart.part_headers}) {
    out += list->capacity() * sizeof(Entry);
  }
  for (const VarTable* table : {&tx.tx, &tx.env, &tx.geo, &tx.before_trailers.tx}) out += table->memory();
  for (const OpenCollection& c : tx.collections) out += c.vars.memory();
  return out + tx.matches.memory() + tx.matched_vars.capacity() * sizeof(MatchedVar) +
         tx.rule_flags.capacity() + tx.rule_matched.capacity() + tx.steps_to_run.capacity() * sizeof(std::uint64_t) +
         tx.sanitise.capacity() * sizeof(State::Hidden);
}

std::size_t Transaction::growth() const {
  const State& tx = *state_;
  return tx.arena.reserved() + tx.request.body.capacity() + tx.response.body.capacity() + tx.request.args.capacity() +
         tx.request.headers.capacity() + tx.request.cookies.capacity() + tx.response.headers.capacity() +
         tx.matches.capacity() + tx.tx.all().capacity() + tx.body_reader.growth();
}

void Transaction::trace_to(TraceSink* trace) { state_->trace = trace; }
void Transaction::profile_to(Profile* profile) { state_->profile = state_->forms.profile = profile; }

std::optional<std::string_view> Transaction::tx(std::string_view key) const {
  if (state_->program == nullptr || state_->unread) return std::nullopt;
  return first_value(*state_, Variable::TX, true, key, fold_hash(key));
}

bool Transaction::data_error() const {
  return state_->request.inbound_error || state_->response.outbound_error;
}

std::optional<std::string_view> Transaction::variable(std::string_view collection,
                                                      std::string_view key) const {
  const std::optional<Variable> v = find_variable(collection);
  if (!v || state_->program == nullptr) return std::nullopt;
  return first_value(*state_, *v, !key.empty(), key, fold_hash(key));
}

}  // namespace weir::rules
