// Replays tests/wire/*.wire: each case whole, octet by octet, at every single cut and in random
// cuts, in passive and in strict mode, and demands the calls that the file lists.
//
//   === name                 a case
//   >>> octets               from the client; C escapes; %{N:text} repeats; later lines continue it
//   <<< octets               from the server
//   !gap > 100  !end > clean  !end < reset  !midstream
//   # few-cuts              only whole, octet by octet and in random cuts
//   --- passive              the calls in detecting mode, one a line
//   --- strict               the calls in refusing mode
//
// `wire_test --update-golden` writes the listings anew: to be reviewed as a diff.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/unit/http/recorder.h"

namespace weir::http::test {
namespace {

bool g_update = false;  // NOLINT: set once by main()

struct Case {
  std::string name;
  std::vector<std::string> script;  // as in the file
  std::vector<Step> steps;
  std::map<std::string, std::vector<std::string>> expected;
  bool few_cuts = false;  // costly: not at every cut
};

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "%{") {
      const std::size_t colon = text.find(':', i);
      const std::size_t close = text.find('}', i);
      const auto n = std::stoul(std::string(text.substr(i + 2, colon - i - 2)));
      const std::string piece = unescape(text.substr(colon + 1, close - colon - 1));
      for (std::size_t k = 0; k < n; ++k)
        out += piece;
      i = close;
      continue;
    }
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    ++i;
    switch (text.at(i)) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'v':
        out += '\v';
        break;
      case 'f':
        out += '\f';
        break;
      case '0':
        out += '\0';
        break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default:
        out += text[i];
    }
  }
  return out;
}

void add_script_line(Case& c, const std::string& line) {
  c.script.push_back(line);
  if (line == "# few-cuts") c.few_cuts = true;
  if (line.empty() || line[0] == '#') return;
  if (line[0] == '!') {
    std::istringstream in(line.substr(1));
    std::string word;
    std::string side;
    std::string argument;
    in >> word >> side >> argument;
    Step step;
    if (word == "midstream") {
      step.kind = Step::Kind::Midstream;
    } else {
      step.side = side_of(side.at(0));
      step.kind = word == "gap" ? Step::Kind::Gap : Step::Kind::End;
      if (word == "gap") step.length = std::stoull(argument);
      step.end = argument == "reset" ? StreamEnd::Reset : StreamEnd::Clean;
    }
    c.steps.push_back(step);
    return;
  }
  const std::string head = line.substr(0, 4);
  if (head == ">>> " || head == "<<< ") {
    Step step;
    step.side = side_of(line[0]);
    step.bytes = unescape(line.substr(4));
    c.steps.push_back(step);
  } else {
    c.steps.back().bytes += unescape(line);
  }
}

std::vector<Case> load(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<Case> cases;
  std::vector<std::string>* listing = nullptr;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("=== ", 0) == 0) {
      cases.emplace_back().name = line.substr(4);
      listing = nullptr;
    } else if (cases.empty()) {
      continue;  // remarks at the top
    } else if (line.rfind("--- ", 0) == 0) {
      listing = &cases.back().expected[line.substr(4)];
    } else if (listing == nullptr) {
      add_script_line(cases.back(), line);
    } else if (!line.empty()) {
      listing->push_back(line);
    }
  }
  return cases;
}

ParserOptions options_of(const std::string& mode) {
  return mode == "strict" ? ParserOptions::inline_strict() : ParserOptions::passive();
}

std::vector<std::string> whole(const Case& c, const ParserOptions& o) {
  return replay(c.steps, o, [](std::size_t n) { return n; });
}

void expect_same_in_every_cut(const Case& c, const ParserOptions& o,
                              const std::vector<std::string>& expected) {
  EXPECT_EQ(replay(c.steps, o, [](std::size_t) { return std::size_t{1}; }), expected)
      << c.name << ": octet by octet";
  std::mt19937_64 random(42);
  std::size_t total = 0;
  for (const Step& step : c.steps)
    total += step.bytes.size();
  for (int round = 0; round < (c.few_cuts ? 4 : 24); ++round) {
    const std::size_t mean = 1 + random() % (round % 2 == 0 ? 7 : total / 2 + 1);
    EXPECT_EQ(
        replay(c.steps, o, [&](std::size_t n) { return std::min(n, 1 + random() % (2 * mean)); }),
        expected)
        << c.name << ": random cuts " << round;
  }
  if (total > 700 || c.few_cuts) return;
  for (std::size_t cut = 1; cut < total; ++cut) {
    std::size_t at = 0;
    EXPECT_EQ(replay(c.steps, o,
                     [&](std::size_t n) {
                       const std::size_t piece = at < cut ? std::min(n, cut - at) : n;
                       at += piece;
                       return piece;
                     }),
              expected)
        << c.name << ": cut at " << cut;
  }
}

void write(const std::filesystem::path& path, const std::vector<Case>& cases,
           const std::string& remarks) {
  std::ofstream out(path);
  out << remarks;
  for (const Case& c : cases) {
    out << "=== " << c.name << "\n";
    for (const std::string& line : c.script) {
      if (!line.empty()) out << line << "\n";
    }
    for (const std::string mode : {"passive", "strict"}) {
      out << "--- " << mode << "\n";
      for (const std::string& line : whole(c, options_of(mode)))
        out << line << "\n";
    }
    out << "\n";
  }
}

std::string remarks_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string remarks;
  for (std::string line; std::getline(in, line) && line.rfind("===", 0) != 0;)
    remarks += line + "\n";
  return remarks;
}

class Wire : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Wire, SameCallsInEveryCut) {
  std::vector<Case> cases = load(GetParam());
  ASSERT_FALSE(cases.empty());
  if (g_update) write(GetParam(), cases, remarks_of(GetParam()));
  if (g_update) cases = load(GetParam());
  for (const Case& c : cases) {
    for (const std::string mode : {"passive", "strict"}) {
      SCOPED_TRACE(c.name + " " + mode);
      const auto found = c.expected.find(mode);
      ASSERT_NE(found, c.expected.end()) << "no listing";
      const ParserOptions options = options_of(mode);
      EXPECT_EQ(whole(c, options), found->second);
      expect_same_in_every_cut(c, options, found->second);
      if (HasFailure()) return;
    }
  }
}

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> all;
  for (const auto& entry : std::filesystem::directory_iterator(WEIR_SOURCE_DIR "/tests/wire")) {
    if (entry.path().extension() == ".wire") all.push_back(entry.path());
  }
  std::sort(all.begin(), all.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(Files, Wire, testing::ValuesIn(files()), [](const auto& test) {
  std::string stem = test.param.stem().string();
  std::replace(stem.begin(), stem.end(), '-', '_');
  return stem;
});

// The table of requirements is only as good as what it covers.
TEST(WireFiles, ShowEveryViolation) {
  ViolationSet seen;
  std::size_t count = 0;
  for (const auto& path : files()) {
    for (const Case& c : load(path)) {
      ++count;
      for (const auto& [mode, lines] : c.expected) {
        for (const std::string& line : lines) {
          if (line.rfind("violation ", 0) != 0) continue;
          const auto v = violation_of(line.substr(line.rfind(' ') + 1));
          ASSERT_TRUE(v) << line;
          seen.insert(*v);
        }
      }
    }
  }
  EXPECT_GE(count, 150U);
  for (std::size_t i = 0; i < kViolationCount; ++i) {
    const auto v = static_cast<Violation>(i);
    if (v == Violation::ContentCodingMemory) continue;  // content_test
    EXPECT_TRUE(seen.contains(v)) << name(v);
  }
}

}  // namespace
}  // namespace weir::http::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--update-golden") weir::http::test::g_update = true;
  }
  return RUN_ALL_TESTS();
}
