// Urlencoded text: decoding never grows, arguments rejoin to as many pieces as the text has.
#include <algorithm>

#include "rules/body/urlencoded.h"
#include "tests/fuzz/rules_body/split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::rules::body;
  const std::string_view text = test::view(data, size);
  weir::base::Arena arena;
  test::Recorder sink;
  BodyLimits limits;
  limits.arguments = 100'000;
  const UrlencodedResult result = parse_urlencoded(text, limits, arena, sink);
  const auto separators = static_cast<std::size_t>(std::count(text.begin(), text.end(), '&'));
  const bool open = !text.empty() && text.back() != '&';
  test::require(result.ok && sink.arguments.size() == separators + (open ? 1 : 0));
  test::require(sink.bytes <= text.size() && result.work <= 3 * text.size() + 1);
  return 0;
}
