// The JSON audit log against the one that libmodsecurity writes for the same rule and request.

#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <nlohmann/json.hpp>

#include "rules/audit_record.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

using nlohmann::json;

const std::string kRules = R"~(SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecResponseBodyAccess On
SecAuditEngine On
SecAuditLogParts ABCEFHZ
SecAuditLogType Serial
SecAuditLogFormat JSON
SecRule ARGS:pass "@rx h(unt)er" "id:1,phase:2,deny,status:406,log,msg:'m %{MATCHED_VAR}',logdata:'d %{TX.0}',capture,severity:2,tag:'aaa',tag:'bbb',ver:'v1.0',rev:'7',maturity:3"
)~";
const std::string kTarget = "/p?a=1&pass=hunter%022", kBody = "b=2&c=3";

json of_libmodsecurity() {
  const std::filesystem::path place = std::filesystem::temp_directory_path() / ("weir-audit-oracle-" + std::to_string(::getpid()));
  const std::filesystem::path log = place / "audit.log", conf = place / "rules.conf";
  std::filesystem::create_directory(place);
  std::ofstream(conf) << "SecAuditLog " << log.string() << "\n" << kRules;
  {
    modsecurity::ModSecurity engine;
    modsecurity::RulesSet rules;
    EXPECT_GT(rules.loadFromUri(conf.c_str()), 0) << rules.m_parserError.str();
    modsecurity::Transaction tx(&engine, &rules, nullptr);
    tx.processConnection("192.0.2.1", 50000, "198.51.100.2", 80);
    tx.processURI(kTarget.c_str(), "POST", "1.1");
    tx.addRequestHeader("Host", "localhost");
    tx.addRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    tx.addRequestHeader("Content-Length", "7");
    tx.processRequestHeaders();
    tx.appendRequestBody(reinterpret_cast<const unsigned char*>(kBody.data()), kBody.size());
    tx.processRequestBody();
    tx.addResponseHeader("Content-Type", "text/html");
    tx.processResponseHeaders(200, "HTTP/1.1");
    tx.appendResponseBody(reinterpret_cast<const unsigned char*>("<p>"), 3);
    tx.processResponseBody();
    tx.processLogging();
  }
  std::ifstream in(log);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  json out = json::parse(text, nullptr, false);
  EXPECT_TRUE(out.is_object()) << text;
  std::filesystem::remove_all(place);
  return out;
}

json of_weir() {
  Waf waf(kRules);
  if (waf.rules() == nullptr) return {};
  waf.mode = EngineMode::DetectionOnly;
  Request r = form(kBody);
  r.method = "POST";
  r.target = kTarget;
  r.response_body = "<p>";
  waf.run(r);
  AuditView view(waf.transaction());
  return json::parse(format_audit_json(view.record(), view.parts()));
}

// Every field of `theirs` is in `ours`, of the same kind, in the same order; and with the same value, but for
// those that name the engine, the time or the place.
void expect_same(const json& theirs, const json& ours, const std::string& path) {
  const std::set<std::string> own = {"/transaction/time_stamp", "/transaction/server_id", "/transaction/unique_id",
                                     "/transaction/producer/modsecurity", "/transaction/producer/connector",
                                     "/transaction/messages/0/details/reference", "/transaction/messages/0/details/file",
                                     "/transaction/messages/0/details/lineNumber"};
  ASSERT_STREQ(theirs.type_name(), ours.type_name()) << path;
  if (theirs.is_object()) {
    for (const auto& [name, value] : theirs.items()) {
      ASSERT_TRUE(ours.contains(name)) << path << "/" << name;
      expect_same(value, ours[name], path + "/" + name);
    }
  } else if (theirs.is_array()) {
    ASSERT_EQ(theirs.size(), ours.size()) << path;
    for (std::size_t i = 0; i < theirs.size(); ++i) expect_same(theirs[i], ours[i], path + "/" + std::to_string(i));
  } else if (own.count(path) == 0) {
    EXPECT_EQ(theirs, ours) << path;
  }
}

TEST(AuditOracle, JsonIsLibmodsecuritys) {
  const json theirs = of_libmodsecurity();
  ASSERT_TRUE(theirs.is_object());
  ASSERT_EQ(theirs["transaction"]["messages"].size(), 1U) << theirs.dump(1);
  expect_same(theirs, of_weir(), "");
}

}  // namespace
}  // namespace weir::rules::testing
