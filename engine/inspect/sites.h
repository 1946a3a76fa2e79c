// Sites: which policy a request is judged by. The first site of the list that fits in every respect takes it:
// the server's address and port, which are known when the connection is, and the request's host and path, which
// are known at the end of its header section, before phase 1. What no site takes is judged by the policy for
// everything.
//
// Immutable once made, shared by whoever judges. Work for a request: a look-up for each label of its host, and
// the sites that are listed there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/ip_address.h"
#include "engine/event.h"
#include "engine/http/violation.h"
#include "engine/inspect/options.h"
#include "rules/ruleset.h"

namespace weir::inspect {

// What is done about a violation that is refused by default.
enum class Leeway : std::uint8_t {
  Tolerated,
  Detected,  // let by, and told that it would be refused where requests are blocked
  Refused,
};

// How the requests of a site are judged.
struct SitePolicy {
  std::string name;  // for records; empty: the policy for everything
  std::shared_ptr<const rules::RuleSet> rules;
  WafMode mode = WafMode::Detect;  // overrides SecRuleEngine
  std::uint8_t paranoia = 1;       // for records only: the rules have theirs in TX
  http::ViolationSet tolerated;    // noted, no longer refused (inline)

  [[nodiscard]] Leeway leeway(http::Violation violation) const {
    if (mode == WafMode::Off || tolerated.contains(violation)) return Leeway::Tolerated;
    return mode == WafMode::Block ? Leeway::Refused : Leeway::Detected;
  }
};

// Each list that is empty fits everything.
struct SiteMatch {
  std::vector<IpPrefix> addresses;   // of the server
  std::vector<std::uint32_t> ports;  // of the server
  std::vector<std::string> hosts;    // in lower case; "*.example.org": every name below example.org
  std::vector<std::string> paths;    // prefixes that end where a segment does
};

struct Site {
  SiteMatch match;
  SitePolicy policy;
};

// Where a request is addressed to, in a form that can be compared. Keeps its memory.
class RequestPlace {
 public:
  // `target` as sent; `host`: the Host field as sent, empty if there is none. An authority in the target
  // counts instead of Host (RFC 9112 3.2.2).
  void read(std::string_view target, std::string_view host);
  // In lower case, without user, port, and the root's dot; empty: none was said.
  [[nodiscard]] std::string_view host() const { return host_; }
  // Decoded once, dot segments resolved, repeated slashes taken for one (as servers do), without a query and
  // without a slash at its end: "/a/b", "/" for the root. Empty: the target has no path (`*`, CONNECT).
  [[nodiscard]] std::string_view path() const { return path_; }

 private:
  std::string host_, path_;
};

class Sites {
 public:
  explicit Sites(SitePolicy everything, std::vector<Site> sites = {});

  // What is left to choose from for the requests of a connection.
  struct Reach {
    std::uint32_t first = 0;  // sites before this one do not fit
    bool settled = true;      // whatever the request: `first`, or everything if there is no such site
  };
  [[nodiscard]] Reach reach(const IpAddress& server, std::uint16_t port) const;
  // REQUIRES: reach.settled.
  [[nodiscard]] const SitePolicy& settled(const Reach& reach) const {
    return reach.first < sites_.size() ? sites_[reach.first].policy : everything_;
  }
  [[nodiscard]] const SitePolicy& choose(const IpAddress& server, std::uint16_t port, const Reach& reach,
                                         const RequestPlace& place) const;
  [[nodiscard]] const SitePolicy& everything() const { return everything_; }
  [[nodiscard]] std::size_t size() const { return sites_.size(); }
  // What some site, or everything, lets by: the parser does not know yet whose request it reads.
  [[nodiscard]] const http::ViolationSet& let_by() const { return let_by_; }
  // Where nobody can know whose request it is: the strictest of those that it may be.
  [[nodiscard]] Leeway strictest(const IpAddress& server, std::uint16_t port, const Reach& reach,
                                 http::Violation violation) const;
  // Whether some of those tolerates it by name.
  [[nodiscard]] bool tolerates(const IpAddress& server, std::uint16_t port, const Reach& reach,
                               http::Violation violation) const;
  // Whether some of those has mode block.
  [[nodiscard]] bool may_block(const IpAddress& server, std::uint16_t port, const Reach& reach) const;

 private:
  using List = std::vector<std::uint32_t>;  // ascending
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using ByName = std::unordered_map<std::string, List, Hash, std::equal_to<>>;

  [[nodiscard]] bool at_server(std::uint32_t site, const IpAddress& server, std::uint16_t port) const;
  [[nodiscard]] bool on_path(std::uint32_t site, std::string_view path) const;
  // Whether `holds` for a policy that a request of such a connection may be judged by.
  template <class F>
  [[nodiscard]] bool any(const IpAddress& server, std::uint16_t port, const Reach& reach, F&& holds) const;

  SitePolicy everything_;
  std::vector<Site> sites_;
  ByName exact_, below_;  // sites by host; `below_` by what follows "*."
  List any_host_;
  http::ViolationSet let_by_;
};

// Names of the violations that a policy may tolerate, with a sentence each; the others have policies of their own.
struct Leniency {
  std::string_view name, description;
};
[[nodiscard]] std::vector<Leniency> leniencies();
// Unknown names are ignored.
void tolerate(SitePolicy& policy, std::string_view name);

// One rule set for everything, judged as the options say.
[[nodiscard]] std::shared_ptr<const Sites> without_sites(const InspectorOptions& options,
                                                         std::shared_ptr<const rules::RuleSet> rules);

}  // namespace weir::inspect
