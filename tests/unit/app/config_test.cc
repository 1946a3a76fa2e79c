// weir.yaml: what is taken, what is refused, in which words and where; the table, its defaults and the
// reference in docs/CONFIG.md say the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "app/config/policies.h"
#include "app/config/reader.h"
#include "app/config/schema.h"

namespace weir::app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Config good(const std::string& text) {
  ConfigResult result = parse_config(text, "/etc/weir/weir.yaml");
  for (const rules::Diagnostic& d : result.diagnostics) ADD_FAILURE() << d.line << ":" << d.column << " " << d.message;
  return result.config.value_or(Config{});
}

// "line:column code: message" of each diagnostic.
std::vector<std::string> bad(const std::string& text) {
  const ConfigResult result = parse_config(text, "weir.yaml");
  EXPECT_FALSE(result.config) << text;
  std::vector<std::string> out;
  for (const rules::Diagnostic& d : result.diagnostics) {
    out.push_back(std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.code + ": " + d.message);
    EXPECT_EQ(d.file, "weir.yaml");
  }
  return out;
}

TEST(Config, EmptyFileIsAllDefaults) {
  for (const char* text : {"", "# nothing\n", "---\n"}) {
    const Config config = good(text);
    EXPECT_FALSE(config.nfqueue);
    EXPECT_EQ(config.limits, LimitsConfig{});
    EXPECT_EQ(config.workers(), 0U);
  }
}

TEST(Config, EveryKindOfValue) {
  const Config config = good(R"(
mode: block
inputs:
  nfqueue:
    queues: 0-2,7
    queue_length: 1000
    socket_buffer: 1GiB
    fail_open: true
    gso: false
    sides: false
    mark_bit: 20
    pins: /run/bpf/weir
cpus: 1,3
ports: 80,8080-8081
rules: [rules.conf, /opt/crs]
paranoia: 2
detection_paranoia: 3
thresholds: {inbound: 7, outbound: 9}
bodies: {request: 1MiB}
limits: {flows: 1000, buffered: 64MiB}
timeouts: {established: 1h}
events: {file: log/events.jsonl, stdout: true, http: matched}
stats_interval: 90s
sites:
  - name: shop
    hosts: [Shop.Example, "*.shop.example"]
    addresses: [192.0.2.0/24, "2001:db8::1"]
    ports: 443
    paths: [/cart]
    mode: detect
    paranoia: 4
    rules: [shop.conf]
release: {requests: true}
client_address:
  proxy_protocol: accept
  header: x-forwarded-for
  trusted: [10.0.0.0/8]
)");
  ASSERT_TRUE(config.nfqueue);
  EXPECT_THAT(config.nfqueue->queues, ElementsAre(0, 1, 2, 7));
  EXPECT_EQ(config.nfqueue->queue_length, 1000U);
  EXPECT_EQ(config.nfqueue->socket_buffer, 1ULL << 30U);
  EXPECT_TRUE(config.nfqueue->fail_open);
  EXPECT_FALSE(config.nfqueue->gso);
  EXPECT_FALSE(config.nfqueue->sides);
  EXPECT_EQ(config.nfqueue->mark_bit, 20U);
  EXPECT_EQ(config.nfqueue->pins, "/run/bpf/weir");
  EXPECT_TRUE(config.release.requests);
  EXPECT_EQ(config.workers(), 4U);
  EXPECT_EQ(config.cpus.kind, CpuChoice::Kind::List);
  EXPECT_THAT(config.cpus.list, ElementsAre(1, 3));
  EXPECT_THAT(config.ports, ElementsAre(80, 8080, 8081));
  EXPECT_THAT(config.policy.rules, ElementsAre("/etc/weir/rules.conf", "/opt/crs"));
  EXPECT_EQ(config.policy.mode, WafMode::Block);
  EXPECT_EQ(config.policy.inbound_threshold, 7U);
  EXPECT_EQ(config.policy.request_body, 1ULL << 20U);
  EXPECT_EQ(config.limits.flow.flows, 1000U);
  EXPECT_EQ(config.limits.flow.buffered_bytes, 64ULL << 20U);
  EXPECT_EQ(config.timeouts.established.ns, seconds(3600).ns);
  EXPECT_EQ(config.events.file, "/etc/weir/log/events.jsonl");
  EXPECT_EQ(config.events.http, EventsConfig::Http::Matched);
  EXPECT_EQ(config.stats_interval.ns, seconds(90).ns);
  ASSERT_EQ(config.sites.size(), 1U);
  const SiteConfig& site = config.sites[0];
  EXPECT_THAT(site.hosts, ElementsAre("shop.example", "*.shop.example"));
  EXPECT_EQ(site.addresses.size(), 2U);
  EXPECT_THAT(site.ports, ElementsAre(443));
  EXPECT_THAT(site.policy.rules, ElementsAre("/etc/weir/shop.conf"));
  EXPECT_EQ(config.client_address.proxy_protocol, ProxyProtocol::Accept);
  EXPECT_EQ(config.client_address.header, ForwardedHeader::XForwardedFor);

  const PolicyConfig policy = effective(site.policy, config.policy);
  EXPECT_EQ(policy.mode, WafMode::Detect);
  EXPECT_EQ(policy.paranoia, 4U);
  EXPECT_EQ(policy.inbound_threshold, 7U);
  EXPECT_THAT(policy.rules, ElementsAre("/etc/weir/shop.conf"));
}

TEST(Config, MistakesHaveTheirPlaceAndAllAreTold) {
  EXPECT_THAT(bad("mode: blokc\nmode: block\ninputs:\n  nfqueue:\n    quues: 0-3\n    socket_buffer: 64\nlimits:\n  flows: 010\n"),
              ElementsAre("1:7 bad-value: 'mode' must be off, detect or block, not 'blokc' (did you mean 'block'?)",
                          "2:1 duplicate-key: 'mode' is given twice; the first time in line 1",
                          "5:5 unknown-key: unknown key 'quues' in inputs.nfqueue (did you mean 'queues'?)",
                          "6:20 bad-value: 'socket_buffer' '64' has no unit: write it like 64MiB (B, KiB, MiB, GiB)",
                          "8:10 bad-value: 'flows' must be a number from 16 to 16777216, not '010'"));
}

struct BadCase {
  const char* text;
  const char* expected;
};

TEST(Config, Refused) {
  const std::vector<BadCase> cases{
      {"mod: block", "1:1 unknown-key: unknown key 'mod' (did you mean 'mode'?)"},
      {"zzzzzzz: 1", "1:1 unknown-key: unknown key 'zzzzzzz'"},
      {"mode:", "1:1 empty-value: 'mode' has no value"},
      {"mode: ~", "1:1 empty-value: 'mode' has no value"},
      {"mode: [block]", "1:1 wrong-kind: 'mode' takes a single value (`off`, `detect` or `block`), not a list"},
      {"mode: Block", "not 'Block' (did you mean 'block'?)"},
      {"limits: 3", "1:9 wrong-kind: 'limits' takes a section, not a single value"},
      {"rules: /opt/crs", "'rules' takes a list, not a single value"},
      {"rules: []", "'rules' is an empty list"},
      {"rules: [[a]]", "'rules' is a list of paths; this is a list"},
      {"- a\n- b", "a configuration is a section (key: value), not a list"},
      {"just words", "a configuration is a section"},
      {"mode: !!str block", "yaml-tag"},
      {"mode: &a block", "yaml-anchor"},
      {"mode: *a", "yaml-"},
      {"mode: block\n---\nmode: detect\n", "yaml-documents"},
      {"mode: 'block", "yaml-syntax"},
      {"a: b: c", "1:5 yaml-syntax"},
      {"\tmode: block", "1:6 yaml-syntax"},
      {"mode: bl\xff", "1:1 not-utf-8"},
      {"mode: bl\x01", "1:9 control-character"},
      {"stats_interval: 30", "'stats_interval' '30' has no unit: write it like 30s (ms, s, min, h)"},
      {"stats_interval: 30m", "unknown unit 'm' (ms, s, min, h)"},
      {"stats_interval: 0s", "must be from 1s to 24h, not 0s"},
      {"stats_interval: 1.5s", "unknown unit '.5s'"},
      {"stats_interval: -1s", "is no duration"},
      {"stats_interval: 30 s", "unknown unit ' s'"},
      {"limits: {buffered: 99999999999999999999B}", "is no size"},
      {"limits: {buffered: 18446744073709551615GiB}", "must be from 1MiB to 1024GiB"},
      {"limits: {buffered: 64MB}", "unknown unit 'MB' (B, KiB, MiB, GiB)"},
      {"limits: {flows: 1e3}", "must be a number from 16 to 16777216, not '1e3'"},
      {"limits: {flows: 0x10}", "must be a number"},
      {"limits: {flows: +20}", "must be a number"},
      {"limits: {flows: 15}", "must be a number"},
      {"limits: {buffered: 2MiB, direction_buffered: 4MiB}", "'direction_buffered' must not exceed 'buffered'"},
      {"inputs: {nfqueue: {queues: 3-1}}", "must be numbers from 0 to 65535, like 0-3 or 0,2, not '3-1'"},
      {"inputs: {nfqueue: {queues: '0,0'}}", "0 is named twice"},
      {"inputs: {nfqueue: {queues: 65536}}", "must be numbers"},
      {"inputs: {nfqueue: {queues: '1,'}}", "must be numbers"},
      {"inputs: {nfqueue: {fail_open: yes}}", "'fail_open' must be true or false, not 'yes'"},
      {"inputs: {mirror: {filter: tcp}}", "there is no 'interfaces' in inputs.mirror"},
      {"inputs: {mirror: {interfaces: [a/b]}}", "must be the name of a network interface"},
      {"inputs: {mirror: {interfaces: [a, a]}}", "a is named twice"},
      {"mode: block\ninputs: {mirror: {interfaces: [a]}}", "1:7 bad-value: a mirror cannot block"},
      {"inputs: {mirror: {interfaces: [a]}}\nsites: [{name: shop, mode: block}]", "a mirror cannot block; 'mode' must be detect or off (site shop)"},
      {"paranoia: 3\ndetection_paranoia: 2", "2:21 bad-value: 'detection_paranoia' must not be below 'paranoia'"},
      {"paranoia: 5", "must be a number from 1 to 4"},
      {"sites: [{hosts: [a]}]", "there is no 'name' in sites[]"},
      {"sites: [{name: a}, {name: a}]", "there is another site of the name a"},
      {"tolerate: [header-foldet]", "'header-foldet' is nothing that is refused (did you mean 'header-folded'?)"},
      {"tolerate: [tls-hello]", "is nothing that is refused"},
      {"tolerate: [none, header-folded]", "none stands alone"},
      {"tolerate: [header-folded, none]", "none stands alone"},
      {"sites: [{name: a, hosts: ['a b']}]", "must be a host name"},
      {"sites: [{name: a, hosts: ['http://a/']}]", "must be a host name"},
      {"sites: [{name: a, paths: [b]}]", "must begin with /"},
      {"sites: [{name: a, addresses: [10.0.0.0/33]}]", "must be an address or a network"},
      {"sites: {name: a}", "'sites' takes a list, not a section"},
      {"sites: [a]", "'sites' is a list of sections; this is a single value"},
      {"client_address: {header: forwarded}", "needs 'trusted'"},
      {"client_address: {trusted: [10.0.0.0/8]}", "does nothing without"},
      {"events: {file: ''}", "'file' is empty"},
      {"block_page: {content_type: \"a/b\\r\\nX: y\"}", "must be a media type"},
      {"? [a]\n: b", "yaml-key"},
  };
  for (const BadCase& c : cases) EXPECT_THAT(bad(c.text), Contains(HasSubstr(c.expected))) << c.text;
}

TEST(Config, DeepOrHugeInputIsRefusedQuickly) {
  EXPECT_THAT(bad(std::string(5000, '[')), Contains(HasSubstr("yaml-")));
  EXPECT_THAT(bad("a: " + std::string(400, '[') + std::string(400, ']')), Contains(HasSubstr("nested too deeply")));
  EXPECT_THAT(bad(std::string(2 << 20, 'a')), Contains(HasSubstr("larger than 1 MiB")));
  std::string many = "rules:\n";
  for (int i = 0; i < 120'000; ++i) many += "- a\n";
  EXPECT_THAT(bad(many), Contains(HasSubstr("more than 100,000 values")));
}

TEST(Config, FailurePolicies) {
  const Config config = good("on_failure: open\nfailures: {tls: reset, stream-memory: drop}\n");
  EXPECT_EQ(config.failures.action(FailureCause::Tls), FailureAction::Reset);
  EXPECT_EQ(config.failures.action(FailureCause::StreamMemory), FailureAction::Drop);
  EXPECT_EQ(config.failures.action(FailureCause::FlowTable), FailureAction::Pass);
  EXPECT_EQ(good("").failures.action(FailureCause::FlowTable), FailureAction::Drop);
  EXPECT_THAT(bad("failures: {tsl: pass}"), Contains(HasSubstr("unknown key 'tsl' in failures (did you mean 'tls'?)")));
  EXPECT_THAT(bad("failures: {tls: allow}"), Contains(HasSubstr("must be pass, drop or reset")));
}

TEST(Config, CrlfLinesAreFine) { EXPECT_EQ(good("mode: block\r\nparanoia: 2\r\n").policy.paranoia, 2U); }

TEST(Config, UnreadableFileIsTold) {
  const ConfigResult result = read_config("/nonexistent/weir.yaml");
  EXPECT_TRUE(result.unreadable);
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("No such file"));
  EXPECT_TRUE(read_config("/").unreadable);
}

TEST(Config, AGatewayLoadBalancerAndHealthChecks) {
  const Config c = good(R"(
inputs:
  geneve:
    profile: azure
    sources: [10.0.0.0/24, 10.0.1.0/24]
    address: 10.0.0.5
    workers: 3
    external_port: 10901
    external_vni: 801
health:
  http_port: 9080
  https_port: 9443
drain: 120s
mode: block
)");
  ASSERT_TRUE(c.geneve);
  EXPECT_EQ(c.geneve->profile, GatewayProfile::Azure);
  EXPECT_EQ(c.geneve->sources.size(), 2U);
  EXPECT_EQ(c.geneve->address->to_string(), "10.0.0.5");
  EXPECT_EQ(c.geneve->external_port, 10'901);
  EXPECT_EQ(c.geneve->external_vni, 801U);
  EXPECT_EQ(c.workers(), 3U);
  EXPECT_EQ(c.health.https_port, 9'443);
  EXPECT_EQ(c.drain, seconds(120));
  // A load balancer moves connections: that is no failure, unless the operator says so.
  EXPECT_EQ(c.failures.action(FailureCause::Midstream), FailureAction::Pass);
  EXPECT_EQ(c.failures.action(FailureCause::Unseen), FailureAction::Pass);
  const Config own = good("inputs: {geneve: {sources: [10.0.0.0/8]}}\nfailures: {midstream: reset}\n");
  EXPECT_EQ(own.failures.action(FailureCause::Midstream), FailureAction::Reset);
}

TEST(Config, MistakesAboutAGatewayAreFound) {
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"inputs: {geneve: {profile: aws}}", "sources"},
           {"inputs: {geneve: {sources: [\"fd00::/8\"]}}", "IPv4"},
           {"inputs: {geneve: {sources: [10.0.0.0/8], address: \"::1\"}}", "IPv4 address"},
           {"inputs: {geneve: {sources: [10.0.0.0/8], profile: mirror}}\nmode: block", "cannot block"},
           {"health: {http_port: 80, tcp_port: 80}", "port of its own"},
           {"health: {https_port: 443, certificate: a.pem}", "said together"}}) {
    const ConfigResult result = parse_config(text, "weir.yaml");
    EXPECT_FALSE(result.config) << text;
    ASSERT_FALSE(result.diagnostics.empty()) << text;
    EXPECT_THAT(result.diagnostics[0].message, HasSubstr(words)) << text;
  }
}

// Every default that the table documents is the one that a file without the field has.
TEST(Schema, InitialValuesAreTheDefaults) {
  for (const Field& field : schema()) {
    if (field.initial.empty()) continue;
    const std::string path(field.path);
    ASSERT_EQ(path.find("[]"), std::string::npos) << path;
    std::string with;
    std::string without;
    std::string indent;
    std::size_t at = 0;
    for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', at)) {
      with += indent + path.substr(at, dot - at) + ":\n";
      indent += "  ";
      at = dot + 1;
    }
    std::string extra;
    if (path.rfind("inputs.mirror", 0) == 0) extra = indent + "interfaces: [a]\n";
    if (path.rfind("inputs.geneve", 0) == 0) extra = indent + "sources: [10.0.0.0/8]\n";
    if (path.rfind("client_address.", 0) == 0) continue;  // cannot be said alone
    without = with + (extra.empty() ? "" : extra);
    with += extra + indent + path.substr(at) + ": " + std::string(field.initial) + "\n";
    const Config a = good(with);
    // A section without any field is refused; for those compare with an own, empty one.
    Config b;
    if (path.rfind("inputs.nfqueue", 0) == 0) b.nfqueue.emplace();
    if (!extra.empty()) b = good(without);
    EXPECT_EQ(a.nfqueue, b.nfqueue) << path;
    EXPECT_EQ(a.mirror, b.mirror) << path;
    EXPECT_EQ(a.geneve, b.geneve) << path;
    EXPECT_EQ(a.health, b.health) << path;
    EXPECT_EQ(a.drain, b.drain) << path;
    EXPECT_EQ(a.cpus, b.cpus) << path;
    EXPECT_EQ(a.limits, b.limits) << path;
    EXPECT_EQ(a.timeouts, b.timeouts) << path;
    EXPECT_EQ(a.events, b.events) << path;
    EXPECT_EQ(a.stats_interval, b.stats_interval) << path;
    EXPECT_EQ(a.midstream_grace, b.midstream_grace) << path;
    EXPECT_EQ(a.block_page, b.block_page) << path;
    EXPECT_EQ(a.failures.open, b.failures.open) << path;
    EXPECT_EQ(a.policy.mode.value_or(WafMode::Detect), b.policy.mode.value_or(WafMode::Detect)) << path;
  }
}

TEST(Schema, PathsAreUniqueAndHaveTheirSections) {
  std::vector<std::string> seen;
  for (const Field& field : schema()) {
    const std::string path(field.path);
    EXPECT_THAT(seen, ::testing::Not(Contains(path)));
    std::string parent = path.substr(0, std::max<std::size_t>(path.rfind('.'), 0));
    if (path.find('.') != std::string::npos) {
      if (parent.size() > 2 && parent.substr(parent.size() - 2) == "[]") parent.resize(parent.size() - 2);
      EXPECT_THAT(seen, Contains(parent)) << path;
    }
    EXPECT_FALSE(field.help.empty()) << path;
    seen.push_back(path);
  }
}

// The reference is made from the table: WEIR_UPDATE_GOLDEN=1 writes it anew, to be reviewed as a diff.
TEST(Schema, ReferenceInTheDocumentationIsTheTable) {
  const std::string file = std::string(WEIR_SOURCE_DIR) + "/docs/CONFIG.md";
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  for (const auto& [begin, end, wanted] : std::vector<std::array<std::string, 3>>{
           {"<!-- reference: made from the table in app/config/schema.cc -->\n", "<!-- end of the reference -->\n", reference()},
           {"<!-- leniencies: made from engine/http/violation.cc -->\n", "<!-- end of the leniencies -->\n", leniencies()}}) {
    const std::size_t from = text.find(begin);
    const std::size_t to = text.find(end);
    ASSERT_NE(from, std::string::npos);
    ASSERT_NE(to, std::string::npos);
    const std::size_t at = from + begin.size();
    if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr) {
      text.replace(at, to - at, wanted);
    } else {
      EXPECT_EQ(text.substr(at, to - at), wanted) << "run this test with WEIR_UPDATE_GOLDEN=1 and review the change";
    }
  }
  if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr) std::ofstream(file, std::ios::binary) << text;
}

TEST(Config, CollectionsAreKeptOnlyIfTheyAreShared) {
  EXPECT_EQ(good("collections: {file: /var/lib/weir/collections}\n").collections.file, "/var/lib/weir/collections");
  const ConfigResult wrong = parse_config("collections: {file: /var/lib/weir/collections, shared: false}\n", "weir.yaml");
  ASSERT_EQ(wrong.diagnostics.size(), 1U);
  EXPECT_EQ(wrong.diagnostics[0].message, "'file' is for collections that are shared");
}

}  // namespace
}  // namespace weir::app
