// Any bytes as X-Forwarded-For and Forwarded; and before what a proxy appends, which is read all the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/http/forwarded.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::http;
  if (size > 4096) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const ForwardedField field : {ForwardedField::XForwardedFor, ForwardedField::Forwarded}) {
    ForwardedElements elements(field, bytes);
    ForwardedNode node;
    std::size_t count = 0;
    while (elements.next(node)) {
      if (++count > size + 1) std::abort();
      if ((node.kind == ForwardedNode::Kind::Address) != (node.address.version != 0)) std::abort();
    }
    if (count == 0) std::abort();
    const std::string appended = field == ForwardedField::Forwarded ? "for=\"[2001:db8::7]:9\";by=\"a,b\"" : "[2001:db8::7]:9";
    const std::string value = std::string(bytes) + ", " + appended;
    ForwardedElements longer(field, value);
    if (!longer.next(node) || node.port != 9 || node.address.to_string() != "2001:db8::7") std::abort();
  }
  return 0;
}
