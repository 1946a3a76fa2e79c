#include "rules/render.h"

#include <string>

#include <gtest/gtest.h>

namespace weir::rules {
namespace {

Diagnostic sample() {
  Diagnostic d;
  d.file = "a.conf";
  d.line = 12;
  d.column = 9;
  d.code = "unknown-variable";
  d.message = "unknown variable 'ARG' (did you mean 'ARGS'?)";
  d.excerpt = "SecRule ARG \"@rx x\" \"id:1\"";
  return d;
}

TEST(Render, Plain) {
  EXPECT_EQ(render(sample(), false),
            "a.conf:12:9: error: unknown variable 'ARG' (did you mean 'ARGS'?) [unknown-variable]\n"
            "   12 | SecRule ARG \"@rx x\" \"id:1\"\n"
            "      |         ^\n");
}

TEST(Render, WithoutPlace) {
  Diagnostic d = sample();
  d.line = d.column = 0;
  d.excerpt.clear();
  d.severity = Severity::Warning;
  EXPECT_EQ(render(d, false),
            "a.conf: warning: unknown variable 'ARG' (did you mean 'ARGS'?) [unknown-variable]\n");
  d.file.clear();
  d.code.clear();
  d.severity = Severity::Note;
  d.message = "m";
  EXPECT_EQ(render(d, false), "note: m\n");
}

TEST(Render, LongLinesAreCutAroundTheCaret) {
  Diagnostic d = sample();
  d.excerpt = std::string(500, 'a') + "HERE" + std::string(500, 'b');
  d.column = 501;
  const std::string out = render(d, false);
  const std::string shown = out.substr(out.find('\n') + 1);
  const std::string first = shown.substr(0, shown.find('\n'));
  const std::string second = shown.substr(shown.find('\n') + 1);
  EXPECT_LT(first.size(), 140U);
  EXPECT_EQ(first.find("HERE"), second.find('^'));
  EXPECT_NE(first.find("| ...aaa"), std::string::npos);
  EXPECT_EQ(first.substr(first.size() - 4), "b...");
}

TEST(Render, NothingSteersTheTerminal) {
  Diagnostic d = sample();
  d.file = "a\x1b[2J";
  d.message = "x\ny\x7f";
  d.excerpt = "a\tb\x1b\xff\xc2\x9b\xc3\xa4 c";
  d.column = 10;
  EXPECT_EQ(render(d, false),
            "a?[2J:12:10: error: x?y? [unknown-variable]\n"
            "   12 | a b????\xc3\xa4 c\n"
            "      |         ^\n");
}

TEST(Render, CaretAtAndBehindTheEnd) {
  Diagnostic d = sample();
  d.excerpt = "abc";
  d.column = 4;
  EXPECT_NE(render(d, false).find("\n      |    ^\n"), std::string::npos);
  d.column = 400;
  EXPECT_NE(render(d, false).find("\n      |    ^\n"), std::string::npos);
}

TEST(Render, Colour) {
  const std::string out = render(sample(), true);
  EXPECT_NE(out.find("\x1b[1;31merror: "), std::string::npos);
  EXPECT_NE(out.find("\x1b[1;32m^\x1b[0m"), std::string::npos);
  // Without the sequences it is the plain text.
  std::string plain;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '\x1b') {
      i = out.find('m', i);
    } else {
      plain.push_back(out[i]);
    }
  }
  EXPECT_EQ(plain, render(sample(), false));
}

TEST(Render, Summary) {
  Diagnostic error = sample();
  Diagnostic warning = sample();
  warning.severity = Severity::Warning;
  Diagnostic note = sample();
  note.severity = Severity::Note;
  EXPECT_EQ(summary({}), "");
  EXPECT_EQ(summary({error}), "1 error");
  EXPECT_EQ(summary({error, error, warning, note}), "2 errors, 1 warning");
  EXPECT_EQ(summary({warning, note}), "1 warning");
  EXPECT_EQ(summary({note, note}), "2 notes");
  EXPECT_TRUE(has_errors({note, error}));
  EXPECT_FALSE(has_errors({note, warning}));
}

}  // namespace
}  // namespace weir::rules
