// The request body on its way to its processor. Only bodies that REQUEST_BODY must show are kept; the
// others pass through their processor as they come.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "rules/body/json.h"
#include "rules/body/multipart.h"
#include "rules/body/xml.h"

namespace weir::rules {

struct TransactionState;

class BodyReader : public body::BodySink {
 public:
  void reset() { started_ = false; }
  void feed(TransactionState& tx, std::string_view bytes);
  void finish(TransactionState& tx, bool truncated);
  // SecRequestBodyNoFilesLimit; sets REQBODY_ERROR.
  bool over_no_files_limit(TransactionState& tx);
  // Bytes from the heap.
  [[nodiscard]] std::size_t growth() const { return started_ ? memory() : 0; }
  [[nodiscard]] std::size_t memory() const { return json_.memory() + multipart_.memory() + xml_.memory(); }

  bool on_argument(std::string_view name, std::string_view value) override;
  void on_file(std::string_view name, std::string_view filename, std::string_view content,
               std::uint64_t size) override;
  void on_part_header(std::string_view part, std::string_view line) override;
  void on_multipart_flag(body::MultipartFlag flag) override;
  void on_part_name(std::string_view name, std::string_view filename) override;
  void on_xml_text(std::string_view text) override;
  void on_xml_attribute(std::string_view value) override;
  void on_urlencoded_error() override;
  void on_error(std::string_view message) override;

 private:
  enum class Kind : std::uint8_t { None, Urlencoded, Multipart, Json, Xml, Unknown };
  void start(TransactionState& tx);

  TransactionState* tx_ = nullptr;
  bool started_ = false;
  bool keep_ = false;
  Kind kind_ = Kind::None;
  body::JsonProcessor json_;
  body::MultipartProcessor multipart_;
  body::XmlProcessor xml_;
};

// An argument of the query or the body; views must live as long as the transaction. False: there are
// SecArgumentsLimit of them already.
bool add_argument(TransactionState& tx, std::string_view name, std::string_view value);
// REQBODY_ERROR and REQBODY_ERROR_MSG; the first message stays.
void body_error(TransactionState& tx, std::string_view message);

}  // namespace weir::rules
