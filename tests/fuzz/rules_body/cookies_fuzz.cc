// Cookies, both versions: every name and value is a piece of the header (or made of two).
#include "rules/body/cookies.h"

#include "tests/fuzz/rules_body/split.h"

namespace {

struct Sink : weir::rules::body::CookieSink {
  std::size_t bytes = 0;
  bool on_cookie(std::string_view name, std::string_view value) override {
    weir::rules::body::test::require(!name.empty());
    bytes += name.size() + value.size();
    return true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::rules::body;
  const std::string_view header = test::view(data, size);
  Sink v0, v1;
  weir::base::Arena arena;
  parse_cookies_v0(header, kAutomaticSeparator, v0);
  test::require(v0.bytes <= header.size());
  const CookieResult result = parse_cookies_v1(header, arena, v1);
  test::require(v1.bytes <= header.size() + 260U * result.cookies);
  return 0;
}
