#include "crs/distribution.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "crs/engine_setup.h"
#include "rules/parser.h"
#include "rules/render.h"

namespace weir::crs {
namespace {

using Strings = std::vector<std::string>;

class DistributionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/weir-crs-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = root_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  // Names of the sources, without the directory.
  [[nodiscard]] Strings names(const Distribution& d) const {
    Strings out;
    for (const auto& source : d.sources) {
      EXPECT_EQ(source.in_memory, source.name.rfind("weir:", 0) == 0);
      out.push_back(source.in_memory ? source.name : source.name.substr(root_.size() + 1));
    }
    return out;
  }
  static std::string text(const Distribution& d, std::string_view name) {
    for (const auto& source : d.sources) {
      if (source.name == name) return source.text;
    }
    return {};
  }
  void write_debian() const {
    const std::string crs = "usr/share/modsecurity-crs/rules/";
    write("etc/modsecurity/crs/crs-setup.conf", "SecAction id:900990,pass\n");
    write("etc/modsecurity/crs/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf", "");
    write("etc/modsecurity/crs/RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf", "");
    write(crs + "REQUEST-901-INITIALIZATION.conf", "SecComponentSignature \"OWASP_CRS/3.3.4\"\n");
    write(crs + "REQUEST-949-BLOCKING-EVALUATION.conf", "SecMarker a\n");
  }
  void write_release() const {
    write("crs/crs-setup.conf.example", "SecAction id:900990,pass\n");
    write("crs/plugins/one-config.conf", "");
    write("crs/plugins/one-before.conf", "");
    write("crs/plugins/one-after.conf", "");
    write("crs/plugins/two-config.conf", "");
    write("crs/plugins/notes.txt", "");
    write("crs/rules/REQUEST-901-INITIALIZATION.conf",
          "SecComponentSignature OWASP_CRS/4.28.0-dev\n");
    write("crs/rules/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf.example", "Nonsense");
    write("crs/rules/unix-shell.data", "sh\n");
  }

  std::string root_;
};

TEST_F(DistributionTest, DebianWithoutTuning) {
  write_debian();
  DistributionOptions options;
  options.root = root_;
  const auto d = find_distribution(options);
  EXPECT_TRUE(d.errors.empty());
  EXPECT_EQ(d.version, "3.3.4");
  EXPECT_EQ(d.scores.inbound, "anomaly_score");
  EXPECT_EQ(d.scores.outbound, "outbound_anomaly_score");
  EXPECT_EQ(names(d),
            (Strings{"weir:engine", "etc/modsecurity/crs/crs-setup.conf",
                     "etc/modsecurity/crs/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf",
                     "usr/share/modsecurity-crs/rules/REQUEST-901-INITIALIZATION.conf",
                     "usr/share/modsecurity-crs/rules/REQUEST-949-BLOCKING-EVALUATION.conf",
                     "etc/modsecurity/crs/RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf"}));
}

TEST_F(DistributionTest, NoneIsNoRulesUnlessOthersAreNamed) {
  DistributionOptions options;
  options.rules = {"none"};
  options.mode = Mode::DetectionOnly;
  const auto d = find_distribution(options);
  EXPECT_TRUE(d.errors.empty());
  EXPECT_EQ(names(d), (Strings{"weir:engine", "weir:mode"}));
  const auto loaded = rules::RuleSet::load(d.sources, {});
  ASSERT_NE(loaded.rules, nullptr);
  EXPECT_EQ(loaded.rules->stats().rules, 0U);
  options.rules = {"none", "none"};
  EXPECT_EQ(find_distribution(options).errors.size(), 2U);
  options.rules = {"none"};
  options.tuning.paranoia_level = 2;
  EXPECT_EQ(find_distribution(options).errors.size(), 1U);
}

TEST_F(DistributionTest, AuditLogOnlyWhereItIsWanted) {
  write_debian();
  DistributionOptions options;
  options.root = root_;
  EXPECT_EQ(text(find_distribution(options), kAuditSource), "");
  options.mode = Mode::On;
  EXPECT_EQ(text(find_distribution(options), kAuditSource), "SecAuditEngine Off\n");
  EXPECT_EQ(text(find_distribution(options), kEngineSource).find("SecAudit"), std::string::npos);
  options.audit = "SecAuditLogParts AZ\n";
  EXPECT_EQ(text(find_distribution(options), kAuditSource), "SecAuditLogParts AZ\n");
  EXPECT_NE(text(find_distribution(options), kEngineSource).find("SecAuditEngine RelevantOnly"), std::string::npos);
}

TEST_F(DistributionTest, TuningComesAfterTheSetUp) {
  write_debian();
  DistributionOptions options;
  options.root = root_;
  options.tuning.paranoia_level = 2;
  options.tuning.detection_paranoia_level = 3;
  options.tuning.inbound_threshold = 10;
  options.tuning.outbound_threshold = 8;
  options.tuning.early_blocking = true;  // unknown to CRS 3
  options.mode = Mode::DetectionOnly;
  const auto d = find_distribution(options);
  EXPECT_TRUE(d.errors.empty());
  const auto n = names(d);
  EXPECT_EQ(n[2], "weir:tuning");
  EXPECT_EQ(n.back(), "weir:mode");
  EXPECT_EQ(text(d, "weir:mode"), "SecRuleEngine DetectionOnly\n");
  const std::string tuning = text(d, "weir:tuning");
  for (const char* variable :
       {"setvar:'tx.paranoia_level=2'", "setvar:'tx.executing_paranoia_level=3'",
        "setvar:'tx.inbound_anomaly_score_threshold=10'",
        "setvar:'tx.outbound_anomaly_score_threshold=8'"}) {
    EXPECT_NE(tuning.find(variable), std::string::npos) << tuning;
  }
  EXPECT_EQ(tuning.find("early"), std::string::npos);
}

TEST_F(DistributionTest, UnpackedRelease) {
  write_release();
  DistributionOptions options;
  options.rules = {root_ + "/crs/"};
  options.tuning.paranoia_level = 4;
  options.tuning.early_blocking = true;
  const auto d = find_distribution(options);
  EXPECT_TRUE(d.errors.empty());
  EXPECT_EQ(d.version, "4.28.0");
  EXPECT_EQ(d.scores.inbound, "blocking_inbound_anomaly_score");
  EXPECT_EQ(names(d),
            (Strings{"weir:engine", "crs/crs-setup.conf.example", "weir:tuning",
                     "crs/plugins/one-config.conf", "crs/plugins/two-config.conf",
                     "crs/plugins/one-before.conf", "crs/rules/REQUEST-901-INITIALIZATION.conf",
                     "crs/plugins/one-after.conf"}));
  EXPECT_NE(text(d, "weir:tuning").find("tx.blocking_paranoia_level=4"), std::string::npos);
  EXPECT_NE(text(d, "weir:tuning").find("tx.early_blocking=1"), std::string::npos);
  write("crs/crs-setup.conf", "");  // the operator's own goes first
  EXPECT_EQ(names(find_distribution(options))[1], "crs/crs-setup.conf");
}

TEST_F(DistributionTest, FilesOfIncludesAreTakenApart) {
  write_debian();
  const std::string etc = root_ + "/etc/modsecurity/crs/";
  const std::string load = write(
      "owasp-crs.load", "# Debian's\nInclude " + etc + "crs-setup.conf\nIncludeOptional " + etc +
                            "none.conf\nInclude usr/share/modsecurity-crs/rules/*.conf\n");
  DistributionOptions options;
  options.rules = {load};
  options.tuning.paranoia_level = 1;
  const auto d = find_distribution(options);
  EXPECT_TRUE(d.errors.empty());
  EXPECT_EQ(names(d),
            (Strings{"weir:engine", "etc/modsecurity/crs/crs-setup.conf", "weir:tuning",
                     "usr/share/modsecurity-crs/rules/REQUEST-901-INITIALIZATION.conf",
                     "usr/share/modsecurity-crs/rules/REQUEST-949-BLOCKING-EVALUATION.conf"}));
  // With a rule of its own, or a file that is missing, it stays whole, and the tuning goes in
  // front.
  for (const std::string more :
       {"SecMarker x\n", "Include missing.conf\n", "Include\n", "Include a b\n"}) {
    options.rules = {write("mixed.conf", "Include " + load + "\n" + more)};
    const auto whole = find_distribution(options);
    EXPECT_EQ(names(whole), (Strings{"weir:engine", "weir:tuning", "mixed.conf"})) << more;
    EXPECT_EQ(whole.version, "3.3.4") << more;
  }
}

TEST_F(DistributionTest, SeveralInOrder) {
  write_release();
  DistributionOptions options;
  options.rules = {write("first.conf", "SecRule ARGS a id:1\nSecRule ARGS b \"id:200002,deny\"\n"),
                   root_ + "/crs", write("last.conf", "SecRuleRemoveById 942100\n")};
  const auto d = find_distribution(options);
  EXPECT_TRUE(d.errors.empty());
  const auto n = names(d);
  EXPECT_EQ(n[1], "first.conf");
  EXPECT_EQ(n[2], "crs/crs-setup.conf.example");
  EXPECT_EQ(n.back(), "last.conf");
  // The operator's rule 200002 replaces Weir's.
  EXPECT_EQ(text(d, "weir:engine").find("id:200002"), std::string::npos);
  EXPECT_NE(text(d, "weir:engine").find("id:200003"), std::string::npos);
}

TEST_F(DistributionTest, PlainDirectory) {
  write("rules/b.conf", "SecMarker b\n");
  write("rules/a.conf", "SecMarker a\n");
  write("rules/crs-setup.conf", "SecMarker s\n");
  write("rules/x.data", "x\n");
  DistributionOptions options;
  options.rules = {root_ + "/rules"};
  const auto d = find_distribution(options);
  EXPECT_TRUE(d.errors.empty());
  EXPECT_EQ(d.version, "");
  EXPECT_EQ(d.scores.inbound, "");
  EXPECT_EQ(names(d),
            (Strings{"weir:engine", "rules/crs-setup.conf", "rules/a.conf", "rules/b.conf"}));
}

TEST_F(DistributionTest, Errors) {
  DistributionOptions options;
  options.root = root_;
  const auto message = [&options] {
    const auto d = find_distribution(options);
    return d.errors.size() == 1 ? d.errors[0] : std::to_string(d.errors.size()) + " errors";
  };
  EXPECT_EQ(message(),
            "there is no " + root_ +
                "/usr/share/modsecurity-crs/rules: install the package modsecurity-crs, or "
                "name the rules to use");
  std::filesystem::create_directories(root_ + "/usr/share/modsecurity-crs/rules");
  EXPECT_NE(message().find("crs-setup.conf, which the package"), std::string::npos);
  write("etc/modsecurity/crs/crs-setup.conf", "");
  EXPECT_NE(message().find("there are no rule files in"), std::string::npos);
  options.rules = {root_ + "/nowhere"};
  EXPECT_EQ(message(), "there is no file or directory " + root_ + "/nowhere");
  options.rules = {"/dev/null"};
  EXPECT_EQ(message(), "/dev/null is neither a file nor a directory");
  std::filesystem::create_directories(root_ + "/empty");
  options.rules = {root_ + "/empty"};
  EXPECT_EQ(message(), "there are no rule files (*.conf) in " + root_ + "/empty");
  std::filesystem::create_directories(root_ + "/release/rules");
  options.rules = {root_ + "/release"};
  EXPECT_EQ(message(), "there are no rule files in " + root_ + "/release/rules");
  options.rules = {write("own.conf", "SecMarker x\n")};
  EXPECT_EQ(message(), "0 errors");
  options.tuning.paranoia_level = 1;
  EXPECT_NE(message().find("no CRS is among the rules"), std::string::npos);
}

TEST_F(DistributionTest, TuningIsChecked) {
  write_debian();
  DistributionOptions options;
  options.root = root_;
  options.tuning.paranoia_level = 5;
  options.tuning.detection_paranoia_level = 0;
  options.tuning.inbound_threshold = 0;
  options.tuning.outbound_threshold = -1;
  EXPECT_EQ(find_distribution(options).errors.size(), 5U);
  options.tuning = {};
  options.tuning.paranoia_level = 3;
  options.tuning.detection_paranoia_level = 2;
  EXPECT_EQ(find_distribution(options).errors.size(), 1U);
}

std::string parsed(const std::string& text) {
  rules::Diagnostics diagnostics;
  rules::syntax::parse({rules::Source::memory("text", text)}, diagnostics);
  std::string out;
  for (const auto& d : diagnostics)
    out += rules::render(d, false);
  return out;
}

TEST(EngineSetup, TextsAreProperSecLang) {
  EXPECT_EQ(parsed(engine_setup({})), "");
  EXPECT_EQ(parsed(suite_text("3.3.4")), "");
  EXPECT_EQ(parsed(suite_text("4.28.0")), "");
  EXPECT_EQ(parsed(mode_text(Mode::On) + mode_text(Mode::Off) + mode_text(Mode::AsConfigured)), "");
  Tuning tuning;
  EXPECT_EQ(tuning_text(tuning, "4.0"), "");
  tuning.inbound_threshold = 5;
  EXPECT_EQ(parsed(tuning_text(tuning, "4.0")), "");
  // Each rule can be left out.
  for (const long id : {200000, 200001, 200002, 200003, 200004, 200005, 200006}) {
    const std::string mark = "id:" + std::to_string(id) + ",";
    EXPECT_NE(engine_setup({}).find(mark), std::string::npos);
    EXPECT_EQ(engine_setup({id}).find(mark), std::string::npos);
    EXPECT_EQ(parsed(engine_setup({id})), "");
  }
}

TEST(EngineSetup, Versions) {
  EXPECT_EQ(major_version("4.28.0"), 4);
  EXPECT_EQ(major_version("3.3.4"), 3);
  EXPECT_EQ(major_version("10"), 10);
  EXPECT_EQ(major_version(""), 0);
  EXPECT_EQ(major_version("x"), 0);
  EXPECT_EQ(score_names("4.0.0").outbound, "blocking_outbound_anomaly_score");
  EXPECT_EQ(score_names("2.2.9").inbound, "");
}

// The real thing, where it is installed: complete, and without a word from the parser.
void check_real(const DistributionOptions& options, const std::string& version_prefix) {
  const auto d = find_distribution(options);
  ASSERT_TRUE(d.errors.empty()) << d.errors[0];
  EXPECT_EQ(d.version.rfind(version_prefix, 0), 0U) << d.version;
  rules::Diagnostics diagnostics;
  const auto unit = rules::syntax::parse(d.sources, diagnostics);
  std::string words;
  for (const auto& diagnostic : diagnostics)
    words += rules::render(diagnostic, false);
  EXPECT_EQ(words, "");
  EXPECT_GT(unit.statements.size(), 700U);
  // The variables that hold the score are set by these rules.
  std::set<std::string> set;
  for (const auto& statement : unit.statements) {
    if (const auto* rule = std::get_if<rules::syntax::Rule>(&statement)) {
      for (const auto& action : rule->actions) {
        if (action.name != rules::ActionName::SetVar) continue;
        std::string name = action.argument.substr(0, action.argument.find_first_of("=+"));
        for (char& c : name)
          c = static_cast<char>(std::tolower(c));
        set.insert(name);
      }
    }
  }
  EXPECT_EQ(set.count("tx." + d.scores.inbound), 1U);
  EXPECT_EQ(set.count("tx." + d.scores.outbound), 1U);
}

TEST(RealDistributions, Debian) {
  if (!std::filesystem::exists("/usr/share/modsecurity-crs/rules")) {
    GTEST_SKIP() << "modsecurity-crs is not installed";
  }
  DistributionOptions options;
  options.tuning.paranoia_level = 2;
  options.regression_suite = true;
  check_real(options, "3.");
  options.rules = {"/usr/share/modsecurity-crs/owasp-crs.load"};
  check_real(options, "3.");
}

TEST(RealDistributions, Version4) {
  const char* directory = std::getenv("WEIR_CRS4_DIR");
  if (directory == nullptr) GTEST_SKIP() << "WEIR_CRS4_DIR is not set";
  DistributionOptions options;
  options.rules = {directory};
  options.tuning.paranoia_level = 1;
  options.regression_suite = true;
  check_real(options, "4.");
}

}  // namespace
}  // namespace weir::crs
