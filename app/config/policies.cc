#include "app/config/policies.h"

#include <algorithm>
#include <utility>

namespace weir::app {
namespace {

// What of a policy decides which rules are compiled, and how.
RuleOptions rule_options(const PolicyConfig& policy, const Config& config) {
  RuleOptions options;
  options.rules = policy.rules;
  options.paranoia = policy.paranoia;
  options.detection_paranoia = policy.detection_paranoia;
  options.inbound_threshold = policy.inbound_threshold;
  options.outbound_threshold = policy.outbound_threshold;
  options.early_blocking = policy.early_blocking;
  options.cache_directory = config.cache_directory;
  const auto set = [&options](std::string_view directive, const auto& value) {
    if (value) options.settings += std::string(directive) + " " + std::to_string(*value) + "\n";
  };
  set("SecRequestBodyLimit", policy.request_body);
  set("SecRequestBodyNoFilesLimit", policy.request_without_files);
  set("SecResponseBodyLimit", policy.response_body);
  set("SecArgumentsLimit", policy.arguments);
  return options;
}

bool same_rules(PolicyConfig a, PolicyConfig b) {
  a.mode = b.mode = std::nullopt;  // the inspector's matter, both
  a.tolerate = b.tolerate = std::nullopt;
  return a == b;
}

}  // namespace

PolicyConfig effective(const PolicyConfig& site, const PolicyConfig& everything) {
  PolicyConfig out = everything;
  const auto take = [](auto& into, const auto& from) {
    if (from) into = from;
  };
  take(out.mode, site.mode);
  if (!site.rules.empty()) out.rules = site.rules;
  take(out.paranoia, site.paranoia);
  take(out.detection_paranoia, site.detection_paranoia);
  take(out.inbound_threshold, site.inbound_threshold);
  take(out.outbound_threshold, site.outbound_threshold);
  take(out.early_blocking, site.early_blocking);
  take(out.request_body, site.request_body);
  take(out.request_without_files, site.request_without_files);
  take(out.response_body, site.response_body);
  take(out.arguments, site.arguments);
  take(out.tolerate, site.tolerate);
  return out;
}

LoadedPolicies load_policies(const Config& config, const std::optional<std::string>& audit) {
  LoadedPolicies out;
  out.policies.push_back(config.policy);
  for (const SiteConfig& site : config.sites) out.policies.push_back(effective(site.policy, config.policy));
  for (std::size_t i = 0; i < out.policies.size(); ++i) {
    const auto same = std::find_if(out.policies.begin(), out.policies.begin() + static_cast<std::ptrdiff_t>(i),
                                   [&](const PolicyConfig& p) { return same_rules(p, out.policies[i]); });
    const auto before = static_cast<std::size_t>(same - out.policies.begin());
    if (before < i) {
      out.set_of.push_back(out.set_of[before]);
      continue;
    }
    out.set_of.push_back(out.sets.size());
    out.sets.push_back(load_rules(rule_options(out.policies[i], config), crs::Mode::AsConfigured, false, audit));
    if (out.exit == ExitCode::Fine) out.exit = out.sets.back().exit;
  }
  return out;
}

std::shared_ptr<const inspect::Sites> make_sites(const Config& config, const LoadedPolicies& loaded, bool may_block) {
  const auto policy = [&](std::size_t i, const std::string& name) {
    inspect::SitePolicy out;
    out.name = name;
    out.rules = loaded.rules(i).rules;
    out.mode = loaded.policies[i].mode.value_or(WafMode::Detect);
    if (!may_block && out.mode == WafMode::Block) out.mode = WafMode::Detect;
    out.paranoia = static_cast<std::uint8_t>(loaded.policies[i].paranoia.value_or(1));
    for (const std::string& tolerated : loaded.policies[i].tolerate.value_or(std::vector<std::string>{})) {
      inspect::tolerate(out, tolerated);
    }
    return out;
  };
  std::vector<inspect::Site> sites;
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    const SiteConfig& from = config.sites[i];
    sites.push_back({{from.addresses, from.ports, from.hosts, from.paths}, policy(i + 1, from.name)});
  }
  return std::make_shared<const inspect::Sites>(policy(0, {}), std::move(sites));
}

inspect::InspectorOptions inspector_options(const Config& config, inspect::Stance stance) {
  inspect::InspectorOptions options;
  options.stance = stance;
  options.mode = config.policy.mode.value_or(WafMode::Detect);
  options.paranoia = static_cast<std::uint8_t>(config.policy.paranoia.value_or(1));
  options.ports = config.ports;
  options.client = config.client_address;
  options.transactions = config.limits.transactions;
  options.transaction_bytes = config.limits.transaction_memory;
  options.transactions_per_flow = config.limits.transactions_per_connection;
  options.decoder_bytes = static_cast<std::size_t>(config.limits.decoders);
  options.early_response_bytes = static_cast<std::size_t>(config.limits.early_response);
  options.detect_offload = false;
  options.half_open_timeout = config.timeouts.half_open;
  options.established_timeout = config.timeouts.established;
  options.closed_timeout = config.timeouts.closed;
  options.failures = config.failures;
  options.force = config.rehearsal.failure;
  options.force_every = config.rehearsal.every;
  options.release = config.release;
  options.midstream_grace = config.midstream_grace;
  options.anomaly_events = config.events.anomaly;
  options.flow_events = config.events.flow;
  options.block.content_type = config.block_page.content_type;
  options.block.answer = config.block_page.answer;
  options.block.linger = config.block_page.linger;
  options.block.connections = config.block_page.connections;
  options.block.frames_per_second = config.block_page.frames_per_second;
  options.flow_limits = config.limits.flow;
  options.fragment_limits = config.limits.fragments;
  return options;
}

}  // namespace weir::app
