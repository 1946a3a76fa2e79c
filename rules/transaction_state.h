// The inside of a Transaction, shared by the engine's own files. Not part of the public face.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/arena.h"
#include "rules/collections.h"
#include "rules/explain.h"
#include "rules/mask_table.h"
#include "rules/match_hs.h"
#include "rules/match_log.h"
#include "rules/match_re.h"
#include "rules/profile.h"
#include "rules/program.h"
#include "rules/store.h"
#include "rules/transaction.h"
#include "rules/transaction_body.h"
#include "rules/values.h"

namespace weir::rules {

// One value that a target list selected. Views live as long as the transaction.
struct TargetValue {
  Variable variable{};
  bool has_key = false;
  bool count = false;
  std::string_view key;        // ARGS:key
  std::string_view full_name;  // name_of() it, where that is known: MATCHED_VARS keep the name of what matched
  std::string_view text;       // untransformed
  Slot* slot = nullptr;        // where its forms are kept; null for values made on the spot
  std::uint16_t header = 0;    // Entry::header
  Entry* entry = nullptr;      // whose value or name it is
};

using TargetList = std::vector<TargetValue>;

// Of a list that was scanned ahead: the members that some item may match. Most have none.
class LiveMembers {
 public:
  void clear() { used_ = 0; }
  // Begins the places of a list; what it returns is valid until the next call.
  std::vector<std::uint32_t>& add(Variable variable, std::uint8_t filter, std::size_t members) {
    if (used_ == lists_.size()) lists_.emplace_back();
    List& list = lists_[used_++];
    list.variable = variable;
    list.filter = filter;
    list.members = members;
    list.places.clear();
    return list.places;
  }
  // Null: not known, for this filter and as many members.
  [[nodiscard]] const std::vector<std::uint32_t>* find(Variable variable, std::uint8_t filter,
                                                       std::size_t members) const {
    for (std::size_t i = 0; i < used_; ++i) {
      const List& list = lists_[i];
      if (list.variable == variable && list.filter == filter && list.members == members) return &list.places;
    }
    return nullptr;
  }

 private:
  struct List {
    Variable variable{};
    std::uint8_t filter = 0;  // that says so
    std::size_t members = 0;  // of the list then
    std::vector<std::uint32_t> places;
  };
  std::vector<List> lists_;  // the first used_; memory is kept
  std::size_t used_ = 0;
};

struct Scratch::State {
  ReScratch re;
  HsScratch hs;
  std::weak_ptr<const RuleSet> prepared;  // the rule set that `hs` fits ...
  const Scanners* fits = nullptr;         // ... and these scanners of it
  static constexpr std::size_t kTexts = 8;  // forms of a value that are told apart while it is scanned
  std::vector<std::uint64_t> hits, possible, free, by_short;  // while a value is scanned: items
  std::vector<std::uint64_t> found;                 // the same for each of kTexts
  TargetList targets;                     // of the link that is evaluated
  Captures captures;                      // the same; of its last value
  LiveMembers live;                       // of the phase that is run
  static constexpr std::size_t kMostListed = 4;
  std::array<NameList, kMostListed> name_lists;  // by Program::listed_names
  std::string text;                       // for building strings

  // What is remembered from transaction to transaction of one rule set.
  struct Memory {
    std::weak_ptr<const RuleSet> of;
    // By filter; each prepared when it is first needed.
    std::vector<MaskTable> masks, form_masks;
    ValueCache recurring;
    std::uint64_t used = 0;
  };
  // Transactions of different rule sets may take turns: of so many each has its own.
  static constexpr std::size_t kRuleSets = 4;
  std::array<Memory, kRuleSets> memories;
  std::uint64_t turns = 0;

  Memory& memory_for(const std::shared_ptr<const RuleSet>& rules);
};

// A persistent collection as this transaction sees it.
struct OpenCollection {
  bool open = false;
  bool fresh = false;    // the store had nothing
  bool written = false;  // by this transaction
  std::string_view store_name;
  std::string_view key;
  VarTable vars;
};

struct MatchedVar {
  std::string_view name;
  std::string_view value;
};

struct RequestData {
  std::string_view method, target, protocol, line;
  std::string_view raw_path;     // as it was sent
  std::string_view path, query;  // path: decoded and normalised from phase 2 on; query raw
  bool has_query = false;
  std::vector<Entry> headers;
  std::vector<Entry> cookies;
  std::vector<Entry> args;       // of the query, then of the body
  std::size_t query_args = 0;
  std::string body;
  std::uint64_t body_length = 0;  // bytes that came, kept or not
  std::string_view processor;     // REQBODY_PROCESSOR: "URLENCODED", …
  bool body_visible = false;      // REQUEST_BODY is filled
  bool body_done = false;
  bool error = false;             // REQBODY_ERROR
  std::string_view error_message;
  bool urlencoded_error = false;
  bool inbound_error = false;     // INBOUND_DATA_ERROR: over the limit
};

struct MultipartData {
  std::vector<Entry> files;         // part name -> file name
  std::vector<Entry> sizes;         // part name -> size
  std::vector<Entry> contents;      // part name -> content, if a rule reads it
  std::vector<Entry> part_headers;  // part name -> header line
  std::uint64_t files_size = 0;
  std::uint64_t file_bytes = 0;     // what the no-files limit leaves out
  std::uint32_t flags = 0;          // bits of body::MultipartFlag
  std::string_view name, filename;  // of the last part
  bool present = false;
};

struct ResponseData {
  std::string_view protocol, reason;
  std::uint16_t status = 0;
  bool present = false;
  std::vector<Entry> headers;
  std::string body;
  std::uint64_t body_length = 0;
  bool wanted = false;  // content type is among SecResponseBodyMimeType
  bool body_done = false;
  bool outbound_error = false;
};

// What a phase adds to, as it was before: rare, so copied.
struct BeforePhase {
  bool kept = false;
  VarTable tx;
  std::vector<std::uint8_t> rule_matched;
  std::size_t matches = 0;
  std::uint32_t dropped_matches = 0;
  int highest_severity = 255;
  bool astray = false;
  bool disappointed = false;
};

struct Course;  // rules/foregone.h

struct TransactionState {
  explicit TransactionState(Scratch& s, CollectionStore* store_);

  Scratch::State& scratch;
  CollectionStore* store;
  TraceSink* trace = nullptr;
  Profile* profile = nullptr;
  std::shared_ptr<const RuleSet> rules;
  const Program* program = nullptr;
  const Scanners* scanners = nullptr;  // of `rules`, as of begin(); null: none
  base::Arena arena;
  FormContext forms;
  mutable std::uint64_t work = 0;
  bool unread = false;  // nobody will look at the messages: Program::idle, and results only

  // What ctl: may change.
  EngineMode mode = EngineMode::Off;
  bool request_body_access = false;
  bool response_body_access = false;
  bool force_request_body = false;
  bool force_response_body = false;
  std::uint64_t request_body_limit = 0;
  std::uint64_t response_body_limit = 0;
  LimitAction request_limit_action = LimitAction::Reject;
  LimitAction response_limit_action = LimitAction::Reject;
  Settings::XmlArgs xml_into_args = Settings::XmlArgs::Off;
  AuditEngine audit_engine = AuditEngine::Off;
  std::string_view audit_parts;
  struct Hidden {
    const Sanitise* what;
    std::string_view matched;  // MATCHED_VAR_NAME then
  };
  std::vector<Hidden> sanitise;
  static constexpr std::size_t kMostHidden = 4096;  // so many: everything is hidden

  Transaction::Peers peers;
  std::string_view unique_id, client_text, server_text;
  Timestamp started, now;
  Phase phase = Phase::RequestHeaders;
  std::uint8_t phases_done = 0;  // bit n: phase n has run

  RequestData request;
  BodyReader body_reader;
  MultipartData multipart;
  std::vector<Entry> xml;  // "/*" and "//@*"
  ResponseData response;
  std::array<Slot, 256> scalars;
  std::bitset<256> scalar_ready;
  BeforePhase before_trailers;

  VarTable tx, env, geo;
  std::array<OpenCollection, kWritten> collections;
  std::string_view session_id, user_id;

  // Matching.
  const Rule* current_rule = nullptr;
  std::vector<MatchedVar> matched_vars;  // of the current chain
  MatchedVar matched_var;                // the last, of any rule
  int highest_severity = 255;
  bool pcre_limits_exceeded = false;
  std::vector<std::uint8_t> rule_flags;  // by rule: kRuleRemoved, kTargetsRemoved
  bool rule_flags_used = false;
  std::vector<const CtlAction*> target_removals;
  std::vector<std::uint64_t> steps_to_run;  // of the current phase
  const Course* course = nullptr;           // what is foregone in it; null: nothing
  bool astray = false;                      // from what is foregone, for good
  bool disappointed = false;                // from the hopeful course to the strict one (foregone.h), for good
  const Prefilter* filter = nullptr;        // in use, ...
  std::uint8_t filter_number = 0;           // 1 + its place in Prefilters::filters, ...
  MaskTable* masks = nullptr;               // its tables, ...
  MaskTable* form_masks = nullptr;
  Scratch::State::Memory* memory = nullptr;  // and what is remembered of other transactions

  // Outcome.
  Decision decision;
  bool intercepted = false;  // a disruptive decision that is in effect
  bool allow_all = false, allow_request = false;
  MatchLog matches;
  std::vector<std::uint8_t> rule_matched;  // by rule: has a Match already
  std::uint32_t dropped_matches = 0;
  bool finished = false;

  static constexpr std::uint8_t kRuleRemoved = 1;
  static constexpr std::uint8_t kTargetsRemoved = 2;
  // Repeated matches of rules that have one already are recorded up to this many in all.
  static constexpr std::size_t kMaxMatches = 1024;

  // Is a match of the rule, which has just come about, to be recorded? Hostile input can make one rule match very
  // often: every rule's first match is kept, of the others a bounded number.
  bool keeps_match(std::size_t rule, bool disruptive) {
    if (rule_matched[rule] != 0 && !disruptive && matches.size() >= kMaxMatches) {
      ++dropped_matches;
      return false;
    }
    rule_matched[rule] = 1;
    return true;
  }

  [[nodiscard]] const Settings& settings() const { return program->settings; }
  [[nodiscard]] const ReLimits& pcre() const { return program->settings.pcre; }
  // A decimal number in the arena.
  [[nodiscard]] std::string_view number(std::int64_t n);
  // a + b in the arena; empty if memory is out.
  [[nodiscard]] std::string_view join(std::span<const std::string_view> parts);
  [[nodiscard]] std::string_view join(std::initializer_list<std::string_view> parts) {
    return join(std::span(parts.begin(), parts.size()));
  }
};

struct Transaction::State : TransactionState {
  using TransactionState::TransactionState;
};

}  // namespace weir::rules
