// normalisePath and normalisePathWin: empty segments, "." and ".." go away.
//
// Not RFC 3986's remove_dot_segments: a segment is closed by what follows its last byte, so ".." is
// any segment that *ends* in two dots ("/a../b" is "/b"), a relative path keeps the ".." that
// would leave it, and a slash at the end stays only if there was one. The cases of ModSecurity's
// tests pin this down.
#include "rules/transforms/detail.h"

namespace weir::rules::detail {

namespace {

class PathNormaliser {
 public:
  // REQUIRES: in is not empty; `out` has room for in.size() bytes.
  PathNormaliser(std::string_view in, bool windows, char* out)
      : in_(in),
        windows_(windows),
        out_(out),
        end_(in.size() - 1),
        relative_(at(0) != '/'),
        trailing_(at(end_) == '/') {}

  std::size_t run() {
    while (src_ <= end_) {
      const bool last = src_ == end_;
      if ((last || at(src_ + 1) == '/') && !close_segment(last)) break;
      copy();
      if (last) break;
    }
    if (!trailing_ && dst_ > 0 && out_[dst_ - 1] == '/') --dst_;
    return dst_;
  }

 private:
  [[nodiscard]] char at(std::size_t i) const {
    const char c = in_[i];
    return windows_ && c == '\\' ? '/' : c;
  }

  // At the last byte of a segment. False: the end of the input is reached and nothing is left to
  // copy.
  bool close_segment(bool last) {
    const char c = at(src_);
    if (!last && c == '/') return true;  // empty segment: copy() merges the slashes
    if (c != '.') {
      if (dst_ > 0) above_root_ = false;
      return true;
    }
    if (dst_ > 0 && out_[dst_ - 1] == '.') return back_reference(last);
    if (dst_ == 0) {  // "./" in front
      if (last) return false;
      ++src_;
    } else if (out_[dst_ - 1] == '/') {  // "/./"
      if (last) return false;
      --dst_;
      ++src_;
    }
    return true;
  }

  bool back_reference(bool last) {
    if (relative_ && (above_root_ || dst_ <= 2)) {
      above_root_ = true;  // there is no segment to take back: the ".." stays
      return true;
    }
    // Over "/.", and then back to the slash before the previous segment.
    dst_ = dst_ > 3 ? dst_ - 3 : 0;
    while (dst_ > 0 && out_[dst_] != '/')
      --dst_;
    if (dst_ == 0) {
      above_root_ = true;
      if (!relative_ && last) dst_ = 1;
    }
    if (last) return false;
    ++src_;
    return true;
  }

  void copy() {
    if (at(src_) == '/') {
      while (src_ < end_ && at(src_ + 1) == '/')
        ++src_;
      if (relative_ && dst_ == 0) {
        ++src_;
        return;
      }
    }
    out_[dst_++] = at(src_++);
  }

  std::string_view in_;
  bool windows_;
  char* out_;
  std::size_t end_;
  bool relative_;
  bool trailing_;
  bool above_root_ = false;
  std::size_t src_ = 0;
  std::size_t dst_ = 0;
};

// A path changes only where a slash or dot is followed by a slash, or a dot ends it.
bool may_change(std::string_view in, bool windows) {
  if (windows && in.find('\\') != std::string_view::npos) return true;
  if (in.back() == '.') return true;
  for (std::size_t i = in.find('/', 1); i != std::string_view::npos; i = in.find('/', i + 1)) {
    if (in[i - 1] == '/' || in[i - 1] == '.') return true;
  }
  return false;
}

}  // namespace

Transformed normalise_path(std::string_view in, base::Arena& arena, bool windows) {
  if (in.empty() || !may_change(in, windows)) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.resize(PathNormaliser(in, windows, out.begin()).run());
  return out.finish();
}

}  // namespace weir::rules::detail
