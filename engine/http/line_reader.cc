#include "engine/http/line_reader.h"

#include <algorithm>
#include <cstring>

namespace weir::http {

bool LineReader::take(std::string_view& in, std::size_t max, Line& line, bool& too_long) {
  const std::size_t lf = in.find('\n');
  const bool whole = lf != std::string_view::npos;
  const std::string_view piece = in.substr(0, lf);
  in.remove_prefix(piece.size() + (whole ? 1 : 0));

  if (whole && length_ == 0) {
    line.wire = piece.size() + 1;
    line.crlf = !piece.empty() && piece.back() == '\r';
    line.text = piece.substr(0, piece.size() - (line.crlf ? 1 : 0));
    line.truncated = line.text.size() > max;
    line.tail = {};
    if (line.truncated) {
      line.tail = line.text.substr(line.text.size() - std::min(kTail - 1, line.text.size()));
      line.text = line.text.substr(0, max);
      too_long = true;
    }
    return true;
  }

  keep_tail(piece);
  length_ += piece.size();
  // One octet more than the limit: it may be the CR of the line end.
  const std::size_t room = max + 1 - std::min(max + 1, carry_.size());
  carry_.append(piece.substr(0, room));
  if (whole) {
    line = complete(max, true, too_long);
    return true;
  }
  if (length_ > max + 1 && !reported_) {
    reported_ = true;
    too_long = true;
  }
  return false;
}

Line LineReader::finish(std::size_t max) {
  bool ignored = false;
  return complete(max, false, ignored);
}

Line LineReader::complete(std::size_t max, bool lf, bool& too_long) {
  Line line;
  line.wire = length_ + (lf ? 1 : 0);
  const bool cr = tail_size_ > 0 && tail_[tail_size_ - 1U] == '\r';
  line.crlf = cr || !lf;
  const std::uint64_t length = length_ - (cr ? 1 : 0);
  line.truncated = length > max;
  line.text = std::string_view(carry_).substr(
      0, static_cast<std::size_t>(std::min<std::uint64_t>(length, max)));
  if (line.truncated) {
    std::string_view tail{tail_.data(), tail_size_};
    if (cr) tail.remove_suffix(1);
    line.tail = tail.substr(tail.size() - std::min(kTail - 1, tail.size()));
    if (!reported_) too_long = true;
  }
  return line;
}

void LineReader::keep_tail(std::string_view piece) noexcept {
  if (piece.size() >= kTail) {
    std::memcpy(tail_.data(), piece.data() + piece.size() - kTail, kTail);
    tail_size_ = kTail;
    return;
  }
  const std::size_t kept = std::min<std::size_t>(tail_size_, kTail - piece.size());
  std::memmove(tail_.data(), tail_.data() + tail_size_ - kept, kept);
  std::memcpy(tail_.data() + kept, piece.data(), piece.size());
  tail_size_ = static_cast<std::uint8_t>(kept + piece.size());
}

void LineReader::next() noexcept {
  carry_.clear();
  length_ = 0;
  tail_size_ = 0;
  reported_ = false;
}

void LineReader::release() noexcept {
  if (carry_.capacity() > 0 && carry_.empty()) carry_.shrink_to_fit();
}

}  // namespace weir::http
