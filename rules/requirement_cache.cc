#include "rules/requirement_cache.h"

#include <algorithm>
#include <utility>

#include "rules/cache_file.h"
#include "rules/little_endian.h"

namespace weir::rules {

namespace {

constexpr CacheKind kKind = {"requirements", 1};

bool has_pattern(const Operator& op) { return op.regex() != nullptr || op.phrases() != nullptr; }

// All that pattern_requirement() reads.
void add(const Operator& op, Digester& digest) {
  if (const Regex* regex = op.regex(); regex != nullptr) {
    const ReOptions& options = regex->options();
    digest.number(1).text(regex->pattern());
    digest.number((options.caseless ? 1U : 0U) | (options.multiline ? 2U : 0U) | (options.not_empty ? 4U : 0U));
  } else {
    digest.number(2).number(op.phrases()->size());
    for (const std::string& phrase : *op.phrases()) digest.text(phrase);
  }
}

// Reads what encode() wrote; once something is missing, nothing but zeroes.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t number(unsigned bytes) {
    std::uint64_t n = 0;
    if (!take_number(rest_, n, bytes)) fail();
    return n;
  }
  std::string_view text(std::size_t size) {
    if (size > rest_.size()) {
      fail();
      return {};
    }
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  // How many things of at least `least` bytes follow; more than there is room for is a failure.
  std::size_t count(std::size_t least) {
    const std::uint64_t n = number(4);
    if (n > rest_.size() / least) fail();
    return failed_ ? 0 : static_cast<std::size_t>(n);
  }
  void fail() {
    failed_ = true;
    rest_ = {};
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool complete() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

Piece read_piece(Input& in) {
  Piece piece;
  const auto edges = static_cast<unsigned>(in.number(1));
  constexpr auto kLast = static_cast<unsigned>(Piece::Edge::End);
  if ((edges & 15U) > kLast || edges >> 4U > kLast) in.fail();
  piece.left = static_cast<Piece::Edge>(edges & 15U);
  piece.right = static_cast<Piece::Edge>(edges >> 4U);
  piece.text = in.text(static_cast<std::size_t>(in.number(4)));
  if (piece.text.size() < 2) in.fail();
  return piece;
}

Requirement read_requirement(Input& in) {
  Requirement r;
  r.least = static_cast<std::size_t>(in.number(8));
  for (std::size_t n = in.count(8); n > 0; --n) r.bytes.push_back(in.number(8));
  for (std::size_t n = in.count(12); n > 0 && !in.failed(); --n) {
    Requirement::Text text;
    text.unless = in.number(8);
    for (std::size_t pieces = in.count(7); pieces > 0 && !in.failed(); --pieces) {
      text.pieces.push_back(read_piece(in));
    }
    if (text.pieces.empty()) in.fail();
    r.texts.push_back(std::move(text));
  }
  return r;
}

std::vector<Requirement> pattern_requirements(const std::vector<const Operator*>& operators,
                                              const std::string& directory) {
  Digester digest;
  digest.text(WEIR_ANALYSIS).number(operators.size());
  for (const Operator* op : operators) add(*op, digest);
  const Digest key = digest.finish();
  if (const auto content = read_cache(kKind, directory, key)) {
    if (auto there = decode_requirements(*content, operators.size())) return std::move(*there);
  }
  std::vector<Requirement> made;
  made.reserve(operators.size());
  for (const Operator* op : operators) made.push_back(pattern_requirement(*op));
  if (!directory.empty()) write_cache(kKind, directory, key, encode(made));
  return made;
}

}  // namespace

std::string encode(const std::vector<Requirement>& requirements) {
  std::string out;
  for (const Requirement& r : requirements) {
    put_number(out, r.least, 8);
    put_number(out, r.bytes.size(), 4);
    for (const ClassMask mask : r.bytes) put_number(out, mask, 8);
    put_number(out, r.texts.size(), 4);
    for (const Requirement::Text& t : r.texts) {
      put_number(out, t.unless, 8);
      put_number(out, t.pieces.size(), 4);
      for (const Piece& p : t.pieces) {
        put_number(out, static_cast<unsigned>(p.left) | static_cast<unsigned>(p.right) << 4U, 1);
        put_number(out, p.text.size(), 4);
        out += p.text;
      }
    }
  }
  return out;
}

std::optional<std::vector<Requirement>> decode_requirements(std::string_view content, std::size_t count) {
  Input in(content);
  std::vector<Requirement> out;
  for (; count > 0 && !in.failed(); --count) out.push_back(read_requirement(in));
  if (!in.complete()) return std::nullopt;
  return out;
}

std::vector<Requirement> requirements_of(const std::vector<const Operator*>& operators,
                                         const std::string& directory) {
  std::vector<const Operator*> with_pattern;
  std::copy_if(operators.begin(), operators.end(), std::back_inserter(with_pattern),
               [](const Operator* op) { return has_pattern(*op); });
  std::vector<Requirement> of_patterns;
  if (!with_pattern.empty()) of_patterns = pattern_requirements(with_pattern, directory);
  std::vector<Requirement> out;
  out.reserve(operators.size());
  auto next = of_patterns.begin();
  for (const Operator* op : operators) {
    out.push_back(completed(*op, has_pattern(*op) ? std::move(*next++) : Requirement{}));
  }
  return out;
}

}  // namespace weir::rules
