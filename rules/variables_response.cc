// Variables of the response.

#include "rules/variables.h"

namespace weir::rules {

namespace {

std::optional<std::string_view> header(TransactionState& tx, std::string_view name) {
  for (const Entry& e : tx.response.headers) {
    if (fold_equal(e.name.text, name)) return e.value.text;
  }
  return std::nullopt;
}

}  // namespace

bool response_list(TransactionState& tx, Variable v, ListView& out) {
  std::vector<Entry>& headers = tx.response.headers;
  switch (v) {
    case Variable::RESPONSE_HEADERS: out = {headers.data(), headers.size(), false}; return true;
    case Variable::RESPONSE_HEADERS_NAMES:
      out = {headers.data(), headers.size(), true};
      return true;
    default: return false;
  }
}

std::optional<std::string_view> response_scalar(TransactionState& tx, Variable v) {
  ResponseData& r = tx.response;
  if (!r.present) return std::nullopt;
  switch (v) {
    case Variable::RESPONSE_STATUS:
    case Variable::STATUS: return tx.number(r.status);
    case Variable::RESPONSE_PROTOCOL: return r.protocol;
    case Variable::STATUS_LINE: return tx.join({r.protocol, " ", tx.number(r.status), " ", r.reason});
    case Variable::RESPONSE_CONTENT_TYPE: return header(tx, "content-type");
    case Variable::RESPONSE_CONTENT_LENGTH:
      if (const auto value = header(tx, "content-length"); value) return value;
      if (!r.body_done) return std::nullopt;
      return tx.number(static_cast<std::int64_t>(r.body_length));
    case Variable::RESPONSE_BODY:
      if (!r.body_done || r.body.empty()) return std::nullopt;
      return std::string_view(r.body);
    default: return std::nullopt;
  }
}

}  // namespace weir::rules
