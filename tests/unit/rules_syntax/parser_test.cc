#include "rules/parser.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "rules/directives.h"
#include "rules/render.h"

namespace weir::rules::syntax {
namespace {

// Diagnostics as "line:column severity code".
std::vector<std::string> places(const Diagnostics& diagnostics) {
  std::vector<std::string> out;
  for (const Diagnostic& d : diagnostics) {
    out.push_back(std::to_string(d.line) + ":" + std::to_string(d.column) + " " +
                  (d.severity == Severity::Error     ? "error "
                   : d.severity == Severity::Warning ? "warning "
                                                     : "note ") +
                  d.code);
  }
  return out;
}

struct Parsed {
  Unit unit;
  Diagnostics diagnostics;
};

Parsed parse_text(const std::string& text, const ParseOptions& options = {}) {
  Parsed parsed;
  parsed.unit = parse({Source::memory("test.conf", text)}, options, parsed.diagnostics);
  return parsed;
}

using Strings = std::vector<std::string>;

TEST(Parser, Diagnostics) {
  const std::vector<std::pair<std::string, Strings>> cases = {
      {"", {}},
      {"SecRule ARGS \"@rx a\" \"id:1,deny\"", {}},
      {"secrule ARGS a", {}},
      {"SecRule ARGS", {"1:1 error missing-argument"}},
      {"SecRule", {"1:1 error missing-argument"}},
      {"SecRule ARGS @rx a \"id:1\"", {"1:20 error needless-argument"}},
      {"SecRule \"\" a id:1", {"1:9 error missing-variable"}},
      {"SecRule ARG a id:1", {"1:9 error unknown-variable"}},
      {"SecRule \"ARGS|ARG\" a id:1", {"1:15 error unknown-variable"}},
      {"SecRule ARG a \"id:1,foo\"", {"1:9 error unknown-variable", "1:21 error unknown-action"}},
      {"SecRule ARGS a \"id:1,\\\n  foo,\\\n    bar\"",
       {"2:3 error unknown-action", "3:5 error unknown-action"}},
      {"SecRule \\\n  ARG \\\n  a id:1", {"2:3 error unknown-variable"}},
      {"SecRule ARGS \"a\\\"b\\\\c\" \"msg:'x\\\"y',foo\"", {"1:36 error unknown-action"}},
      {"SecRule ARGS \"a", {"1:14 error unterminated-quote"}},
      {"SecRule ARGS \"a\nSecRule ARGS b id:2", {"1:14 error unterminated-quote"}},
      {"SecAction \"id:1,nolog,pass\"", {}},
      {"SecAction", {"1:1 error missing-argument"}},
      {"SecAction id:1 nolog", {"1:16 error needless-argument"}},
      {"SecMarker END", {}},
      {"SecMarker", {"1:1 error missing-argument"}},
      {"SecMarker \"\"", {"1:11 error missing-argument"}},
      {"SecDefaultAction \"phase:1,log,pass\"", {}},
      {"SecDefaultAction \"phase:1,foo\"", {"1:27 error unknown-action"}},
      {"SecRuleEngine On", {}},
      {"SecRuleEngine Maybe", {"1:15 error invalid-argument"}},
      {"SecRuleEngine", {"1:1 error missing-argument"}},
      {"SecRuleEngine On Off", {"1:18 error needless-argument"}},
      {"SecRequestBodyLimit 10M", {"1:21 error invalid-argument"}},
      {"SecResponseBodyMimeType text/plain text/html text/xml", {}},
      {"SecResponseBodyMimeTypesClear", {}},
      {"SecResponseBodyMimeTypesClear x", {"1:31 error needless-argument"}},
      {"SecRuleRemoveById 1 2 3-5", {}},
      {"SecRuleRemoveById", {"1:1 error missing-argument"}},
      {"SecRuleUpdateTargetById 1 \"!ARGS:x\"", {}},
      {"SecUnicodeMapFile unicode.mapping 20127", {}},
      {"SecTmpDir /tmp", {"1:1 note without-effect"}},
      {"SecServerSignature x", {"1:1 note without-effect"}},
      {"SecStatusEngine Off", {}},
      {"SecStatusEngine On", {"1:1 error directive-left-out"}},
      {"SecRuleScript x.lua", {"1:1 error directive-left-out"}},
      {"SecRemoteRules k https://example.com", {"1:1 error directive-left-out"}},
      {"SecContentInjection On", {"1:1 error directive-left-out"}},
      {"SecHashEngine Off", {}},
      {"SecUnicodeCodePage 1", {"1:1 error directive-left-out"}},
      {"SecRul ARGS a id:1", {"1:1 error unknown-directive"}},
      {"LoadModule x y", {"1:1 error unknown-directive"}},
      {"<IfModule security2_module>\nSecRuleEngine On\n</IfModule>",
       {"1:1 note container-ignored"}},
      {"<IfModule !security2_module>\nNonsense\nSecRule\n</IfModule>\nSecRuleEngine On",
       {"1:1 note container-ignored"}},
      {"<IfModule !mod_security2.c>\n<IfModule "
       "x>\nNonsense\n</IfModule>\nNonsense\n</IfModule>\nFoo",
       {"1:1 note container-ignored", "7:1 error unknown-directive"}},
      {"<Location /x>\nSecRuleEngine Of\n</Location>",
       {"1:1 error container-unsupported", "2:15 error invalid-argument"}},
      {"<LocationMatch \"^/(a|b)>c\">\n</LocationMatch>", {"1:1 error container-unsupported"}},
      {"<IfModule x>", {"1:1 note container-ignored", "1:1 error unclosed-container"}},
      {"</IfModule>", {"1:1 error unopened-container"}},
      {"<IfModule x>\n</Location>", {"1:1 note container-ignored", "2:1 error unopened-container"}},
      {"<IfModule x\n</IfModule",
       {"1:1 error malformed-container", "1:1 note container-ignored",
        "2:1 error malformed-container"}},
      {std::string("SecRule\0 x", 10), {"1:1 error nul-byte"}},
      {"SecRuleEngine On \\", {"1:1 warning dangling-backslash"}},
      {"# x \\\nSecRuleEngine On\nSecMarker a", {"2:1 warning commented-out"}},
      {"Include", {"1:1 error missing-argument"}},
      {"Include \"\"", {"1:9 error missing-argument"}},
      {"Include /nonexistent/weir/x.conf", {"1:9 error missing-file"}},
      {"Include /nonexistent/weir/*.conf", {"1:9 error missing-file"}},
      {"IncludeOptional /nonexistent/weir/*.conf", {}},
      {"IncludeOptional /nonexistent/weir/x.conf", {}},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(places(parse_text(text).diagnostics), expected) << text;
  }
}

// Every directive with an argument of its form, with none, and with too many.
TEST(Parser, EveryDirective) {
  for (const DirectiveFacts& facts : directive_facts()) {
    std::string good;
    for (const char* word : {"On", "Off", "Reject", "Serial", "JSON", "ABZ", "0", "1", "x"}) {
      if (has_form(facts.form, word)) good = word;
    }
    if (facts.standing == Standing::OffOnly) good = "Off";
    std::string line(facts.name);
    for (int i = 0; i < facts.least; ++i)
      line += " " + good;
    const Parsed fine = parse_text(line);
    EXPECT_EQ(has_errors(fine.diagnostics), facts.standing == Standing::LeftOut) << line;
    EXPECT_EQ(fine.unit.statements.size(), facts.standing == Standing::Supported ? 1U : 0U) << line;
    if (facts.least > 0) {
      EXPECT_TRUE(has_errors(parse_text(std::string(facts.name)).diagnostics)) << line;
    }
    if (facts.most != kAnyNumber) {
      std::string many(facts.name);
      for (int i = 0; i <= facts.most; ++i)
        many += " " + good;
      EXPECT_TRUE(has_errors(parse_text(many).diagnostics)) << many;
    }
  }
}

TEST(Parser, Messages) {
  const auto message = [](const std::string& text) {
    const auto parsed = parse_text(text);
    return parsed.diagnostics.empty() ? std::string() : parsed.diagnostics[0].message;
  };
  EXPECT_EQ(message("SecRule ARG a"), "unknown variable 'ARG' (did you mean 'ARGS'?)");
  EXPECT_EQ(message("SecRule ARGS a \"id:1,severty:2\""),
            "unknown action 'severty' (did you mean 'severity'?)");
  EXPECT_EQ(message("SecRuleEngin On"),
            "unknown directive 'SecRuleEngin' (did you mean 'SecRuleEngine'?)");
  EXPECT_EQ(message("SecRuleEngine Enabled"),
            "SecRuleEngine takes On, Off or DetectionOnly, not 'Enabled'");
  EXPECT_EQ(message("SecRule ARGS a \"ctl:ruleEngin=On\""),
            "unknown ctl option 'ruleEngin' (did you mean 'ruleEngine'?)");
  EXPECT_EQ(message("SecRule ARGS"), "SecRule takes 2 to 3 arguments, not 1");
  EXPECT_EQ(message("SecRule A\x01\xffRGS\x1b[2J a").substr(0, 44),
            "unknown variable 'A\\x01\\xffRGS\\x1b[2J'");
  // No message ends with a full stop or holds a line break.
  for (const char* text :
       {"SecRule ARG a", "SecRuleScript x", "<Location x>", "Include /no/where"}) {
    const std::string m = message(text);
    ASSERT_FALSE(m.empty());
    EXPECT_NE(m.back(), '.');
    EXPECT_EQ(m.find('\n'), std::string::npos);
  }
}

TEST(Parser, Tree) {
  const auto parsed = parse_text(
      "SecRule ARGS:a|!ARGS:b \"!@rx ^\\d\\\\x$\" \\\n"
      "    \"id:7,\\\n"
      "    msg:'x, y',\\\n"
      "    chain\"\n"
      "  SecRule TX:1 \"@eq 1\"\n"
      "SecAction \"id:8\"\n"
      "SecMarker END\n"
      "SecRuleUpdateTargetById 7 \"!ARGS:c\"\n");
  ASSERT_TRUE(parsed.diagnostics.empty());
  ASSERT_EQ(parsed.unit.statements.size(), 5U);
  const auto& rule = std::get<Rule>(parsed.unit.statements[0]);
  ASSERT_EQ(rule.targets.size(), 2U);
  EXPECT_EQ(rule.targets[1].position.column, 16U);
  EXPECT_TRUE(rule.op.negated);
  EXPECT_EQ(rule.op.name, "rx");
  EXPECT_EQ(rule.op.argument, "^\\d\\x$");
  EXPECT_EQ(rule.op.position.column, 26U);
  ASSERT_EQ(rule.actions.size(), 3U);
  EXPECT_EQ(rule.actions[1].argument, "x, y");
  EXPECT_EQ(rule.actions[1].position.line, 3U);
  EXPECT_EQ(rule.actions[1].position.column, 5U);
  EXPECT_EQ(rule.actions[1].argument_position.column, 10U);
  EXPECT_EQ(rule.position.line, 1U);
  EXPECT_EQ(rule.end.line, 4U);
  EXPECT_FALSE(rule.unconditional);
  const auto& link = std::get<Rule>(parsed.unit.statements[1]);
  EXPECT_EQ(link.position.line, 5U);
  EXPECT_EQ(link.position.column, 3U);
  EXPECT_TRUE(std::get<Rule>(parsed.unit.statements[2]).unconditional);
  EXPECT_EQ(std::get<Marker>(parsed.unit.statements[3]).label, "END");
  const auto& setting = std::get<Setting>(parsed.unit.statements[4]);
  EXPECT_EQ(setting.directive, Directive::SecRuleUpdateTargetById);
  EXPECT_EQ(setting.arguments, (Strings{"7", "!ARGS:c"}));
  ASSERT_EQ(setting.argument_positions.size(), 2U);
  EXPECT_EQ(setting.argument_positions[1].column, 28U);
}

TEST(Parser, FaultyRulesAreMarked) {
  const auto parsed = parse_text("SecRule ARG a id:1\nSecRule ARGS a id:2\nSecAction foo");
  ASSERT_EQ(parsed.unit.statements.size(), 3U);
  EXPECT_TRUE(std::get<Rule>(parsed.unit.statements[0]).faulty);
  EXPECT_FALSE(std::get<Rule>(parsed.unit.statements[1]).faulty);
  EXPECT_TRUE(std::get<Rule>(parsed.unit.statements[2]).faulty);
}

TEST(Parser, SemanticsOfQuotes) {
  const std::string text = "SecRule ARGS \"@rx [\\\\/]\" \"id:1,msg:'a|b',tag:c|d\"";
  ParseOptions v3;
  v3.semantics = Semantics::ModSecurity3;
  const auto two = parse_text(text);
  const auto three = parse_text(text, v3);
  EXPECT_EQ(std::get<Rule>(two.unit.statements[0]).op.argument, "[\\/]");
  EXPECT_EQ(std::get<Rule>(three.unit.statements[0]).op.argument, "[\\\\/]");
  EXPECT_TRUE(has_errors(two.diagnostics));  // "d" is no action
  EXPECT_FALSE(has_errors(three.diagnostics));
}

TEST(Parser, ParseAndComplete) {
  const std::string text = "SecRuleUpdateTargetById 7 \"!ARGS:c|FOO\"\n";
  auto parsed = parse_text(text);
  const auto& setting = std::get<Setting>(parsed.unit.statements[0]);
  Diagnostics out;
  const auto targets = parse_targets(setting.arguments[1], setting.argument_positions[1], out);
  complete(parsed.unit, setting.position.file, 0, out);
  ASSERT_EQ(targets.size(), 1U);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(render(out[0], false),
            "test.conf:1:36: error: unknown variable 'FOO' [unknown-variable]\n"
            "    1 | SecRuleUpdateTargetById 7 \"!ARGS:c|FOO\"\n"
            "      |                                    ^\n");
}

TEST(Parser, Bounds) {
  ParseOptions options;
  options.line_bytes = 100;
  auto long_line =
      parse_text("SecMarker a\nSecMarker " + std::string(200, 'x') + "\nSecMarker b", options);
  EXPECT_EQ(places(long_line.diagnostics), Strings{"2:1 error line-too-long"});
  EXPECT_EQ(long_line.unit.statements.size(), 2U);
  options.file_bytes = 10;
  EXPECT_EQ(places(parse_text("SecMarker abc", options).diagnostics),
            Strings{"0:0 error too-large"});
  // Too many messages are cut off with a count.
  std::string many;
  for (int i = 0; i < 5000; ++i)
    many += "Foo\n";
  const auto flood = parse_text(many);
  ASSERT_EQ(flood.diagnostics.size(), 1001U);
  EXPECT_EQ(flood.diagnostics.back().message, "4000 further messages are not shown");
}

// Twice the input takes about twice the time, for inputs made to be bad.
TEST(Parser, LinearTime) {
  const auto cost = [](const std::string& piece, const std::string& around, int times) {
    std::string body;
    for (int i = 0; i < times; ++i)
      body += piece;
    std::string text = around;
    text.replace(text.find('@'), 1, body);
    const auto start = std::chrono::steady_clock::now();
    parse_text(text);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const std::pair<const char*, const char*> cases[] = {
      {"ARGS:/a|", "SecRule \"@\" x"}, {"\\\\", "SecRule \"@\" x"},   {"\\\n", "SecRule @ARGS x"},
      {"msg:'", "SecAction \"@\""},    {"foo,", "SecAction \"@\""},   {"<a>\n", "@"},
      {"a ", "SecRuleRemoveById @"},   {"/", "SecRule \"ARGS:@\" x"}, {"# \\\n", "@"},
      {"ARGS:'\\", "SecRule \"@\" x"},
  };
  for (const auto& [piece, around] : cases) {
    const double time = cost(piece, around, 200000 / static_cast<int>(std::string(piece).size()));
    EXPECT_LT(time, 2.0) << piece;  // quadratic would be minutes
  }
}

// ---------------------------------------------------------------------------------- Include

class Include : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/weir-include-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const {
    const auto path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  [[nodiscard]] Parsed load(const std::string& name, const ParseOptions& options = {}) const {
    Parsed parsed;
    parsed.unit = parse({Source::file((root_ / name).string())}, options, parsed.diagnostics);
    return parsed;
  }
  static Strings markers(const Parsed& parsed) {
    Strings out;
    for (const auto& statement : parsed.unit.statements) {
      if (const auto* marker = std::get_if<Marker>(&statement)) out.push_back(marker->label);
    }
    return out;
  }
  std::filesystem::path root_;
};

TEST_F(Include, OrderAndRelativePaths) {
  write("main.conf", "SecMarker a\nInclude sub/*.conf\nSecMarker z\n");
  write("sub/2.conf", "SecMarker two\n");
  write("sub/10.conf", "SecMarker ten\nInclude deeper/x.conf\nSecMarker eleven\n");
  write("sub/b.txt", "Nonsense\n");
  write("sub/.hidden.conf", "Nonsense\n");
  write("sub/deeper/x.conf", "SecMarker deep\n");
  const auto parsed = load("main.conf");
  EXPECT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(markers(parsed), (Strings{"a", "ten", "deep", "eleven", "two", "z"}));
  EXPECT_EQ(parsed.unit.files.size(), 4U);
  EXPECT_EQ(std::get<Marker>(parsed.unit.statements[2]).position.line, 1U);
  EXPECT_EQ(parsed.unit.files[std::get<Marker>(parsed.unit.statements[2]).position.file],
            (root_ / "sub/deeper/x.conf").string());
}

TEST_F(Include, DirectoriesAndAbsolutePaths) {
  write("main.conf", "Include \"" + (root_ / "dir").string() + "\"\nIncludeOptional none.conf\n");
  write("dir/b.conf", "SecMarker b\n");
  write("dir/a.conf", "SecMarker a\n");
  const auto parsed = load("main.conf");
  EXPECT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(markers(parsed), (Strings{"a", "b"}));
}

TEST_F(Include, Cycles) {
  write("a.conf", "SecMarker a\nInclude b.conf\n");
  write("b.conf", "SecMarker b\nInclude a.conf\nSecMarker c\n");
  const auto parsed = load("a.conf");
  EXPECT_EQ(places(parsed.diagnostics), Strings{"2:9 error include-cycle"});
  EXPECT_EQ(markers(parsed), (Strings{"a", "b", "c"}));
  // Twice, but not within itself, is allowed.
  write("twice.conf", "Include leaf.conf\nInclude leaf.conf\n");
  write("leaf.conf", "SecMarker leaf\n");
  EXPECT_EQ(markers(load("twice.conf")), (Strings{"leaf", "leaf"}));
  // A link does not hide the cycle.
  std::filesystem::create_symlink(root_ / "c.conf", root_ / "link.conf");
  write("c.conf", "Include link.conf\n");
  EXPECT_EQ(places(load("c.conf").diagnostics), Strings{"1:9 error include-cycle"});
}

TEST_F(Include, DepthAndNumber) {
  for (int i = 0; i < 40; ++i) {
    write(std::to_string(i) + ".conf", "Include " + std::to_string(i + 1) + ".conf\n");
  }
  EXPECT_EQ(places(load("0.conf").diagnostics), Strings{"1:1 error include-depth"});
  // Each file includes the next one twice: 2^20 openings if nothing stopped it.
  for (int i = 0; i < 20; ++i) {
    const std::string next = "Include " + std::to_string(i + 1) + ".conf\n";
    write(std::to_string(i) + ".conf", next + next);
  }
  write("20.conf", "SecMarker x\n");
  ParseOptions options;
  options.files = 100;
  const auto bomb = load("0.conf", options);
  EXPECT_TRUE(has_errors(bomb.diagnostics));
  EXPECT_LE(bomb.unit.files.size(), 100U);
}

TEST_F(Include, Errors) {
  write("main.conf", "Include missing.conf\nInclude sub\nSecMarker x\n");
  std::filesystem::create_directories(root_ / "sub");
  const auto parsed = load("main.conf");
  EXPECT_EQ(places(parsed.diagnostics),
            (Strings{"1:9 error missing-file", "2:9 error missing-file"}));
  EXPECT_EQ(markers(parsed), Strings{"x"});
  EXPECT_EQ(places(load("nothing.conf").diagnostics), Strings{"0:0 error unreadable-file"});
  EXPECT_EQ(places(load("sub").diagnostics), Strings{"0:0 error unreadable-file"});
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(places(load("pipe").diagnostics), Strings{"0:0 error unreadable-file"});
  ParseOptions options;
  options.follow_includes = false;
  EXPECT_EQ(places(load("main.conf", options).diagnostics),
            (Strings{"1:1 error include-forbidden", "2:1 error include-forbidden"}));
}

TEST_F(Include, ContainersEndWithTheirFile) {
  write("main.conf", "Include open.conf\nSecMarker a\n");
  write("open.conf", "<IfModule !security2_module>\n");
  const auto parsed = load("main.conf");
  EXPECT_EQ(places(parsed.diagnostics),
            (Strings{"1:1 note container-ignored", "1:1 error unclosed-container"}));
  EXPECT_EQ(markers(parsed), Strings{"a"});
}

TEST(Sources, SeveralInOrder) {
  Diagnostics diagnostics;
  const auto unit = parse({Source::memory("one", "SecMarker a\nSecRule ARGS \"x"),
                           Source::memory("two", "SecMarker b\n")},
                          diagnostics);
  EXPECT_EQ(unit.statements.size(), 2U);
  EXPECT_EQ(unit.files, (Strings{"one", "two"}));
  ASSERT_EQ(diagnostics.size(), 1U);
  EXPECT_EQ(diagnostics[0].file, "one");
  EXPECT_EQ(diagnostics[0].excerpt, "SecRule ARGS \"x");
}

}  // namespace
}  // namespace weir::rules::syntax
