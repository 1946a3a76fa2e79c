// The expander of {{ templates }}: bounded output, plain text unchanged, form encoding reversible.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "crs/ftw_request.h"

namespace {

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string decoded(const std::string& text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto expanded = weir::crs::expand_template(text);
  if (text.find("{{") == std::string::npos) {
    require(expanded && *expanded == text, "text without a template was changed");
  } else {
    require(!expanded || expanded->size() <= (16U << 20U), "an expansion grew beyond its bound");
    require(expanded.has_value() || !expanded.error().message.empty(), "an error without words");
  }
  const std::string encoded = weir::crs::encode_form(text);
  if (encoded != text) {
    const std::string back = decoded(encoded);
    // The ampersand at the end is not encoded.
    require(back == text || back + "&" == text, "form encoding lost something");
  }
  return 0;
}
