// Sites: the choice itself, and what it comes to on a connection whose requests belong to several.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "engine/inspect/direct.h"
#include "engine/inspect/sites.h"
#include "tests/unit/inspect/rig.h"

namespace weir::inspect::test {
namespace {

using ::testing::ElementsAre;

IpAddress address(const char* text) { return *IpAddress::parse(text); }

Site site(const std::string& name, SiteMatch match) {
  Site out;
  out.match = std::move(match);
  out.policy.name = name;
  return out;
}

std::string chosen(const Sites& sites, const std::string& server, std::uint16_t port, const std::string& target,
                   const std::string& host) {
  const Sites::Reach reach = sites.reach(address(server.c_str()), port);
  RequestPlace place;
  place.read(target, host);
  const std::string name = sites.choose(address(server.c_str()), port, reach, place).name;
  if (reach.settled) {
    EXPECT_EQ(sites.settled(reach).name, name);
  }
  return name;
}

TEST(RequestPlace, HostAndPathAsServersReadThem) {
  struct Case {
    std::string target, host, wanted_host, wanted_path;
  };
  const std::vector<Case> cases{
      {"/", "Shop.Example", "shop.example", "/"},
      {"/a/b?x=/../c#d", "shop.example:8080", "shop.example", "/a/b"},
      {"/a/./b//c/../d/", "shop.example.", "shop.example", "/a/b/d"},
      {"/%61dmin/%2e%2E/%2fx", "h", "h", "/x"},
      {"/../../etc", "h", "h", "/etc"},
      {"/a/..", "h", "h", "/"},
      {"/%zz%4", "h", "h", "/%zz%4"},
      {"/%2561", "h", "h", "/%61"},  // once
      {"/a%00b", "h", "h", std::string("/a\0b", 4)},
      {"/...", "h", "h", "/..."},
      {"http://other.example:81/x?y", "shop.example", "other.example", "/x"},
      {"HTTPS://user:p@Other.Example", "shop.example", "other.example", "/"},
      {"http://other.example?x", "", "other.example", "/"},
      {"*", "h:1", "h", ""},
      {"shop.example:443", "h", "shop.example", ""},
      {"/", "[2001:DB8::1]:80", "2001:db8::1", "/"},
      {"/", "[2001:DB8::1", "2001:db8::1", "/"},
      {"/", "", "", "/"},
      {"/", "user@h", "h", "/"},
      {"", "h", "h", ""},
  };
  RequestPlace place;  // keeps nothing of the one before
  for (const Case& c : cases) {
    place.read(c.target, c.host);
    EXPECT_EQ(place.host(), c.wanted_host) << c.target << ' ' << c.host;
    EXPECT_EQ(place.path(), c.wanted_path) << c.target << ' ' << c.host;
  }
}

TEST(Sites, TheFirstThatFitsInEveryRespectTakesTheRequest) {
  const Sites sites({}, {site("admin", {{}, {}, {"shop.example"}, {"/admin", "/%6danage/"}}),
                         site("shop", {{}, {}, {"shop.example", "*.shop.example"}, {}}),
                         site("net", {{*IpPrefix::parse("10.1.0.0/16")}, {8080, 8081}, {}, {}}),
                         site("api", {{}, {}, {}, {"/api"}}),
                         site("late", {{}, {}, {"www.shop.example"}, {}})});
  const auto at = [&](const char* target, const char* host, const char* server = "192.0.2.1", std::uint16_t port = 80) {
    return chosen(sites, server, port, target, host);
  };
  EXPECT_EQ(at("/admin", "shop.example"), "admin");
  EXPECT_EQ(at("/admin/x?y", "SHOP.example:80"), "admin");
  EXPECT_EQ(at("/x/../adm%69n/", "shop.example"), "admin");
  EXPECT_EQ(at("/manage/x", "shop.example"), "admin");
  EXPECT_EQ(at("/administrator", "shop.example"), "shop");
  EXPECT_EQ(at("/admin", "www.shop.example"), "shop") << "an earlier one, though a later one names the host";
  EXPECT_EQ(at("/", "a.b.shop.example"), "shop");
  EXPECT_EQ(at("/", ".shop.example"), "");
  EXPECT_EQ(at("/", "myshop.example"), "");
  EXPECT_EQ(at("/", "shop.example.evil"), "");
  EXPECT_EQ(at("/", "x", "10.1.2.3", 8081), "net");
  EXPECT_EQ(at("/", "shop.example", "10.1.2.3", 8081), "shop") << "before it in the list";
  EXPECT_EQ(at("/api/1", "x", "10.1.2.3", 8081), "net");
  EXPECT_EQ(at("/api/1", "x", "10.1.2.3", 80), "api");
  EXPECT_EQ(at("/api/1", "x", "::ffff:10.1.2.3", 8080), "net");
  EXPECT_EQ(at("/apis", "x", "10.2.2.3", 80), "");
  EXPECT_EQ(at("http://shop.example/admin", "x"), "admin");
  EXPECT_EQ(at("*", "shop.example"), "shop") << "no path is below no prefix";
  EXPECT_EQ(at("/", ""), "");
}

TEST(Sites, WhatTheDestinationSettlesNeedsNoRequest) {
  const Sites sites({}, {site("a", {{*IpPrefix::parse("10.0.0.1")}, {}, {}, {}}),
                         site("b", {{*IpPrefix::parse("10.0.0.2")}, {}, {"h"}, {}}),
                         site("c", {{}, {81}, {}, {}})});
  EXPECT_TRUE(sites.reach(address("10.0.0.1"), 80).settled);
  EXPECT_FALSE(sites.reach(address("10.0.0.2"), 80).settled);
  EXPECT_TRUE(sites.reach(address("10.0.0.3"), 81).settled);
  EXPECT_EQ(sites.settled(sites.reach(address("10.0.0.3"), 81)).name, "c");
  EXPECT_TRUE(sites.reach(address("10.0.0.3"), 80).settled);
  EXPECT_EQ(sites.settled(sites.reach(address("10.0.0.3"), 80)).name, "");
}

// The same as looking at every site in turn.
TEST(Sites, TheIndexAgreesWithTheList) {
  std::mt19937 random(11);
  const std::vector<std::string> hosts{"a", "b.a", "*.a", "*.b.a", "c", "*.c", "x.b.a", "a.c"};
  const std::vector<std::string> names{"a", "b.a", "x.b.a", "y.x.b.a", "c", "a.c", "b", "", "A"};
  const std::vector<std::string> paths{"/", "/p", "/p/q", "/r"};
  const std::vector<std::string> targets{"/", "/p", "/p/q/r", "/pq", "/r?p", "*", "/p/../r", "//p"};
  const auto some = [&random](const std::vector<std::string>& from) {
    std::vector<std::string> out;
    for (const std::string& one : from) {
      if (random() % 4 == 0) out.push_back(one);
    }
    return out;
  };
  const auto fits_host = [](const SiteMatch& m, std::string_view host) {
    return m.hosts.empty() || std::any_of(m.hosts.begin(), m.hosts.end(), [host](std::string_view h) {
             if (h.substr(0, 2) != "*.") return !host.empty() && h == host;
             return host.size() > h.size() - 1 && host.substr(host.size() - (h.size() - 1)) == h.substr(1);
           });
  };
  const auto fits_path = [](const SiteMatch& m, const std::string& path) {
    return m.paths.empty() || std::any_of(m.paths.begin(), m.paths.end(), [&path](const std::string& p) {
             return !path.empty() && (p == "/" || (path + "/").rfind(p + "/", 0) == 0);
           });
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Site> list;
    for (std::size_t i = 0; i < random() % 8; ++i) {
      SiteMatch match;
      match.hosts = some(hosts);
      match.paths = some(paths);
      if (random() % 3 == 0) match.ports = {80};
      if (random() % 3 == 0) match.addresses = {*IpPrefix::parse("10.0.0.0/31")};
      list.push_back(site(std::to_string(i), match));
    }
    const Sites sites({}, list);
    for (int turn = 0; turn < 60; ++turn) {
      const std::string server = "10.0.0." + std::to_string(random() % 4);
      const auto port = static_cast<std::uint16_t>(80 + random() % 2);
      const std::string target = targets[random() % targets.size()], host = names[random() % names.size()];
      RequestPlace place;
      place.read(target, host);
      std::string wanted;
      for (const Site& one : list) {
        const bool at = (one.match.ports.empty() || port == 80) &&
                        (one.match.addresses.empty() || one.match.addresses[0].contains(address(server.c_str())));
        if (!at || !fits_host(one.match, place.host()) || !fits_path(one.match, std::string(place.path()))) continue;
        wanted = one.policy.name;
        break;
      }
      ASSERT_EQ(chosen(sites, server, port, target, host), wanted) << round << ' ' << server << ' ' << port << ' ' << target << ' ' << host;
    }
  }
}

// --- judged ---

// What differs between paranoia levels is which rules are there.
std::shared_ptr<const rules::RuleSet> level2() {
  static const auto rules = load(std::string(kRules) + "SecRule ARGS_GET \"@contains odd\" \"id:2000,phase:1,deny,status:418,log,msg:'level 2'\"\n");
  return rules;
}

// "strict": block, level 2. "/lax" there: detect, level 2. "lax.example": detect, level 1. The rest: block, level 1.
std::shared_ptr<const Sites> two_levels() {
  const auto policy = [](const char* name, std::shared_ptr<const rules::RuleSet> rules, WafMode mode, std::uint8_t level) {
    return SitePolicy{name, std::move(rules), mode, level, {}};
  };
  std::vector<Site> list;
  list.push_back({{{}, {}, {"strict.example"}, {"/lax"}}, policy("corner", level2(), WafMode::Detect, 2)});
  list.push_back({{{}, {}, {"strict.example"}, {}}, policy("strict", level2(), WafMode::Block, 2)});
  list.push_back({{{}, {}, {"lax.example"}, {}}, policy("lax", rule_set(), WafMode::Detect, 1)});
  list.push_back({{{}, {}, {"off.example"}, {}}, policy("off", rule_set(), WafMode::Off, 1)});
  return std::make_shared<const Sites>(policy("", rule_set(), WafMode::Block, 1), std::move(list));
}

struct SitesJudge : Judge {
  explicit SitesJudge(const InspectorOptions& options, std::shared_ptr<const Sites> sites = two_levels()) : Judge(options) {
    inspector.use(std::move(sites));
  }
};

std::string to(const std::string& host, const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nUser-Agent: test/1\r\nHost: " + host + "\r\n" + more + "\r\n";
}

std::vector<std::string> sites_of(const std::vector<json>& records) {
  std::vector<std::string> out;
  for (const json& r : records) {
    out.push_back(r["waf"].value("site", "-") + " " + r["waf"]["mode"].get<std::string>() + " " +
                  std::to_string(r["waf"]["paranoia"].get<int>()) + " " + r["waf"]["decision"].get<std::string>());
  }
  return out;
}

TEST(Sites, EachRequestOfAConnectionIsJudgedByItsOwn) {
  SitesJudge s(in_line());
  Conversation c;
  c.open();
  c.client(to("lax.example", "/?x=odd")).server(ok("1"));
  c.client(to("lax.example", "/?x=attack")).server(ok("2"));
  c.client(to("strict.example", "/lax/?x=odd")).server(ok("3"));
  c.client(to("off.example", "/?x=attack")).server(ok("4"));
  c.client(to("elsewhere.example", "/?x=odd")).server(ok("5"));
  const std::size_t clean = c.segments.size();
  c.client(to("strict.example", "/lax/../?x=odd")).server(ok("never"));
  const auto dropped = s.feed(c);
  ASSERT_FALSE(dropped.empty());
  EXPECT_EQ(dropped.front(), clean + 1) << "the request that the strict site refuses, and nothing before it";
  EXPECT_THAT(sites_of(s.end()), ElementsAre("lax detect 1 pass", "lax detect 1 deny", "corner detect 2 deny", "off off 1 pass",
                                             "- block 1 pass", "strict block 2 deny"));
  EXPECT_EQ(s.recorder.http.back()["waf"]["status"], 418);
}

TEST(Sites, PipelinedAndInEveryCutTheRecordsAreTheSame) {
  Conversation whole;
  whole.open();
  whole.client(to("strict.example", "/lax?x=odd") + to("lax.example", "/?x=attack", "X-Note: 1\r\n") +
               "POST http://strict.example/lax HTTP/1.1\r\nHost: lax.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
               "Content-Length: 8\r\n\r\na=attack" + to("x", "/"));
  whole.server(ok("1") + ok("secret") + ok("3") + ok("4")).close();
  SitesJudge first(in_line());
  EXPECT_TRUE(first.feed(whole).empty());
  const std::vector<json> wanted = first.end();
  EXPECT_THAT(sites_of(wanted), ElementsAre("corner detect 2 deny", "lax detect 1 deny", "corner detect 2 deny", "- block 1 pass"));
  std::mt19937 random(3);
  for (int turn = 0; turn < 20; ++turn) {
    SitesJudge s(in_line());
    Capture capture;
    capture.add(whole, turn == 0 ? cut_to_bytes(whole.segments) : cut_randomly(whole.segments, random));
    EXPECT_TRUE(s.feed(capture).empty());
    const auto& got = s.end();
    ASSERT_EQ(sites_of(got), sites_of(wanted));
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(ids(got[i]), ids(wanted[i]));
  }
}

TEST(Sites, ThePageComesWhereTheSiteBlocksAndTheServerSeesNothing) {
  RigOptions options;
  Rig rig(options);
  rig.judge.inspector.use(two_levels());
  rig.open();
  rig.client.write(to("lax.example", "/?x=attack"));
  rig.run(milliseconds(200));
  rig.serve(ok("passed"));
  rig.run(milliseconds(200));
  EXPECT_NE(rig.client.received.find("passed"), std::string::npos);
  const std::size_t before = rig.server.received.size();
  rig.client.write(to("strict.example", "/?x=odd"));
  rig.run(seconds(2));
  EXPECT_NE(rig.client.received.find("HTTP/1.1 418"), std::string::npos) << rig.client.received;
  EXPECT_EQ(rig.server.received.find("strict.example", before), std::string::npos);
}

TEST(Sites, AHeaderSectionThatNeverEndsIsJudgedByItsSite) {
  SitesJudge s(in_line(WafMode::Detect));
  Conversation c;
  c.open().client("GET /?x=odd HTTP/1.1\r\nHost: strict.example\r\nX-Note: 1\r\n").client_fin();
  s.feed(c);
  const auto& all = s.end();
  EXPECT_THAT(sites_of(all), ElementsAre("strict block 2 deny"));
  EXPECT_TRUE(all[0]["waf"]["truncated"]);
}

TEST(Sites, AResponseBeforeItsRequestIsCompleteWaits) {
  SitesJudge s(InspectorOptions{});
  Conversation c;
  c.open().client("GET /?x=odd HTTP/1.1\r\nHost: lax.ex").server(ok("secret")).client("ample\r\nX-Note: 1\r\n\r\n").close();
  s.feed(c);
  const auto& all = s.end();
  ASSERT_THAT(sites_of(all), ElementsAre("lax detect 1 deny"));
  EXPECT_THAT(ids(all[0]), ElementsAre(21, 40));
}

// --- leniencies ---

http::ViolationSet violations(std::initializer_list<http::Violation> list) {
  http::ViolationSet out;
  for (const http::Violation v : list) out.insert(v);
  return out;
}

// "old.example" may fold; "10.0.0.9" may do without Host.
std::shared_ptr<const Sites> lenient() {
  SitePolicy plain{"", rule_set(), WafMode::Block, 1, {}};
  SitePolicy folds{"old", rule_set(), WafMode::Block, 1, violations({http::Violation::HeaderFolded, http::Violation::ChunkSizeInvalid})};
  SitePolicy hostless{"hostless", rule_set(), WafMode::Block, 1, violations({http::Violation::HostMissing})};
  return std::make_shared<const Sites>(plain, std::vector<Site>{{{{}, {}, {"old.example"}, {}}, folds},
                                                                {{{*IpPrefix::parse("10.0.0.9")}, {}, {}, {}}, hostless}});
}

std::string folded(const std::string& host) { return "GET / HTTP/1.1\r\nX-A: b\r\n c\r\nHost: " + host + "\r\n\r\n"; }

using Action = FailureAction;
std::uint64_t fired_so(const Judge& judge, Action action) {
  return judge.inspector.counters().failures[static_cast<std::size_t>(FailureCause::HttpViolation)][static_cast<std::size_t>(action)];
}

TEST(Leniency, OfASiteIsForItsRequestsOnly) {
  for (const bool bytewise : {false, true}) {
    SitesJudge s(in_line(), lenient());
    Conversation c;
    c.open().client(folded("old.example")).server(ok("1")).client(get("/")).server(ok("2"));
    const std::size_t clean = c.segments.size();
    c.client(folded("new.example")).server(ok("never"));
    Capture capture;
    capture.add(c, bytewise ? cut_to_bytes(c.segments) : c.segments);
    const auto dropped = s.feed(capture);
    ASSERT_FALSE(dropped.empty());
    if (!bytewise) {
      EXPECT_EQ(dropped.front(), clean + 1);
    }
    const auto& all = s.end();
    EXPECT_THAT(sites_of(all), ElementsAre("old block 1 pass", "- block 1 pass", "- block 1 deny"));
    EXPECT_EQ(all.back()["waf"]["status"], 400);
    EXPECT_EQ(all.back()["waf"]["violations"], json({"header-folded"}));
    EXPECT_EQ(s.recorder.drops.front()["drop"]["reason"], "http-violation");
    EXPECT_EQ(s.recorder.drops.front()["drop"]["detail"], "header-folded");
    EXPECT_EQ(fired_so(s, Action::Pass), 1U);
    EXPECT_EQ(fired_so(s, Action::Reset), 1U);
  }
}

TEST(Leniency, TheServerSeesNothingOfWhatIsRefusedLate) {
  RigOptions o;
  Rig rig(o);
  rig.judge.inspector.use(lenient());
  rig.open();
  rig.client.write(get("/first") + folded("new.example"));
  rig.run(milliseconds(300));
  rig.serve(ok("first"));
  rig.run(seconds(2));
  EXPECT_EQ(rig.server.received, get("/first"));
  EXPECT_NE(rig.client.received.find("HTTP/1.1 400 "), std::string::npos) << rig.client.received;
}

TEST(Leniency, AfterTheHeaderSectionTheSiteIsKnown) {
  const auto chunked = [](const std::string& host) {
    return "POST / HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n";
  };
  for (const char* host : {"old.example", "new.example"}) {
    SitesJudge s(in_line(), lenient());
    Conversation c;
    c.open().client(chunked(host));
    const bool passed = s.feed(c).empty();
    EXPECT_EQ(passed, std::string(host) == "old.example") << host;
  }
}

TEST(Leniency, OfADestinationNeedsNoHost) {
  for (const char* server : {"10.0.0.9", "10.0.0.8"}) {
    SitesJudge s(in_line(), lenient());
    Conversation c;
    c.server_host.address = server;
    c.open().client("GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(s.feed(c).empty(), std::string(server) == "10.0.0.9") << server;
  }
}

TEST(Leniency, ThatAReloadTakesAwayIsGoneAtOnce) {
  SitesJudge s(in_line(), lenient());
  Conversation c;
  c.open().client(folded("old.example")).server(ok("1"));
  EXPECT_TRUE(s.feed(c).empty());
  s.inspector.use(two_levels());
  const std::size_t before = c.segments.size();
  c.client(folded("old.example"));
  Capture rest;
  rest.add(c, {c.segments.begin() + static_cast<std::ptrdiff_t>(before), c.segments.end()});
  EXPECT_FALSE(s.feed(rest).empty());
}

// The page comes behind the response that is owed, also where the rules have something against the same request.
TEST(Leniency, RefusedTwiceIsAnsweredOnce) {
  for (const bool late : {true, false}) {
    Rig rig(RigOptions{});
    if (late) rig.judge.inspector.use(lenient());
    rig.open();
    rig.client.write(get("/first") + "GET /?x=attack HTTP/1.1\r\nX-A: b\r\n c\r\nHost: new.example\r\n\r\n");
    rig.run(milliseconds(300));
    rig.serve(ok("first"));
    rig.run(seconds(2));
    EXPECT_EQ(rig.server.received, get("/first"));
    EXPECT_NE(rig.client.received.find("first"), std::string::npos) << late;
    EXPECT_NE(rig.client.received.find("HTTP/1.1 400 "), std::string::npos) << late << rig.client.received;
  }
}

TEST(Sites, AReloadTakesWhatBeginsAfterIt) {
  SitesJudge s(InspectorOptions{}, std::make_shared<const Sites>(SitePolicy{"", rule_set(), WafMode::Detect, 1, {}}));
  Conversation c;
  c.open().client(to("lax.example", "/") + "GET /?x=attack HTTP/1.1\r\nHo").server(ok("1"));
  s.feed(c);
  s.inspector.use(two_levels());
  const std::size_t before = c.segments.size();
  c.client("st: lax.example\r\n\r\n" + to("lax.example", "/")).server(ok("2") + ok("3")).close();
  Capture rest;
  rest.add(c, {c.segments.begin() + static_cast<std::ptrdiff_t>(before), c.segments.end()});
  s.feed(rest);
  // The second one's rules were told of it already.
  EXPECT_THAT(sites_of(s.end()), ElementsAre("- detect 1 pass", "- detect 1 deny", "lax detect 1 pass"));
}

}  // namespace
}  // namespace weir::inspect::test
