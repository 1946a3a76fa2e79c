// What weir.yaml says, checked and typed; defaults are those of the table in schema.cc, which documents
// every field. Plain values. Paths are as written, but those that are relative are made to begin at the
// file's directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/config/gateway.h"
#include "app/config/units.h"
#include "engine/base/ip_address.h"
#include "engine/event.h"
#include "engine/failure.h"
#include "engine/inspect/options.h"
#include "engine/limits.h"
#include "engine/packet.h"

namespace weir::app {

struct NfqueueConfig {
  std::vector<std::uint32_t> queues{0};
  std::uint64_t copy_range = 65'535;
  std::uint32_t queue_length = 8'192;
  std::uint64_t socket_buffer = 32ULL << 20U;
  bool fail_open = false;
  bool gso = true;
  bool sides = true;
  std::uint32_t mark_bit = 28;  // lowest of the three bits of packet marks that are Weir's
  std::string pins = "/sys/fs/bpf/weir";  // directory of what release.requests needs in the kernel
  bool operator==(const NfqueueConfig&) const = default;
};

struct MirrorConfig {
  std::vector<std::string> interfaces;
  std::string filter;  // BPF
  std::uint64_t buffer = 64ULL << 20U;
  std::uint64_t snaplen = 65'535;
  bool promiscuous = true;
  bool ignore_outgoing = true;
  std::uint32_t workers = 1;
  bool operator==(const MirrorConfig&) const = default;
};

struct CpuChoice {
  enum class Kind : std::uint8_t { Auto, None, List } kind = Kind::Auto;
  std::vector<std::uint32_t> list;  // List: worker n is pinned to list[n % size]
  bool operator==(const CpuChoice&) const = default;
};

// How transactions are judged: for everything, and for a site, which leaves out what it takes over from
// there.
struct PolicyConfig {
  std::optional<WafMode> mode;
  std::vector<std::string> rules;  // empty: Debian's modsecurity-crs, or those of the level above
  std::optional<unsigned> paranoia, detection_paranoia;
  std::optional<unsigned> inbound_threshold, outbound_threshold;
  std::optional<bool> early_blocking;
  std::optional<std::uint64_t> request_body;           // SecRequestBodyLimit
  std::optional<std::uint64_t> request_without_files;  // SecRequestBodyNoFilesLimit
  std::optional<std::uint64_t> response_body;          // SecResponseBodyLimit
  std::optional<std::uint32_t> arguments;              // SecArgumentsLimit
  std::optional<std::vector<std::string>> tolerate;    // names of http::Violation
  bool operator==(const PolicyConfig&) const = default;
};

struct SiteConfig {
  std::string name;
  std::vector<IpPrefix> addresses;      // of the server; empty: any
  std::vector<std::uint32_t> ports;     // of the server; empty: any
  std::vector<std::string> hosts;       // lower case; "*.example.org" takes every name below; empty: any
  std::vector<std::string> paths;       // prefixes; empty: any
  PolicyConfig policy;
  bool operator==(const SiteConfig&) const = default;
};

using inspect::ForwardedHeader;
using inspect::ProxyProtocol;
using ClientAddressConfig = inspect::ClientAddressOptions;

struct EventsConfig {
  std::string file;       // empty: none
  bool standard_output = false;
  enum class Http : std::uint8_t { All, Matched, None } http = Http::All;
  bool drop = true, anomaly = true, flow = false, stats = true;
  std::uint64_t buffer = 8ULL << 20U;  // of each worker
  bool operator==(const EventsConfig&) const = default;
};

// The audit log (docs/AUDIT_LOG.md); none is written unless a place is named.
struct AuditConfig {
  std::string file;       // entries, or the index lines of those in `directory`
  std::string directory;  // a file for each transaction below it; empty: none
  enum class Format : std::uint8_t { AsRuled, Json, Native } format = Format::AsRuled;
  std::string parts;      // letters; empty: as the rules say
  enum class Which : std::uint8_t { AsRuled, Relevant, All } which = Which::AsRuled;
  std::uint64_t buffer = 8ULL << 20U;  // of each worker
  [[nodiscard]] bool wanted() const { return !file.empty() || !directory.empty(); }
  bool operator==(const AuditConfig&) const = default;
};

// SecLang's persistent collections (docs/AUDIT_LOG.md).
struct CollectionsConfig {
  bool shared = true;  // by all workers
  std::uint64_t memory = 64ULL << 20U;
  std::string file;  // in which they are kept from one run to the next; empty: they are not
  bool operator==(const CollectionsConfig&) const = default;
};

struct LimitsConfig {
  std::uint64_t memory = 0;  // of all processes together; 0: no more than the sum of what follows
  FlowLimits flow;
  FragmentLimits fragments;
  std::uint32_t transactions = 2'048;
  std::uint64_t transaction_memory = 512ULL << 20U;
  std::uint32_t transactions_per_connection = 64;
  std::uint64_t early_response = 128ULL << 10U;
  std::uint64_t decoders = 256ULL << 20U;
  bool operator==(const LimitsConfig&) const = default;
};

struct TimeoutsConfig {
  Duration half_open = seconds(30);
  Duration established = seconds(900);
  Duration closed = seconds(30);
  bool operator==(const TimeoutsConfig&) const = default;
};

// A failure that is made to happen, to see what comes of it.
struct RehearsalConfig {
  std::optional<FailureCause> failure;
  std::uint32_t every = 1'000;  // packets
  bool operator==(const RehearsalConfig&) const = default;
};

struct BlockPageConfig {
  bool answer = true;
  std::string file;  // empty: Weir's own page
  std::string content_type = "text/html; charset=utf-8";
  Duration linger = seconds(30);
  std::uint32_t connections = 4'096;
  std::uint32_t frames_per_second = 50'000;
  bool operator==(const BlockPageConfig&) const = default;
};

struct Config {
  std::string file;  // where it was read
  std::optional<NfqueueConfig> nfqueue;
  std::optional<MirrorConfig> mirror;
  std::optional<GatewayConfig> geneve;
  HealthConfig health;
  Duration drain;
  CpuChoice cpus;
  std::vector<std::uint16_t> ports;  // of servers to look at; empty: all
  PolicyConfig policy;
  std::vector<SiteConfig> sites;  // the first that fits is taken
  ClientAddressConfig client_address;
  FailurePolicies failures;
  Duration midstream_grace = seconds(60);
  RehearsalConfig rehearsal;
  inspect::ReleaseOptions release;
  BlockPageConfig block_page;
  LimitsConfig limits;
  TimeoutsConfig timeouts;
  EventsConfig events;
  AuditConfig audit;
  CollectionsConfig collections;
  Duration stats_interval = seconds(60);
  Duration watchdog = seconds(5);
  std::string cache_directory;  // of compiled patterns; empty: the usual place
  std::string control;          // the operator's socket; empty: none

  [[nodiscard]] unsigned workers() const;
  // Of a gateway, packets of workers that are stuck are echoed by another process: for whoever fails open, and for the
  // operator's bypass, which is to work while a worker does not.
  [[nodiscard]] bool stands_in() const {
    return geneve && geneve->profile != GatewayProfile::Mirror && (failures.open || !control.empty());
  }
  // There is a process beside the workers for that, and for health checks (app/live/helper.h).
  [[nodiscard]] bool has_helper() const { return health.wanted() || stands_in(); }
};

}  // namespace weir::app
