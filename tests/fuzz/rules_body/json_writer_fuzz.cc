// The JSON writer: whatever is written, another parser reads it back, loss-free where it promises so.
#include "engine/base/json_writer.h"

#include <nlohmann/json.hpp>

#include "engine/base/base64.h"
#include "engine/base/utf8.h"
#include "tests/fuzz/rules_body/split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using weir::rules::body::test::require;
  const std::string_view text = weir::rules::body::test::view(data, size);
  const std::size_t limit = size == 0 ? 0 : data[0];
  std::string out;
  weir::base::JsonWriter json(out);
  json.begin_array();
  json.string(text);
  json.text_or_bytes(text);
  json.text_or_bytes(text, limit);
  json.begin_object();
  json.field(text, text);
  json.finish();
  const auto parsed = nlohmann::json::parse(out, nullptr, false);
  require(parsed.is_array() && parsed.size() == 4);
  if (weir::base::is_valid_utf8(text)) {
    require(parsed[0] == std::string(text) && parsed[1]["text"] == std::string(text));
  } else {
    require(weir::base::decode_base64(parsed[1]["bytes"].get<std::string>()) == std::string(text));
  }
  require(parsed[2].contains("truncated") == (text.size() > limit));
  return 0;
}
