// phpArgsNames: the name under which PHP keeps a parameter ("a.b" is $_GET['a_b']), so that rules over
// ARGS_NAMES see what the application will see.
//
// What PHP does (php.net, "Variables From External Sources", and its behaviour): blanks in front go; up to the
// first '[' dots and blanks become '_'; nothing in front of it is no name at all. Then indexes follow as long as
// each begins with '[' and ends with the next ']'; what stands behind the last one is dropped. A first '[' without
// its ']' is '_', and what follows stays as it is (here PHP 8 writes '_' further on, which ModSecurity and the
// language tests do not); a later one ends the name.
#include "rules/transforms/detail.h"

namespace weir::rules::detail {

Transformed php_args_names(std::string_view in, base::Arena& arena) {
  const auto matters = [](std::uint8_t c) {
    return static_cast<std::uint8_t>((c == '.') | (c == ' ') | (c == '['));
  };
  if (find_first(in, matters) == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  std::size_t at = 0;
  while (at < in.size() && in[at] == ' ') ++at;
  const std::size_t name = at;
  for (; at < in.size() && in[at] != '['; ++at) {
    out.put(static_cast<std::uint8_t>(in[at] == '.' || in[at] == ' ' ? '_' : in[at]));
  }
  if (at == name) return out.finish();
  for (bool first = true; at < in.size() && in[at] == '['; first = false) {
    // "[ ]" is "[]".
    std::size_t close = at + 1;
    if (close < in.size() && is_space(static_cast<std::uint8_t>(in[close]))) ++close;
    const bool empty = close < in.size() && in[close] == ']';
    if (!empty) close = find_byte(in, ']', close);
    if (close == in.size()) {
      if (first) {
        out.put('_');
        out.put(in.substr(at + 1));
      }
      break;
    }
    out.put(empty ? std::string_view("[]") : in.substr(at, close + 1 - at));
    at = close + 1;
  }
  return out.finish();
}

}  // namespace weir::rules::detail
