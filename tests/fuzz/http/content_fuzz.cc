// Content decoding: bounded, the same in every cut. The first octet chooses the codings, the second
// the cut.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/http/content.h"

namespace {

using namespace weir::http;  // NOLINT

struct Sink final : ContentSink {
  void on_decoded(std::string_view bytes) override { text.append(bytes); }
  void on_content_violation(Violation v) override { violations += name(v); }
  std::string text;
  std::string violations;
};

constexpr std::uint64_t kMost = 100000;

void decode(DecoderPool& pool, unsigned codings, std::string_view body, std::size_t piece,
            Sink& sink) {
  static constexpr std::string_view kNames[] = {"gzip", "deflate", "br", "other"};
  CodingList list;
  list.add(kNames[codings & 3U]);
  if ((codings & 16U) != 0) list.add(kNames[codings >> 2U & 3U]);
  ContentLimits limits;
  limits.max_output = kMost;
  limits.ratio_from = 10000;
  ContentDecoder decoder(pool);
  if (!decoder.start(list, limits, sink)) return;
  while (!body.empty()) {
    decoder.feed(body.substr(0, piece), sink);
    body.remove_prefix(piece < body.size() ? piece : body.size());
  }
  decoder.finish(true, sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  DecoderPool pool(32U << 20);
  Sink whole;
  Sink cut;
  decode(pool, data[0], body, size, whole);
  decode(pool, data[0], body, 1 + data[1], cut);
  if (whole.text != cut.text || whole.violations != cut.violations || whole.text.size() > kMost) {
    std::fprintf(stderr, "%zu %s\n%zu %s\n", whole.text.size(), whole.violations.c_str(),
                 cut.text.size(), cut.violations.c_str());
    std::abort();
  }
  return 0;
}
