// Comments of SQL, C, HTML and shells. What looks odd here is ModSecurity's documented-by-test
// behaviour: the language tests demand it, down to the NUL byte after a comment that ends the
// value.
#include "rules/transforms/detail.h"

namespace weir::rules::detail {

namespace {

// Length of the mark of a comment at i, or 0.
std::size_t comment_mark(const Bytes& bytes, std::size_t i) {
  const std::uint8_t next = bytes[i + 1];
  switch (bytes[i]) {
    case '/':
      return next == '*' ? 2 : 0;
    case '*':
      return next == '/' ? 2 : 0;
    case '<':
      return next == '!' && bytes[i + 2] == '-' && bytes[i + 3] == '-' ? 4 : 0;
    case '-':
      return next != '-' ? 0 : bytes[i + 2] == '>' ? 3 : 2;
    case '#':
      return 1;
    default:
      return 0;
  }
}

// First position that may begin a comment.
std::size_t first_opener(std::string_view in) {
  return find_first(in, [](std::uint8_t c) {
    return static_cast<int>(c == '/') | static_cast<int>(c == '<') | static_cast<int>(c == '-') |
           static_cast<int>(c == '#') | static_cast<int>(c == '*');
  });
}

}  // namespace

Transformed remove_comments(std::string_view in, base::Arena& arena) {
  const std::size_t first = first_opener(in);
  if (first == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  const Bytes bytes(in);
  bool inside = false;
  std::size_t i = first;
  // What follows a comment is taken as it is, even where it begins another one, and even where it
  // is the NUL that ends the value in C.
  const auto close = [&](std::size_t length) {
    inside = false;
    i += length;
    out.put(bytes[i]);
    ++i;
  };
  while (i < in.size()) {
    const std::uint8_t c = bytes[i];
    const std::size_t mark = comment_mark(bytes, i);
    if (inside) {
      const bool closes = (c == '*' && mark == 2) || mark == 3;
      if (closes) {
        close(mark);
      } else {
        ++i;
      }
    } else if ((c == '/' && mark == 2) || mark == 4) {
      inside = true;
      i += mark;
    } else if (c == '#' || (c == '-' && mark != 0)) {
      break;  // to the end of the value, not of the line
    } else {
      out.put(c);
      ++i;
    }
  }
  if (inside) out.put(' ');
  return out.finish();
}

Transformed remove_comments_char(std::string_view in, base::Arena& arena) {
  const std::size_t first = first_opener(in);
  if (first == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  const Bytes bytes(in);
  for (std::size_t i = first; i < in.size();) {
    const std::size_t mark = comment_mark(bytes, i);
    if (mark == 0) {
      out.put(bytes[i++]);
    } else {
      i += mark;
    }
  }
  return out.finish();
}

Transformed replace_comments(std::string_view in, base::Arena& arena) {
  std::size_t open = in.find("/*");
  if (open == std::string_view::npos) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  std::size_t from = 0;
  while (open != std::string_view::npos) {
    out.put(in.substr(from, open - from));
    out.put(' ');
    const std::size_t close = in.find("*/", open + 2);
    if (close == std::string_view::npos) return out.finish();
    from = close + 2;
    open = in.find("/*", from);
  }
  out.put(in.substr(from));
  return out.finish();
}

}  // namespace weir::rules::detail
