// What the command line says, checked and typed. Made by app/cli.cc, used by app/commands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::app {

enum class ColorChoice : std::uint8_t { Auto, Always, Never };
enum class OutputFormat : std::uint8_t { Text, Jsonl };
enum class ModeChoice : std::uint8_t { Detect, Block };
enum class ChecksumChoice : std::uint8_t { Verify, Ignore };

// Which rules, and how they are set up. Common to every command that loads rules.
struct RuleOptions {
  std::vector<std::string> rules;  // files and directories, in order; empty: Debian's modsecurity-crs
  std::optional<unsigned> paranoia;
  std::optional<unsigned> inbound_threshold;
  std::optional<unsigned> outbound_threshold;
  std::optional<unsigned> detection_paranoia;
  std::optional<bool> early_blocking;
  std::string settings;         // SecLang that has the last word; from the configuration file
  bool modsecurity3 = false;    // where the engines differ: as libmodsecurity 3, not as mod_security2
  bool prefilter = true;
  bool cache = true;
  std::string cache_directory;  // empty: the user's or the system's cache
};

enum class AuditFormatChoice : std::uint8_t { Json, Native };
enum class AuditChoice : std::uint8_t { Relevant, All };

// The audit log. None is written unless one is asked for: the places that the rules name are those of another
// program.
struct AuditOptions {
  bool as_configured = false;  // to the places that the rules name
  std::string log;             // a file to append to; empty: none
  std::string directory;       // a file for each transaction below it; empty: none
  std::optional<AuditFormatChoice> format;  // not given: as the rules say, as all below
  std::string parts;
  std::optional<AuditChoice> which;

  [[nodiscard]] bool wanted() const { return as_configured || !log.empty() || !directory.empty(); }
};

struct InspectOptions {
  std::string config;                 // weir.yaml, in place of the rules, the mode and the ports; empty: none
  RuleOptions rules;
  AuditOptions audit;
  std::string collections;            // where persistent collections are kept over runs; empty: nowhere
  std::vector<std::string> captures;  // "-" is standard input
  std::string filter;                 // BPF, empty: everything
  OutputFormat format = OutputFormat::Text;
  std::optional<ModeChoice> mode;     // not given: detect; block with --inline
  bool fail_on_block = false;
  std::string profile;                // where the time went is written there; "-": standard error; empty: no
  std::string output;                 // empty: standard output
  unsigned workers = 1;
  bool inline_mode = false;
  std::string write_forwarded;        // empty: no
  ChecksumChoice checksums = ChecksumChoice::Verify;
  std::vector<std::uint16_t> ports;   // empty: every port
  ColorChoice color = ColorChoice::Auto;
  bool progress = true;
};

struct CheckOptions {
  RuleOptions rules;
  std::string config;  // weir.yaml; empty: only rules are checked
  bool quiet = false;
  bool compile = false;  // what Hyperscan scans ahead, for the cache
  ColorChoice color = ColorChoice::Auto;
};

struct RunOptions {
  std::string config;
  bool replace = false;  // the weir run that listens on the same control socket
  ColorChoice color = ColorChoice::Auto;
};

enum class TestFormat : std::uint8_t { Text, Json, Junit, Github };

struct TestOptions {
  RuleOptions rules;
  std::vector<std::string> paths;  // go-ftw YAML files and directories of them
  std::string include, exclude;    // regular expressions for test ids; empty: all, none
  std::string overrides;           // file in place of Weir's own; empty: Weir's own
  TestFormat format = TestFormat::Text;
  bool fail_fast = false;
  bool show_failures_only = false;
  ColorChoice color = ColorChoice::Auto;
  bool progress = true;
};

enum class ExplainFormat : std::uint8_t { Text, Json };

// Exactly one of request, curl and capture is given.
struct ExplainOptions {
  RuleOptions rules;
  std::string request;             // file with the bytes of a request, perhaps followed by a response's; "-"
  std::string response;            // file with the bytes of its response; empty: none
  std::string curl;                // a curl command line
  std::string capture;
  std::uint64_t transaction = 1;   // of the capture, in the order of `weir inspect`
  ExplainFormat format = ExplainFormat::Text;
  bool all = false;                // also evaluations that did not match
  std::vector<std::uint64_t> only;  // rule ids: only these, all of their evaluations; empty: every rule
  ColorChoice color = ColorChoice::Auto;
};

struct BypassOptions {
  std::string word;  // "on", "off" or "show"
  std::string config;
  ColorChoice color = ColorChoice::Auto;
};

struct VersionOptions {};

// The command line was answered (--help) or is wrong: print and leave.
struct Leave {
  int code = 0;
  std::string text;  // for standard output if code is 0; else a sentence for standard error
};

using Command = std::variant<Leave, RunOptions, InspectOptions, CheckOptions, TestOptions, ExplainOptions, BypassOptions,
                             VersionOptions>;

Command parse_command_line(int argc, const char* const* argv);

}  // namespace weir::app
