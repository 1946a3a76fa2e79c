#include "rules/transaction_body.h"

#include <algorithm>

#include "rules/body/urlencoded.h"
#include "rules/transaction_state.h"

namespace weir::rules {

namespace {

void add_entry(TransactionState& tx, std::vector<Entry>& list, std::string_view name,
               std::string_view value) {
  Entry e;
  e.name.text = tx.arena.copy(name);
  e.value.text = tx.arena.copy(value);
  list.push_back(e);
}

bool reads(const TransactionState& tx, Variable v) {
  return tx.program->reads[static_cast<std::size_t>(v)];
}

}  // namespace

bool add_argument(TransactionState& tx, std::string_view name, std::string_view value) {
  if (tx.request.args.size() >= tx.settings().body.arguments) return false;
  Entry& e = tx.request.args.emplace_back();
  e.name.text = name;
  e.value.text = value;
  return true;
}

void body_error(TransactionState& tx, std::string_view message) {
  if (tx.request.error) return;
  tx.request.error = true;
  tx.request.error_message = tx.arena.copy(message);
}

void BodyReader::start(TransactionState& tx) {
  started_ = true;
  tx_ = &tx;
  const std::string_view p = tx.request.processor;
  const bool raw = p == "RAW";  // Coraza's: REQUEST_BODY and nothing else
  kind_ = p.empty() || raw    ? Kind::None
          : p == "URLENCODED" ? Kind::Urlencoded
          : p == "MULTIPART"  ? Kind::Multipart
          : p == "JSON"       ? Kind::Json
          : p == "XML"        ? Kind::Xml
                              : Kind::Unknown;
  // Trap 3: REQUEST_BODY is there for URLENCODED only, or by force; ModSecurity 3 always fills it.
  tx.request.body_visible =
      kind_ == Kind::Urlencoded || raw || tx.force_request_body || tx.program->v3();
  const bool logged = tx.audit_engine != AuditEngine::Off &&
                      tx.audit_parts.find_first_of("CI") != std::string_view::npos;
  keep_ = tx.request.body_visible || logged || reads(tx, Variable::FULL_REQUEST);
  const Settings& s = tx.settings();
  switch (kind_) {
    case Kind::Multipart: {
      tx.multipart.present = true;
      std::string_view type;
      for (const Entry& e : tx.request.headers) {
        if (fold_equal(e.name.text, "content-type")) type = e.value.text;
      }
      multipart_.begin(type, s.body, *this);
      break;
    }
    case Kind::Json:
      json_.begin(s.body,
                  tx.program->v3() ? body::JsonNames::ModSecurity3 : body::JsonNames::ModSecurity2,
                  *this);
      break;
    case Kind::Xml: {
      using X = body::XmlArguments;
      xml_.begin(s.body, *this,
                 tx.xml_into_args == Settings::XmlArgs::On         ? X::On
                 : tx.xml_into_args == Settings::XmlArgs::OnlyArgs ? X::OnlyArgs
                                                                   : X::Off);
      break;
    }
    case Kind::Unknown:
      body_error(tx, tx.join({"Unknown request body processor: ", p}));
      break;
    case Kind::None:
    case Kind::Urlencoded: break;
  }
}

void BodyReader::feed(TransactionState& tx, std::string_view bytes) {
  if (!started_) start(tx);
  if (keep_) tx.request.body.append(bytes);
  switch (kind_) {
    case Kind::Multipart: multipart_.feed(bytes); break;
    case Kind::Json: json_.feed(bytes); break;
    case Kind::Xml: xml_.feed(bytes); break;
    default: break;
  }
}

namespace {

// ModSecurity 2 starts a body processor when the head says that there is a body, of length 0 or not.
bool announced(const TransactionState& tx) {
  for (const Entry& e : tx.request.headers) {
    if (fold_equal(e.name.text, "content-length") || fold_equal(e.name.text, "transfer-encoding")) {
      return true;
    }
  }
  return false;
}

}  // namespace

void BodyReader::finish(TransactionState& tx, bool truncated) {
  if (!started_) {
    if (tx.request.body_length == 0) {
      tx.request.body_visible = tx.force_request_body || tx.program->v3();
      // Nothing came: nothing to judge but, where a body was announced, the boundary in the header.
      if (tx.request.processor == "MULTIPART" && announced(tx)) start(tx);
      return;
    }
    start(tx);
  }
  switch (kind_) {
    case Kind::Urlencoded:
      tx.work +=
          body::parse_urlencoded(tx.request.body, tx.settings().body, tx.arena, *this).work;
      break;
    case Kind::Multipart:
      multipart_.finish(truncated);
      tx.work += multipart_.work();
      break;
    case Kind::Json:
      json_.finish(truncated);
      tx.work += json_.work();
      break;
    case Kind::Xml:
      xml_.finish(truncated);
      tx.work += xml_.work();
      break;
    case Kind::None:
    case Kind::Unknown: break;
  }
}

bool BodyReader::over_no_files_limit(TransactionState& tx) {
  if (!started_ || kind_ == Kind::None) {
    if (!tx.force_request_body) return false;
  }
  // What lies beyond SecRequestBodyLimit (ProcessPartial) is no part of what is inspected, and does not count.
  const std::uint64_t length = kind_ == Kind::Multipart
                                   ? multipart_.no_files_length()
                                   : std::min(tx.request.body_length, tx.request_body_limit);
  if (length < tx.settings().request_body_no_files_limit) return false;
  body_error(tx, tx.join({"Request body no files data length is larger than the configured limit (",
                          tx.number(static_cast<std::int64_t>(
                              tx.settings().request_body_no_files_limit)),
                          ")."}));
  return true;
}

bool BodyReader::on_argument(std::string_view name, std::string_view value) {
  // Arguments of an urlencoded body are views of the body or in the arena already.
  if (kind_ == Kind::Urlencoded) return add_argument(*tx_, name, value);
  // Trap 28: elements of arrays repeat the array's name as in ModSecurity 2 (CRS 934210 depends on it), but
  // names begin with "json." as everywhere else: that is what CRS and people's exclusions expect.
  const bool prefix = kind_ == Kind::Json && !tx_->program->v3();
  const std::string_view before = prefix ? "json." : "";
  // Name and value next to each other: they are looked at together.
  char* const out = tx_->arena.allocate(before.size() + name.size() + value.size());
  if (out == nullptr) return add_argument(*tx_, {}, {});
  char* const end = std::copy(name.begin(), name.end(), std::copy(before.begin(), before.end(), out));
  std::copy(value.begin(), value.end(), end);
  return add_argument(*tx_, {out, static_cast<std::size_t>(end - out)}, {end, value.size()});
}

void BodyReader::on_file(std::string_view name, std::string_view filename, std::string_view content,
                         std::uint64_t size) {
  MultipartData& m = tx_->multipart;
  add_entry(*tx_, m.files, name, filename);
  add_entry(*tx_, m.sizes, name, tx_->number(static_cast<std::int64_t>(size)));
  if (reads(*tx_, Variable::FILES_TMP_CONTENT)) add_entry(*tx_, m.contents, name, content);
  m.files_size += size;
}

void BodyReader::on_part_header(std::string_view part, std::string_view line) {
  add_entry(*tx_, tx_->multipart.part_headers, part, line);
}

void BodyReader::on_multipart_flag(body::MultipartFlag flag) {
  tx_->multipart.flags |= 1U << static_cast<unsigned>(flag);
}

void BodyReader::on_part_name(std::string_view name, std::string_view filename) {
  tx_->multipart.name = tx_->arena.copy(name);
  tx_->multipart.filename = tx_->arena.copy(filename);
}

void BodyReader::on_xml_text(std::string_view text) { add_entry(*tx_, tx_->xml, "/*", text); }

void BodyReader::on_xml_attribute(std::string_view value) {
  add_entry(*tx_, tx_->xml, "//@*", value);
}

void BodyReader::on_urlencoded_error() { tx_->request.urlencoded_error = true; }

void BodyReader::on_error(std::string_view message) { body_error(*tx_, message); }

}  // namespace weir::rules
