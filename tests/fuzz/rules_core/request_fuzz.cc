// A whole request, bytes to verdict: with and without scanning ahead the outcome is the same, and the work
// grows linearly with the bytes. The input is cut at 0x1f: target, then "name: value" headers, then, behind
// an empty piece, the body; its first byte chooses content type and cuts.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "rules/ruleset.h"
#include "rules/transaction.h"

namespace {

using namespace weir;         // NOLINT
using namespace weir::rules;  // NOLINT

const char* const kRules = R"~(SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecResponseBodyAccess On
SecRequestBodyLimit 65536
SecPcreMatchLimit 1000000
SecDefaultAction "phase:1,log,auditlog,pass"
SecDefaultAction "phase:2,log,auditlog,pass"
SecAction "id:1,phase:1,nolog,pass,setvar:tx.score=0,setvar:tx.level=1"
SecRule REQUEST_HEADERS:Content-Type "@rx json" "id:2,phase:1,nolog,pass,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "@rx xml" "id:3,phase:1,nolog,pass,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx plain" "id:4,phase:1,nolog,pass,ctl:forceRequestBodyVariable=On"
SecRule ARGS:off "@streq 1" "id:5,phase:1,nolog,pass,ctl:ruleRemoveById=20-22,ctl:ruleRemoveTargetById=10;ARGS:a"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@rx (?i)\bunion\b.{0,20}\bselect\b" "id:10,phase:2,block,t:none,t:urlDecodeUni,t:lowercase,capture,msg:'%{TX.0}',setvar:tx.score=+5"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@rx <script[^>]*>" "id:11,phase:2,block,t:none,t:urlDecodeUni,t:lowercase,setvar:tx.score=+5"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@rx \.\./" "id:12,phase:2,block,t:none,t:urlDecodeUni,t:lowercase,setvar:tx.score=+5"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@rx ;\s*(?:cat|ls|id)\b" "id:13,phase:2,block,t:none,t:urlDecodeUni,t:lowercase"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@rx ^[a-z]+$" "id:14,phase:2,block,t:none,t:urlDecodeUni,t:lowercase"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@rx \x00|[\x80-\xff]{2}" "id:15,phase:2,block,t:none,t:urlDecodeUni,t:lowercase"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@rx (?:a|)b?$" "id:16,phase:2,block,t:none,t:urlDecodeUni,t:lowercase"
SecRule ARGS "@pm select insert ../ script" "id:17,phase:2,block,t:none,t:htmlEntityDecode,capture"
SecRule ARGS "@detectSQLi" "id:18,phase:2,block,multiMatch,t:none,t:urlDecodeUni,t:removeNulls"
SecRule TX:level "@lt 2" "id:19,phase:2,nolog,pass,skipAfter:END"
SecAction "id:20,phase:2,pass"
SecMarker END
SecRule REQUEST_URI|REQUEST_HEADERS|REQUEST_BODY "@rx [^\x20-\x7e]" "id:21,phase:2,block,t:none,t:urlDecode"
SecRule ARGS "@rx (.)\1\1" "id:22,phase:2,block,chain,capture"
SecRule MATCHED_VARS "@rx [0-9]" "t:none,setvar:'tx.%{MATCHED_VAR_NAME}=%{TX.1}'"
SecRule TX:/^args/ "@rx ." "id:23,phase:2,pass,t:lowercase,t:hexEncode"
SecRule FILES|FILES_NAMES|MULTIPART_PART_HEADERS "@rx \.php" "id:24,phase:2,block,t:none,t:lowercase"
SecRule &ARGS "@gt 5" "id:25,phase:2,block"
SecRule RESPONSE_BODY "@rx error" "id:26,phase:4,block"
SecRule TX:score "@ge 5" "id:27,phase:5,pass,msg:'score %{tx.score}'"
)~";

struct Engine {
  explicit Engine(bool optimised) {
    LoadOptions options;
    options.optimisations.prefilter = optimised;
    options.optimisations.transform_cache = optimised;
    options.optimisations.injection = optimised;
    options.optimisations.levels = optimised;
    options.optimisations.recurring = optimised;
    options.optimisations.numbers = optimised;
    options.optimisations.linear = optimised;
    options.optimisations.foregone = optimised;
    rules = RuleSet::load({Source::memory("fuzz.conf", kRules)}, options).rules;
    if (rules == nullptr) std::abort();
  }
  std::shared_ptr<const RuleSet> rules;
  Scratch scratch;
  Transaction tx{scratch};
};

std::string_view cut(std::string_view& s) {
  const std::size_t end = s.find('\x1f');
  const std::string_view piece = s.substr(0, end);
  s.remove_prefix(end == std::string_view::npos ? s.size() : end + 1);
  return piece;
}

std::string run(Engine& e, std::string_view input) {
  constexpr Timestamp kTime{1'700'000'000'000'000'000};
  constexpr std::string_view kTypes[] = {"application/x-www-form-urlencoded", "application/json",
                                         "text/xml", "multipart/form-data; boundary=b", "text/plain"};
  const unsigned first = input.empty() ? 0U : static_cast<unsigned char>(input.front());
  if (!input.empty()) input.remove_prefix(1);
  Transaction& tx = e.tx;
  Transaction::Peers peers;
  peers.client = *IpAddress::parse("192.0.2.1");
  peers.server = *IpAddress::parse("192.0.2.2");
  tx.begin(e.rules, peers, "id", kTime);
  tx.request_line("POST", cut(input), "HTTP/1.1");
  tx.request_header("Content-Type", kTypes[first % 5]);
  while (!input.empty()) {
    const std::string_view line = cut(input);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    tx.request_header(line.substr(0, colon),
                      colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1));
  }
  tx.request_headers_done(kTime);
  const std::size_t piece = first / 5 % 7 == 0 ? SIZE_MAX : first / 5 % 7;
  for (std::string_view body = input; !body.empty();) {
    tx.request_body(body.substr(0, piece));
    body.remove_prefix(std::min(piece, body.size()));
  }
  tx.request_body_done(kTime);
  tx.response_line("HTTP/1.1", 200, "OK");
  tx.response_header("Content-Type", "text/html");
  tx.response_headers_done(kTime);
  tx.response_body(input);
  tx.response_body_done(kTime);
  tx.finish(kTime);
  std::string out;
  for (const Match& m : tx.matches()) {
    out += std::to_string(m.rule_id) + "|" + std::string(m.message) + "|" + std::string(m.target) + "|" +
           std::string(m.value) + "\n";
  }
  return out + std::to_string(tx.decision().rule_id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Engine fast(true);
  static Engine plain(false);
  if (size > 65536) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string a = run(fast, input);
  const std::string b = run(plain, input);
  if (a != b) {
    std::fprintf(stderr, "with scanning ahead:\n%s\nwithout:\n%s\n", a.c_str(), b.c_str());
    std::abort();
  }
  // Thirty rules and a dozen transformations: a bound that only superlinear growth can pass.
  const std::uint64_t bound = 20'000 + 2'000 * static_cast<std::uint64_t>(size);
  if (fast.tx.work() > bound || plain.tx.work() > 4 * bound) {
    std::fprintf(stderr, "work %llu and %llu for %zu bytes\n",
                 static_cast<unsigned long long>(fast.tx.work()),
                 static_cast<unsigned long long>(plain.tx.work()), size);
    std::abort();
  }
  return 0;
}
