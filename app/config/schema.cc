#include "app/config/schema.h"

#include <algorithm>
#include <array>
#include <utility>

#include "app/config/schema_audit.h"
#include "app/config/schema_gateway.h"
#include "app/config/schema_release.h"
#include "app/config/units.h"
#include "app/nearest.h"
#include "engine/inspect/sites.h"
#include "rules/reporter.h"

namespace weir::app {
namespace {

constexpr std::uint64_t kKiB = 1ULL << 10U;
constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::uint64_t kGiB = 1ULL << 30U;
constexpr std::uint64_t kSecond = 1'000;
constexpr std::uint64_t kHour = 3'600'000;

using Fields = std::vector<Field>;

NfqueueConfig& nfqueue(Draft& d) { return *d.config.nfqueue; }
MirrorConfig& mirror(Draft& d) { return *d.config.mirror; }
FlowLimits& flow(Draft& d) { return d.config.limits.flow; }
FragmentLimits& fragments(Draft& d) { return d.config.limits.fragments; }
std::uint32_t narrow(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

std::string put_numbers(std::vector<std::uint32_t>& into, const std::string& text, Range range) {
  auto numbers = parse_numbers(text, range);
  if (!numbers) return numbers.error().message;
  for (const std::uint32_t number : *numbers) {
    if (std::find(into.begin(), into.end(), number) != into.end()) return std::to_string(number) + " is named twice";
    into.push_back(number);
  }
  return {};
}

std::string put_prefix(std::vector<IpPrefix>& into, const std::string& text) {
  auto prefix = parse_prefix(text);
  if (!prefix) return prefix.error().message;
  into.push_back(*prefix);
  return {};
}

std::string put_host(Draft& d, const std::string& text) {
  const std::string_view name =
      text.rfind("*.", 0) == 0 ? std::string_view(text).substr(2) : std::string_view(text);
  if (name.empty() || name.size() > 253 || name.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]") != std::string_view::npos) {
    return "must be a host name, perhaps with *. in front for all names below it, without port and scheme";
  }
  std::string lower = text;
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  d.site->hosts.push_back(std::move(lower));
  return {};
}

std::vector<std::string> leniency_names() {
  std::vector<std::string> names;
  for (const inspect::Leniency& one : inspect::leniencies()) names.emplace_back(one.name);
  return names;
}

std::string put_leniency(Draft& d, const std::string& text) {
  auto& list = d.policy->tolerate;
  if (list && (text == "none" || list->empty())) return "none stands alone";
  if (!list) list.emplace();
  if (text == "none") return {};
  const std::vector<std::string> names = leniency_names();
  if (std::find(names.begin(), names.end(), text) == names.end()) {
    return rules::syntax::quoted(text) + " is nothing that is refused" + rules::syntax::did_you_mean(nearest(text, names));
  }
  list->push_back(text);
  return {};
}

std::string put_interface(Draft& d, const std::string& text) {
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ - 1
  if (text.empty() || text.size() > kLongest || text.find_first_of("/ \t") != std::string::npos) {
    return "must be the name of a network interface, like eth1";
  }
  auto& names = mirror(d).interfaces;
  if (std::find(names.begin(), names.end(), text) != names.end()) return text + " is named twice";
  names.push_back(text);
  return {};
}

Fields inputs() {
  return {
      {"inputs", Section{}, "", "Where packets come from. Without any, `weir check` checks and `weir run` refuses to start."},
      {"inputs.nfqueue", Section{[](Draft& d) { d.config.nfqueue.emplace(); }}, "",
       "Inline: packets that iptables or nftables rules send to NFQUEUE. `packaging/firewall/` has scripts that set them up."},
      {"inputs.nfqueue.queues",
       TextField{"numbers and ranges", false,
                 [](Draft& d, const std::string& text) {
                   nfqueue(d).queues.clear();
                   return put_numbers(nfqueue(d).queues, text, {0, 65'535});
                 }},
       "0", "Queue numbers, like `0-3`. Each has a worker of its own; the rules spread connections over them (`--queue-balance`)."},
      {"inputs.nfqueue.queue_length",
       CountField{{16, 1'000'000}, [](Draft& d, std::uint64_t n) { nfqueue(d).queue_length = narrow(n); }}, "8192",
       "Packets that may wait in the kernel for each queue. Beyond it the kernel drops, or accepts with `fail_open`."},
      {"inputs.nfqueue.socket_buffer",
       SizeField{{64 * kKiB, kGiB}, [](Draft& d, std::uint64_t n) { nfqueue(d).socket_buffer = n; }}, "32MiB",
       "Receive buffer of each queue's socket. What does not fit is lost and counted."},
      {"inputs.nfqueue.copy_range",
       SizeField{{256, 65'535}, [](Draft& d, std::uint64_t n) { nfqueue(d).copy_range = n; }}, "65535B",
       "Bytes of each packet that the kernel hands over. Less than a whole packet cannot be inspected and is dropped."},
      {"inputs.nfqueue.fail_open", FlagField{[](Draft& d, bool on) { nfqueue(d).fail_open = on; }}, "false",
       "Whether the kernel accepts packets, uninspected, while a queue is full."},
      {"inputs.nfqueue.gso", FlagField{[](Draft& d, bool on) { nfqueue(d).gso = on; }}, "true",
       "Whether large segments (GSO, GRO) are taken as they are: fewer, larger packets. Switch off only to find mistakes."},
      {"inputs.nfqueue.sides", FlagField{[](Draft& d, bool on) { nfqueue(d).sides = on; }}, "true",
       "Whether packets in a server's name are dropped if they come by the interface of the client's SYN (`wrong-side`): a "
       "client can forge them. Switch off where both sides come by one interface and leave by different ones, as in a VRF."},
      {"inputs.nfqueue.mark_bit",
       CountField{{0, 29}, [](Draft& d, std::uint64_t n) { nfqueue(d).mark_bit = narrow(n); }}, "28",
       "Lowest of three adjacent bits of packet and connection marks that Weir uses: released, taken back, made by Weir. "
       "The firewall rules must be set up with the same bit, and nobody else may use the three."},
      {"inputs.nfqueue.pins",
       TextField{"path", false,
                 [](Draft& d, const std::string& text) {
                   nfqueue(d).pins = text;
                   return std::string(text.empty() || text.front() != '/' ? "must begin with /" : "");
                 }},
       "/sys/fs/bpf/weir",
       "Directory on a bpf file system where the kernel's part of `release.requests` and `release.responses` is pinned for the firewall rules "
       "(`weir-firewall uploads`)."},
      {"inputs.mirror", Section{[](Draft& d) { d.config.mirror.emplace(); }}, "",
       "Detection only: packets that a switch, tap or `tc mirred` copies to an interface. Nothing is ever sent."},
      {"inputs.mirror.interfaces", TextListField{"interface names", false, put_interface}, "",
       "Interfaces to listen on. Where a tap gives each direction on its own interface, name both.", true},
      {"inputs.mirror.filter",
       TextField{"BPF expression", false,
                 [](Draft& d, const std::string& text) {
                   mirror(d).filter = text;
                   return std::string();
                 }},
       "", "Only packets that match are taken (pcap-filter(7)). Mind VLAN tags: `tcp or (vlan and tcp)`."},
      {"inputs.mirror.buffer", SizeField{{kMiB, 2 * kGiB - 1}, [](Draft& d, std::uint64_t n) { mirror(d).buffer = n; }},
       "64MiB", "Ring of each interface and worker. What does not fit is dropped by the kernel and counted."},
      {"inputs.mirror.snaplen",
       SizeField{{256, 262'144}, [](Draft& d, std::uint64_t n) { mirror(d).snaplen = n; }}, "65535B",
       "Bytes of each packet that are taken."},
      {"inputs.mirror.promiscuous", FlagField{[](Draft& d, bool on) { mirror(d).promiscuous = on; }}, "true",
       "Whether frames for other stations are taken."},
      {"inputs.mirror.ignore_outgoing", FlagField{[](Draft& d, bool on) { mirror(d).ignore_outgoing = on; }}, "true",
       "Whether frames that this host itself sends through the interface are left out."},
      {"inputs.mirror.workers", CountField{{1, 64}, [](Draft& d, std::uint64_t n) { mirror(d).workers = narrow(n); }}, "1",
       "Workers, over which the kernel spreads connections by a hash of their addresses and ports."},
      {"cpus",
       TextField{"auto, none, or numbers and ranges", false,
                 [](Draft& d, const std::string& text) {
                   CpuChoice& cpus = d.config.cpus;
                   cpus = {};
                   if (text == "auto") return std::string();
                   cpus.kind = text == "none" ? CpuChoice::Kind::None : CpuChoice::Kind::List;
                   if (text == "none") return std::string();
                   return put_numbers(cpus.list, text, {0, 4'095});
                 }},
       "auto", "Processors that workers are pinned to, in turn. `auto`: those that the process may use."},
      {"ports",
       TextField{"numbers and ranges", false,
                 [](Draft& d, const std::string& text) {
                   std::vector<std::uint32_t> numbers;
                   std::string wrong = put_numbers(numbers, text, {1, 65'535});
                   d.config.ports.assign(numbers.begin(), numbers.end());
                   return wrong;
                 }},
       "", "Server ports to look at. Without it, all, and what is no HTTP is recognised by its first bytes."},
  };
}

// The fields of a policy, at the top and in each site.
Fields policy(std::string_view prefix) {
  const bool site = !prefix.empty();
  const auto at = [prefix](std::string_view name) { return std::string(prefix) + std::string(name); };
  const auto initial = [site](std::string_view text) { return site ? std::string_view() : text; };
  return {
      {at("mode"),
       ChoiceField{{"off", "detect", "block"},
                   [](Draft& d, std::size_t word) { d.policy->mode = static_cast<WafMode>(word); }},
       initial("detect"), "`detect` judges and reports, `block` also refuses, `off` does not judge. What `failures` says of HTTP holds where requests are blocked; elsewhere it passes and is told. A mirror only detects."},
      {at("rules"),
       TextListField{"paths", true,
                     [](Draft& d, const std::string& path) {
                       d.policy->rules.push_back(path);
                       return std::string();
                     }},
       "", "SecLang files, and directories of a CRS release as unpacked, in order. Without it, Debian's modsecurity-crs."},
      {at("paranoia"), CountField{{1, 4}, [](Draft& d, std::uint64_t n) { d.policy->paranoia = narrow(n); }},
       "", "Paranoia level of the CRS. Without it, what its set-up file says (1)."},
      {at("detection_paranoia"),
       CountField{{1, 4}, [](Draft& d, std::uint64_t n) { d.policy->detection_paranoia = narrow(n); }}, "",
       "Level up to which rules are run and logged without counting towards the scores. Not below `paranoia`."},
      {at("thresholds"), Section{}, "", "Anomaly scores of the CRS from which a message is refused."},
      {at("thresholds.inbound"),
       CountField{{1, 1'000'000}, [](Draft& d, std::uint64_t n) { d.policy->inbound_threshold = narrow(n); }}, "",
       "For requests. Without it, what the set-up file says (5)."},
      {at("thresholds.outbound"),
       CountField{{1, 1'000'000}, [](Draft& d, std::uint64_t n) { d.policy->outbound_threshold = narrow(n); }}, "",
       "For responses. Without it, what the set-up file says (4)."},
      {at("early_blocking"), FlagField{[](Draft& d, bool on) { d.policy->early_blocking = on; }}, "",
       "CRS 4: whether a request may be refused after its headers already."},
      {at("bodies"), Section{}, "", "Limits of the rules on bodies; they replace those of the rule files."},
      {at("bodies.request"),
       SizeField{{kKiB, kGiB}, [](Draft& d, std::uint64_t n) { d.policy->request_body = n; }}, "",
       "Bytes of a request body that are inspected (SecRequestBodyLimit). Without it, what the rules say (12.5 MiB)."},
      {at("bodies.request_without_files"),
       SizeField{{kKiB, kGiB}, [](Draft& d, std::uint64_t n) { d.policy->request_without_files = n; }}, "",
       "The same without the contents of uploaded files (SecRequestBodyNoFilesLimit): forms, JSON, XML. Without it, what the "
       "rules say (128 KiB)."},
      {at("bodies.response"),
       SizeField{{kKiB, kGiB}, [](Draft& d, std::uint64_t n) { d.policy->response_body = n; }}, "",
       "The same for responses (SecResponseBodyLimit). Without it, what the rules say (512 KiB)."},
      {at("tolerate"), TextListField{"names", false, put_leniency}, "",
       "Deviations from HTTP's grammar (see Leniencies) that are noted, no longer refused. `none`: none of them."},
      {at("bodies.arguments"),
       CountField{{1, 1'000'000}, [](Draft& d, std::uint64_t n) { d.policy->arguments = narrow(n); }}, "",
       "Arguments of a request (SecArgumentsLimit). Without it, what the rules say (1000)."},
  };
}

Fields sites() {
  Fields fields = {
      {"sites",
       SectionList{[](Draft& d) {
                     d.site = &d.config.sites.emplace_back();
                     d.policy = &d.site->policy;
                   },
                   [](Draft& d) {
                     d.site = nullptr;
                     d.policy = &d.config.policy;
                   }},
       "",
       "Requests that are judged otherwise. The first site of the list that fits in every respect takes a request; what it does "
       "not say is as for everything."},
      {"sites[].name",
       TextField{"name", false,
                 [](Draft& d, const std::string& text) {
                   if (text.empty() || text.size() > 64) return std::string("must have 1 to 64 characters");
                   for (const SiteConfig& site : d.config.sites) {
                     if (site.name == text) return "there is another site of the name " + text;
                   }
                   d.site->name = text;
                   return std::string();
                 }},
       "", "For records and messages.", true},
      {"sites[].addresses",
       TextListField{"addresses and networks", false,
                     [](Draft& d, const std::string& text) { return put_prefix(d.site->addresses, text); }},
       "", "Addresses of the server, as the packets have them."},
      {"sites[].ports",
       TextField{"numbers and ranges", false,
                 [](Draft& d, const std::string& text) { return put_numbers(d.site->ports, text, {1, 65'535}); }},
       "", "Ports of the server."},
      {"sites[].hosts", TextListField{"host names", false, put_host}, "",
       "What the request's `Host` (or absolute target) says, without port. `*.example.org` takes every name below example.org."},
      {"sites[].paths",
       TextListField{"prefixes", false,
                     [](Draft& d, const std::string& text) {
                       if (text.empty() || text[0] != '/') return std::string("must begin with /");
                       d.site->paths.push_back(text);
                       return std::string();
                     }},
       "",
       "Beginnings of the path, each ending where a segment does: `/shop` takes `/shop` and `/shop/cart`, not `/shopping`. "
       "Compared after decoding %xx and resolving dot segments."},
  };
  Fields own = policy("sites[].");
  fields.insert(fields.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
  return fields;
}

// What each cause means, for the reference; in the order of FailureCause.
constexpr std::array<std::string_view, kFailureCauses> kCauses{
    "a header contradicts its packet",
    "a checksum is wrong (the receiver drops it too)",
    "the fragments under `limits` are used up",
    "no place for another connection",
    "a connection in its handshake has more differing SYNs than are kept (`limits.handshake_extras`)",
    "`limits.buffered` is used up",
    "one direction has more unacknowledged bytes or segments than it may",
    "the start of the connection was not seen: a restart, a failover, a long pause",
    "a worker was ended as stuck, or crashed, with a packet of the connection in hand: the next one does not take it up, whatever `failures.midstream` says",
    "only one direction of the connection comes by",
    "an end acknowledges bytes that never came by, such as those that a full queue let pass",
    "the first bytes are no HTTP request",
    "they are a TLS hello: nothing can be inspected",
    "HTTP/2 in clear text",
    "a PROXY protocol header (`client_address`) that is broken, from an address that is not trusted, or missing",
    "framing on which servers differ",
    "lines or header sections beyond their limits",
    "a content coding that unpacks beyond its bounds, or is not known",
    "`limits.transactions` is used up and an unfinished one must go",
    "`limits.transaction_memory` is used up and an unfinished one must go",
    "a rule ran into its work limit",
    "the rules could not judge",
    "the worker cannot keep up",
    "packets were lost before the worker saw them",
};

Fields failures() {
  Fields fields{
      {"on_failure",
       ChoiceField{{"closed", "open"}, [](Draft& d, std::size_t word) { d.config.failures.open = word == 1; }}, "closed",
       "What becomes of traffic that cannot be inspected for want of room or because of a fault of Weir's: refused, or let pass. "
       "What a peer can bring about at will for its own connection is refused either way, unless `failures` says otherwise."},
      {"failures", Section{}, "", "The same for each cause: `pass`, `drop` (the packet; its sender repeats it) or `reset` (the connection). With `mode: detect` or `off` those about HTTP (`not-http` to `decode-limit`, `transactions` to `rule-error`) pass."},
  };
  for (std::size_t i = 0; i < kFailureCauses; ++i) {
    const auto cause = static_cast<FailureCause>(i);
    const FailureAction closed = FailurePolicies::default_action(cause, false);
    const FailureAction open = FailurePolicies::default_action(cause, true);
    std::string help = std::string(kCauses[i]) + ". Default: `" + std::string(name(closed)) + "`";
    if (open != closed) help += ", with `on_failure: open` `" + std::string(name(open)) + "`";
    help[0] = help[0] >= 'a' && help[0] <= 'z' ? static_cast<char>(help[0] - 'a' + 'A') : help[0];
    fields.push_back({"failures." + std::string(name(cause)),
                      ChoiceField{{"pass", "drop", "reset"},
                                  [cause](Draft& d, std::size_t word) {
                                    d.config.failures.choose(cause, static_cast<FailureAction>(word));
                                  }},
                      "", help + "."});
  }
  fields.push_back(
      {"midstream_grace", DurationField{{0, kHour}, [](Draft& d, Duration t) { d.config.midstream_grace = t; }}, "60s",
       "For so long after the start, connections that began earlier are taken up, whatever `failures.midstream` says. "
       "With `on_failure: closed` not those of a worker that died."});
  std::vector<std::string> causes;
  for (std::size_t i = 0; i < kFailureCauses; ++i) causes.emplace_back(name(static_cast<FailureCause>(i)));
  fields.push_back({"rehearse", Section{}, "",
                    "Makes a failure happen, to see what its policy does. Inline only, and never in earnest: with `pass` traffic goes by unjudged."});
  fields.push_back({"rehearse.failure",
                    ChoiceField{causes, [](Draft& d, std::size_t word) { d.config.rehearsal.failure = static_cast<FailureCause>(word); }}, "",
                    "Which; each packet that meets it counts as one of that cause."});
  fields.push_back({"rehearse.every",
                    CountField{{1, 1'000'000'000}, [](Draft& d, std::uint64_t n) { d.config.rehearsal.every = narrow(n); }}, "1000",
                    "How many TCP packets of a worker there are from one to the next."});
  return fields;
}

Fields block_page() {
  return {
      {"block_page", Section{}, "", "How a refused client is answered."},
      {"block_page.answer", FlagField{[](Draft& d, bool on) { d.config.block_page.answer = on; }}, "true",
       "Whether a page is sent. Otherwise both ends are reset."},
      {"block_page.file",
       TextField{"path", true,
                 [](Draft& d, const std::string& path) {
                   d.config.block_page.file = path;
                   return std::string();
                 }},
       "",
       "The page, at most 32 KiB. `{{transaction_id}}` in it becomes the id that the records have, `{{status}}` the status. Without "
       "it, a short page of Weir's."},
      {"block_page.content_type",
       TextField{"content type", false,
                 [](Draft& d, const std::string& text) {
                   const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
                   if (!plain || text.size() > 100 || text.find('/') == std::string::npos) {
                     return std::string("must be a media type, like text/html; charset=utf-8");
                   }
                   d.config.block_page.content_type = text;
                   return std::string();
                 }},
       "text/html; charset=utf-8", "Its Content-Type."},
      {"block_page.linger",
       DurationField{{kSecond, kHour}, [](Draft& d, Duration t) { d.config.block_page.linger = t; }}, "30s",
       "How long a client may take to read the page."},
      {"block_page.connections",
       CountField{{1, 1'048'576}, [](Draft& d, std::uint64_t n) { d.config.block_page.connections = narrow(n); }}, "4096",
       "Connections, for each worker, that are being answered at a time. Beyond it both ends are reset."},
      {"block_page.frames_per_second",
       CountField{{1, 100'000'000}, [](Draft& d, std::uint64_t n) { d.config.block_page.frames_per_second = narrow(n); }},
       "50000", "Packets, for each worker, that Weir may make."},
  };
}

Fields client_address() {
  return {
      {"client_address", Section{}, "",
       "Whom the rules take for the client, where a proxy or load balancer stands in front. Without it, the other end of the connection."},
      {"client_address.proxy_protocol",
       ChoiceField{{"off", "accept", "require"},
                   [](Draft& d, std::size_t word) {
                     d.config.client_address.proxy_protocol = static_cast<ProxyProtocol>(word);
                   }},
       "off",
       "PROXY protocol, version 1 or 2, in front of a connection from a trusted address: `accept` takes it if it is there, `require` "
       "refuses connections without it. From others it is never taken: `failures.proxy-protocol` says what becomes of it."},
      {"client_address.header",
       ChoiceField{{"none", "x-forwarded-for", "forwarded"},
                   [](Draft& d, std::size_t word) {
                     d.config.client_address.header = static_cast<ForwardedHeader>(word);
                   }},
       "none", "The field from which the client is taken: the last address in it that is not trusted, read from the end. Only where the "
       "sender itself (as the PROXY protocol has it, if it is used) is trusted."},
      {"client_address.trusted",
       TextListField{"addresses and networks", false,
                     [](Draft& d, const std::string& text) { return put_prefix(d.config.client_address.trusted, text); }},
       "", "Proxies that are believed. Needed by both of the above."},
  };
}

Fields limits() {
  return {
      {"limits", Section{}, "", "Memory, for each worker; all of it is reserved at start. `weir check` prints the sum."},
      {"limits.memory", SizeField{{64 * kMiB, 1024 * kGiB}, [](Draft& d, std::uint64_t n) { d.config.limits.memory = n; }}, "",
       "All of Weir's memory, in all its processes: workers, rules, what is to be written. Limits that are not set are then their defaults times "
       "one factor, as large as fits; a tenth is for rules (twice in each process, for a reload), and 24 MiB for each process itself. Those "
       "that are set must fit, and so must the rules; databases of Hyperscan that do not are left out."},
      {"limits.flows", CountField{{16, 16'777'216}, [](Draft& d, std::uint64_t n) { flow(d).flows = narrow(n); }}, "131072",
       "Connections past the handshake, including those just closed."},
      {"limits.half_open", CountField{{16, 16'777'216}, [](Draft& d, std::uint64_t n) { flow(d).half_open = narrow(n); }},
       "131072", "Connections of which only SYN and SYN/ACK were seen. Beyond it, the oldest is forgotten."},
      {"limits.handshake_extras",
       CountField{{0, 16'777'216}, [](Draft& d, std::uint64_t n) { flow(d).handshake_extras = narrow(n); }}, "4096",
       "Repeated, differing SYNs and SYN/ACKs of half-open connections."},
      {"limits.buffered", SizeField{{kMiB, 1024 * kGiB}, [](Draft& d, std::uint64_t n) { flow(d).buffered_bytes = n; }},
       "256MiB", "Bytes held for all connections: out of order, or forwarded and not yet acknowledged. What is out of order takes three "
       "quarters at most."},
      {"limits.direction_buffered",
       SizeField{{64 * kKiB, kGiB}, [](Draft& d, std::uint64_t n) { flow(d).direction_bytes = narrow(n); }}, "8MiB",
       "The same for one direction of a connection; inline, how far a sender may run ahead of its receiver."},
      {"limits.direction_segments",
       CountField{{16, 60'000}, [](Draft& d, std::uint64_t n) { flow(d).direction_segments = narrow(n); }}, "4096",
       "Out-of-order segments that one direction may have waiting behind a hole."},
      {"limits.fragment_datagrams",
       CountField{{1, 1'048'576}, [](Draft& d, std::uint64_t n) { fragments(d).datagrams = narrow(n); }}, "1024",
       "IP datagrams of which fragments are missing."},
      {"limits.fragment_bytes",
       SizeField{{64 * kKiB, 16 * kGiB}, [](Draft& d, std::uint64_t n) { fragments(d).bytes = n; }}, "8MiB", "Their bytes."},
      {"limits.fragment_packets",
       CountField{{2, 1'048'576}, [](Draft& d, std::uint64_t n) { fragments(d).packets = narrow(n); }}, "16384",
       "Their packets, whatever their size."},
      {"limits.transactions",
       CountField{{1, 1'048'576}, [](Draft& d, std::uint64_t n) { d.config.limits.transactions = narrow(n); }}, "2048",
       "Transactions under way. Beyond it, the one that was idle longest is judged as it stands."},
      {"limits.transaction_memory",
       SizeField{{4 * kMiB, 1024 * kGiB}, [](Draft& d, std::uint64_t n) { d.config.limits.transaction_memory = n; }}, "512MiB",
       "Memory of all of them together, bodies and what waits for them included, and of lines that are not complete. "
       "Beyond it, the one that was idle longest is judged as it stands. At least what the largest may take."},
      {"limits.transactions_per_connection",
       CountField{{1, 64}, [](Draft& d, std::uint64_t n) { d.config.limits.transactions_per_connection = narrow(n); }}, "64",
       "The same for one connection (pipelining)."},
      {"limits.early_response",
       SizeField{{0, kGiB}, [](Draft& d, std::uint64_t n) { d.config.limits.early_response = n; }}, "128KiB",
       "Bytes of a response body that are kept while its request is not complete."},
      {"limits.decoders", SizeField{{4 * kMiB, 16 * kGiB}, [](Draft& d, std::uint64_t n) { d.config.limits.decoders = n; }}, "256MiB",
       "Memory of the decoders of content codings together. Beyond it bodies are not decoded: `failures.decode-limit`."},
      {"timeouts", Section{}, "", "After which a connection is forgotten, without packets."},
      {"timeouts.half_open",
       DurationField{{kSecond, 24 * kHour}, [](Draft& d, Duration t) { d.config.timeouts.half_open = t; }}, "30s",
       "In its handshake."},
      {"timeouts.established",
       DurationField{{kSecond, 240 * kHour}, [](Draft& d, Duration t) { d.config.timeouts.established = t; }}, "15min",
       "Past its handshake. Not less than that of a load balancer in front."},
      {"timeouts.closed", DurationField{{kSecond, kHour}, [](Draft& d, Duration t) { d.config.timeouts.closed = t; }}, "30s",
       "Closed."},
      {"watchdog", DurationField{{kSecond, kHour}, [](Draft& d, Duration t) { d.config.watchdog = t; }}, "5s",
       "A worker without a sign of life for so long (what it waits for a processor is not counted) is ended, and another takes its place."},
      {"cache",
       TextField{"path", true,
                 [](Draft& d, const std::string& path) {
                   d.config.cache_directory = path;
                   return std::string();
                 }},
       "", "Directory for compiled patterns. Without it, `/var/cache/weir` for root, the user's cache for others."},
      {"control",
       TextField{"path", true,
                 [](Draft& d, const std::string& path) {
                   d.config.control = path;
                   return path.size() < 108 ? std::string() : std::string("must have at most 107 bytes");
                 }},
       "", "Socket that `weir run` makes for `weir bypass` and `weir run --replace`; only its user may use it. Without it, none."},
  };
}

Fields events() {
  return {
      {"events", Section{}, "", "What is recorded, as JSON lines (docs/EVENTS.md), and where."},
      {"events.file",
       TextField{"path", true,
                 [](Draft& d, const std::string& path) {
                   d.config.events.file = path;
                   return std::string();
                 }},
       "", "File to append to. It is opened anew on SIGHUP."},
      {"events.stdout", FlagField{[](Draft& d, bool on) { d.config.events.standard_output = on; }}, "false",
       "Whether records go to standard output (too)."},
      {"events.http",
       ChoiceField{{"all", "matched", "none"},
                   [](Draft& d, std::size_t word) {
                     d.config.events.http = static_cast<EventsConfig::Http>(word);
                   }},
       "all", "Transactions: every one, only those with a logged rule, a violation or a refusal, or none."},
      {"events.drop", FlagField{[](Draft& d, bool on) { d.config.events.drop = on; }}, "true",
       "Packets that were not forwarded."},
      {"events.anomaly", FlagField{[](Draft& d, bool on) { d.config.events.anomaly = on; }}, "true",
       "Odd packets and connections, and failures; each kind once for a connection."},
      {"events.flow", FlagField{[](Draft& d, bool on) { d.config.events.flow = on; }}, "false",
       "Connections that are over."},
      {"events.stats", FlagField{[](Draft& d, bool on) { d.config.events.stats = on; }}, "true", "Counters, now and then."},
      {"events.buffer", SizeField{{64 * kKiB, kGiB}, [](Draft& d, std::uint64_t n) { d.config.events.buffer = n; }}, "8MiB",
       "Memory between each worker and the writer. A record that finds no room is counted; nothing waits for a slow disk."},
      {"stats_interval",
       DurationField{{kSecond, 24 * kHour}, [](Draft& d, Duration t) { d.config.stats_interval = t; }}, "60s",
       "How often a `stats` record is written."},
  };
}

Fields all() {
  Fields fields;
  for (const auto& part : {inputs(), gateway_input_fields(), gateway_health_fields(), policy(""), sites(), client_address(), failures(), release_fields(), block_page(), limits(), events(), audit_fields(), collection_fields()}) {
    fields.insert(fields.end(), part.begin(), part.end());
  }
  return fields;
}

struct Describe {
  std::string operator()(const Section& s) const {
    static_cast<void>(s);
    return "section";
  }
  std::string operator()(const SectionList& s) const {
    static_cast<void>(s);
    return "list of sections";
  }
  std::string operator()(const FlagField& f) const {
    static_cast<void>(f);
    return "true or false";
  }
  std::string operator()(const CountField& f) const {
    return "number, " + std::to_string(f.range.low) + " to " + std::to_string(f.range.high);
  }
  std::string operator()(const SizeField& f) const {
    return "size, " + size_text(f.range.low) + " to " + size_text(f.range.high);
  }
  std::string operator()(const DurationField& f) const {
    return "duration, " + duration_text(f.range.low) + " to " + duration_text(f.range.high);
  }
  std::string operator()(const ChoiceField& f) const {
    std::string out;
    for (std::size_t i = 0; i < f.words.size(); ++i) {
      out += (i == 0 ? "" : i + 1 == f.words.size() ? " or " : ", ") + ("`" + f.words[i] + "`");
    }
    return out;
  }
  std::string operator()(const TextField& f) const { return std::string(f.what); }
  std::string operator()(const TextListField& f) const { return "list of " + std::string(f.what); }
};

}  // namespace

const std::vector<Field>& schema() {
  static const std::vector<Field> fields = all();
  return fields;
}

std::string leniencies() {
  std::string out = "| Name | What is meant |\n|---|---|\n";
  for (const inspect::Leniency& one : inspect::leniencies()) {
    out += "| `" + std::string(one.name) + "` | " + std::string(one.description) + " |\n";
  }
  return out;
}

std::string describe(const FieldType& type) { return std::visit(Describe{}, type); }

std::string reference() {
  std::string out = "| Field | Takes | Default | Meaning |\n|---|---|---|---|\n";
  for (const Field& field : schema()) {
    const bool section = std::holds_alternative<Section>(field.type) || std::holds_alternative<SectionList>(field.type);
    const std::string path(field.path);
    out += "| " + (section ? "**`" + path + "`**" : "`" + path + "`") + " | " + describe(field.type) + " | " +
           (field.required        ? "required"
            : field.initial.empty() ? ""
                                    : "`" + std::string(field.initial) + "`") +
           " | " + std::string(field.help) + " |\n";
  }
  return out;
}

unsigned Config::workers() const {
  unsigned sum = 0;
  if (nfqueue) sum += static_cast<unsigned>(nfqueue->queues.size());
  if (mirror) sum += mirror->workers;
  if (geneve) sum += geneve->workers;
  return sum;
}

}  // namespace weir::app
