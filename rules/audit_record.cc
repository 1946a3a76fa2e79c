#include "rules/audit_record.h"

#include <algorithm>

#include "rules/transaction_state.h"

namespace weir::rules {

namespace {

std::string_view version_of(std::string_view protocol) {
  const std::size_t slash = protocol.find('/');
  return slash == std::string_view::npos ? protocol : protocol.substr(slash + 1);
}

void copy_fields(const std::vector<Entry>& from, std::vector<AuditField>& to) {
  to.reserve(from.size());
  for (const Entry& e : from)
    to.push_back({e.name.text, e.value.text});
}

std::string_view engine_mode(EngineMode mode) {
  switch (mode) {
    case EngineMode::On:
      return "Enabled";
    case EngineMode::DetectionOnly:
      return "DetectionOnly";
    case EngineMode::Off:
      break;
  }
  return "Disabled";
}

// What the client got: an answer of the rules', of Weir's own, or the server's. 0: nothing.
std::uint16_t final_status(const TransactionState& tx, std::uint16_t answered) {
  if (tx.intercepted && tx.decision.status != 0) return tx.decision.status;
  return answered != 0 ? answered : tx.response.status;
}

bool relevant(TransactionState& tx, std::uint16_t status) {
  const auto audited = [&] {
    const auto matches = tx.matches.all(tx.client_text);
    return std::any_of(matches.begin(), matches.end(), [](const Match& m) { return m.audit; });
  };
  if (tx.matches.may_be_audited() && audited()) return true;
  const Regex* pattern = tx.program->relevant_status.get();
  if (pattern == nullptr) return false;
  if (status == 0) return false;
  return pattern->search(tx.number(status), tx.scratch.re, tx.pcre()) == ReResult::Match;
}

// Of the part with this name; two parts of one name have the first one's.
std::string_view content_type_of(const MultipartData& multipart, std::string_view part) {
  constexpr std::string_view kName = "content-type:";
  for (const Entry& e : multipart.part_headers) {
    std::string_view line = e.value.text;
    if (e.name.text != part || !fold_starts_with(line, kName)) continue;
    line.remove_prefix(kName.size());
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    return line;
  }
  return {};
}

const Rule* rule_of(const Program& program, std::uint64_t rule_id) {
  const auto at = std::find_if(program.rules.begin(), program.rules.end(),
                               [rule_id](const Rule& r) { return r.id == rule_id; });
  return at == program.rules.end() ? nullptr : &*at;
}

}  // namespace

bool AuditView::hides(Transaction& transaction) {
  return !transaction.state().sanitise.empty();
}

AuditView::AuditView(Transaction& transaction, std::uint16_t answered) {
  TransactionState& tx = transaction.state();
  if (tx.program == nullptr) return;
  wanted_ = tx.audit_engine == AuditEngine::On || (tx.audit_engine == AuditEngine::RelevantOnly &&
                                                   relevant(tx, final_status(tx, answered)));
  if (const auto parts = AuditParts::parse(tx.audit_parts); parts) parts_ = *parts;
  record_.time = tx.started;
  record_.unique_id = tx.unique_id;
  record_.client_ip = tx.client_text;
  record_.host_ip = tx.server_text;
  record_.client_port = tx.peers.client_port;
  record_.host_port = tx.peers.server_port;
  record_.secrules_engine = engine_mode(tx.mode);
  record_.argument_separator = tx.settings().body.argument_separator;
  record_.server_id = tx.settings().sensor_id;
  if (tx.intercepted) record_.intercepted_phase = static_cast<std::uint8_t>(tx.decision.phase);
  for (const std::string& c : tx.settings().component_signatures)
    components_.emplace_back(c);
  record_.components = components_;
  fill_request(tx);
  fill_response(tx, answered);
  fill_messages(tx);
  fill_sanitise(tx);
}

void AuditView::fill_request(TransactionState& tx) {
  const RequestData& r = tx.request;
  record_.method = r.method;
  record_.uri = r.target;
  record_.http_version = version_of(r.protocol);
  copy_fields(r.headers, request_headers_);
  copy_fields(r.args, arguments_);
  record_.request_headers = request_headers_;
  record_.arguments = arguments_;
  record_.request_body = r.body;
  const MultipartData& m = tx.multipart;
  for (std::size_t i = 0; i < m.files.size(); ++i) {
    AuditFile f;
    f.name = m.files[i].name.text;
    f.filename = m.files[i].value.text;
    f.size = static_cast<std::uint64_t>(leading_integer(m.sizes[i].value.text));
    f.content_type = content_type_of(m, f.name);
    files_.push_back(f);
  }
  record_.files = files_;
}

void AuditView::fill_response(TransactionState& tx, std::uint16_t answered) {
  const ResponseData& r = tx.response;
  record_.response_protocol = version_of(r.protocol);
  record_.http_code = final_status(tx, answered);
  copy_fields(r.headers, response_headers_);
  record_.response_headers = response_headers_;
  record_.response_body = r.body;
  record_.response_bytes = r.body_length;
}

void AuditView::fill_messages(TransactionState& tx) {
  for (const Match& m : tx.matches.all(tx.client_text)) {
    matched_rules_.push_back(m.rule_id);
    if (!m.log && !m.audit) continue;
    AuditMessage out;
    out.message = m.message;
    out.target = m.target;
    out.value = m.value;
    out.data = m.data;
    out.rule_id = m.rule_id;
    out.file = m.file;
    out.line = m.line;
    out.severity = m.severity;
    out.version = m.version;
    out.revision = m.revision;
    out.tags = m.tags;
    out.maturity = std::max<int>(0, m.maturity);
    out.accuracy = std::max<int>(0, m.accuracy);
    out.phase = static_cast<std::uint8_t>(m.phase);
    out.intercepted = m.disruptive && tx.intercepted;
    if (out.intercepted && tx.decision.kind != DecisionKind::Drop) out.status = tx.decision.status;
    if (const Rule* rule = rule_of(*tx.program, m.rule_id)) {
      const Link& link = tx.program->links[rule->first_link + rule->links - 1];
      if (link.op != nullptr) out.operator_name = link.op_name;
      out.operator_argument = link.op_argument;
      out.fixed_message = rule->message.literal();
      out.fixed_tags = rule->plain_tags.size() == rule->tags.size();
    }
    messages_.push_back(out);
  }
  record_.messages = messages_;
  record_.matched_rules = matched_rules_;
}

void AuditView::fill_sanitise(TransactionState& tx) {
  bool uri = false, request_body = false, response_body = false;
  for (const TransactionState::Hidden& h : tx.sanitise) {
    switch (h.what->what) {
      case ActionName::SanitiseArg:
        hidden_arguments_.emplace_back(h.what->argument);
        break;
      case ActionName::SanitiseRequestHeader:
        hidden_request_headers_.emplace_back(h.what->argument);
        break;
      case ActionName::SanitiseResponseHeader:
        hidden_response_headers_.emplace_back(h.what->argument);
        break;
      default: {  // sanitiseMatched; sanitiseMatchedBytes hides the whole value too
        const auto target = sanitise_target(h.matched);
        if (!target) break;
        using List = SanitiseTarget::List;
        if (target->list == List::Arguments) hidden_arguments_.push_back(target->name);
        if (target->list == List::RequestHeaders) hidden_request_headers_.push_back(target->name);
        if (target->list == List::ResponseHeaders) hidden_response_headers_.push_back(target->name);
        uri = uri || target->list == List::Uri;
        request_body = request_body || target->list == List::RequestBody;
        response_body = response_body || target->list == List::ResponseBody;
      }
    }
  }
  if (tx.sanitise.size() >= TransactionState::kMostHidden) {
    uri = request_body = response_body = true;
    for (const AuditField& h : request_headers_)
      hidden_request_headers_.push_back(h.name);
    for (const AuditField& h : response_headers_)
      hidden_response_headers_.push_back(h.name);
  }
  record_.sanitise = {
      hidden_arguments_, hidden_request_headers_, hidden_response_headers_, uri, request_body,
      response_body};
}

}  // namespace weir::rules
