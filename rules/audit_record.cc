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
  for (const Entry& e : from) to.push_back({e.name.text, e.value.text});
}

std::string_view engine_mode(EngineMode mode) {
  switch (mode) {
    case EngineMode::On: return "Enabled";
    case EngineMode::DetectionOnly: return "DetectionOnly";
    case EngineMode::Off: break;
  }
  return "Disabled";
}

bool relevant(TransactionState& tx) {
  if (std::any_of(tx.matches.begin(), tx.matches.end(), [](const Match& m) { return m.audit; })) {
    return true;
  }
  const Regex* pattern = tx.program->relevant_status.get();
  if (pattern == nullptr) return false;
  const std::uint16_t status =
      tx.intercepted && tx.decision.status != 0 ? tx.decision.status : tx.response.status;
  if (status == 0) return false;
  return pattern->search(tx.number(status), tx.scratch.re, tx.pcre()) == ReResult::Match;
}

}  // namespace

AuditView::AuditView(Transaction& transaction) {
  TransactionState& tx = transaction.state();
  if (tx.program == nullptr) return;
  wanted_ = tx.audit_engine == AuditEngine::On ||
            (tx.audit_engine == AuditEngine::RelevantOnly && relevant(tx));
  if (const auto parts = AuditParts::parse(tx.audit_parts); parts) parts_ = *parts;
  record_.time = tx.started;
  record_.unique_id = tx.unique_id;
  record_.client_ip = tx.client_text;
  record_.host_ip = tx.server_text;
  record_.client_port = tx.peers.client_port;
  record_.host_port = tx.peers.server_port;
  record_.secrules_engine = engine_mode(tx.mode);
  for (const std::string& c : tx.settings().component_signatures) components_.emplace_back(c);
  record_.components = components_;
  fill_request(tx);
  fill_response(tx);
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
    files_.push_back(f);
  }
  record_.files = files_;
}

void AuditView::fill_response(TransactionState& tx) {
  const ResponseData& r = tx.response;
  record_.response_protocol = version_of(r.protocol);
  record_.http_code = tx.intercepted && tx.decision.status != 0 ? tx.decision.status : r.status;
  copy_fields(r.headers, response_headers_);
  record_.response_headers = response_headers_;
  record_.response_body = r.body;
  record_.response_bytes = r.body_length;
}

void AuditView::fill_messages(TransactionState& tx) {
  for (const Match& m : tx.matches) {
    matched_rules_.push_back(m.rule_id);
    if (!m.log && !m.audit) continue;
    AuditMessage out;
    out.message = m.message;
    out.target = m.target;
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
    messages_.push_back(out);
  }
  record_.messages = messages_;
  record_.matched_rules = matched_rules_;
}

void AuditView::fill_sanitise(TransactionState& tx) {
  for (const TransactionState::Hidden& h : tx.sanitise) {
    switch (h.what->what) {
      case ActionName::SanitiseArg: hidden_arguments_.emplace_back(h.what->argument); break;
      case ActionName::SanitiseRequestHeader:
        hidden_request_headers_.emplace_back(h.what->argument);
        break;
      case ActionName::SanitiseResponseHeader:
        hidden_response_headers_.emplace_back(h.what->argument);
        break;
      default: {  // sanitiseMatched, and sanitiseMatchedBytes as the whole value
        const auto target = sanitise_target(h.matched);
        if (!target) break;
        using List = SanitiseTarget::List;
        if (target->list == List::Arguments) hidden_arguments_.push_back(target->name);
        if (target->list == List::RequestHeaders) hidden_request_headers_.push_back(target->name);
        if (target->list == List::ResponseHeaders) hidden_response_headers_.push_back(target->name);
      }
    }
  }
  record_.sanitise = {hidden_arguments_, hidden_request_headers_, hidden_response_headers_};
}

}  // namespace weir::rules
