// The Cookie header, as ModSecurity 2.9.7 reads it (SecCookieFormat).
//
// Version 0 (Netscape; the default): split at the separator only (by itself ';', or ',' in a header that has
// no ';' and whose first ',' a blank follows), quotes mean nothing; blanks in front of a name are dropped, those behind the value stay; the first '=' ends the name; a cookie without name is
// skipped, one without '=' has an empty value; nothing is decoded.
// Version 1 (RFC 2109): separators ';' and ',', quoted values, blanks around names and values dropped;
// an attribute such as $Path becomes "$<cookie>_Path" (at most 256 bytes of the cookie's name), so that it
// does not hide among the cookies.
//
// Pure functions; one pass. Views point into `header`, except the names of attributes (in `arena`).
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/arena.h"

namespace weir::rules::body {

class CookieSink {
 public:
  virtual ~CookieSink() = default;
  // In order of appearance, repeats included. False: stop.
  virtual bool on_cookie(std::string_view name, std::string_view value) = 0;
};

struct CookieResult {
  std::uint32_t cookies = 0;
  std::uint64_t work = 0;
};

// `separator`: SecCookieV0Separator; kAutomaticSeparator if it is not set.
inline constexpr char kAutomaticSeparator = '\0';
CookieResult parse_cookies_v0(std::string_view header, char separator, CookieSink& sink);
CookieResult parse_cookies_v1(std::string_view header, base::Arena& arena, CookieSink& sink);

}  // namespace weir::rules::body
