// The chunk decoder against the oracle's reading of the grammar, whole and octet by octet.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/http/chunked.h"
#include "tests/unit/http/oracle.h"

namespace {

using weir::http::ChunkDecoder;
using weir::http::ChunkEvent;
using weir::http::ChunkStep;

struct Outcome {
  std::string body;
  std::string violations;
  std::size_t used = 0;
  bool last = false;
  bool operator==(const Outcome&) const = default;
};

Outcome decode(std::string_view in, std::size_t piece) {
  ChunkDecoder decoder(256);
  Outcome out;
  bool final = false;
  while (!in.empty() && !final) {
    const ChunkStep step = decoder.step(in.substr(0, piece));
    if (step.consumed == 0 || step.consumed > piece) std::abort();
    if (step.event == ChunkEvent::Data) out.body += in.substr(0, step.consumed);
    if (step.violation && *step.violation != weir::http::Violation::ChunkExtension) {
      out.violations += weir::http::name(*step.violation);
    }
    out.last = step.event == ChunkEvent::Last;
    final = out.last || step.event == ChunkEvent::Broken;
    out.used += step.consumed;
    in.remove_prefix(step.consumed);
  }
  return out;
}

void demand(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = decode(text, size + 1);
  demand(whole == decode(text, 1), "depends on cuts");
  const weir::http::test::OracleChunks oracle = weir::http::test::parse_chunks(text);
  const bool accepted = whole.last && whole.violations.empty();
  demand(accepted == (oracle.status == weir::http::test::OracleStatus::Complete),
         "not as the grammar");
  if (accepted) demand(whole.body == oracle.body && whole.used == oracle.used, "another body");
  return 0;
}
