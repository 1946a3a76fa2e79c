#include "rules/hurdles.h"

#include <algorithm>
#include <optional>
#include <span>

#include "rules/evaluate.h"
#include "rules/transaction_state.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

bool is_matched_var(Variable v) { return v == Variable::MATCHED_VAR || v == Variable::MATCHED_VAR_NAME; }

// Does a rule read what another one matched? Behind its head it reads what it has matched itself.
bool reads_older_matches(const Program& program) {
  return std::any_of(program.rules.begin(), program.rules.end(), [&](const Rule& rule) {
    const Link& head = program.links_of(rule).front();
    const auto& parts = head.op_macro.parts();
    return std::any_of(head.targets.begin(), head.targets.end(), [](const TargetSpec& t) { return is_matched_var(t.variable); }) ||
           std::any_of(parts.begin(), parts.end(), [](const Macro::Part& p) { return p.variable && is_matched_var(*p.variable); });
  });
}

// Could the link match, and nobody see that it did?
bool leaves_nothing(const Link& link) {
  return link.actions.empty() && !link.capture && !link.looks_up_geo;
}

bool is_list(Variable v) {
  switch (v) {
    case Variable::FILES:
    case Variable::FILES_NAMES:
    case Variable::MULTIPART_PART_HEADERS:
    case Variable::REQUEST_COOKIES:
    case Variable::REQUEST_COOKIES_NAMES:
    case Variable::XML: return true;
    default: return false;
  }
}

// Those that body_scalar() tells without making a text.
bool is_flag(Variable v) {
  switch (v) {
    case Variable::INBOUND_DATA_ERROR:
    case Variable::MULTIPART_STRICT_ERROR:
    case Variable::MULTIPART_UNMATCHED_BOUNDARY:
    case Variable::OUTBOUND_DATA_ERROR:
    case Variable::REQBODY_ERROR:
    case Variable::REQBODY_PROCESSOR_ERROR:
    case Variable::URLENCODED_ERROR: return true;
    default: return false;
  }
}

std::optional<Hurdle> hurdle_of(const Link& link) {
  if (link.targets.size() != 1 || link.targets.front().exclude || link.op == nullptr) return std::nullopt;
  const TargetSpec& t = link.targets.front();
  Hurdle h;
  h.variable = t.variable;
  h.negated = link.negated;
  if (t.header != 0 && !t.count) {
    h.kind = Hurdle::Kind::Lack;
    h.header = t.header;
    return h;
  }
  const std::optional<Comparison> number = link.chain == 0 && !link.multi_match ? link.op->comparison() : std::nullopt;
  if (!number) return std::nullopt;
  h.number = *number;
  if (t.count && t.header != 0) {
    h.kind = Hurdle::Kind::Headers;
    h.header = t.header;
  } else if (t.count && is_list(t.variable)) {
    h.kind = Hurdle::Kind::Members;
  } else if (!t.count && (is_flag(t.variable) || t.variable == Variable::REQUEST_BODY_LENGTH)) {
    h.kind = Hurdle::Kind::Scalar;
  } else if (link.number) {
    h.kind = Hurdle::Kind::Tx;
    h.target = &t;
  } else {
    return std::nullopt;
  }
  return h;
}

std::int64_t headers(const TransactionState& tx, const Hurdle& h) {
  const bool request = h.variable == Variable::REQUEST_HEADERS;
  const std::vector<Entry>& list = request ? tx.request.headers : tx.response.headers;
  return std::count_if(list.begin(), list.end(), [&](const Entry& e) { return e.header == h.header; });
}

bool takes(TransactionState& tx, const Hurdle& h) {
  switch (h.kind) {
    case Hurdle::Kind::Headers: return h.number.holds(headers(tx, h)) != h.negated;
    case Hurdle::Kind::Lack: return headers(tx, h) != 0;
    case Hurdle::Kind::Members: {
      ListView list;
      return !variable_list(tx, h.variable, list) || list.count != 0 || h.number.holds(std::int64_t{0}) != h.negated;
    }
    case Hurdle::Kind::Scalar: {
      if (h.variable == Variable::REQUEST_BODY_LENGTH) {
        return h.number.holds(static_cast<std::int64_t>(tx.request.body_length)) != h.negated;
      }
      const auto text = body_scalar(tx, h.variable);
      return !text || h.number.holds(*text) != h.negated;
    }
    case Hurdle::Kind::Tx: return compares(tx, *h.target, h.number, h.negated);
  }
  return true;
}

}  // namespace

void find_hurdles(Program& program) {
  const bool behind_heads = !reads_older_matches(program);
  for (Rule& rule : program.rules) {
    const auto links = program.links_of(rule);
    // Links of which all before leave nothing.
    const auto seen = std::find_if_not(links.begin(), links.end(), leaves_nothing) - links.begin();
    rule.independent = behind_heads ? std::min(static_cast<std::uint32_t>(seen) + 1, rule.links) : 1;
    rule.first_hurdle = static_cast<std::uint32_t>(program.hurdles.size());
    for (std::size_t i = 0; i < rule.independent; ++i) {
      const std::optional<Hurdle> h = hurdle_of(links[i]);
      if (!h || (i == 0 && (h->kind == Hurdle::Kind::Tx || h->kind == Hurdle::Kind::Lack))) continue;  // asked elsewhere
      program.hurdles.push_back(*h);
    }
    rule.hurdles = static_cast<std::uint32_t>(program.hurdles.size()) - rule.first_hurdle;
  }
}

bool stopped(TransactionState& tx, const Rule& rule) {
  if (rule.hurdles == 0 || tx.trace != nullptr) return false;
  const std::span all(tx.program->hurdles.data() + rule.first_hurdle, rule.hurdles);
  return !std::all_of(all.begin(), all.end(), [&](const Hurdle& h) { return takes(tx, h); });
}

bool head_may_match(TransactionState& tx, const Rule& rule) {
  const Link& head = tx.program->links[rule.first_link];
  if (!head.read.scanned()) return true;
  TargetList& targets = tx.scratch.targets;
  targets.clear();
  for (const TargetSpec& t : head.targets) collect(tx, t, &head.read, targets);
  return !targets.empty();
}

}  // namespace weir::rules
