// Variables that the request body's processors fill: files, MULTIPART_*, XML, REQBODY_* (traps 29, 30, 33,
// 37). The flags are "0" where nothing was seen; they are never absent.

#include "rules/body/body_sink.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

using body::MultipartFlag;

std::string_view flag(const TransactionState& tx, MultipartFlag f) {
  return (tx.multipart.flags >> static_cast<unsigned>(f) & 1U) != 0 ? "1" : "0";
}

// The twelve flags whose union ModSecurity 2 reports; LF lines mixed with CRLF and unmatched boundaries
// stand for themselves.
std::string_view strict_error(const TransactionState& tx) {
  constexpr MultipartFlag kParts[] = {
      MultipartFlag::BoundaryQuoted,   MultipartFlag::BoundaryWhitespace,
      MultipartFlag::DataBefore,       MultipartFlag::DataAfter,
      MultipartFlag::HeaderFolding,    MultipartFlag::LfLine,
      MultipartFlag::MissingSemicolon, MultipartFlag::InvalidQuoting,
      MultipartFlag::InvalidPart,      MultipartFlag::InvalidHeaderFolding,
      MultipartFlag::FileLimitExceeded};
  if (tx.multipart.present && tx.request.error) return "1";
  for (const MultipartFlag f : kParts) {
    if (flag(tx, f) == "1") return "1";
  }
  return "0";
}

std::string_view truth(bool b) { return b ? "1" : "0"; }

std::int64_t args_size(const TransactionState& tx) {
  std::int64_t n = 0;
  for (const Entry& e : tx.request.args) {
    n += static_cast<std::int64_t>(e.name.text.size() + e.value.text.size());
  }
  return n;
}

std::int64_t full_request_length(const TransactionState& tx) {
  std::size_t n = tx.request.line.size() + 3 + tx.request.body.size();
  for (const Entry& e : tx.request.headers) n += e.name.text.size() + e.value.text.size() + 3;
  return static_cast<std::int64_t>(n);
}

std::optional<std::string_view> multipart_scalar(TransactionState& tx, Variable v) {
  switch (v) {
    case Variable::MULTIPART_BOUNDARY_QUOTED: return flag(tx, MultipartFlag::BoundaryQuoted);
    case Variable::MULTIPART_BOUNDARY_WHITESPACE: return flag(tx, MultipartFlag::BoundaryWhitespace);
    case Variable::MULTIPART_CRLF_LF_LINES: return flag(tx, MultipartFlag::CrlfLfLines);
    case Variable::MULTIPART_DATA_AFTER: return flag(tx, MultipartFlag::DataAfter);
    case Variable::MULTIPART_DATA_BEFORE: return flag(tx, MultipartFlag::DataBefore);
    case Variable::MULTIPART_FILE_LIMIT_EXCEEDED: return flag(tx, MultipartFlag::FileLimitExceeded);
    case Variable::MULTIPART_HEADER_FOLDING: return flag(tx, MultipartFlag::HeaderFolding);
    case Variable::MULTIPART_INVALID_HEADER_FOLDING:
      return flag(tx, MultipartFlag::InvalidHeaderFolding);
    case Variable::MULTIPART_INVALID_PART: return flag(tx, MultipartFlag::InvalidPart);
    case Variable::MULTIPART_INVALID_QUOTING: return flag(tx, MultipartFlag::InvalidQuoting);
    case Variable::MULTIPART_LF_LINE: return flag(tx, MultipartFlag::LfLine);
    case Variable::MULTIPART_MISSING_SEMICOLON: return flag(tx, MultipartFlag::MissingSemicolon);
    case Variable::MULTIPART_UNMATCHED_BOUNDARY: return flag(tx, MultipartFlag::UnmatchedBoundary);
    case Variable::MULTIPART_STRICT_ERROR: return strict_error(tx);
    case Variable::MULTIPART_NAME:
      if (!tx.multipart.present) return std::nullopt;
      return tx.multipart.name;
    case Variable::MULTIPART_FILENAME:
      if (!tx.multipart.present) return std::nullopt;
      return tx.multipart.filename;
    default: return std::nullopt;
  }
}

}  // namespace

bool body_list(TransactionState& tx, Variable v, ListView& out) {
  MultipartData& m = tx.multipart;
  const auto all = [&](std::vector<Entry>& list, bool names = false) {
    out = {list.data(), list.size(), names};
    return true;
  };
  switch (v) {
    case Variable::FILES: return all(m.files);
    case Variable::FILES_NAMES: return all(m.files, true);
    case Variable::FILES_SIZES: return all(m.sizes);
    case Variable::FILES_TMP_CONTENT: return all(m.contents);
    case Variable::FILES_TMPNAMES:
      out = {};  // nothing is ever written to a file
      return true;
    case Variable::MULTIPART_PART_HEADERS: return all(m.part_headers);
    case Variable::XML: return all(tx.xml);
    default: return false;
  }
}

std::optional<std::string_view> body_scalar(TransactionState& tx, Variable v) {
  const RequestData& r = tx.request;
  switch (v) {
    case Variable::REQBODY_ERROR:
    case Variable::REQBODY_PROCESSOR_ERROR: return truth(r.error);
    case Variable::REQBODY_ERROR_MSG:
    case Variable::REQBODY_PROCESSOR_ERROR_MSG: return r.error_message;
    case Variable::REQBODY_PROCESSOR: return r.processor;
    case Variable::REQUEST_BODY_LENGTH: return tx.number(static_cast<std::int64_t>(r.body_length));
    case Variable::URLENCODED_ERROR: return truth(r.urlencoded_error);
    case Variable::INBOUND_DATA_ERROR: return truth(r.inbound_error);
    case Variable::OUTBOUND_DATA_ERROR: return truth(tx.response.outbound_error);
    case Variable::ARGS_COMBINED_SIZE: return tx.number(args_size(tx));
    case Variable::FILES_COMBINED_SIZE:
      return tx.number(static_cast<std::int64_t>(tx.multipart.files_size));
    case Variable::FULL_REQUEST_LENGTH: return tx.number(full_request_length(tx));
    default: return multipart_scalar(tx, v);
  }
}

}  // namespace weir::rules
