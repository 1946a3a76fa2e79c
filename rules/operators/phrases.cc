// @pm and @pmFromFile.
#include "rules/match_pm.h"
#include "rules/operators/factories.h"

namespace weir::rules::operators {

namespace {

class Phrases final : public Operator {
 public:
  explicit Phrases(const std::vector<std::string>& phrases) : matcher_(phrases) {}

  // TX:0 is the phrase as the list has it, not the input (trap 10).
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    const PhraseMatcher::Found found = matcher_.find(value);
    if (found.found) capture_one(context, found.text);
    return found.found;
  }
  const std::vector<std::string>* phrases() const override { return &matcher_.phrases(); }

 private:
  PhraseMatcher matcher_;
};

}  // namespace

// Macros are not expanded, as in ModSecurity: the phrases are compiled at load.
Made make_pm(const OperatorSpec& spec, OperatorFiles&) {
  const std::vector<std::string> phrases = split_phrases(spec.argument);
  if (phrases.empty()) return fail("no phrase is given");
  return std::unique_ptr<Operator>(new Phrases(phrases));
}

Made make_pm_from_file(const OperatorSpec& spec, OperatorFiles& files) {
  auto contents = read_files(spec.argument, files);
  if (!contents) return fail(contents.error().message);
  std::vector<std::string> phrases;
  parse_phrase_file(*contents, phrases);
  return std::unique_ptr<Operator>(new Phrases(phrases));
}

}  // namespace weir::rules::operators
