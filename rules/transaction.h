// Transaction: the rules' view of one HTTP request and its response. Knows neither packets nor wire
// formats: whoever feeds it has parsed HTTP already. Calls come in the order below; steps may be left out
// (a transaction that ends early still gets finish()).
//
// Memory: everything a transaction holds lives in arenas that begin() resets, so nothing is allocated in
// steady state. Bounded by the limits of the rule set (SecRequestBodyLimit, SecArgumentsLimit, …).
// Threads: a transaction and its Scratch belong to one thread. noexcept in effect: hostile input is never
// an error here, it becomes REQBODY_ERROR and the like, for rules to judge.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "engine/base/ip_address.h"
#include "engine/packet.h"
#include "engine/verdict.h"
#include "rules/ruleset.h"

namespace weir::rules {

class CollectionStore;  // rules/store.h: IP, SESSION, … across transactions
class Profile;          // rules/profile.h: where the time goes (weir inspect --profile)
class TraceSink;        // rules/explain.h: told of every evaluation (weir explain)

// What a worker needs to run rules: Hyperscan scratch, PCRE2 match data and JIT stack. Grows to fit each
// RuleSet it is used with. One per thread.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  struct State;
  [[nodiscard]] State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// A rule that matched. Views live until the transaction's next begin().
struct Match {
  std::uint64_t rule_id = 0;
  Phase phase = Phase::RequestHeaders;
  std::string_view message;   // msg, macros expanded
  std::string_view data;      // logdata, macros expanded
  std::int8_t severity = -1;  // 0 (EMERGENCY) … 7 (DEBUG), -1 if the rule has none
  std::string_view revision, version;
  std::int8_t maturity = -1, accuracy = -1;
  std::span<const std::string_view> tags;  // macros expanded
  std::string_view target;    // MATCHED_VAR_NAME at the end of the chain: "ARGS:id"
  std::string_view value;     // MATCHED_VAR there; may hold any byte
  std::string_view file;
  std::uint32_t line = 0;
  bool log = true;            // written to the error log (not nolog)
  bool audit = true;          // counts as relevant for the audit log (not noauditlog)
  bool disruptive = false;    // took the transaction's decision (or would have, in detection only)
};

// SecRuleEngine, as it stands now for this transaction (ctl:ruleEngine may change it).
enum class EngineMode : std::uint8_t { Off, DetectionOnly, On };

class Transaction {
 public:
  // `scratch` must outlive the transaction; `store` may be null (persistent collections stay empty).
  explicit Transaction(Scratch& scratch, CollectionStore* store = nullptr);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  struct Peers {
    IpAddress client, server;
    std::uint16_t client_port = 0, server_port = 0;
  };
  // Starts anew. `unique_id` becomes UNIQUE_ID (copied); `time` is the time of the request line.
  // `mode`, if given, overrides SecRuleEngine. `results_only`: nobody will ask for more than the results below (no
  // audit log, no trace): what the rule set does not read need not be kept. A set without rules reads nothing.
  void begin(std::shared_ptr<const RuleSet> rules, const Peers& peers, std::string_view unique_id,
             Timestamp time, std::optional<EngineMode> mode = std::nullopt, bool results_only = false);

  // The request. All views are copied.
  void request_line(std::string_view method, std::string_view target, std::string_view protocol);
  void request_header(std::string_view name, std::string_view value);
  // Phase 1.
  Decision request_headers_done(Timestamp now);
  // True if body bytes are wanted (SecRequestBodyAccess, ctl:requestBodyAccess); else none need be fed.
  [[nodiscard]] bool wants_request_body() const;
  // More body would change nothing: none is wanted, or none beyond SecRequestBodyLimit.
  [[nodiscard]] bool request_body_settled() const;
  // Body bytes, in any pieces; the result never depends on the cuts. A deny can only come from
  // SecRequestBodyLimitAction Reject.
  Decision request_body(std::string_view bytes);
  // Phase 2. Also called where there is no body. `truncated`: part of the body was never seen (a gap).
  // `trailers_may_follow`: what request_trailers_done() needs is kept.
  Decision request_body_done(Timestamp now, bool truncated = false, bool trailers_may_follow = false);
  // Trailer fields came after request_body_done() as request_header(): phase 2 again, as if it had not run before.
  // (Only persistent collections keep what it wrote.) Does nothing once a later phase has run.
  Decision request_trailers_done(Timestamp now);

  // The response.
  void response_line(std::string_view protocol, std::uint16_t status, std::string_view reason);
  void response_header(std::string_view name, std::string_view value);
  Decision response_headers_done(Timestamp now);  // phase 3
  [[nodiscard]] bool wants_response_body() const;
  Decision response_body(std::string_view bytes);
  // More body would change nothing: none is wanted, or none beyond SecResponseBodyLimit.
  [[nodiscard]] bool response_body_settled() const;
  Decision response_body_done(Timestamp now, bool truncated = false);  // phase 4

  // Phase 5; always the last call.
  void finish(Timestamp now);

  // Results, complete after finish().
  [[nodiscard]] std::span<const Match> matches() const;  // in order of evaluation, logged or not
  // False: none of them is to be logged. Much cheaper than to go through them.
  [[nodiscard]] bool may_have_logged() const;
  // The first disruptive decision. In DetectionOnly this is what On would have done (it was not done).
  [[nodiscard]] const Decision& decision() const;
  [[nodiscard]] EngineMode mode() const;
  // A value such as variable("TX", "anomaly_score"); nullopt if it does not exist. Names in any case.
  [[nodiscard]] std::optional<std::string_view> variable(std::string_view collection,
                                                         std::string_view key) const;
  // The same of TX, without a look for the collection.
  [[nodiscard]] std::optional<std::string_view> tx(std::string_view key) const;
  // INBOUND_DATA_ERROR or OUTBOUND_DATA_ERROR: a body was not seen to its end.
  [[nodiscard]] bool data_error() const;
  // Work done since begin(): evaluations and bytes scanned or transformed. For tests of linear cost.
  [[nodiscard]] std::uint64_t work() const;

  // Bytes that it holds, itself included; what it keeps for the next one as well.
  [[nodiscard]] std::size_t memory() const;
  // A number that changes when memory() has grown by what a request can make large; cheaper to ask for.
  [[nodiscard]] std::size_t growth() const;

  // Every evaluation is reported to `trace` (null: none). Not for production: it is slow.
  void trace_to(TraceSink* trace);
  // Time is counted in `profile` (null: nowhere), which is of the same rule set.
  void profile_to(Profile* profile);

  struct State;  // rules/transaction_state.h: the engine's own
  [[nodiscard]] State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace weir::rules
