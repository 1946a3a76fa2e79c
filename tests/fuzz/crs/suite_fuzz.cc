// The reader of test suites and override lists, and the building of every request that it read. The first byte
// chooses which of the two a document is read as.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "crs/ftw_request.h"
#include "crs/ftw_suite.h"

namespace {

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

bool is_located(const std::string& message) {
  return message.rfind("fuzz.yaml", 0) == 0 && message.find('\n') == std::string::npos;
}

void read_suite(std::string_view yaml) {
  weir::crs::FtwSuite suite;
  weir::crs::read_ftw(yaml, "fuzz.yaml", suite);
  for (const std::string& error : suite.errors) require(is_located(error), error.c_str());
  for (const weir::crs::FtwTest& test : suite.tests) {
    require(!test.id.empty(), "a test without an id");
    require(!test.stages.empty(), "a test without stages");
    for (const weir::crs::FtwStage& stage : test.stages) {
      const auto built = weir::crs::build_request(stage.input);
      require(!built || built->size() < (64U << 20U), "a request grew beyond its bound");
      const auto again = weir::crs::build_request(stage.input);
      require(built.has_value() == again.has_value() && (!built || *built == *again), "built two ways");
    }
  }
}

void read_overrides(std::string_view yaml) {
  const auto overrides = weir::crs::read_ftw_overrides(yaml, "fuzz.yaml");
  if (!overrides) {
    require(is_located(overrides.error().message), "an error does not say where");
    return;
  }
  for (const auto& one : *overrides) require(!one.test.empty() && !one.reason.empty(), "an override without a reason");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 16384) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'o') {
    read_overrides(text);
  } else {
    read_suite(text);
  }
  return 0;
}
