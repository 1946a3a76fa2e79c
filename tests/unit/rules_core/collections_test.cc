// Tables of variables: what they hold is the same whether they know the names or not, and in the order of first setting.

#include "rules/collections.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "rules/program.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

TEST(KnownNames, AreNumberedOnceWithoutRegardToCase) {
  KnownNames names;
  EXPECT_EQ(names.find("0", fold_hash("0")), KnownNames::kFirstDigit);
  EXPECT_EQ(names.find("9", fold_hash("9")), KnownNames::kFirstDigit + 9);
  const std::uint16_t score = names.add("anomaly_score");
  EXPECT_EQ(names.add("Anomaly_SCORE"), score);
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(names.add("n" + std::to_string(i)), score + 1 + i);
  EXPECT_EQ(names.find("N1999", fold_hash("N1999")), score + 2000);
  EXPECT_EQ(names.find("n2000", fold_hash("n2000")), 0);
  for (int i = 2000; i < 70000; ++i) names.add("n" + std::to_string(i));
  EXPECT_EQ(names.last(), 65535U);
  EXPECT_EQ(names.add("one more"), 0);
}

std::string content(const VarTable& table) {
  std::string out;
  for (const VarTable::Var& v : table.all()) {
    out += std::string(v.name) + "=" + std::string(v.value) + (v.live ? "\n" : " (unset)\n");
  }
  return out;
}

TEST(VarTable, HoldsTheSameWithKnownNamesAndWithout) {
  std::mt19937 random(3);
  std::deque<std::string> texts;
  for (int i = 0; i < 400; ++i) texts.push_back((i % 2 == 0 ? "name" : "Name") + std::to_string(i / 2));
  KnownNames names;
  for (int i = 0; i < 200; ++i) names.add(texts[random() % texts.size()]);
  VarTable plain;
  VarTable knowing;
  for (int round = 0; round < 20; ++round) {
    plain.clear();
    knowing.clear(round % 5 == 4 ? nullptr : &names);
    EXPECT_EQ(content(knowing), "");
    for (int i = 0; i < 1000; ++i) {
      const std::string& name = texts[random() % (round < 10 ? 40 : texts.size())];
      const std::uint32_t hash = fold_hash(name);
      // Who knows a number may give it or not.
      const std::uint16_t known = random() % 2 == 0 ? names.find(name, hash) : std::uint16_t{0};
      const std::string& value = texts[random() % texts.size()];
      if (random() % 4 == 0) {
        plain.unset(name, hash);
        knowing.unset(name, hash, known);
      } else {
        EXPECT_TRUE(plain.set(name, hash, value));
        EXPECT_TRUE(knowing.set(name, hash, value, known));
      }
      const std::string& other = texts[random() % texts.size()];
      const VarTable::Var* a = plain.find(other);
      const VarTable::Var* b = knowing.find(other, fold_hash(other), names.find(other, fold_hash(other)));
      ASSERT_EQ(a == nullptr, b == nullptr) << other;
      ASSERT_EQ(knowing.find(other), b);
      if (a != nullptr) {
        ASSERT_EQ(a->value, b->value);
      }
    }
    ASSERT_EQ(content(plain), content(knowing));
  }
}

TEST(VarTable, IsFullAtSomePoint) {
  KnownNames names;
  const std::uint16_t known = names.add("known");
  VarTable table;
  table.clear(&names);
  std::deque<std::string> texts;
  for (std::size_t i = 0; i < VarTable::kMaxVariables; ++i) {
    texts.push_back("v" + std::to_string(i));
    EXPECT_TRUE(table.set(texts.back(), fold_hash(texts.back()), ""));
  }
  EXPECT_FALSE(table.set("known", fold_hash("known"), "1", known));
  EXPECT_FALSE(table.set("unknown", fold_hash("unknown"), "1"));
  EXPECT_EQ(table.find("known"), nullptr);
  EXPECT_EQ(table.find("unknown"), nullptr);
  EXPECT_TRUE(table.set("v7", fold_hash("v7"), "1"));
}

// Selectors by pattern choose among names that the rules speak of and among names that came up.
TEST(Variables, OfTxByPattern) {
  Waf waf(R"conf(
SecRule ARGS "@rx ." "id:1,phase:1,nolog,pass,setvar:tx.Part_one=1,setvar:tx.other=1,setvar:tx.%{MATCHED_VAR}=1,setvar:!tx.gone"
SecAction "id:2,phase:1,nolog,pass,setvar:tx.part_gone=1,setvar:!tx.part_gone"
SecRule TX:/^part_/ "@eq 1" "id:3,phase:1,pass,log,msg:'%{MATCHED_VAR_NAME}'"
SecRule TX:/t_o*n/ "@eq 1" "id:4,phase:1,pass,log,msg:'%{MATCHED_VAR_NAME}'"
)conf");
  LOADED(waf);
  waf.run(get("/?a=part_two&b=PART_ONE&c=x"));
  std::string names;
  for (const Match& m : waf.transaction().matches()) {
    if (m.log) names += std::to_string(m.rule_id) + " " + std::string(m.message) + "\n";
  }
  EXPECT_EQ(names, "3 TX:Part_one\n3 TX:part_two\n4 TX:Part_one\n");
}

}  // namespace
}  // namespace weir::rules::testing
