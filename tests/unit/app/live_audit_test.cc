// The audit log of weir run: from a worker's transactions through its ring to files, past full disks and workers
// that are not to be believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "app/config/reader.h"
#include "app/commands/audit.h"
#include "app/live/audit_writer.h"
#include "app/live/live_audit.h"
#include "rules/audit_log.h"
#include "tests/unit/app/file_checks.h"
#include "tests/unit/inspect/judge.h"

namespace weir::app {
namespace {

using ::testing::ElementsAre;
using test::contents;
using test::expect_fine_in_child;
using test::limit_files;
using test::wait_until;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const char kPath[] = "20260131/20260131-2359/20260131-235959-3f2a-0";

std::string packed(const std::string& log, const std::string& path = {}, const std::string& file = {}) {
  AuditEntry entry;
  entry.log = log;
  entry.path = path;
  entry.file = file;
  std::string out;
  pack(entry, out);
  return out;
}

TEST(AuditEntries, ComeOutAsTheyWentIn) {
  AuditEntry entry;
  for (const auto& [log, path, file] : std::vector<std::array<std::string, 3>>{
           {"", "", ""}, {"line\n", "", ""}, {"index\n", kPath, std::string("\0body", 5)}, {"", "p", ""}, {"", "", "f"}}) {
    ASSERT_TRUE(unpack(packed(log, path, file), entry));
    EXPECT_EQ(entry.log, log);
    EXPECT_EQ(entry.path, path);
    EXPECT_EQ(entry.file, file);
  }
  const std::string whole = packed("index\n", kPath, "file");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(unpack(std::string_view(whole).substr(0, n), entry), n >= whole.size() - 6) << "only the log has no length";
  }
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    bytes[random() % 8] = static_cast<char>(random());
    if (!unpack(bytes, entry)) continue;
    EXPECT_EQ(entry.path.size() + entry.file.size() + entry.log.size(), bytes.size() - 8);
  }
}

TEST(AuditPath, IsOfOneFormOnly) {
  rules::AuditRecord record;
  record.time = Timestamp{1'769'903'999'000'000'000};
  for (const char* id : {"3f2a-0", "x", "../../etc/passwd", ".", "aZ0-_@"}) {
    record.unique_id = id;
    EXPECT_TRUE(is_audit_path(rules::audit_path(record))) << rules::audit_path(record);
  }
  const std::string long_id(500, 'x');
  record.unique_id = long_id;
  EXPECT_TRUE(is_audit_path(rules::audit_path(record)));
  for (const char* path : {"", "x", "/etc/passwd", "../20260131/20260131-2359/20260131-235959-x", "20260131/../20260131-2359/x",
                           "20260131/20260131-2359/20260131-235959-", "20260131/20260131-2359/20260131-235959-../x",
                           "20260131/20260131-2359/20260131-235959-a/b", "20260131/20260131-2359/20260131-235959-a.b",
                           "2026013x/20260131-2359/20260131-235959-x", "20260131/20260131-2359/2026013x-235959-x",
                           "20260131/20260131x2359/20260131-235959-x", "20260131-20260131-2359/20260131-235959-x"}) {
    EXPECT_FALSE(is_audit_path(path)) << path;
  }
  EXPECT_FALSE(is_audit_path(std::string(kPath) + std::string("\0", 1)));
  EXPECT_FALSE(is_audit_path(kPath + std::string(200, 'x')));
}

TEST(AuditRing, OneItemAtATime) {
  auto ring = std::move(*EventRing::make(1));
  std::string out = "what was there";
  EXPECT_FALSE(ring->next(out));
  std::mt19937 random(3);
  std::vector<std::string> waiting;
  std::size_t at = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::string item(random() % 5000, static_cast<char>('a' + i % 26));
    if (ring->put(item)) waiting.push_back(item);
    if (random() % 2 == 0 && ring->next(out)) {
      ASSERT_EQ(out, waiting[at++]);
    }
  }
  while (ring->next(out)) {
    ASSERT_EQ(out, waiting[at++]);
  }
  EXPECT_EQ(at, waiting.size());
  EXPECT_TRUE(ring->empty());
}

class Audit : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/weir-audit-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<AuditWriter> open(bool concurrent) {
    AuditPlaces places;
    places.logs = {directory_ / "audit.log"};
    if (concurrent) places.directory = directory_ / "audit";
    auto writer = AuditWriter::open(std::move(places));
    EXPECT_TRUE(writer);
    return std::move(*writer);
  }
  std::filesystem::path directory_;
};

TEST_F(Audit, WritesWhatIsInTheRingsAndOpensAgainByName) {
  auto one = std::move(*EventRing::make(1 << 16));
  auto two = std::move(*EventRing::make(1 << 16));
  auto writer = open(false);
  writer->start({one.get(), two.get()});
  EXPECT_TRUE(one->put(packed("{one}\n")));
  EXPECT_TRUE(two->put(packed("{two}\n")));
  wait_until([&] { return writer->written() == 2; });
  std::filesystem::rename(directory_ / "audit.log", directory_ / "audit.log.1");
  writer->reopen();
  wait_until([&] { return std::filesystem::exists(directory_ / "audit.log"); });
  EXPECT_TRUE(two->put(packed("{three}\n")));
  writer->stop();
  EXPECT_EQ(contents(directory_ / "audit.log"), "{three}\n");
  EXPECT_EQ(contents(directory_ / "audit.log.1").size(), 12U);
  EXPECT_EQ(writer->lost(), 0U);
}

TEST_F(Audit, AWorkerIsBelievedNothing) {
  auto ring = std::move(*EventRing::make(1 << 16));
  auto writer = open(true);
  std::ofstream(directory_ / "precious") << "kept";
  writer->start({ring.get()});
  for (const std::string& path : {std::string("../precious"), (directory_ / "precious").string(), std::string(),
                                  std::string("20260131/20260131-2359/20260131-235959-/../../../../precious")}) {
    EXPECT_TRUE(ring->put(packed("index\n", path, "overwritten")));
  }
  EXPECT_TRUE(ring->put("rubbish"));
  EXPECT_TRUE(ring->put(""));
  EXPECT_TRUE(ring->put(packed("index\n", kPath, "entry")));
  wait_until([&] { return writer->written() == 1; });
  writer->stop();
  EXPECT_EQ(writer->lost(), 6U);
  EXPECT_EQ(contents(directory_ / "precious"), "kept");
  EXPECT_EQ(contents(directory_ / "audit" / kPath), "entry");
  EXPECT_EQ(contents(directory_ / "audit.log"), "index\n");
}

// What a full disk does not take is counted; what comes later stands in lines of its own.
TEST_F(Audit, AFullDiskStopsNobodyAndIsCounted) {
  expect_fine_in_child([&] {
    auto ring = std::move(*EventRing::make(1 << 20));
    limit_files(1000);
    auto writer = open(false);
    writer->start({ring.get()});
    const auto put = [&](int from, int to) {
      for (int i = from; i < to; ++i) {
        if (!ring->put(packed("{\"entry\":" + std::to_string(i) + ",\"pad\":\"" + std::string(100, 'x') + "\"}\n"))) ::_exit(2);
      }
    };
    put(0, 500);
    for (int i = 0; i < 500 && writer->written() + writer->lost() < 500; ++i) ::usleep(10'000);
    if (writer->written() + writer->lost() != 500 || writer->lost() < 400) return 3;
    limit_files(RLIM_INFINITY);
    put(500, 600);
    writer->stop();
    if (writer->written() + writer->lost() != 600) return 4;
    std::uint64_t whole = 0;
    std::ifstream in(directory_ / "audit.log");
    for (std::string line; std::getline(in, line);) whole += line.rfind("{\"entry\":", 0) == 0 && line.back() == '}' ? 1U : 0U;
    return whole == writer->written() ? 0 : 5;
  });
}

TEST_F(Audit, AFileThatIsCutOffIsNone) {
  expect_fine_in_child([&] {
    auto ring = std::move(*EventRing::make(1 << 20));
    auto writer = open(true);
    limit_files(1000);
    writer->start({ring.get()});
    if (!ring->put(packed("index\n", kPath, std::string(5000, 'x')))) return 2;
    writer->stop();
    return writer->lost() == 1 && !std::filesystem::exists(directory_ / "audit" / kPath) ? 0 : 3;
  });
}

TEST_F(Audit, AWrongPlaceIsKnownAtStart) {
  AuditPlaces places;
  places.logs = {directory_ / "none" / "audit.log"};
  const auto writer = AuditWriter::open(places);
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().message, HasSubstr("No such file"));
}

// --- from transactions ---

const char kAudited[] = R"(
SecAuditEngine RelevantOnly
SecAuditLogParts ABCIFHZ
SecAuditLogFormat JSON
SecAction "id:2,phase:1,pass,nolog,sanitiseArg:password"
)";

void attack(inspect::Inspector& inspector) {
  using namespace inspect::test;
  Conversation c;
  c.open().client(get("/?a=clean")).server(ok("1")).client(get("/?a=attack&password=secret123")).server(ok("2")).close();
  Capture capture;
  capture.add(c);
  std::uint64_t number = 0;
  for (const auto& frame : capture.frames) {
    Packet packet;
    packet.bytes = Bytes(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size());
    packet.wire_length = static_cast<std::uint32_t>(frame.bytes.size());
    packet.link = LinkType::Ethernet;
    packet.time = {frame.time_ns};
    packet.number = packet.token = ++number;
    (void)inspector.on_packet(packet);
  }
  inspector.end_of_input();
}

TEST(LiveAudit, TheSameEntriesAsOfACapture) {
  const auto rules = inspect::test::load(std::string(inspect::test::kRules) + kAudited);
  for (const bool concurrent : {false, true}) {
    AuditShape shape;
    shape.concurrent = concurrent;
    shape.engine = "Weir";
    inspect::test::Recorder events;
    auto ring = std::move(*EventRing::make(1 << 16));
    LiveAudit live(shape, *ring, -1);
    inspect::Inspector here({}, events, rules);
    here.show_transactions(&live);
    attack(here);
    AuditCollector collector(shape);
    inspect::Inspector there({}, events, rules);
    there.show_transactions(&collector);
    attack(there);
    std::vector<AuditCollector::Entry> wanted;
    collector.take(wanted);
    ASSERT_EQ(wanted.size(), 1U);
    EXPECT_EQ(live.made(), 1U);
    std::string item;
    AuditEntry entry;
    ASSERT_TRUE(ring->next(item));
    ASSERT_TRUE(unpack(item, entry));
    EXPECT_EQ(entry.log, wanted[0].log);
    EXPECT_EQ(entry.path, wanted[0].path);
    EXPECT_EQ(entry.file, wanted[0].file);
    const std::string& content = concurrent ? entry.file : entry.log;
    EXPECT_EQ(nlohmann::json::parse(content)["transaction"]["messages"][0]["details"]["ruleId"], "10");
    EXPECT_THAT(item, Not(HasSubstr("secret123"))) << "nor on its way";
    EXPECT_THAT(item, HasSubstr("*********"));
    EXPECT_EQ(concurrent, is_audit_path(entry.path));
    EXPECT_FALSE(ring->next(item));
  }
}

TEST(LiveAudit, WhatFindsNoRoomIsCounted) {
  const auto rules = inspect::test::load(std::string(inspect::test::kRules) + kAudited);
  inspect::test::Recorder events;
  auto ring = std::move(*EventRing::make(1));
  while (ring->put(std::string(1000, 'x'))) {
  }
  LiveAudit live({}, *ring, -1);
  inspect::Inspector inspector({}, events, rules);
  inspector.show_transactions(&live);
  attack(inspector);
  EXPECT_EQ(live.made(), 0U);
  EXPECT_EQ(live.lost(), 1U);
  EXPECT_EQ(events.http.size(), 2U) << "and the records are what they are";
}

TEST(AuditConfiguration, SaysWhereAndWhat) {
  const auto of = [](const std::string& text) { return parse_config(text, "weir.yaml"); };
  const ConfigResult read = of("audit: {file: audit.log, directory: /a, format: native, parts: ABHZ, transactions: all}\n");
  ASSERT_TRUE(read.config);
  const AuditOptions options = audit_options(read.config->audit);
  EXPECT_EQ(options.log, "audit.log");
  EXPECT_EQ(options.directory, "/a");
  EXPECT_EQ(*audit_directives(options), "SecAuditEngine On\nSecAuditLogFormat Native\nSecAuditLogParts ABHZ\n");
  EXPECT_FALSE(audit_directives(audit_options(of("mode: detect\n").config->audit)));
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"audit: {format: json}\n", "'audit' needs 'file' or 'directory'"},
           {"audit: {file: x, parts: ABQ}\n", "must be letters of"},
           {"audit: {file: x}\nevents: {file: x}\n", "is that of 'events'"}}) {
    const ConfigResult wrong = of(text);
    EXPECT_FALSE(wrong.config) << text;
    ASSERT_EQ(wrong.diagnostics.size(), 1U) << text;
    EXPECT_THAT(wrong.diagnostics[0].message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace weir::app
