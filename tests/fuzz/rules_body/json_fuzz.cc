// JSON: cuts change nothing; what simdjson accepts is accepted; work is bounded.
#include "rules/body/json.h"

#include <simdjson.h>

#include "tests/fuzz/rules_body/split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::rules::body;
  const std::string_view text = test::view(data, size);
  for (const JsonNames names : {JsonNames::ModSecurity2, JsonNames::ModSecurity3}) {
    for (const bool truncated : {false, true}) {
      test::Recorder whole, cut;
      JsonProcessor json;
      json.begin({}, names, whole);
      json.feed(text);
      const bool ok = json.finish(truncated);
      test::require(ok == whole.errors.empty());
      test::require(json.work() <= 40 * text.size() + 1'000'000);
      json.begin({}, names, cut);
      for (const auto piece : test::pieces_of(text)) json.feed(piece);
      json.finish(truncated);
      test::require_same(whole, cut);
      if (!truncated && !text.empty()) {
        simdjson::dom::parser parser(1 << 20);
        const bool accepted = parser.parse(text.data(), text.size()).error() == simdjson::SUCCESS;
        // simdjson 3.0 has its own ideas about number range, lone surrogates and byte order marks only.
        const bool limited = !ok && (whole.error().find("limit") != std::string::npos ||
                                     whole.error().find("Limit") != std::string::npos ||
                                     whole.error().find("name") != std::string::npos ||
                                     text.substr(0, 3) == "\xEF\xBB\xBF");
        test::require(!accepted || ok || limited);
      }
    }
  }
  return 0;
}
