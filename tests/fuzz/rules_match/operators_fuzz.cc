// The first byte picks the operator, the next the cut between argument and value. Arguments come as
// macros would bring them; literal ones are made into operators, which may be refused.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "rules/operators/operator.h"

using namespace weir::rules;

namespace {

class OneFile : public OperatorFiles {
 public:
  explicit OneFile(std::string_view contents) : contents_(contents) {}
  weir::Result<std::string> read(std::string_view) override { return std::string(contents_); }

 private:
  std::string_view contents_;
};

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto& names = operator_names();
  const std::string_view name = names[data[0] % names.size()];
  const bool macros = data[1] >= 0x80;
  const std::string rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = std::min<std::size_t>(data[1] & 0x7f, rest.size());
  const std::string argument = rest.substr(0, cut);
  const std::string value = rest.substr(cut);

  const bool file = name.ends_with("file") || name.ends_with("matchf") || name == "pmf";
  OneFile files(argument);
  auto made = make_operator({name,
                             macros ? "%{tx.x}"
                             : file ? "f"
                                    : argument,
                             macros, false},
                            files);
  if (!made) return 0;
  static ReScratch re;
  static weir::base::Arena arena;
  arena.reset();
  Captures captures;
  bool limit = false;
  OperatorContext context{re, arena, argument};
  context.captures = &captures;
  context.limits = {5000, 5000};
  context.limit_exceeded = &limit;
  const bool matched = (*made)->match(value, context);
  require(captures.count <= captures.groups.size(), "too many captures");
  require(matched || captures.count == 0, "captures without a match");
  for (std::size_t i = 0; i < captures.count; ++i) {
    const std::string copy(captures.groups[i]);  // readable
    require(copy.size() <= std::max<std::size_t>(value.size(), argument.size()) + 8,
            "long capture");
  }
  context.captures = nullptr;
  require((*made)->match(value, context) == matched || limit, "captures change the verdict");
  return 0;
}
