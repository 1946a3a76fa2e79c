// Bytes to an Inspector with small limits, in two ways: as packets with lengths and times, and as the two
// streams of well-formed TCP connections cut at will (so that HTTP and rules are reached). Nothing may crash,
// leak, or be counted twice; a verdict is made for every packet; equal input gives equal records. Sites that all say
// the same change nothing, though their choice has to wait for each request's host and path.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/formats/jsonl.h"
#include "engine/inspect/inspector.h"
#include "engine/inspect/sites.h"
#include "engine/net/decode.h"
#include "engine/net/tcp.h"
#include "tests/unit/inspect/conversation.h"

namespace {

using namespace weir;
using inspect::test::Conversation;

const char kRules[] = R"RULES(
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecRequestBodyLimit 5000
SecResponseBodyLimit 5000
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "@contains xml" "id:3,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS|REQUEST_COOKIES "@rx (?i)union|\.\./|<script" "id:10,phase:2,deny,log,capture,msg:'%{TX.0}',logdata:'%{MATCHED_VAR}',t:urlDecodeUni"
SecRule ARGS "@detectSQLi" "id:11,phase:2,pass,log,msg:'sqli'"
SecRule RESPONSE_BODY "@contains secret" "id:12,phase:4,deny,log,msg:'leak'"
)RULES";

std::shared_ptr<const rules::RuleSet> rule_set() {
  static const auto rules = rules::RuleSet::load({rules::Source::memory("fuzz", kRules)}, {}).rules;
  return rules;
}

struct Sink final : EventSink {
  void write(const Event& event) override {
    events += event.type == EventType::Http ? 1U : 0U;
    drops += event.type == EventType::Drop ? 1U : 0U;
    format.append(event, {"fuzz"}, text);
  }
  app::JsonlFormat format;
  std::uint64_t events = 0, drops = 0;
  std::string text;
};

[[noreturn]] void broken(const char* what) {
  std::fprintf(stderr, "inspector_fuzz: %s\n", what);
  std::abort();
}

struct Frame {
  std::string bytes;
  std::int64_t time_ns = 0;
};

enum class How { Plain, Sites, Proxied };

// Nothing is settled before the end of a header section, and all say the same as without sites.
std::shared_ptr<const inspect::Sites> sites_of(const inspect::InspectorOptions& options) {
  const inspect::SitePolicy policy{"", rule_set(), options.mode, options.paranoia, {}};
  return std::make_shared<const inspect::Sites>(
      policy, std::vector<inspect::Site>{{{{}, {}, {"h", "*.example"}, {}}, policy}, {{{}, {}, {}, {"/a", "/b/c"}}, policy}});
}

std::string inspect_all(const std::vector<Frame>& frames, LinkType link, inspect::Stance stance, How how) {
  inspect::InspectorOptions options;
  options.stance = stance;
  options.mode = stance == inspect::Stance::Inline ? WafMode::Block : WafMode::Detect;
  options.transactions = 3;
  options.transactions_per_flow = 2;
  options.early_response_bytes = 16;
  options.block.connections = 2;
  options.block.frames_per_second = 500;
  options.block.page = "{{status}} {{transaction_id}}" + std::string(3000, 'p');
  options.flow_limits.flows = 4;
  options.flow_limits.half_open = 4;
  options.flow_limits.handshake_extras = 4;
  options.flow_limits.buffered_bytes = 64 << 10;
  options.flow_limits.direction_bytes = 16 << 10;
  options.flow_limits.suspects = 16;
  options.flow_limits.pieces = 64;
  Sink sink;
  if (how == How::Proxied) {
    options.client.proxy_protocol = inspect::ProxyProtocol::Accept;
    options.client.header = inspect::ForwardedHeader::XForwardedFor;
    options.client.trusted = {*IpPrefix::parse("0.0.0.0/0"), *IpPrefix::parse("::/1")};
  }
  inspect::Inspector inspector(options, sink, rule_set());
  if (how == How::Sites) inspector.use(sites_of(options));
  std::uint64_t dropped = 0;
  std::uint64_t injected = 0;
  // Whatever came in, what Weir makes is right: nothing odd in any header, checksums good, and small.
  const auto inject = [&injected](const inspect::Verdict& verdict) {
    for (const inspect::Injection& one : verdict.inject) {
      ++injected;
      Packet made = one.like;
      made.bytes = one.frame;
      made.wire_length = static_cast<std::uint32_t>(one.frame.size());
      const net::Decoded decoded = net::decode(made, {});
      const auto* datagram = std::get_if<net::Datagram>(&decoded);
      if (datagram == nullptr || one.frame.size() > 1600) broken("an injected frame is no IP packet");
      if (datagram->anomalies.worst() != net::Consequence::Note) broken("an injected frame is odd");
      if (net::parse_tcp(*datagram).checksum != net::ChecksumVerdict::Right) broken("an injected checksum is wrong");
    }
  };
  for (const Frame& frame : frames) {
    Packet p;
    p.bytes = Bytes(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size());
    p.wire_length = static_cast<std::uint32_t>(frame.bytes.size());
    p.link = link;
    p.time = {frame.time_ns};
    p.number = p.token = static_cast<std::uint64_t>(&frame - frames.data()) + 1;
    const inspect::Verdict before = inspector.on_time(p.time);
    if (stance == inspect::Stance::Passive && !before.inject.empty()) broken("a passive inspector injects");
    inject(before);
    const inspect::Verdict v = inspector.on_packet(p);
    if (stance == inspect::Stance::Passive && v.kind != inspect::VerdictKind::Forward) broken("a passive inspector drops");
    inject(v);
    if (v.kind == inspect::VerdictKind::Drop) {
      ++dropped;
      if (v.reason == DropReason::None) broken("a drop without reason");
    }
  }
  inspector.end_of_input();
  if (inspector.counters().transactions != sink.events) broken("transactions and records differ");
  if (inspector.counters().dropped_packets != dropped || sink.drops != dropped) broken("drops and records differ");
  if (inspector.counters().injected != injected) broken("injections are not counted");
  if (inspector.counters().packets != frames.size()) broken("packets are not all counted");
  return sink.text;
}

class Bytes8 {
 public:
  Bytes8(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  std::uint8_t one() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::string_view some(std::size_t n) {
    n = std::min(n, left_);
    const std::string_view s(reinterpret_cast<const char*>(data_), n);
    data_ += n;
    left_ -= n;
    return s;
  }
  [[nodiscard]] bool empty() const { return left_ == 0; }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

std::vector<Frame> packets(Bytes8& in) {
  std::vector<Frame> frames;
  std::int64_t time = 0;
  while (!in.empty() && frames.size() < 200) {
    time += in.one() * 100'000'000LL;
    const std::size_t length = in.one() * 4U;
    frames.push_back({std::string(in.some(length)), time});
  }
  return frames;
}

std::vector<Frame> conversation(Bytes8& in) {
  std::vector<Frame> frames;
  Conversation c(static_cast<std::uint16_t>(1000 + in.one() % 3));
  c.open();
  while (!in.empty() && c.segments.size() < 300) {
    const std::uint8_t what = in.one();
    const std::size_t length = in.one();
    switch (what % 8) {
      case 0: c.server(in.some(length)); break;
      case 1: c.close(); break;
      case 2: c.wait(static_cast<std::int64_t>(length) * 10'000'000'000); break;
      case 3: c.lose_next(); break;
      case 4: c.open(); break;
      default: c.client(in.some(length)); break;
    }
  }
  inspect::test::Capture capture;
  capture.add(c);
  for (auto& frame : capture.frames) frames.push_back({std::move(frame.bytes), frame.time_ns});
  return frames;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 65536) return 0;
  Bytes8 in(data, size);
  const std::uint8_t how = in.one();
  const bool raw = (how & 1U) != 0;
  const std::vector<Frame> frames = raw ? packets(in) : conversation(in);
  const LinkType link = raw && (how & 2U) != 0 ? LinkType::RawIp : LinkType::Ethernet;
  for (const auto stance : {inspect::Stance::Passive, inspect::Stance::Inline}) {
    const std::string plain = inspect_all(frames, link, stance, How::Plain);
    if (plain != inspect_all(frames, link, stance, How::Sites)) broken("sites that say the same make a difference");
    if (inspect_all(frames, link, stance, How::Proxied) != inspect_all(frames, link, stance, How::Proxied)) broken("two runs differ");
  }
  return 0;
}
