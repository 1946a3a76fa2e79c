// Multipart: the first line is the Content-Type, the rest the body. Cuts change nothing; work is linear.
#include "rules/body/multipart.h"

#include "tests/fuzz/rules_body/split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::rules::body;
  const std::string_view input = test::view(data, size);
  const std::size_t end = std::min(input.find('\n'), input.size());
  std::string type(input.substr(0, end));
  const std::string_view body = input.substr(std::min(end + 1, input.size()));
  if (type.empty() || type.front() != 'm') type = "multipart/form-data; boundary=B";
  for (const bool truncated : {false, true}) {
    test::Recorder whole, cut;
    MultipartOptions options;
    options.refuse_invalid_header_names = body.size() % 2 == 1;
    MultipartProcessor multipart;
    multipart.begin(type, {}, whole, options);
    multipart.feed(body);
    const bool ok = multipart.finish(truncated);
    test::require(ok == whole.errors.empty());
    test::require(multipart.work() <= 4 * body.size() + 10'000);
    multipart.begin(type, {}, cut, options);
    for (const auto piece : test::pieces_of(body)) multipart.feed(piece);
    multipart.finish(truncated);
    test::require_same(whole, cut);
  }
  return 0;
}
