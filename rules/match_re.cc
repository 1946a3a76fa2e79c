#include "rules/match_re.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rules/linear_search.h"
#include "rules/regex_tree.h"

namespace weir::rules {

namespace {

constexpr std::uint32_t kGroups = 10;  // TX:0 … TX:9
constexpr std::size_t kJitStackStart = 32 * 1024;
constexpr std::size_t kJitStackLimit = 1024 * 1024;
constexpr std::uint32_t kHeapLimitKib = 16 * 1024;  // of the interpreter, per match

std::uint32_t compile_flags(const ReOptions& options) {
  std::uint32_t flags = PCRE2_DOTALL;
  flags |= options.multiline ? PCRE2_MULTILINE : PCRE2_DOLLAR_ENDONLY;
  if (options.caseless) flags |= PCRE2_CASELESS;
  // A pattern is bytes: (*UTF) would make matching fail on values that are not UTF-8, and \C is
  // unsafe only there.
  return flags | PCRE2_NEVER_UTF;
}

// Null: it does not compile, and `error` and `offset`, if given, say why.
pcre2_code* compile_code(std::string_view pattern, const ReOptions& options, int* error, std::size_t* offset) {
  int own_error = 0;
  PCRE2_SIZE own_offset = 0;
  return pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.empty() ? "" : pattern.data()), pattern.size(),
                       compile_flags(options), error != nullptr ? error : &own_error,
                       offset != nullptr ? offset : &own_offset, nullptr);
}

std::string message(int code, std::size_t offset) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return std::string(reinterpret_cast<const char*>(text.data())) + " at " + std::to_string(offset);
}

}  // namespace

struct Regex::Code {
  // `c` null: compiled by finish().
  Code(pcre2_code* c, bool j) : code(c), jit(j) {
    if (!jit) ready = code;
  }
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  // To search with; null: it does not compile. Nobody has it before the machine code is made.
  const pcre2_code* use(const Regex& of) {
    const pcre2_code* c = ready.load(std::memory_order_acquire);
    return c != nullptr ? c : finish(of);
  }
  const pcre2_code* finish(const Regex& of) {
    const std::lock_guard lock(finishing);
    if (ready.load(std::memory_order_relaxed) != nullptr) return code;
    if (code == nullptr) code = compile_code(of.pattern(), of.options(), nullptr, nullptr);
    if (code == nullptr) return nullptr;
    // Where the JIT is not to be had, the interpreter does.
    jit = jit && pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
    ready.store(code, std::memory_order_release);
    return code;
  }

  // The same pattern as an automaton; null: there is none.
  const LinearSearch* linear(const Regex& of) {
    if (!linear_ready.load(std::memory_order_acquire)) make_linear(of);
    return automaton.get();
  }
  void make_linear(const Regex& of) {
    const std::lock_guard lock(finishing);
    if (linear_ready.load(std::memory_order_relaxed)) return;
    const auto tree = RegexTree::parse(of.pattern(), of.options().caseless, of.options().multiline);
    if (tree) automaton = LinearSearch::compile(*tree);
    linear_ready.store(true, std::memory_order_release);
  }

  pcre2_code* code;
  std::atomic<const pcre2_code*> ready{nullptr};
  std::mutex finishing;  // guards the making of `code`, `jit` and `automaton`
  std::unique_ptr<const LinearSearch> automaton;
  std::atomic<bool> linear_ready{false};
  bool jit;              // wanted; once ready, there
};

struct ReScratch::State {
  State()
      : data(pcre2_match_data_create(kGroups, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr)) {
    if (data == nullptr || context == nullptr) throw std::bad_alloc();
    std::uint32_t value = 0;
    pcre2_config(PCRE2_CONFIG_MATCHLIMIT, &value);
    default_limits.match = value;
    pcre2_config(PCRE2_CONFIG_DEPTHLIMIT, &value);
    default_limits.depth = value;
    pcre2_set_heap_limit(context, kHeapLimitKib);
    // Without a stack of its own the JIT takes 32 KiB of the machine stack, which is little but
    // enough.
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~State() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Setting the limits is cheap, but not free: only where they differ from the last match's.
  void use(const ReLimits& wanted) {
    const std::uint32_t match = wanted.match != 0 ? wanted.match : default_limits.match;
    const std::uint32_t depth = wanted.depth != 0 ? wanted.depth : default_limits.depth;
    if (match != limits.match) pcre2_set_match_limit(context, match);
    if (depth != limits.depth) pcre2_set_depth_limit(context, depth);
    limits = {match, depth};
  }

  pcre2_match_data* data;
  pcre2_match_context* context;
  pcre2_jit_stack* stack;
  ReLimits limits;
  ReLimits default_limits;

  struct Expansion {
    std::string pattern;
    ReOptions options;
    std::unique_ptr<Regex> regex;  // null: does not compile
    std::uint64_t used = 0;        // 0: the entry is free
  };
  std::array<Expansion, kExpansions> expansions;
  std::uint64_t clock = 0;
};

ReScratch::ReScratch() : state_(std::make_unique<State>()) {}
ReScratch::~ReScratch() = default;

const Regex* ReScratch::compiled(std::string_view pattern, const ReOptions& options) {
  if (pattern.size() > kMaxExpansion) return nullptr;
  State& s = *state_;
  ++s.clock;
  State::Expansion* oldest = &s.expansions[0];
  for (State::Expansion& e : s.expansions) {
    if (e.used != 0 && e.pattern == pattern && e.options.caseless == options.caseless &&
        e.options.multiline == options.multiline && e.options.not_empty == options.not_empty) {
      e.used = s.clock;
      return e.regex.get();
    }
    if (e.used < oldest->used) oldest = &e;
  }
  ReOptions without_jit = options;
  without_jit.jit = false;
  auto compiled = Regex::compile(pattern, without_jit);
  oldest->pattern.assign(pattern);
  oldest->options = options;
  oldest->regex = compiled ? std::move(*compiled) : nullptr;
  oldest->used = s.clock;
  return oldest->regex.get();
}

Regex::Regex(std::string pattern, const ReOptions& options, std::unique_ptr<Code> code)
    : pattern_(std::move(pattern)), options_(options), code_(std::move(code)) {}

Regex::~Regex() = default;

void Regex::warm() const { (void)code_->use(*this); }

bool Regex::jit() const {
  warm();
  return code_->jit;
}

Result<std::unique_ptr<Regex>> Regex::compile(std::string_view pattern, const ReOptions& options) {
  int error = 0;
  std::size_t offset = 0;
  pcre2_code* code = compile_code(pattern, options, &error, &offset);
  if (code == nullptr) return fail(message(error, offset));
  return std::unique_ptr<Regex>(
      new Regex(std::string(pattern), options, std::make_unique<Code>(code, options.jit)));
}

std::unique_ptr<Regex> Regex::deferred(std::string_view pattern, const ReOptions& options) {
  return std::unique_ptr<Regex>(
      new Regex(std::string(pattern), options, std::make_unique<Code>(nullptr, options.jit)));
}

std::string Regex::library() {
  std::array<char, 64> version{};
  pcre2_config(PCRE2_CONFIG_VERSION, version.data());  // at most 24 bytes (pcre2api)
  std::uint32_t link_size = 0;
  std::uint32_t nesting = 0;
  pcre2_config(PCRE2_CONFIG_LINKSIZE, &link_size);
  pcre2_config(PCRE2_CONFIG_PARENSLIMIT, &nesting);
  return std::string(version.data()) + ' ' + std::to_string(link_size) + ' ' + std::to_string(nesting);
}

namespace {

// From how many bytes of subject on the automaton is asked first. Measured over all patterns of CRS 4.28 on ordinary text: where
// a pattern has hundreds of alternatives it is faster by far for any value, a small pattern is found sooner
// by PCRE2, which is asked alone until its worst case would matter.
constexpr std::size_t kLargePattern = 1000;
std::size_t linear_from(std::size_t pattern) {
  if (pattern >= kLargePattern) return 16;
  if (pattern >= 60) return 128;
  return 2048;
}
// In shorter subjects PCRE2 may as well begin at the start, unless the pattern is large: it tries hundreds of
// alternatives at each place on the way.
constexpr std::size_t kNear = 512;
// Longer patterns are not looked at for being quick().
constexpr std::size_t kLongestRun = 64;

}  // namespace

Regex::Ahead Regex::ahead(std::string_view subject) const {
  Ahead out;
  // (What is compiled to be used once is not worth an automaton.)
  const bool soon = subject.size() < linear_from(pattern_.size());
  if ((soon && pattern_.size() > kLongestRun) || !options_.jit) return out;
  const LinearSearch* linear = code_->linear(*this);
  if (linear == nullptr || (soon && !linear->quick())) return out;
  const bool large = pattern_.size() >= kLargePattern;
  if (!large && !linear->quick() && !linear->may_match(subject)) {
    out.start = std::string_view::npos;
    return out;
  }
  out.certain = linear->exact() && !options_.not_empty;
  if (!large && !linear->quick() && subject.size() <= kNear) return out;
  if (subject.data() == nullptr) subject = "";
  const std::string_view match = linear->find(subject);
  out.start = match.data() == nullptr ? std::string_view::npos : static_cast<std::size_t>(match.data() - subject.data());
  if (out.certain) out.match = match;
  return out;
}

ReResult Regex::search(std::string_view subject, ReScratch& scratch, const ReLimits& limits,
                       std::string_view* groups, std::size_t max_groups, std::size_t* group_count,
                       std::size_t start) const {
  if (group_count != nullptr) *group_count = 0;
  if (start > subject.size()) return ReResult::NoMatch;
  ReScratch::State& s = scratch.state();
  s.use(limits);
  const auto* text = reinterpret_cast<PCRE2_SPTR>(subject.empty() ? "" : subject.data());
  const std::uint32_t flags = options_.not_empty ? PCRE2_NOTEMPTY : 0;
  const pcre2_code* code = code_->use(*this);
  if (code == nullptr) return ReResult::LimitExceeded;
  int rc = pcre2_match(code, text, subject.size(), start, flags, s.data, s.context);
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
    // The interpreter keeps its state on the heap; its own limits apply.
    rc = pcre2_match(code, text, subject.size(), start, flags | PCRE2_NO_JIT, s.data,
                     s.context);
  }
  if (rc == PCRE2_ERROR_NOMATCH) return ReResult::NoMatch;
  if (rc < 0) return ReResult::LimitExceeded;  // no other error can come from bytes
  const std::size_t set = rc == 0 ? kGroups : static_cast<std::size_t>(rc);
  if (groups != nullptr) {
    const PCRE2_SIZE* at = pcre2_get_ovector_pointer(s.data);
    for (std::size_t i = 0; i < max_groups; ++i) {
      // \K inside a look-ahead can put the end before the start.
      const bool is_set = i < set && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];
      groups[i] =
          is_set ? subject.substr(at[2 * i], at[2 * i + 1] - at[2 * i]) : std::string_view();
    }
    if (group_count != nullptr) *group_count = std::min(set, max_groups);
  } else if (group_count != nullptr) {
    *group_count = set;
  }
  return ReResult::Match;
}

}  // namespace weir::rules
