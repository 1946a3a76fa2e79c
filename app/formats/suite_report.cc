#include "app/formats/suite_report.h"

#include <map>
#include <string_view>
#include <vector>

#include "app/formats/colors.h"
#include "app/formats/format.h"
#include "app/formats/text.h"
#include "engine/base/json_writer.h"
#include "engine/base/utf8.h"

namespace weir::app {
namespace {

using Verdict = crs::TestResult::Verdict;

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::Passed: return "passed";
    case Verdict::Failed: return "failed";
    case Verdict::Skipped: return "skipped";
  }
  return "failed";
}

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

std::string id_list(const std::vector<std::uint64_t>& ids) {
  std::string out;
  for (const std::uint64_t id : ids) {
    if (!out.empty()) out += ' ';
    out += std::to_string(id);
  }
  return out.empty() ? "none" : out;
}

// The lines that say what went wrong, each with `indent` and a line end.
std::string failures(const crs::TestResult& result, const std::string& indent) {
  std::string out;
  for (const crs::StageResult& stage : result.stages) {
    for (const std::string& failure : stage.failures) {
      out += indent + "stage " + std::to_string(stage.stage) + ": " + printable(failure) + "\n";
    }
    if (!stage.ok) {
      out += indent + "logged: " + id_list(stage.outcome.ids) + "; status " + std::to_string(stage.outcome.status) +
             (stage.outcome.refusal.empty() ? "" : " (" + stage.outcome.refusal + ")") + "\n";
    }
  }
  return out;
}

class TextReport final : public SuiteReport {
 public:
  TextReport(bool failures_only, bool colored) : failures_only_(failures_only), colored_(colored) {}

  std::string test(const crs::FtwTest& test, const crs::TestResult& result) override {
    if (result.verdict != Verdict::Failed && failures_only_) return {};
    const Color color = result.verdict == Verdict::Passed   ? Color::Green
                        : result.verdict == Verdict::Failed ? Color::Red
                                                            : Color::Yellow;
    std::string out = painted(word(result.verdict), color, colored_) + " " + printable(test.id);
    if (!result.reason.empty()) out += "  " + painted(printable(result.reason), Color::Dim, colored_);
    out += "\n";
    if (result.verdict == Verdict::Failed) {
      out += "  " + printable(test.file) + ":" + std::to_string(test.line) +
             (test.description.empty() ? "" : ": " + printable(test.description)) + "\n";
      out += failures(result, "  ");
    }
    return out;
  }
  std::string end(const crs::SuiteCounts& counts) override { return crs::summary(counts) + "\n"; }

 private:
  bool failures_only_;
  bool colored_;
};

class JsonReport final : public SuiteReport {
 public:
  explicit JsonReport(bool failures_only) : failures_only_(failures_only) {}

  std::string begin() override { return "{\"stages\":["; }
  std::string test(const crs::FtwTest& test, const crs::TestResult& result) override {
    std::string out;
    if (result.verdict != Verdict::Failed && failures_only_) return out;
    for (const crs::StageResult& stage : result.stages) {
      out += first_ ? "\n" : ",\n";
      first_ = false;
      write(test, stage, out);
    }
    return out;
  }
  std::string end(const crs::SuiteCounts& counts) override {
    return "\n],\"passed\":" + std::to_string(counts.passed) + ",\"failed\":" + std::to_string(counts.failed) +
           ",\"skipped\":" + std::to_string(counts.skipped) + "}\n";
  }

 private:
  static void write(const crs::FtwTest& test, const crs::StageResult& stage, std::string& out) {
    base::JsonWriter json(out);
    json.begin_object();
    json.field("test", test.id);
    json.field("stage", stage.stage);
    json.field("ok", stage.ok);
    json.key("ids");
    json.begin_array();
    for (const std::uint64_t id : stage.outcome.ids) json.number(id);
    json.end_array();
    json.field("status", stage.outcome.status);
    json.field("decision", decision_name(stage.outcome.decision));
    if (!stage.failures.empty()) {
      json.key("failures");
      json.begin_array();
      for (const std::string& failure : stage.failures) json.string(failure);
      json.end_array();
    }
    json.end_object();
  }

  bool failures_only_;
  bool first_ = true;
};

// XML 1.0 text: what it cannot hold (control characters, bytes that are no UTF-8) is shown as \xNN.
std::string xml(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

class JunitReport final : public SuiteReport {
 public:
  std::string test(const crs::FtwTest& test, const crs::TestResult& result) override {
    Suite& suite = suites_[test.file];
    if (suite.tests++ == 0) order_.push_back(test.file);
    suite.text += "    <testcase classname=\"" + std::to_string(test.rule_id) + "\" name=\"" + xml(test.id) + "\"";
    switch (result.verdict) {
      case Verdict::Passed: suite.text += "/>\n"; break;
      case Verdict::Skipped:
        ++suite.skipped;
        suite.text += "><skipped>" + xml(result.reason) + "</skipped></testcase>\n";
        break;
      case Verdict::Failed: {
        ++suite.failed;
        std::string body;
        const std::string lines = failures(result, "");
        for (std::size_t at = 0; at < lines.size();) {
          const std::size_t end = lines.find('\n', at);
          body += xml(std::string_view(lines).substr(at, end - at)) + "\n";
          at = end + 1;
        }
        suite.text += "><failure>" + body + "</failure></testcase>\n";
        break;
      }
    }
    return {};
  }
  std::string end(const crs::SuiteCounts& counts) override {
    const std::size_t all = counts.passed + counts.failed + counts.skipped;
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"" + std::to_string(all) +
                      "\" failures=\"" + std::to_string(counts.failed) + "\" skipped=\"" +
                      std::to_string(counts.skipped) + "\">\n";
    for (const std::string& file : order_) {
      const Suite& suite = suites_[file];
      out += "  <testsuite name=\"" + xml(file) + "\" tests=\"" + std::to_string(suite.tests) + "\" failures=\"" +
             std::to_string(suite.failed) + "\" skipped=\"" + std::to_string(suite.skipped) + "\">\n" + suite.text +
             "  </testsuite>\n";
    }
    return out + "</testsuites>\n";
  }

 private:
  struct Suite {
    std::string text;
    std::size_t tests = 0, failed = 0, skipped = 0;
  };
  std::map<std::string, Suite> suites_;
  std::vector<std::string> order_;
};

// Workflow commands: data must not hold line ends or percent signs as they are.
std::string command_data(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '%': out += "%25"; break;
      case '\r': out += "%0D"; break;
      case '\n': out += "%0A"; break;
      case ':': out += property ? "%3A" : ":"; break;
      case ',': out += property ? "%2C" : ","; break;
      default: out.push_back(c);
    }
  }
  return out;
}

class GithubReport final : public SuiteReport {
 public:
  std::string test(const crs::FtwTest& test, const crs::TestResult& result) override {
    if (result.verdict != Verdict::Failed) return {};
    std::string lines = failures(result, "");
    if (!lines.empty()) lines.pop_back();
    return "::error file=" + command_data(test.file, true) + ",line=" + std::to_string(test.line) +
           ",title=" + command_data(test.id, true) + "::" + command_data(lines, false) + "\n";
  }
  std::string end(const crs::SuiteCounts& counts) override { return crs::summary(counts) + "\n"; }
};

}  // namespace

std::unique_ptr<SuiteReport> make_suite_report(const TestOptions& options, int descriptor) {
  switch (options.format) {
    case TestFormat::Json: return std::make_unique<JsonReport>(options.show_failures_only);
    case TestFormat::Junit: return std::make_unique<JunitReport>();
    case TestFormat::Github: return std::make_unique<GithubReport>();
    case TestFormat::Text: break;
  }
  return std::make_unique<TextReport>(options.show_failures_only, use_color(options.color, descriptor));
}

}  // namespace weir::app
