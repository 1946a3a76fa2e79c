// Operations on one connection against the naive stream: the first byte chooses mode and policy.
#include "tests/support/tcp_oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  if (size > 1024) size = 1024;  // the naive side is slow
  weir::test::BytesSource source(data + 1, size - 1);
  const bool in = data[0] % 2 == 0;
  weir::test::run_against_oracle(source, in,
                                 static_cast<weir::flow::OverlapPolicy>(data[0] / 2 % 5));
  return 0;
}
