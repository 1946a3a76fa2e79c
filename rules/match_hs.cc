#include "rules/match_hs.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include <hs/hs.h>

#include "rules/little_endian.h"

namespace weir::rules {

namespace {

constexpr std::size_t kChunkPatterns = 4096;
constexpr std::size_t kChunkBytes = 512 * 1024;

using How = HsDatabase::Compiled::How;

// What the pattern becomes for Hyperscan.
struct Translated {
  std::string text;
  bool exact = true;   // false: Hyperscan may match more than PCRE2 does
  bool usable = true;  // false: leave it to PCRE2
};

// (?imsx-imsx) or (?imsx-imsx: at `i`, which is at the parenthesis: does it name `flag`?
bool inline_option(std::string_view p, std::size_t i, char flag) {
  if (p.substr(i, 2) != "(?") return false;
  for (std::size_t k = i + 2; k < p.size(); ++k) {
    const char c = p[k];
    if (c == ')' || c == ':') return false;
    if (c == flag) return true;
    if (c != '-' && c != '^' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')) return false;
  }
  return false;
}

// Walks over the pattern with an eye for escapes, \Q…\E and classes only, and replaces the `$` that
// are anchors: under DOLLAR_ENDONLY they mean \z, and Hyperscan knows no such flag.
class Translator {
 public:
  Translator(std::string_view pattern, bool multiline) : p_(pattern), multiline_(multiline) {}

  Translated run() {
    if (p_.substr(0, 2) == "(*") return {{}, false, false};  // verbs are PCRE's own
    while (i_ < p_.size())
      step();
    return std::move(out_);
  }

 private:
  void copy(std::size_t n) {
    out_.text.append(p_.substr(i_, n));
    i_ += n;
  }

  void step() {
    const char c = p_[i_];
    if (quoted_) {
      if (p_.substr(i_, 2) == "\\E") quoted_ = false;
      copy(quoted_ ? 1 : 2);
    } else if (c == '\\') {
      if (p_.substr(i_, 2) == "\\Q") quoted_ = true;
      copy(2);
    } else if (class_) {
      in_class();
    } else if (c == '[') {
      class_ = true;
      copy(1);
      if (p_.substr(i_, 1) == "^") copy(1);
      if (p_.substr(i_, 1) == "]") copy(1);  // first in a class it is a member
    } else if (c == '$' && !multiline_ && !inline_multiline_) {
      out_.text += "\\z";
      ++i_;
    } else {
      if (c == '(') options();
      copy(1);
    }
  }

  void in_class() {
    if (p_[i_] == '[' && i_ + 1 < p_.size() &&
        (p_[i_ + 1] == ':' || p_[i_ + 1] == '.' || p_[i_ + 1] == '=')) {
      // [:alpha:] — if it is closed; else the bracket is a member.
      const char kind = p_[i_ + 1];
      std::size_t k = i_ + 2;
      while (k < p_.size() && p_[k] != kind && p_[k] != ']' && p_[k] != '\\')
        ++k;
      if (k + 1 < p_.size() && p_[k] == kind && p_[k + 1] == ']') {
        copy(k + 2 - i_);
        return;
      }
    }
    if (p_[i_] == ']') class_ = false;
    copy(1);
  }

  void options() {
    // Under an inline m some `$` are PCRE's own and some are not; all stay, and the hit is
    // confirmed. Under an inline x the walk may take a comment's bracket for a class.
    if (inline_option(p_, i_, 'm')) {
      inline_multiline_ = true;
      out_.exact = false;
    }
    if (inline_option(p_, i_, 'x')) out_.exact = false;
  }

  std::string_view p_;
  bool multiline_;
  std::size_t i_ = 0;
  bool quoted_ = false;
  bool class_ = false;
  bool inline_multiline_ = false;
  Translated out_;
};

unsigned flags_of(const HsPattern& pattern, How how) {
  unsigned flags = HS_FLAG_DOTALL | HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH;
  if (pattern.caseless) flags |= HS_FLAG_CASELESS;
  if (pattern.multiline) flags |= HS_FLAG_MULTILINE;
  if (how == How::Prefilter) flags |= HS_FLAG_PREFILTER;
  return flags;
}

// One compilation: the patterns still in play, which shrinks as patterns prove impossible.
class Compiler {
 public:
  Compiler(std::span<const HsPattern> patterns, bool allow_prefilter)
      : patterns_(patterns), allow_prefilter_(allow_prefilter), how_(patterns.size(), How::Exact) {
    translated_.reserve(patterns.size());
    inexact_.assign(patterns.size(), false);
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      translated_.push_back(Translator(patterns[i].pattern, patterns[i].multiline).run());
      const Translated& t = translated_.back();
      // NUL bytes would end the C string that Hyperscan takes.
      if (!t.usable || t.text.find('\0') != std::string::npos) {
        how_[i] = How::Left;
      } else if (!t.exact) {
        inexact_[i] = true;
        if (!allow_prefilter_) how_[i] = How::Left;
      }
    }
  }

  void run() {
    // What Hyperscan does not know at all is told apart without compiling. What proves too large
    // does so while it is added, so the longest come first: the failure, and the new start, then
    // cost little.
    std::vector<std::uint32_t> order;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (how_[i] != How::Left && !described(i)) demote(i);
      if (how_[i] != How::Left && !described(i)) demote(i);
      if (how_[i] != How::Left) order.push_back(static_cast<std::uint32_t>(i));
    }
    std::stable_sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
      return translated_[a].text.size() > translated_[b].text.size();
    });
    std::vector<std::uint32_t> chunk;
    std::size_t bytes = 0;
    for (const std::uint32_t i : order) {
      chunk.push_back(i);
      bytes += translated_[i].text.size();
      if (chunk.size() == kChunkPatterns || bytes >= kChunkBytes) {
        compile_chunk(std::move(chunk));
        chunk = {};
        bytes = 0;
      }
    }
    compile_chunk(std::move(chunk));
  }

  std::vector<void*> take_chunks() { return std::move(databases_); }

  [[nodiscard]] std::vector<How> how() const {
    std::vector<How> result = how_;
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (result[i] == How::Exact && inexact_[i]) result[i] = How::Prefilter;
    }
    return result;
  }

 private:
  // Cheap look at whether Hyperscan knows the constructs.
  [[nodiscard]] bool described(std::size_t i) const {
    hs_expr_info_t* info = nullptr;
    hs_compile_error_t* error = nullptr;
    const bool ok = hs_expression_info(translated_[i].text.c_str(), flags_of(patterns_[i], how_[i]),
                                       &info, &error) == HS_SUCCESS;
    hs_free_compile_error(error);
    std::free(info);  // NOLINT: Hyperscan's default allocator is malloc
    return ok;
  }

  void demote(std::size_t i) {
    how_[i] = how_[i] == How::Exact && allow_prefilter_ ? How::Prefilter : How::Left;
  }

  // Null on failure; `bad` is then the position in `ids` of the offending pattern, or -1.
  hs_database_t* compile(const std::vector<std::uint32_t>& ids, int& bad) {
    std::vector<const char*> texts;
    std::vector<unsigned> flags;
    for (const std::uint32_t id : ids) {
      texts.push_back(translated_[id].text.c_str());
      flags.push_back(flags_of(patterns_[id], how_[id]));
    }
    hs_database_t* database = nullptr;
    hs_compile_error_t* error = nullptr;
    bad = -1;
    const hs_error_t status = hs_compile_ext_multi(texts.data(), flags.data(), ids.data(), nullptr,
                                                   static_cast<unsigned>(ids.size()), HS_MODE_BLOCK,
                                                   nullptr, &database, &error);
    if (status == HS_SUCCESS) return database;
    if (error != nullptr) bad = error->expression;
    hs_free_compile_error(error);
    return nullptr;
  }

  void compile_chunk(std::vector<std::uint32_t> chunk) {
    // A worklist rather than recursion: chunks that fail as a whole are split.
    std::vector<std::vector<std::uint32_t>> work;
    work.push_back(std::move(chunk));
    while (!work.empty()) {
      std::vector<std::uint32_t> ids = std::move(work.back());
      work.pop_back();
      if (ids.empty()) continue;
      int bad = -1;
      if (hs_database_t* database = compile(ids, bad); database != nullptr) {
        databases_.push_back(database);
        continue;
      }
      if (bad < 0 && ids.size() > 1) {
        const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(ids.size() / 2);
        work.emplace_back(ids.begin(), middle);
        work.emplace_back(middle, ids.end());
        continue;
      }
      const std::size_t at = bad < 0 ? 0 : static_cast<std::size_t>(bad);
      demote(ids[at]);
      if (how_[ids[at]] == How::Left) ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at));
      work.push_back(std::move(ids));
    }
  }

  std::span<const HsPattern> patterns_;
  bool allow_prefilter_;
  std::vector<Translated> translated_;
  std::vector<bool> inexact_;  // translated so that it may match too much
  std::vector<How> how_;       // the flags it is compiled with
  std::vector<void*> databases_;
};

hs_database_t* as_database(void* p) {
  return static_cast<hs_database_t*>(p);
}

constexpr std::string_view kMagic = "weir-hs1";

}  // namespace

bool hs_available() {
  return hs_valid_platform() == HS_SUCCESS;
}

std::string hs_build() {
  hs_platform_info_t platform{};
  (void)hs_populate_platform(&platform);
  return std::string(hs_version()) + ' ' + std::to_string(platform.tune) + ' ' +
         std::to_string(platform.cpu_features);
}

std::string hs_escape(std::string_view literal) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char ch : literal) {
    const auto c = static_cast<std::uint8_t>(ch);
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      out.push_back(ch);
    } else {
      out += "\\x";
      out.push_back(kDigits[c >> 4]);
      out.push_back(kDigits[c & 15]);
    }
  }
  return out;
}

HsScratch::~HsScratch() {
  hs_free_scratch(static_cast<hs_scratch_t*>(scratch_));
}

HsDatabase::~HsDatabase() {
  for (void* chunk : chunks_)
    hs_free_database(as_database(chunk));
}

HsDatabase::Compiled HsDatabase::compile(std::span<const HsPattern> patterns,
                                         bool allow_prefilter) {
  Compiled result;
  if (patterns.empty()) return result;
  if (!hs_available()) {
    result.how.assign(patterns.size(), Compiled::How::Left);
    return result;
  }
  Compiler compiler(patterns, allow_prefilter);
  compiler.run();
  result.how = compiler.how();
  std::unique_ptr<HsDatabase> database(new HsDatabase());
  database->chunks_ = compiler.take_chunks();
  database->patterns_ = static_cast<std::uint32_t>(patterns.size());
  if (!database->chunks_.empty()) result.database = std::move(database);
  return result;
}

std::string HsDatabase::serialise() const {
  std::string out(kMagic);
  put_number(out, patterns_, 8);
  put_number(out, chunks_.size(), 8);
  for (void* chunk : chunks_) {
    char* bytes = nullptr;
    std::size_t length = 0;
    if (hs_serialize_database(as_database(chunk), &bytes, &length) != HS_SUCCESS) return {};
    put_number(out, length, 8);
    out.append(bytes, length);
    std::free(bytes);  // NOLINT: Hyperscan's default allocator is malloc
  }
  return out;
}

std::unique_ptr<HsDatabase> HsDatabase::restore(std::string_view bytes) {
  if (!hs_available() || bytes.substr(0, kMagic.size()) != kMagic) return nullptr;
  bytes.remove_prefix(kMagic.size());
  std::uint64_t patterns = 0;
  std::uint64_t chunks = 0;
  if (!take_number(bytes, patterns, 8) || !take_number(bytes, chunks, 8)) return nullptr;
  if (patterns > UINT32_MAX || chunks == 0) return nullptr;
  std::unique_ptr<HsDatabase> database(new HsDatabase());
  database->patterns_ = static_cast<std::uint32_t>(patterns);
  for (std::uint64_t i = 0; i < chunks; ++i) {
    std::uint64_t length = 0;
    if (!take_number(bytes, length, 8) || length > bytes.size()) return nullptr;
    hs_database_t* chunk = nullptr;
    if (hs_deserialize_database(bytes.data(), length, &chunk) != HS_SUCCESS) return nullptr;
    database->chunks_.push_back(chunk);
    bytes.remove_prefix(length);
  }
  return bytes.empty() ? std::move(database) : nullptr;
}

bool HsDatabase::prepare(HsScratch& scratch) const {
  auto* s = static_cast<hs_scratch_t*>(scratch.scratch_);
  bool ok = true;
  for (void* chunk : chunks_)
    ok = ok && hs_alloc_scratch(as_database(chunk), &s) == HS_SUCCESS;
  scratch.scratch_ = s;
  return ok;
}

bool HsDatabase::scan(std::string_view value, HsScratch& scratch,
                      std::span<std::uint64_t> hits) const {
  if (scratch.scratch_ == nullptr || value.size() > UINT_MAX || hits.size() * 64 < patterns_) {
    return false;
  }
  struct Context {
    std::span<std::uint64_t> hits;
    std::uint32_t patterns;
  } context{hits, patterns_};
  const auto on_match = [](unsigned id, unsigned long long, unsigned long long, unsigned,
                           void* p) -> int {
    const auto& c = *static_cast<Context*>(p);
    // Ids of a restored database were not made here.
    if (id < c.patterns) c.hits[id / 64] |= std::uint64_t{1} << (id % 64);
    return 0;
  };
  const char* data = value.empty() ? "" : value.data();
  for (void* chunk : chunks_) {
    if (hs_scan(as_database(chunk), data, static_cast<unsigned>(value.size()), 0,
                static_cast<hs_scratch_t*>(scratch.scratch_), on_match, &context) != HS_SUCCESS) {
      return false;
    }
  }
  return true;
}

std::size_t HsDatabase::bytes() const {
  std::size_t total = 0;
  for (void* chunk : chunks_) {
    std::size_t size = 0;
    if (hs_database_size(as_database(chunk), &size) == HS_SUCCESS) total += size;
  }
  return total;
}

}  // namespace weir::rules
