// The command line: what is taken, what is refused, and in which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "app/options.h"

namespace weir::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Command parse(std::vector<const char*> words) {
  words.insert(words.begin(), "weir");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

InspectOptions inspect(std::vector<const char*> words) {
  words.insert(words.begin(), "inspect");
  const Command command = parse(std::move(words));
  const auto* options = std::get_if<InspectOptions>(&command);
  if (options == nullptr) {
    ADD_FAILURE() << std::get<Leave>(command).text;
    return {};
  }
  return *options;
}

std::string refused(std::vector<const char*> words) {
  const Command command = parse(std::move(words));
  const auto* leave = std::get_if<Leave>(&command);
  if (leave == nullptr) {
    ADD_FAILURE() << "was taken";
    return {};
  }
  EXPECT_EQ(leave->code, 2) << leave->text;
  EXPECT_EQ(leave->text.find('\n'), std::string::npos) << "one sentence: " << leave->text;
  return leave->text;
}

TEST(Cli, DefaultsOfInspect) {
  const InspectOptions o = inspect({"a.pcap"});
  EXPECT_THAT(o.captures, ElementsAre("a.pcap"));
  EXPECT_THAT(o.rules.rules, IsEmpty());
  EXPECT_EQ(o.format, OutputFormat::Text);
  EXPECT_FALSE(o.mode.has_value());
  EXPECT_FALSE(o.rules.paranoia.has_value());
  EXPECT_EQ(o.workers, 1U);
  EXPECT_TRUE(o.rules.prefilter);
  EXPECT_TRUE(o.rules.cache);
  EXPECT_FALSE(o.inline_mode);
  EXPECT_EQ(o.checksums, ChecksumChoice::Verify);
}

TEST(Cli, EveryOptionOfInspect) {
  const InspectOptions o = inspect(
      {"--format", "jsonl", "--rules", "a.conf", "--rules=dir", "--paranoia", "3", "--inbound-threshold", "10",
       "--outbound-threshold", "8", "--mode", "block", "--fail-on-block", "--output", "out.jsonl", "--workers", "4",
       "--inline", "--write-forwarded", "passed.pcap", "--no-prefilter", "--cache", "/tmp/c", "--port", "80", "--port",
       "8080", "--checksums", "ignore", "--color", "never", "--no-progress", "--filter", "tcp", "a.pcap", "b.pcap"});
  EXPECT_EQ(o.format, OutputFormat::Jsonl);
  EXPECT_THAT(o.rules.rules, ElementsAre("a.conf", "dir"));
  EXPECT_EQ(o.rules.paranoia, 3U);
  EXPECT_EQ(o.rules.inbound_threshold, 10U);
  EXPECT_EQ(o.rules.outbound_threshold, 8U);
  EXPECT_EQ(o.mode, ModeChoice::Block);
  EXPECT_TRUE(o.fail_on_block);
  EXPECT_EQ(o.output, "out.jsonl");
  EXPECT_EQ(o.workers, 4U);
  EXPECT_TRUE(o.inline_mode);
  EXPECT_EQ(o.write_forwarded, "passed.pcap");
  EXPECT_FALSE(o.rules.prefilter);
  EXPECT_EQ(o.rules.cache_directory, "/tmp/c");
  EXPECT_THAT(o.ports, ElementsAre(80, 8080));
  EXPECT_EQ(o.checksums, ChecksumChoice::Ignore);
  EXPECT_EQ(o.color, ColorChoice::Never);
  EXPECT_FALSE(o.progress);
  EXPECT_EQ(o.filter, "tcp");
  EXPECT_THAT(o.captures, ElementsAre("a.pcap", "b.pcap"));
}

TEST(Cli, OptionsMayFollowCaptures) {
  const InspectOptions o = inspect({"a.pcap", "--format", "jsonl", "b.pcap"});
  EXPECT_EQ(o.format, OutputFormat::Jsonl);
  EXPECT_THAT(o.captures, ElementsAre("a.pcap", "b.pcap"));
}

TEST(Cli, RulesTakesOneWordEach) {
  const InspectOptions o = inspect({"--rules", "a.conf", "capture.pcap"});
  EXPECT_THAT(o.rules.rules, ElementsAre("a.conf"));
  EXPECT_THAT(o.captures, ElementsAre("capture.pcap"));
}

TEST(Cli, LastArgumentMayBeAFilter) {
  const InspectOptions blanks = inspect({"a.pcap", "tcp port 80"});
  EXPECT_EQ(blanks.filter, "tcp port 80");
  EXPECT_THAT(blanks.captures, ElementsAre("a.pcap"));
  EXPECT_EQ(inspect({"a.pcap", "tcp"}).filter, "tcp");
  EXPECT_EQ(inspect({"a.pcap", "len>100"}).filter, "len>100");
  // Not the only argument, and nothing that could be meant as a file.
  EXPECT_EQ(inspect({"tcp"}).filter, "");
  EXPECT_THAT(inspect({"a.pcap", "missing.pcap"}).captures, ElementsAre("a.pcap", "missing.pcap"));
  EXPECT_THAT(inspect({"--filter", "udp", "a.pcap", "b c.pcap"}).captures, ElementsAre("a.pcap", "b c.pcap"));
}

TEST(Cli, AFileThatLooksLikeAFilterIsAFile) {
  const auto path = std::filesystem::temp_directory_path() / "weir cli test tcp port 80";
  std::ofstream(path).put('x');
  const std::string name = path.string();
  EXPECT_THAT(inspect({"a.pcap", name.c_str()}).captures, ElementsAre("a.pcap", name));
  std::filesystem::remove(path);
}

TEST(Cli, StandardInput) { EXPECT_THAT(inspect({"-"}).captures, ElementsAre("-")); }

TEST(Cli, HelpIsEverywhere) {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"--help"}, {"-h"}, {"inspect", "--help"}, {"inspect", "-h"}, {"check", "--help"}, {"version", "--help"}}) {
    const Command command = parse(words);
    const auto& leave = std::get<Leave>(command);
    EXPECT_EQ(leave.code, 0);
    EXPECT_THAT(leave.text, HasSubstr("Example"));
    if (words.front() == std::string("inspect")) {
      EXPECT_THAT(leave.text, HasSubstr("--fail-on-block"));
      EXPECT_THAT(leave.text, HasSubstr("weir inspect traffic.pcap"));
    }
  }
}

TEST(Cli, Version) {
  EXPECT_TRUE(std::holds_alternative<VersionOptions>(parse({"version"})));
  EXPECT_TRUE(std::holds_alternative<VersionOptions>(parse({"--version"})));
}

TEST(Cli, Check) {
  const Command command = parse({"check", "--rules", "x", "--rules", "y", "--paranoia", "2", "--no-cache"});
  const auto& o = std::get<CheckOptions>(command);
  EXPECT_THAT(o.rules.rules, ElementsAre("x", "y"));
  EXPECT_EQ(o.rules.paranoia, 2U);
  EXPECT_FALSE(o.rules.cache);
}

TEST(Cli, Bypass) {
  const Command command = parse({"bypass", "on", "-c", "x.yaml"});
  const auto& o = std::get<BypassOptions>(command);
  EXPECT_EQ(o.word, "on");
  EXPECT_EQ(o.config, "x.yaml");
  EXPECT_EQ(std::get<BypassOptions>(parse({"bypass", "show"})).config, "/etc/weir/weir.yaml");
  EXPECT_THAT(refused({"bypass"}), HasSubstr("say on, off or show"));
  EXPECT_THAT(refused({"bypass", "onn"}), HasSubstr("(did you mean 'on'?)"));
  EXPECT_THAT(refused({"bypass", "on", "off"}), HasSubstr("unexpected argument 'off'"));
}

TEST(Cli, PlainWordsForWhatIsWrong) {
  EXPECT_THAT(refused({}), HasSubstr("say what to do"));
  EXPECT_THAT(refused({"inspcet"}), HasSubstr("unknown command 'inspcet' (did you mean 'inspect'?)"));
  EXPECT_THAT(refused({"frobnicate"}), HasSubstr("unknown command 'frobnicate'; see"));
  EXPECT_THAT(refused({"inspect", "--fromat", "jsonl", "a"}), HasSubstr("unknown option '--fromat' (did you mean --format?)"));
  EXPECT_THAT(refused({"inspect", "--paranioa=2", "a"}), HasSubstr("(did you mean --paranoia?)"));
  EXPECT_THAT(refused({"inspect", "-x", "a"}), HasSubstr("unknown option '-x'"));
  EXPECT_THAT(refused({"--verson"}), HasSubstr("did you mean --version?"));
  EXPECT_THAT(refused({"inspect"}), HasSubstr("name at least one capture"));
  EXPECT_THAT(refused({"inspect", "--format", "xml", "a"}), HasSubstr("--format must be text or jsonl, not 'xml'"));
  EXPECT_THAT(refused({"inspect", "--format", "json", "a"}), HasSubstr("(did you mean 'jsonl'?)"));
  EXPECT_THAT(refused({"inspect", "--mode", "blok", "a"}), HasSubstr("(did you mean 'block'?)"));
  EXPECT_THAT(refused({"inspect", "--paranoia", "5", "a"}), HasSubstr("--paranoia must be a number from 1 to 4, not '5'"));
  EXPECT_THAT(refused({"inspect", "--paranoia", "two", "a"}), HasSubstr("must be a number"));
  EXPECT_THAT(refused({"inspect", "--workers", "0", "a"}), HasSubstr("--workers must be a number from 1 to 64"));
  EXPECT_THAT(refused({"inspect", "--workers", "99999999999999999999", "a"}), HasSubstr("must be a number"));
  EXPECT_THAT(refused({"inspect", "--port", "70000", "a"}), HasSubstr("--port must be a number"));
  EXPECT_THAT(refused({"inspect", "--inbound-threshold", "-1", "a"}), HasSubstr("inbound-threshold"));
  EXPECT_THAT(refused({"inspect", "a", "--rules"}), HasSubstr("--rules"));
  EXPECT_THAT(refused({"inspect", "--write-forwarded", "b", "a"}), HasSubstr("--write-forwarded needs --inline"));
  EXPECT_THAT(refused({"inspect", "--inline", "--output", "b", "--write-forwarded", "b", "a"}), HasSubstr("the same file"));
  EXPECT_THAT(refused({"inspect", "-", "-"}), HasSubstr("only once"));
  EXPECT_THAT(refused({"check", "a.conf"}), HasSubstr("unexpected argument 'a.conf'"));
  EXPECT_THAT(refused({"version", "--rules", "x"}), HasSubstr("unknown option '--rules'"));
}

TEST(Cli, AnInputIsNotOverwritten) {
  const auto path = std::filesystem::temp_directory_path() / "weir-cli-test.pcap";
  std::ofstream(path).put('x');
  const std::string name = path.string();
  EXPECT_THAT(refused({"inspect", "--output", name.c_str(), name.c_str()}), HasSubstr("would be overwritten"));
  EXPECT_THAT(refused({"inspect", "--inline", "--write-forwarded", name.c_str(), name.c_str()}),
              HasSubstr("would be overwritten"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace weir::app
