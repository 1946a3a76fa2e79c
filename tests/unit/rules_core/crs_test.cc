// Stock CRS, end to end: Debian's CRS 3.3.4 and, where WEIR_CRS4_DIR says where it is, CRS 4.

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

namespace fs = std::filesystem;

std::vector<Source> crs3(int paranoia) {
  const std::string setup = "/etc/modsecurity/crs/crs-setup.conf";
  const std::string rules = "/usr/share/modsecurity-crs/rules";
  if (!fs::exists(setup) || !fs::exists(rules)) return {};
  return {Source::memory("base.conf", "SecRuleEngine On\nSecRequestBodyAccess On\n"
                                      "SecResponseBodyAccess On\n"
                                      "Include " + setup + "\n"
                                      "SecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=" +
                                          std::to_string(paranoia) + "\"\n"
                                      "Include " + rules + "/*.conf\n")};
}

std::vector<Source> crs4(int paranoia) {
  const char* dir = std::getenv("WEIR_CRS4_DIR");
  if (dir == nullptr || !fs::exists(fs::path(dir) / "rules")) return {};
  const std::string p = std::to_string(paranoia);
  return {Source::memory("base.conf", "SecRuleEngine On\nSecRequestBodyAccess On\n"
                                      "SecResponseBodyAccess On\n"
                                      "Include " + std::string(dir) + "/crs-setup.conf.example\n"
                                      "SecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.blocking_paranoia_level=" +
                                          p + ",setvar:tx.detection_paranoia_level=" + p + "\"\n"
                                      "Include " + std::string(dir) + "/rules/*.conf\n")};
}

Request browser(Request r) {
  r.header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0");
  r.header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
  return r;
}

void check_attacks(Waf& waf) {
  waf.run(browser(get("/?id=1%27%20or%201=1--%20")));
  EXPECT_TRUE(waf.matched(942100));
  EXPECT_EQ(waf.transaction().decision().kind, DecisionKind::Deny);
  EXPECT_EQ(waf.transaction().decision().status, 403);
  const Match* sqli = waf.match(942100);
  ASSERT_NE(sqli, nullptr);
  EXPECT_EQ(sqli->target, "ARGS:id");
  EXPECT_EQ(sqli->severity, 2);
  EXPECT_NE(sqli->data.find("found within ARGS:id: 1' or 1=1-- "), std::string_view::npos) << sqli->data;

  waf.run(browser(get("/?q=%3Cscript%3Ealert(1)%3C/script%3E")));
  EXPECT_TRUE(waf.matched(941100));
  EXPECT_TRUE(waf.matched(941110));
  waf.run(browser(get("/?f=../../../../etc/passwd")));
  EXPECT_TRUE(waf.matched(930120));
  waf.run(browser(form("cmd=%3Bcat+/etc/passwd")));
  EXPECT_TRUE(waf.matched(932160));
  waf.run(browser(get("/index.html?page=12")));
  EXPECT_EQ(waf.transaction().decision().kind, DecisionKind::Continue);
  EXPECT_TRUE(waf.logged().empty());
}

TEST(Crs3, Level1) {
  const auto sources = crs3(1);
  if (sources.empty()) GTEST_SKIP() << "CRS 3 is not installed";
  const auto start = std::chrono::steady_clock::now();
  Waf waf(sources, {});
  LOADED(waf);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const LoadStats& s = waf.rules()->stats();
  std::printf("CRS 3: %zu rules, %zu chained, %zu patterns, %zu scanned, %.1f MB, %.2f s\n", s.rules,
              s.chained, s.patterns, waf.rules()->scanner_stats().patterns, double(s.memory_bytes) / 1e6, took.count());
  EXPECT_EQ(s.markers, 40U);
  check_attacks(waf);
}

TEST(Crs3, Level4MatchesMore) {
  const auto sources = crs3(4);
  if (sources.empty()) GTEST_SKIP() << "CRS 3 is not installed";
  Waf waf(sources, {});
  LOADED(waf);
  waf.run(browser(get("/?id=1%27%20or%201=1--%20")));
  EXPECT_TRUE(waf.matched(942100));
  EXPECT_TRUE(waf.matched(942130));
  EXPECT_TRUE(waf.matched(920273));  // level 4: characters outside a strict set
}

TEST(Crs4, Level1) {
  const auto sources = crs4(1);
  if (sources.empty()) GTEST_SKIP() << "WEIR_CRS4_DIR is not set";
  const auto start = std::chrono::steady_clock::now();
  Waf waf(sources, {});
  LOADED(waf);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const LoadStats& s = waf.rules()->stats();
  std::printf("CRS 4: %zu rules, %zu chained, %zu patterns, %zu scanned, %.1f MB, %.2f s\n", s.rules,
              s.chained, s.patterns, waf.rules()->scanner_stats().patterns, double(s.memory_bytes) / 1e6, took.count());
  check_attacks(waf);
}

}  // namespace
}  // namespace weir::rules::testing
