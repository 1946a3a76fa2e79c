// How an Inspector inspects. Plain values; app fills them in from the command line or the configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/ip_address.h"
#include "engine/event.h"
#include "engine/failure.h"
#include "engine/flow/in_hand.h"
#include "engine/flow/options.h"
#include "engine/limits.h"
#include "engine/packet.h"

namespace weir::inspect {

enum class Stance : std::uint8_t {
  Passive,  // a capture or a mirror: say what happened and what would have been done
  Inline,   // each packet waits for its verdict
};

// How a refused client is answered (inline).
struct BlockOptions {
  // The page: the body of every answer of Weir's. `{{transaction_id}}` is replaced by the id that the records
  // have, `{{status}}` by the status; nothing that the client sent ever gets into it. See BlockPage::check().
  std::string page;  // empty: Weir's own short page
  std::string content_type = "text/html; charset=utf-8";
  // false: both ends are reset, no page is sent.
  bool answer = true;
  // How long a blocked connection's client may take to read the page, its further data being acknowledged
  // and discarded meanwhile; then it is reset.
  Duration linger = seconds(30);
  // Connections that are being answered at a time (less than 2 KiB each, with their pages). Beyond it both
  // ends are reset without a page.
  std::uint32_t connections = 4096;
  // Frames that Weir may make in a second, in bursts of as many.
  std::uint32_t frames_per_second = 50'000;
};

enum class ProxyProtocol : std::uint8_t { Off, Accept, Require };
enum class ForwardedHeader : std::uint8_t { None, XForwardedFor, Forwarded };

// Whom the rules take for the client (engine/inspect/client_address.h).
struct ClientAddressOptions {
  // In front of a connection. Taken from trusted addresses only; Require: those that are must have it.
  ProxyProtocol proxy_protocol = ProxyProtocol::Off;
  ForwardedHeader header = ForwardedHeader::None;
  std::vector<IpPrefix> trusted;
  bool operator==(const ClientAddressOptions&) const = default;
};

// What is handed to the port where it needs no inspection (engine/inspect/releasing.h). Inline.
struct ReleaseOptions {
  bool unread = true;      // connections that are not read: TLS, tunnels, ports that are not looked at
  bool responses = false;  // the rest of a large response body in which no rule takes an interest
  bool requests = false;   // of a large request body of known length likewise, byte for byte
  // Connections of which address and port alone say that they are a site's of mode Off: nothing of them is read.
  bool off_sites = false;
  bool operator==(const ReleaseOptions&) const = default;
};

struct InspectorOptions {
  Stance stance = Stance::Passive;
  // Where there are no sites (engine/inspect/sites.h, which has both for each of them).
  WafMode mode = WafMode::Detect;  // overrides SecRuleEngine
  std::uint8_t paranoia = 1;       // for records only: the rules have theirs in TX
  // TX variables that hold the anomaly scores; the first that exists is taken. Depends on the CRS release.
  std::vector<std::string> inbound_score{"blocking_inbound_anomaly_score", "anomaly_score"};
  std::vector<std::string> outbound_score{"blocking_outbound_anomaly_score", "outbound_anomaly_score"};
  // Server ports to look at; empty: all, and what is not HTTP is recognised by its first bytes.
  std::vector<std::uint16_t> ports;
  // Transactions that may be under way at one time. Each costs its arenas (some 100 KiB in steady state,
  // at most the body limits of the rules). Beyond it the one that was idle longest is finished as it
  // stands and marked truncated: stops slow or abandoned requests from holding memory.
  std::size_t transactions = 2048;
  // What they take together, and with them lines that are not complete. Beyond it the same happens, until there is room: it
  // may be exceeded by what one packet brings.
  std::uint64_t transaction_bytes = 512ULL << 20U;
  // Of one connection (pipelining).
  std::size_t transactions_per_flow = 64;
  ClientAddressOptions client;
  // A response that begins before its request is complete waits for phase 2; at most so much of its body
  // is kept for phase 4.
  std::size_t early_response_bytes = 128 * 1024;
  // What decoders of content codings take together; beyond it FailureCause::DecodeLimit.
  std::size_t decoder_bytes = std::size_t{256} << 20U;
  // The input is a capture: of a host that leaves checksums to its network card, partial sums are
  // recognised and accepted. A live port is told the state of each packet's checksum instead.
  bool detect_offload = true;
  ReleaseOptions release;
  // What becomes of what cannot be inspected (inline).
  FailurePolicies failures;
  // Where there are no sites: violations of HTTP by name (docs/EVENTS.md) that are noted, no longer refused. Unknown
  // names are ignored.
  std::vector<std::string> tolerated;
  // To see what the policies do (`rehearse` in the configuration): every force_every-th TCP packet meets this failure.
  std::optional<FailureCause> force;
  std::uint32_t force_every = 0;
  // Inline: for so long after the first packet every unknown connection is taken up, whatever the policy for
  // FailureCause::Midstream says (restart, failover).
  Duration midstream_grace = {0};
  // Whose packet is in hand, for whoever finds this inspector's process dead or stuck; must outlive the inspector. Null:
  // nobody asks.
  flow::FlowInHand* in_hand = nullptr;
  // What such a one had in hand: not taken up in the middle (FailureCause::Poisoned).
  std::vector<flow::PoisonedFlow> poisoned;
  // Connections without packets are forgotten after these.
  Duration half_open_timeout = seconds(30);
  Duration established_timeout = seconds(900);
  Duration closed_timeout = seconds(30);
  // Which kinds of event are written besides Http and Drop.
  bool anomaly_events = false;
  bool flow_events = false;
  BlockOptions block;
  FlowLimits flow_limits;
  flow::RestPolicy rest = flow::RestPolicy::WhenIdle;  // else for tests
  FragmentLimits fragment_limits;
  // Key of the TCP table; random per process where an attacker chooses addresses and ports.
  std::uint64_t table_k0 = 0, table_k1 = 0;
};

struct InspectorCounters {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t not_tcp = 0;          // decoded, but nothing that Weir inspects
  std::uint64_t malformed = 0;        // a header contradicts its packet
  std::uint64_t bad_checksum = 0;
  std::uint64_t offloaded_checksum = 0;  // partial sums that the sender's card was to complete
  std::uint64_t snapped = 0;          // cut by the snaplen
  std::uint64_t fragments = 0;
  std::uint64_t fragments_lost = 0;   // overlapping, too long, timed out, …
  std::uint64_t refused_segments = 0;  // TCP that an endpoint would not take
  std::uint64_t flows = 0;
  std::uint64_t flows_http = 0;       // at least one request or response was read
  std::uint64_t flows_tls = 0;
  std::uint64_t flows_http2 = 0;
  std::uint64_t flows_other = 0;      // something else, or nothing, was said
  std::uint64_t flows_skipped = 0;    // not a port that is looked at
  std::uint64_t tunnels = 0;          // CONNECT and Upgrade: not read any more
  std::uint64_t gaps = 0;
  std::uint64_t gap_bytes = 0;
  std::uint64_t transactions = 0;
  std::uint64_t matched = 0;          // with a logged rule
  std::uint64_t refused = 0;          // deny, drop or redirect (in detect mode: would have been)
  std::uint64_t truncated = 0;
  std::uint64_t with_violations = 0;
  std::uint64_t evicted = 0;          // given up early because of InspectorOptions::transactions or transaction_bytes
  std::uint64_t held = 0;             // now: bytes that InspectorOptions::transaction_bytes bounds
  std::uint64_t dropped_packets = 0;  // inline
  std::uint64_t pages = 0;            // block pages begun
  std::uint64_t pages_read = 0;       // of these, acknowledged to their last byte
  std::uint64_t resets = 0;           // connections that were reset
  std::uint64_t injected = 0;         // frames that Weir made
  std::uint64_t injection_limited = 0;  // frames not made: BlockOptions::frames_per_second
  std::uint64_t released = 0;         // directions handed to the port
  std::uint64_t resumed = 0;
  FailureCounts failures{};

  InspectorCounters& operator+=(const InspectorCounters& other);
};

}  // namespace weir::inspect
