// Any bytes as a PROXY protocol header, in any cuts: the same answer as in one piece, and never more than is there.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/http/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::http;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ProxyParse whole = parse_proxy_header(bytes);
  const bool line = whole.state == ProxyState::Done && whole.header.version == 1;
  if (line && (whole.header.length > kLongestProxyLine || whole.header.length > bytes.size())) std::abort();
  if (whole.state == ProxyState::More && bytes.size() >= kLongestProxyLine) std::abort();
  if (whole.state == ProxyState::Done && whole.header.told &&
      (whole.header.client.version == 0 || whole.header.client.version != whole.header.server.version)) {
    std::abort();
  }
  // Nothing that is not one may become one with more bytes.
  ProxyReader reader;
  ProxyState state = ProxyState::More;
  std::size_t at = 0;
  std::uint32_t random = data[0];
  while (state == ProxyState::More && at < bytes.size()) {
    random = random * 1'664'525U + 1'013'904'223U;
    const std::string_view part = bytes.substr(at, 1 + (data[0] % 3 == 0 ? 0 : (random >> 20U) % 40));
    std::size_t used = 0;
    state = reader.feed(part, used);
    if (used > part.size() || (state == ProxyState::More && used != part.size())) std::abort();
    if (state == ProxyState::None && (used != 0 || reader.held() != bytes.substr(0, at))) std::abort();
    at += used;
  }
  if (whole.state == ProxyState::Done) {
    const bool complete = whole.header.length <= bytes.size();
    if (state != (complete ? ProxyState::Done : ProxyState::More)) std::abort();
    if (complete && at != whole.header.length) std::abort();
    if (complete && (reader.header().client != whole.header.client || reader.header().told != whole.header.told)) std::abort();
  } else if (!bytes.empty() && state != whole.state) {
    std::abort();
  }
  return 0;
}
