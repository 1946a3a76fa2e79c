#include "rules/parser.h"

#include <optional>
#include <string>
#include <utility>

#include "rules/directives.h"
#include "rules/include.h"
#include "rules/lexer.h"
#include "rules/lists.h"
#include "rules/reporter.h"

namespace weir::rules::syntax {

namespace {

struct Container {
  std::string name;  // as written
  Position position;
  bool skipping = false;  // its contents do not apply
};

// A file that is being read; those below it on the stack wait for it.
struct Frame {
  std::uint32_t file;
  std::string identity;   // empty for texts
  std::string directory;  // that relative Includes start from
  Lexer lexer;
  std::vector<Container> containers;
};

std::vector<std::uint32_t> starts_of_lines(std::string_view text) {
  std::vector<std::uint32_t> starts{text.substr(0, 3) == "\xEF\xBB\xBF" ? 3U : 0U};
  for (std::size_t i = text.find('\n'); i != std::string_view::npos; i = text.find('\n', i + 1)) {
    if (i + 1 < text.size()) starts.push_back(static_cast<std::uint32_t>(i + 1));
  }
  return starts;
}

class Parser {
 public:
  Parser(const ParseOptions& options, Diagnostics& out) : options_(options), report_(out, &unit_) {}

  Unit parse(const std::vector<Source>& sources) {
    for (const Source& source : sources) {
      open_source(source);
      run();
    }
    report_.finish();
    return std::move(unit_);
  }

 private:
  using Words = std::vector<Word>;

  void run();
  void open_source(const Source& source);
  bool open_text(std::string name, std::string text, std::string identity);
  bool open_file(const std::string& path, const Position* from);
  void close_file();
  void read_line(Frame& frame);
  bool split_words(Words& words);
  void directive(const std::string& name, const Words& words);
  void container(std::string_view text);
  void open_container(std::string name, std::string_view condition, bool closed);
  void close_container(std::string_view name);
  void include(const Words& words, bool optional);
  void rule(const Words& words);
  void action(const Words& words);
  void default_action(const Words& words);
  void marker(const Words& words);
  void setting(const std::string& name, const Words& words);
  void unknown_directive(const std::string& name);
  bool count_is(const std::string& name, const Words& words, std::size_t least, std::size_t most);
  bool first_argument_fits(const DirectiveFacts& facts, const Words& words);
  [[nodiscard]] Position at(const Word& word) const { return line_.position(word.begin); }
  [[nodiscard]] Position inside(const Word& word) const {
    return line_.position(word.line_offset(0));
  }
  [[nodiscard]] bool skipping() const {
    const auto& containers = stack_.back().containers;
    return !containers.empty() && containers.back().skipping;
  }

  const ParseOptions& options_;
  Unit unit_;
  Reporter report_;
  std::vector<Frame> stack_;
  // Files that Includes found and that are still to be read, last one first, with the Include's
  // place.
  struct Waiting {
    std::string path;
    Position from;
    std::size_t depth;
  };
  std::vector<Waiting> waiting_;
  std::size_t total_bytes_ = 0;
  LogicalLine line_;
};

void Parser::run() {
  while (!stack_.empty()) {
    if (!waiting_.empty() && waiting_.back().depth == stack_.size()) {
      const Waiting next = std::move(waiting_.back());
      waiting_.pop_back();
      open_file(next.path, &next.from);
      continue;
    }
    Frame& frame = stack_.back();
    if (frame.lexer.next(line_)) {
      read_line(frame);
    } else {
      close_file();
    }
  }
}

void Parser::open_source(const Source& source) {
  if (source.in_memory) {
    open_text(source.name, source.text, {});
  } else {
    open_file(source.name, nullptr);
  }
}

bool Parser::open_text(std::string name, std::string text, std::string identity) {
  total_bytes_ += text.size();
  if (text.size() > options_.file_bytes || total_bytes_ > options_.total_bytes) {
    report_.file_error(std::move(name), "too-large",
                       "the rules are larger than " + std::to_string(options_.total_bytes) +
                           " bytes, or one file than " + std::to_string(options_.file_bytes));
    return false;
  }
  if (unit_.files.size() >= options_.files) {
    report_.file_error(std::move(name), "too-many-files",
                       "more than " + std::to_string(options_.files) + " rule files");
    return false;
  }
  const auto index = static_cast<std::uint32_t>(unit_.files.size());
  std::string directory = directory_of(name);
  unit_.files.push_back(std::move(name));
  SourceText& kept = unit_.texts.emplace_back();
  kept.text = std::move(text);
  kept.line_starts = starts_of_lines(kept.text);
  stack_.push_back({index,
                    std::move(identity),
                    std::move(directory),
                    Lexer(kept.text, index, LexerLimits{options_.line_bytes}),
                    {}});
  return true;
}

bool Parser::open_file(const std::string& path, const Position* from) {
  auto text = read_file(path, options_.file_bytes);
  if (!text) {
    if (from != nullptr) {
      report_.error(*from, "unreadable-file", text.error().message);
    } else {
      report_.file_error(path, "unreadable-file", text.error().message);
    }
    return false;
  }
  std::string identity = identity_of(path);
  for (const Frame& frame : stack_) {
    if (!identity.empty() && frame.identity == identity && from != nullptr) {
      report_.error(*from, "include-cycle", path + " is being read already: it includes itself");
      return false;
    }
  }
  return open_text(path, std::move(*text), std::move(identity));
}

void Parser::close_file() {
  for (const Container& open : stack_.back().containers) {
    report_.error(open.position, "unclosed-container", "<" + open.name + "> is not closed");
  }
  stack_.pop_back();
}

void Parser::read_line(Frame& frame) {
  for (const Position& swallowed : frame.lexer.take_swallowed()) {
    report_.warning(swallowed, "commented-out",
                    "this directive belongs to the comment above, which ends with a backslash");
  }
  if (frame.lexer.too_long()) {
    report_.error(line_.begin(), "line-too-long",
                  "the line with its continuations is longer than " +
                      std::to_string(options_.line_bytes) + " bytes");
    return;
  }
  if (frame.lexer.has_nul()) {
    report_.error(line_.begin(), "nul-byte", "the line holds a NUL byte");
    return;
  }
  if (frame.lexer.dangling_backslash() && !skipping()) {
    report_.warning(line_.end(), "dangling-backslash",
                    "the last line ends with a backslash, but there is nothing to continue with");
  }
  const std::string_view text = line_.text();
  if (text.front() == '<') {
    container(text);
    return;
  }
  if (skipping()) return;
  Words words;
  if (!split_words(words)) return;
  const std::string name = std::move(words.front().text);
  words.erase(words.begin());
  directive(name, words);
}

// False if a quote is not closed (and reported).
bool Parser::split_words(Words& words) {
  std::size_t offset = 0;
  while (auto word = next_word(line_.text(), offset, options_.semantics)) {
    words.push_back(std::move(*word));
  }
  if (words.back().unterminated) {
    report_.error(
        at(words.back()), "unterminated-quote",
        "the quote that begins here is not closed; is a backslash missing at a line's end?");
    return false;
  }
  return true;
}

void Parser::directive(const std::string& name, const Words& words) {
  if (same_name(name, "SecRule")) {
    rule(words);
  } else if (same_name(name, "SecAction")) {
    action(words);
  } else if (same_name(name, "SecMarker")) {
    marker(words);
  } else if (same_name(name, "SecDefaultAction")) {
    default_action(words);
  } else if (same_name(name, "Include")) {
    include(words, false);
  } else if (same_name(name, "IncludeOptional")) {
    include(words, true);
  } else {
    setting(name, words);
  }
}

bool Parser::count_is(const std::string& name, const Words& words, std::size_t least,
                      std::size_t most) {
  if (words.size() >= least && words.size() <= most) return true;
  std::string takes = least == most        ? std::to_string(least)
                      : most == kAnyNumber ? std::to_string(least) + " or more"
                                           : std::to_string(least) + " to " + std::to_string(most);
  if (most == 0) takes = "no";
  const bool few = words.size() < least;
  const Position where = few ? line_.begin() : at(words[most]);
  std::string message = name + " takes " + takes + (most == 1 ? " argument" : " arguments") +
                        ", not " + std::to_string(words.size());
  if (!few) message += "; an argument with spaces needs double quotes";
  report_.error(where, few ? "missing-argument" : "needless-argument", std::move(message));
  return false;
}

// ---------------------------------------------------------------------------------- containers

void Parser::container(std::string_view text) {
  const bool closing = text.size() > 1 && text[1] == '/';
  std::size_t at = closing ? 2 : 1;
  const std::size_t name_at = at;
  while (at < text.size() && text[at] != '>' && !is_space(text[at]))
    ++at;
  const std::string name(text.substr(name_at, at - name_at));
  const std::size_t end = text.rfind('>');
  const bool closed = end != std::string_view::npos && end >= at;
  if (closing) {
    if (!closed) report_.error(line_.begin(), "malformed-container", "'>' is missing");
    close_container(name);
    return;
  }
  std::string_view condition = text.substr(at, (closed ? end : text.size()) - at);
  while (!condition.empty() && is_space(condition.front()))
    condition.remove_prefix(1);
  while (!condition.empty() && is_space(condition.back()))
    condition.remove_suffix(1);
  open_container(name, condition, closed);
}

void Parser::open_container(std::string name, std::string_view condition, bool closed) {
  auto& containers = stack_.back().containers;
  const bool outer = skipping();
  Container opened{std::move(name), line_.begin(), outer};
  if (!closed) report_.error(line_.begin(), "malformed-container", "'>' is missing");
  if (containers.size() >= options_.depth) {
    report_.error(line_.begin(), "too-deep",
                  "containers are nested deeper than " + std::to_string(options_.depth));
    return;
  }
  if (same_name(opened.name, "IfModule")) {
    const bool negated = !condition.empty() && condition.front() == '!';
    if (negated) condition.remove_prefix(1);
    const bool ours =
        same_name(condition, "security2_module") || same_name(condition, "mod_security2.c") ||
        same_name(condition, "security3_module") || same_name(condition, "mod_security3.c");
    opened.skipping = outer || (negated && ours);
    if (!outer) {
      report_.note(line_.begin(), "container-ignored",
                   opened.skipping ? "Weir has ModSecurity's directives: what is inside is skipped"
                                   : "Weir is not Apache: what is inside counts in any case");
    }
  } else if (!outer) {
    report_.error(line_.begin(), "container-unsupported",
                  "<" + opened.name +
                      "> confines rules to a part of a site, which Weir cannot; give each rule a "
                      "condition on REQUEST_URI or SERVER_NAME instead");
  }
  containers.push_back(std::move(opened));
}

void Parser::close_container(std::string_view name) {
  auto& containers = stack_.back().containers;
  if (containers.empty() || !same_name(containers.back().name, name)) {
    report_.error(line_.begin(), "unopened-container",
                  containers.empty() ? "</" + std::string(name) + "> closes nothing"
                                     : "</" + std::string(name) + "> does not close <" +
                                           containers.back().name + ">");
    if (containers.empty()) return;
  }
  containers.pop_back();
}

// ---------------------------------------------------------------------------------- Include

void Parser::include(const Words& words, bool optional) {
  const Position here = line_.begin();
  if (!count_is(optional ? "IncludeOptional" : "Include", words, 1, 1)) return;
  if (!options_.follow_includes) {
    report_.error(here, "include-forbidden", "Include is not possible here");
    return;
  }
  if (words[0].text.empty()) {
    report_.error(at(words[0]), "missing-argument", "the path is empty");
    return;
  }
  if (stack_.size() >= options_.depth) {
    report_.error(here, "include-depth",
                  "Includes are nested deeper than " + std::to_string(options_.depth));
    return;
  }
  const std::string path = beside(stack_.back().directory, words[0].text);
  auto files = expand(path, options_.files);
  if (!files) {
    report_.error(at(words[0]), "unreadable-file", files.error().message);
    return;
  }
  if (files->empty() && !optional) {
    report_.error(at(words[0]), "missing-file",
                  has_wildcard(path) ? "no file matches " + quoted(path)
                                     : "there is no file " + quoted(path));
  }
  for (auto name = files->rbegin(); name != files->rend(); ++name) {
    waiting_.push_back({std::move(*name), at(words[0]), stack_.size()});
  }
}

// ---------------------------------------------------------------------------------- rules

void Parser::rule(const Words& words) {
  if (!count_is("SecRule", words, 2, 3)) return;
  const std::size_t before = report_.errors();
  ListContext context{options_.semantics, report_};
  Rule out;
  out.position = line_.begin();
  out.end = line_.end();
  out.targets = targets_of(words[0].text, Locator(line_, words[0]), context);
  if (out.targets.empty() && report_.errors() == before) {
    report_.error(at(words[0]), "missing-variable", "the list of variables is empty");
  }
  out.op = operator_of(words[1].text, Locator(line_, words[1]), context);
  if (words.size() > 2) {
    out.actions = actions_of(words[2].text, Locator(line_, words[2]), context);
  }
  out.faulty = report_.errors() != before;
  unit_.statements.emplace_back(std::move(out));
}

void Parser::action(const Words& words) {
  if (!count_is("SecAction", words, 1, 1)) return;
  const std::size_t before = report_.errors();
  ListContext context{options_.semantics, report_};
  Rule out;
  out.position = line_.begin();
  out.end = line_.end();
  out.unconditional = true;
  out.op.position = out.position;
  out.actions = actions_of(words[0].text, Locator(line_, words[0]), context);
  out.faulty = report_.errors() != before;
  unit_.statements.emplace_back(std::move(out));
}

void Parser::default_action(const Words& words) {
  if (!count_is("SecDefaultAction", words, 1, 1)) return;
  ListContext context{options_.semantics, report_};
  DefaultAction out;
  out.position = line_.begin();
  out.actions = actions_of(words[0].text, Locator(line_, words[0]), context);
  unit_.statements.emplace_back(std::move(out));
}

void Parser::marker(const Words& words) {
  if (!count_is("SecMarker", words, 1, 1)) return;
  if (words[0].text.empty()) {
    report_.error(at(words[0]), "missing-argument", "the marker has no name");
    return;
  }
  unit_.statements.emplace_back(Marker{words[0].text, line_.begin()});
}

void Parser::unknown_directive(const std::string& name) {
  if (const std::string_view why = directive_left_out(name); !why.empty()) {
    report_.error(line_.begin(), "directive-left-out",
                  "Weir has no directive " + quoted(name) + ": " + std::string(why));
    return;
  }
  const std::string_view near = report_.full() ? std::string_view{} : nearest_directive(name);
  report_.error(line_.begin(), "unknown-directive",
                "unknown directive " + quoted(name) + did_you_mean(near));
}

bool Parser::first_argument_fits(const DirectiveFacts& facts, const Words& words) {
  if (words.empty() || has_form(facts.form, words[0].text)) return true;
  report_.error(at(words[0]), "invalid-argument",
                std::string(facts.name) + " takes " + std::string(form_in_words(facts.form)) +
                    ", not " + quoted(words[0].text));
  return false;
}

void Parser::setting(const std::string& name, const Words& words) {
  const std::optional<Directive> found = find_directive(name);
  if (!found) {
    unknown_directive(name);
    return;
  }
  const DirectiveFacts& facts = facts_of(*found);
  const std::string written(facts.name);
  if (facts.standing == Standing::LeftOut) {
    unknown_directive(name);
    return;
  }
  if (!count_is(written, words, facts.least, facts.most)) return;
  if (!first_argument_fits(facts, words)) return;
  if (facts.standing == Standing::WithoutEffect) {
    report_.note(line_.begin(), "without-effect",
                 written + " has no effect: " + std::string(facts.why));
    return;
  }
  if (facts.standing == Standing::OffOnly) {
    if (!same_name(words[0].text, "Off")) {
      report_.error(line_.begin(), "directive-left-out",
                    written + " can only be Off: " + std::string(facts.why));
    }
    return;
  }
  Setting out;
  out.directive = *found;
  out.position = line_.begin();
  for (const Word& word : words) {
    out.arguments.push_back(word.text);
    out.argument_positions.push_back(inside(word));
  }
  unit_.statements.emplace_back(std::move(out));
}

}  // namespace

Unit parse(const std::vector<Source>& sources, const ParseOptions& options,
           Diagnostics& diagnostics) {
  return Parser(options, diagnostics).parse(sources);
}

}  // namespace weir::rules::syntax
