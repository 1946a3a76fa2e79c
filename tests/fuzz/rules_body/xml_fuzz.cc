// XML: cuts change nothing; whatever a document declares, nothing in it is expanded.
#include "rules/body/xml.h"

#include "tests/fuzz/rules_body/split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::rules::body;
  const std::string_view text = test::view(data, size);
  for (const XmlArguments arguments : {XmlArguments::Off, XmlArguments::On, XmlArguments::OnlyArgs}) {
    for (const bool truncated : {false, true}) {
      test::Recorder whole, cut;
      XmlProcessor xml;
      xml.begin({}, whole, arguments);
      xml.feed(text);
      const bool ok = xml.finish(truncated);
      test::require(ok == whole.errors.empty());
      test::require(whole.bytes <= 40 * text.size() + 300'000);
      xml.begin({}, cut, arguments);
      for (const auto piece : test::pieces_of(text)) xml.feed(piece);
      xml.finish(truncated);
      test::require_same(whole, cut);
    }
  }
  return 0;
}
