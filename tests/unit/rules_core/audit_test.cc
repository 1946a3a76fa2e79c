// From a transaction to the audit log: what is wanted, what is in it, what is hidden.

#include "rules/audit_record.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

TEST(AuditView, KnowsWhatIsRelevant) {
  Waf waf(R"~(SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^5"
SecAuditLogParts ABHZ
SecRule ARGS:a "@rx ." "id:1,phase:1,pass,log,noauditlog"
SecRule ARGS:b "@rx ." "id:2,phase:1,pass"
SecRule ARGS:c "@rx ." "id:3,phase:1,pass,nolog,ctl:auditEngine=On,ctl:auditLogParts=+E"
SecRule ARGS:d "@rx ." "id:4,phase:1,pass,ctl:auditEngine=Off")~");
  LOADED(waf);
  const auto wanted = [&](const Request& r) {
    waf.run(r);
    return AuditView(waf.transaction()).wanted();
  };
  EXPECT_FALSE(wanted(get("/")));
  EXPECT_FALSE(wanted(get("/?a=1")));
  EXPECT_TRUE(wanted(get("/?b=1")));
  EXPECT_TRUE(wanted(get("/?c=1")));
  EXPECT_FALSE(wanted(get("/?d=1")));
  Request broken = get("/");
  broken.status = 502;
  EXPECT_TRUE(wanted(broken));
  waf.run(get("/?c=1"));
  AuditView view(waf.transaction());
  EXPECT_TRUE(view.parts().has('E'));
  EXPECT_FALSE(view.parts().has('F'));
}

TEST(AuditView, FillsTheRecordAndHidesSecrets) {
  Waf waf(R"~(SecAuditEngine On
SecAuditLogParts ABCEFHJKZ
SecComponentSignature "set/1"
SecRule ARGS:/pass/ "@rx ." "id:1,phase:2,pass,nolog,sanitiseMatched"
SecAction "id:2,phase:1,pass,nolog,sanitiseRequestHeader:Authorization,sanitiseArg:card"
SecRule ARGS:x "@streq attack" "id:3,phase:2,deny,status:406,msg:'the message',logdata:'data',severity:2,tag:'t1'")~");
  LOADED(waf);
  Request r = form("password=hunter2&card=4111&x=attack");
  r.header("Authorization", "Basic c2VjcmV0");
  waf.run(r);
  AuditView view(waf.transaction());
  const AuditRecord& record = view.record();
  EXPECT_EQ(record.method, "POST");
  EXPECT_EQ(record.http_version, "1.1");
  EXPECT_EQ(record.http_code, 406);
  ASSERT_EQ(record.messages.size(), 1U);
  EXPECT_EQ(record.messages[0].rule_id, 3U);
  EXPECT_EQ(record.messages[0].target, "ARGS:x");
  EXPECT_EQ(record.matched_rules.size(), 3U);
  EXPECT_EQ(record.secrules_engine, "Enabled");
  const std::string json = format_audit_json(record, view.parts());
  EXPECT_NE(json.find("the message"), std::string::npos);
  EXPECT_NE(json.find("set/1"), std::string::npos);
  for (const char* secret : {"hunter2", "4111", "c2VjcmV0"}) {
    EXPECT_EQ(json.find(secret), std::string::npos) << secret;
  }
}

}  // namespace
}  // namespace weir::rules::testing
