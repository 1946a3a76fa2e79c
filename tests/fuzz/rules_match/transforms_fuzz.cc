// The first byte picks the transformation, the rest is the value: bound, `changed`, no copy where
// nothing changes, no over-read (the value is a heap block of its own), idempotence and inverses
// where there are.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "rules/transforms/transform.h"

using weir::rules::apply;
using weir::rules::Transform;

namespace {

void require(bool ok, const char* what, Transform t) {
  if (ok) return;
  const std::string_view name = weir::rules::transform_name(t);
  std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(name.size()), name.data());
  std::abort();
}

bool idempotent(Transform t) {
  switch (t) {
    case Transform::None:
    case Transform::CmdLine:
    case Transform::CompressWhitespace:
    case Transform::Lowercase:
    case Transform::ParityZero7bit:
    case Transform::RemoveNulls:
    case Transform::RemoveWhitespace:
    case Transform::ReplaceComments:
    case Transform::ReplaceNulls:
    case Transform::Trim:
    case Transform::TrimLeft:
    case Transform::TrimRight:
    case Transform::Uppercase:
      return true;
    default:
      return false;
  }
}

const weir::rules::UnicodeMap& unicode_map() {
  static const auto map = [] {
    auto m = std::make_unique<weir::rules::UnicodeMap>();
    weir::rules::parse_unicode_map("20127 (US-ASCII)\n00a0:20 2019:27 ff1c:3c", 20127, *m);
    return m;
  }();
  return *map;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr unsigned kTransforms = static_cast<unsigned>(Transform::Utf8ToUnicode) + 1;
  const auto t = static_cast<Transform>(data[0] % kTransforms);
  const auto* map = data[0] / kTransforms % 2 == 1 ? &unicode_map() : nullptr;
  const std::size_t n = size - 1;
  const auto block = std::make_unique<char[]>(n);
  if (n > 0) std::memcpy(block.get(), data + 1, n);
  const std::string_view in(block.get(), n);
  static weir::base::Arena arena;
  arena.reset();
  const auto out = apply(t, in, arena, map);
  require(out.value.size() <= weir::rules::output_bound(t, n), "longer than its bound", t);
  require(out.changed == (out.value != in), "wrong about having changed", t);
  require(out.changed || out.value.data() == in.data(), "copied without a change", t);
  require(std::memcmp(block.get(), data + 1, n) == 0, "wrote to its input", t);
  if (idempotent(t)) require(!apply(t, out.value, arena, map).changed, "not idempotent", t);
  const auto inverse = [&](Transform back) {
    require(apply(back, out.value, arena, nullptr).value == in, "not inverted", t);
  };
  if (t == Transform::Base64Encode) inverse(Transform::Base64Decode);
  if (t == Transform::HexEncode) inverse(Transform::HexDecode);
  if (t == Transform::UrlEncode) inverse(Transform::UrlDecode);
  return 0;
}
