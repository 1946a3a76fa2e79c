// The command line. CLI11 is an engine only, and only here: its complaints are reworded, misspelled
// commands and options get a suggestion, and nothing of it leaves this file.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include "app/exit_code.h"
#include "app/nearest.h"
#include "app/options.h"
#include "rules/audit_log.h"

namespace weir::app {
namespace {

constexpr const char* kUsualConfig = "/etc/weir/weir.yaml";

constexpr const char* kIntroduction =
    "Weir, a transparent web application firewall: what would these rules have done with this traffic?";

constexpr const char* kMainExamples =
    "Examples:\n"
    "  weir inspect traffic.pcap                        judge a capture with Debian's modsecurity-crs\n"
    "  weir inspect --format jsonl a.pcap b.pcapng      one JSON record for every transaction\n"
    "  weir check --rules crs-setup.conf --rules rules/ does Weir take these rules?\n"
    "  weir explain --transaction 7 traffic.pcap        why did it match?\n"
    "\n"
    "Exit status: 0 fine, 1 negative outcome, 2 usage or rule error, 3 environment, 70 a bug of Weir's";

constexpr const char* kInspectExamples =
    "CAPTURE is a pcap or pcapng file, or - for standard input. A last argument that is no file and looks\n"
    "like a filter expression (it has blanks, or is a protocol such as tcp) is a BPF filter: the same as\n"
    "--filter.\n"
    "\n"
    "Examples:\n"
    "  weir inspect traffic.pcap\n"
    "  weir inspect --paranoia 2 --format jsonl --output verdicts.jsonl mon.pcap tue.pcap\n"
    "  weir inspect --mode block --fail-on-block traffic.pcap 'tcp port 8080'\n"
    "  weir inspect --rules /opt/coreruleset-4.28.0 --inbound-threshold 10 traffic.pcap\n"
    "  weir inspect --inline --write-forwarded passed.pcap traffic.pcap\n"
    "  tcpdump -w - port 80 | weir inspect -\n"
    "\n"
    "Exit status: 0 fine, 1 --fail-on-block saw a transaction that the rules refuse, 2 usage or rule error,\n"
    "3 a file that cannot be read or written (what could be read is reported), 70 a bug of Weir's";

constexpr const char* kRunExamples =
    "Runs until SIGTERM or SIGINT. SIGHUP opens log files anew and reads configuration and rules again; what cannot\n"
    "be used changes nothing. SIGUSR1 prints a line of figures. docs/CONFIG.md describes the file.\n"
    "\n"
    "Examples:\n"
    "  weir check -c weir.yaml && weir run -c weir.yaml\n"
    "  weir run --replace -c weir.yaml     # another version, or what a reload cannot change\n"
    "\n"
    "Exit status: 0 stopped as asked, 2 something is wrong with the configuration or the rules, 3 a queue, an\n"
    "interface or a file cannot be had, 70 a bug of Weir's";

constexpr const char* kBypassExamples =
    "Asks the weir run of this configuration, through its control socket (`control` in docs/CONFIG.md). While the bypass is\n"
    "on, everything passes without inspection; health checks, records and counters say so. It ends with weir run.\n"
    "\n"
    "Examples:\n"
    "  weir bypass on -c weir.yaml\n"
    "  weir bypass show -c weir.yaml\n"
    "\n"
    "Exit status: 0 done, 2 something is wrong with the configuration, 3 no weir run answers";

constexpr const char* kTestExamples =
    "Each test's request goes through the HTTP parser and the rules as on the wire, with an answering back end\n"
    "of Weir's own; what would be logged is held to what the test expects.\n"
    "\n"
    "Examples:\n"
    "  weir test --rules /opt/coreruleset-4.28.0 /opt/coreruleset-4.28.0/tests/regression/tests\n"
    "  weir test --include '^942' --show-failures-only tests/\n"
    "  weir test --format junit tests/ > results.xml\n"
    "\n"
    "Exit status: 0 all passed, 1 a test failed, 2 usage, rule or test file error, 3 a file cannot be read";

constexpr const char* kExplainExamples =
    "Prints phase by phase which rule looked at which value, after which transformations, why it matched, and\n"
    "the scores as they grow.\n"
    "\n"
    "Examples:\n"
    "  weir explain --curl \"curl 'http://shop.example/?id=1%27+or+1=1--'\"\n"
    "  weir explain --request request.http --response response.http\n"
    "  weir explain --transaction 7 traffic.pcap\n"
    "\n"
    "Exit status: 0 fine, 2 usage or rule error, 3 a file cannot be read";

constexpr const char* kCheckExamples =
    "Examples:\n"
    "  weir check\n"
    "  weir check --rules /opt/coreruleset-4.28.0\n"
    "  weir check --rules modsecurity.conf --rules crs-setup.conf --rules rules/\n"
    "  weir check -c /etc/weir/weir.yaml\n"
    "\n"
    "Exit status: 0 all is well, 2 something is wrong with the configuration or the rules, 3 a file cannot be read";

std::string in_quotes(const std::string& text) { return "'" + text + "'"; }

// Validators with plain messages; CLI11 puts the option's name and ": " in front.
CLI::Validator number_between(unsigned low, unsigned high) {
  return CLI::Validator(
      [low, high](std::string& text) -> std::string {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc{} && end == text.data() + text.size() && value >= low && value <= high) return {};
        return "must be a number from " + std::to_string(low) + " to " + std::to_string(high) + ", not " +
               in_quotes(text);
      },
      "");
}

CLI::Validator one_of(std::vector<std::string> words) {
  return CLI::Validator(
      [words = std::move(words)](std::string& text) -> std::string {
        if (std::find(words.begin(), words.end(), text) != words.end()) return {};
        std::string message = "must be ";
        for (std::size_t i = 0; i < words.size(); ++i) {
          message += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
        }
        message += ", not " + in_quotes(text);
        if (const std::string near = nearest(text, words); !near.empty()) {
          message += " (did you mean " + in_quotes(near) + "?)";
        }
        return message;
      },
      "");
}

// Raw texts of the options, before they become typed.
struct Raw {
  RunOptions run;
  InspectOptions inspect;
  CheckOptions check;
  TestOptions test;
  ExplainOptions explain;
  BypassOptions bypass;
  std::string test_format = "text", explain_format = "text";
  std::string audit_format, audit_which, semantics;
  std::string format = "text", mode, color = "auto", checksums = "verify", filter;
  unsigned paranoia = 0, inbound = 0, outbound = 0;
  std::vector<std::string> arguments;
  bool no_prefilter = false, no_cache = false, no_progress = false;
};

void add_rule_options(CLI::App& command, RuleOptions& rules, Raw& raw) {
  command
      .add_option("--rules", rules.rules,
                  "SecLang file, or directory of a CRS release as unpacked; may be given several times, "
                  "loaded in order; none: without rules (default: Debian's modsecurity-crs)")
      ->type_name("PATH")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--paranoia", raw.paranoia, "paranoia level of the CRS, 1 to 4 (default: 1)")
      ->type_name("N")
      ->check(number_between(1, 4));
  command
      .add_option("--inbound-threshold", raw.inbound,
                  "anomaly score from which a request is refused (default: 5)")
      ->type_name("N")
      ->check(number_between(1, 1'000'000));
  command
      .add_option("--outbound-threshold", raw.outbound,
                  "anomaly score from which a response is refused (default: 4)")
      ->type_name("N")
      ->check(number_between(1, 1'000'000));
  command
      .add_option("--semantics", raw.semantics,
                  "modsecurity2 or modsecurity3: whom to follow where the two differ (default: modsecurity2)")
      ->type_name("ENGINE")
      ->check(one_of({"modsecurity2", "modsecurity3"}));
  command.add_option("--cache", rules.cache_directory, "directory for compiled patterns (default: the cache of the user or the system)")
      ->type_name("DIR");
  command.add_flag("--no-cache", raw.no_cache, "neither read nor write compiled patterns on disk");
  command.add_flag("--no-prefilter", raw.no_prefilter,
                   "evaluate every pattern one by one: slow, for finding mistakes of Weir's");
}

void add_color_option(CLI::App& command, Raw& raw) {
  command.add_option("--color", raw.color, "auto (on a terminal, unless NO_COLOR is set), always or never")
      ->type_name("WHEN")
      ->check(one_of({"auto", "always", "never"}));
}

CLI::Validator audit_parts() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        if (rules::AuditParts::parse(text)) return {};
        return "must be letters of ABCDEFGHIJKZ, not " + in_quotes(text);
      },
      "");
}

void add_audit_options(CLI::App& command, AuditOptions& audit, Raw& raw) {
  command.add_option("--audit-log", audit.log, "append the audit log (SecAuditLog) to this file; never written unless asked for")
      ->type_name("FILE");
  command.add_option("--audit-dir", audit.directory,
                     "a file for each transaction below this directory (SecAuditLogStorageDir); --audit-log gets "
                     "the index lines")
      ->type_name("DIR");
  command.add_flag("--audit-as-configured", audit.as_configured, "write the audit log to the places that the rules name");
  command.add_option("--audit-format", raw.audit_format, "json or native (default: SecAuditLogFormat of the rules, else json)")
      ->type_name("FORMAT")
      ->check(one_of({"json", "native"}));
  command.add_option("--audit-parts", audit.parts, "parts of an entry (default: SecAuditLogParts of the rules, else ABIFHJKZ)")
      ->type_name("LETTERS")
      ->check(audit_parts());
  command
      .add_option("--audit-transactions", raw.audit_which,
                  "relevant or all (default: SecAuditEngine of the rules, else relevant)")
      ->type_name("WHICH")
      ->check(one_of({"relevant", "all"}));
}

void add_inspect(CLI::App& command, Raw& raw) {
  InspectOptions& o = raw.inspect;
  command.add_option("CAPTURE", raw.arguments, "captures to read, in order, and perhaps a BPF filter")
      ->type_name("");
  command.add_option("--filter", raw.filter, "BPF filter: only packets that match it are read")->type_name("BPF");
  command
      .add_option("--format", raw.format,
                  "text (a line for each transaction that matched, and a summary) or jsonl (a record for every transaction)")
      ->type_name("FORMAT")
      ->check(one_of({"text", "jsonl"}));
  command.add_option("--output", o.output, "write there instead of to standard output")->type_name("FILE");
  command
      .add_option("--mode", raw.mode,
                  "detect: judge every transaction to its end and say what would have been done; block: stop judging "
                  "at the decision, as when blocking (default: detect; with --inline: block)")
      ->type_name("MODE")
      ->check(one_of({"detect", "block"}));
  command
      .add_option("--profile", o.profile,
                  "say where the time of judging went, by rule, operator and transformation: a table in FILE (- is "
                  "standard error), or JSON if its name ends in .json; takes time itself")
      ->type_name("FILE");
  command.add_flag("--fail-on-block", o.fail_on_block, "exit with 1 if any transaction is refused");
  command
      .add_option("-c,--config", o.config,
                  "judge as weir run with this configuration would: its rules, sites, mode, ports, limits and failure policies")
      ->type_name("FILE");
  add_rule_options(command, o.rules, raw);
  command.add_option("--port", o.ports, "only connections to this server port; may be given several times (default: all)")
      ->type_name("N")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(number_between(1, 65535));
  command.add_option("--workers", o.workers, "threads that inspect; the output is the same with any number (default: 1)")
      ->type_name("N")
      ->check(number_between(1, 64));
  command.add_flag("--inline", o.inline_mode, "judge as if in the wire: what would an inline Weir not let through?");
  command
      .add_option("--write-forwarded", o.write_forwarded,
                  "with --inline: write the packets that were let through to this capture")
      ->type_name("FILE");
  command
      .add_option("--checksums", raw.checksums,
                  "verify (packets with wrong checksums are not taken, unless the sender's card was to fill them in) or ignore")
      ->type_name("WHAT")
      ->check(one_of({"verify", "ignore"}));
  add_audit_options(command, o.audit, raw);
  command
      .add_option("--collections", o.collections,
                  "keep the persistent collections (IP, SESSION, USER, GLOBAL, RESOURCE) in this file, or in this "
                  "directory, from one run to the next (default: in memory, for this run)")
      ->type_name("PATH");
  add_color_option(command, raw);
  command.add_flag("--no-progress", raw.no_progress, "no progress line on a terminal");
}

void add_test(CLI::App& command, Raw& raw) {
  TestOptions& o = raw.test;
  command.add_option("PATH", o.paths, "go-ftw test files, or directories of them")->type_name("");
  command
      .add_option("--format", raw.test_format,
                  "text, json (every test and stage with the rule ids logged), junit or github (annotations)")
      ->type_name("FORMAT")
      ->check(one_of({"text", "json", "junit", "github"}));
  command.add_option("--include", o.include, "only tests whose id matches")->type_name("REGEX");
  command.add_option("--exclude", o.exclude, "no tests whose id matches")->type_name("REGEX");
  command.add_option("--overrides", o.overrides,
                     "tests that are to be answered otherwise than they expect, and why (default: Weir's own list)")
      ->type_name("FILE");
  command.add_flag("--fail-fast", o.fail_fast, "stop at the first test that fails");
  command.add_flag("--show-failures-only", o.show_failures_only, "do not list what passed");
  add_rule_options(command, o.rules, raw);
  add_color_option(command, raw);
  command.add_flag("--no-progress", raw.no_progress, "no progress line on a terminal");
}

void add_explain(CLI::App& command, Raw& raw) {
  ExplainOptions& o = raw.explain;
  command.add_option("CAPTURE", o.capture, "a capture; --transaction says which of its transactions")->type_name("");
  command.add_option("--transaction,--tx", o.transaction, "1 for the first record of weir inspect, 2 for the second … (default: 1)")
      ->type_name("N")
      ->check(number_between(1, 4'000'000'000));
  command.add_option("--request", o.request, "file with the bytes of a request, - for standard input")->type_name("FILE");
  command.add_option("--response", o.response, "with --request or --curl: file with the bytes of the response")
      ->type_name("FILE");
  command.add_option("--curl", o.curl, "the request that this curl command would send")->type_name("COMMAND");
  command.add_option("--format", raw.explain_format, "text or json (a line for each step)")
      ->type_name("FORMAT")
      ->check(one_of({"text", "json"}));
  command
      .add_option("--rule", o.only,
                  "only this rule, and everything about it, also why it did not match; may be given several times")
      ->type_name("ID")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(number_between(1, 4'294'967'295U));
  command.add_flag("--all", o.all, "also rules that did not match, and why those that were not evaluated were not");
  add_rule_options(command, o.rules, raw);
  add_color_option(command, raw);
}

void finish_rules(const CLI::App& command, RuleOptions& rules, const Raw& raw) {
  if (command.count("--paranoia") != 0) rules.paranoia = raw.paranoia;
  if (command.count("--inbound-threshold") != 0) rules.inbound_threshold = raw.inbound;
  if (command.count("--outbound-threshold") != 0) rules.outbound_threshold = raw.outbound;
  rules.modsecurity3 = raw.semantics == "modsecurity3";
  rules.prefilter = !raw.no_prefilter;
  rules.cache = !raw.no_cache;
}

ColorChoice color_of(const Raw& raw) {
  if (raw.color == "always") return ColorChoice::Always;
  return raw.color == "never" ? ColorChoice::Never : ColorChoice::Auto;
}

bool looks_like_filter(const std::string& text) {
  static const std::set<std::string> kWords{"arp",   "ether", "geneve", "icmp", "icmp6", "ip",  "ip6",
                                            "mpls",  "rarp",  "sctp",   "tcp",  "udp",   "vlan"};
  return text.find_first_of(" \t(&|!=<>") != std::string::npos || kWords.count(text) != 0;
}

Leave usage_error(const std::string& command, const std::string& message) {
  const std::string name = command.empty() ? "weir" : "weir " + command;
  return {static_cast<int>(ExitCode::Usage), (command.empty() ? "" : command + ": ") + message + "; see " + name + " --help"};
}

std::optional<std::string> finish_audit(const CLI::App& command, AuditOptions& audit, const Raw& raw) {
  if (!raw.audit_format.empty()) {
    audit.format = raw.audit_format == "json" ? AuditFormatChoice::Json : AuditFormatChoice::Native;
  }
  if (!raw.audit_which.empty()) audit.which = raw.audit_which == "all" ? AuditChoice::All : AuditChoice::Relevant;
  for (const char* option : {"--audit-format", "--audit-parts", "--audit-transactions"}) {
    if (command.count(option) != 0 && !audit.wanted()) {
      return std::string(option) + " needs --audit-log, --audit-dir or --audit-as-configured";
    }
  }
  return std::nullopt;
}

// A sentence if a file that is written is also read, or written twice.
std::optional<std::string> overwritten(const InspectOptions& o) {
  std::error_code ignored;
  const std::vector<const std::string*> written{&o.output, &o.write_forwarded, &o.audit.log, &o.collections};
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (written[i]->empty()) continue;
    for (const std::string& capture : o.captures) {
      if (std::filesystem::equivalent(*written[i], capture, ignored)) {
        return *written[i] + " is read and would be overwritten";
      }
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (*written[i] == *written[j]) return "two options name the same file to write, " + *written[i];
    }
  }
  return std::nullopt;
}

// What a configuration says is not said on the command line as well.
std::optional<std::string> twice_said(const CLI::App& command) {
  if (command.count("--config") == 0) return std::nullopt;
  for (const char* option : {"--rules", "--paranoia", "--inbound-threshold", "--outbound-threshold", "--semantics", "--cache",
                             "--no-cache", "--no-prefilter", "--mode", "--port"}) {
    if (command.count(option) != 0) return std::string(option) + " is a matter of the configuration, with --config";
  }
  if (command.count("--profile") != 0) return "--profile cannot go with --config: it is of one rule set";
  return std::nullopt;
}

Command finish_inspect(const CLI::App& command, Raw& raw) {
  InspectOptions& o = raw.inspect;
  finish_rules(command, o.rules, raw);
  o.format = raw.format == "jsonl" ? OutputFormat::Jsonl : OutputFormat::Text;
  if (!raw.mode.empty()) o.mode = raw.mode == "block" ? ModeChoice::Block : ModeChoice::Detect;
  o.checksums = raw.checksums == "ignore" ? ChecksumChoice::Ignore : ChecksumChoice::Verify;
  o.color = color_of(raw);
  o.progress = !raw.no_progress;
  o.filter = raw.filter;
  o.captures = raw.arguments;
  std::error_code ignored;
  if (o.filter.empty() && o.captures.size() > 1 && o.captures.back() != "-" &&
      !std::filesystem::exists(o.captures.back(), ignored) && looks_like_filter(o.captures.back())) {
    o.filter = o.captures.back();
    o.captures.pop_back();
  }
  if (o.captures.empty()) return usage_error("inspect", "name at least one capture, or - for standard input");
  if (std::count(o.captures.begin(), o.captures.end(), "-") > 1) {
    return usage_error("inspect", "standard input (-) can be read only once");
  }
  if (!o.write_forwarded.empty() && !o.inline_mode) {
    return usage_error("inspect", "--write-forwarded needs --inline");
  }
  if (const auto wrong = twice_said(command)) return usage_error("inspect", *wrong);
  if (const auto wrong = finish_audit(command, o.audit, raw)) return usage_error("inspect", *wrong);
  if (const auto wrong = overwritten(o)) return usage_error("inspect", *wrong);
  return o;
}

Command finish_test(const CLI::App& command, Raw& raw) {
  TestOptions& o = raw.test;
  finish_rules(command, o.rules, raw);
  if (o.paths.empty()) return usage_error("test", "name at least one test file or directory");
  o.format = raw.test_format == "json"     ? TestFormat::Json
             : raw.test_format == "junit"  ? TestFormat::Junit
             : raw.test_format == "github" ? TestFormat::Github
                                           : TestFormat::Text;
  o.color = color_of(raw);
  o.progress = !raw.no_progress;
  return o;
}

Command finish_explain(const CLI::App& command, Raw& raw) {
  ExplainOptions& o = raw.explain;
  finish_rules(command, o.rules, raw);
  const int sources = (o.request.empty() ? 0 : 1) + (o.curl.empty() ? 0 : 1) + (o.capture.empty() ? 0 : 1);
  if (sources != 1) return usage_error("explain", "name one of a capture, --request and --curl");
  if (!o.capture.empty() && !o.response.empty()) {
    return usage_error("explain", "--response goes with --request or --curl");
  }
  if (o.capture.empty() && command.count("--transaction") != 0) {
    return usage_error("explain", "--transaction goes with a capture");
  }
  o.format = raw.explain_format == "json" ? ExplainFormat::Json : ExplainFormat::Text;
  o.color = color_of(raw);
  return o;
}

std::vector<std::string> long_options(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// What was left over: an unknown option, or a word too many.
std::string unexpected(const CLI::App& command, const std::vector<std::string>& rest) {
  const auto option = std::find_if(rest.begin(), rest.end(), [](const std::string& word) {
    return word.size() > 1 && word[0] == '-';
  });
  if (option == rest.end()) return "unexpected argument " + in_quotes(rest.front());
  const std::string name = option->substr(0, option->find('='));
  std::string message = "unknown option " + in_quotes(name);
  if (const std::string near = nearest(name, long_options(command)); !near.empty()) {
    message += " (did you mean " + near + "?)";
  }
  return message;
}

// CLI11's own wording, without what it puts around it.
std::string reworded(std::string what) {
  while (!what.empty() && (what.back() == '\n' || what.back() == '.')) what.pop_back();
  const auto colon = what.find(": ");
  if (colon != std::string::npos && what.compare(0, 2, "--") == 0) what.erase(colon, 1);
  return what;
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  CLI::App app{kIntroduction, "weir"};
  app.footer(kMainExamples);
  app.get_formatter()->column_width(34);
  Raw raw;
  CLI::App* run = app.add_subcommand("run", "inspect live traffic, in the wire or on a mirror port");
  run->footer(kRunExamples);
  run->add_option("-c,--config", raw.run.config, "the configuration file (default: /etc/weir/weir.yaml)")->type_name("FILE");
  run->add_flag("--replace", raw.run.replace, "take the place, and the queues, of the weir run that listens on the same control socket");
  add_color_option(*run, raw);
  CLI::App* inspect = app.add_subcommand("inspect", "judge the HTTP transactions of captures");
  inspect->footer(kInspectExamples);
  add_inspect(*inspect, raw);
  CLI::App* check = app.add_subcommand("check", "load a configuration or rules and say what is in them, or what is wrong with them");
  check->footer(kCheckExamples);
  check->add_option("-c,--config", raw.check.config, "check this configuration file and the rules it names")->type_name("FILE");
  check->add_flag("-q,--quiet", raw.check.quiet, "say nothing if all is well");
  add_rule_options(*check, raw.check.rules, raw);
  check->add_flag("--compile", raw.check.compile,
                  "also compile what Hyperscan scans ahead, and keep it in the cache: takes seconds");
  add_color_option(*check, raw);
  CLI::App* test = app.add_subcommand("test", "run go-ftw regression tests, in this process");
  test->footer(kTestExamples);
  add_test(*test, raw);
  CLI::App* explain = app.add_subcommand("explain", "say why a request matched rules or did not");
  explain->footer(kExplainExamples);
  add_explain(*explain, raw);
  CLI::App* bypass = app.add_subcommand("bypass", "let everything pass a running Weir uninspected, or end that");
  bypass->footer(kBypassExamples);
  bypass->add_option("WORD", raw.bypass.word, "on, off or show")->type_name("")->check(one_of({"on", "off", "show"}));
  bypass->add_option("-c,--config", raw.bypass.config, "the configuration file (default: /etc/weir/weir.yaml)")->type_name("FILE");
  add_color_option(*bypass, raw);
  CLI::App* version = app.add_subcommand("version", "print the version");
  version->footer("Example:\n  weir version");
  bool print_version = false;
  app.add_flag("--version", print_version, "print the version");
  app.get_option("--help")->description("print this help and leave");
  for (CLI::App* command : {&app, run, inspect, check, test, explain, bypass, version}) command->allow_extras();

  if (argc < 2) return usage_error("", "say what to do: run, inspect, check, test, explain, bypass or version");
  if (const std::string first = argv[1]; !first.empty() && first[0] != '-') {
    const std::vector<std::string> names = command_names(app);
    if (std::find(names.begin(), names.end(), first) == names.end()) {
      const std::string near = nearest(first, names);
      return usage_error("", "unknown command " + in_quotes(first) +
                                 (near.empty() ? "" : " (did you mean " + in_quotes(near) + "?)"));
    }
  }
  std::string current;
  try {
    app.parse(argc, argv);
    for (const CLI::App* command : app.get_subcommands()) current = command->get_name();
    const CLI::App& used = current.empty() ? app : *app.get_subcommand(current);
    if (const auto rest = used.remaining(true); !rest.empty()) {
      return usage_error(current, unexpected(used, rest));
    }
    if (const auto rest = app.remaining(true); !rest.empty()) {
      return usage_error(current, unexpected(used, rest));
    }
  } catch (const CLI::CallForHelp&) {
    for (const CLI::App* command : app.get_subcommands()) return Leave{0, command->help() + "\n"};
    return Leave{0, app.help() + "\n"};
  } catch (const CLI::ParseError& error) {
    for (const CLI::App* command : app.get_subcommands()) current = command->get_name();
    return usage_error(current, reworded(error.what()));
  }
  if (print_version || *version) return VersionOptions{};
  if (*run) {
    if (raw.run.config.empty()) raw.run.config = kUsualConfig;
    raw.run.color = color_of(raw);
    return raw.run;
  }
  if (*bypass) {
    if (raw.bypass.word.empty()) return usage_error("bypass", "say on, off or show");
    if (raw.bypass.config.empty()) raw.bypass.config = kUsualConfig;
    raw.bypass.color = color_of(raw);
    return raw.bypass;
  }
  if (*inspect) return finish_inspect(*inspect, raw);
  if (*test) return finish_test(*test, raw);
  if (*explain) return finish_explain(*explain, raw);
  if (*check) {
    finish_rules(*check, raw.check.rules, raw);
    if (!raw.check.config.empty()) {
      for (const char* option : {"--rules", "--paranoia", "--inbound-threshold", "--outbound-threshold"}) {
        if (check->count(option) != 0) return usage_error("check", std::string(option) + " is the configuration file's matter");
      }
    }
    raw.check.color = color_of(raw);
    return raw.check;
  }
  return usage_error("", "say what to do: run, inspect, check, test, explain, bypass or version");
}

}  // namespace weir::app
