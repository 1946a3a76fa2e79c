#include "engine/inspect/sites.h"

#include <algorithm>
#include <utility>

namespace weir::inspect {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// RFC 3986 3.1: where the scheme and "://" end; 0 if there is none.
std::size_t after_scheme(std::string_view target) {
  const std::size_t colon = target.find(':');
  if (colon == 0 || colon == std::string_view::npos || target.substr(colon, 3) != "://") return 0;
  const bool scheme = std::all_of(target.begin(), target.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
  return scheme ? colon + 3 : 0;
}

void read_host(std::string_view authority, std::string& out) {
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  if (!authority.empty() && authority[0] == '[') {
    authority = authority.substr(1, authority.find(']') - 1);  // IPv6
  } else {
    authority = authority.substr(0, authority.find(':'));
  }
  if (!authority.empty() && authority.back() == '.') authority.remove_suffix(1);
  out.assign(authority);
  std::transform(out.begin(), out.end(), out.begin(), lower);
}

// Once, as a server does before it looks for a file; in place, for it only gets shorter.
void decode(std::string& text) {
  std::size_t to = 0;
  for (std::size_t at = 0; at < text.size(); ++at, ++to) {
    text[to] = text[at];
    if (text[at] != '%' || at + 2 >= text.size()) continue;
    const int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
    if (high < 0 || low < 0) continue;
    text[to] = static_cast<char>(high * 16 + low);
    at += 2;
  }
  text.resize(to);
}

// RFC 3986 5.2.4, segment by segment; empty ones are left out. In place.
void resolve(std::string& path) {
  std::size_t to = 0;  // what is before it is resolved: nothing, or "/a/b"
  for (std::size_t at = 0; at < path.size();) {
    if (path[at] == '/') {
      ++at;
      continue;
    }
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = std::string_view(path).substr(at, end - at);
    if (segment == "..") {
      const std::size_t slash = std::string_view(path).substr(0, to).rfind('/');
      to = slash == std::string_view::npos ? 0 : slash;
    } else if (segment != ".") {
      path[to++] = '/';
      for (; at < end; ++at) path[to++] = path[at];
    }
    at = end;
  }
  path.resize(to);
  if (path.empty()) path = "/";
}

void read_path(std::string_view text, std::string& out) {
  out.assign(text.substr(0, text.find_first_of("?#")));
  if (out.empty()) out = "/";
  decode(out);
  resolve(out);
}

}  // namespace

void RequestPlace::read(std::string_view target, std::string_view host) {
  path_.clear();
  const std::size_t authority = after_scheme(target);
  if (authority != 0) {
    const std::string_view rest = target.substr(authority);
    const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    read_host(rest.substr(0, end), host_);
    read_path(rest.substr(end), path_);
  } else if (!target.empty() && target[0] == '/') {
    read_host(host, host_);
    read_path(target, path_);
  } else if (target.empty() || target == "*") {
    read_host(host, host_);
  } else {
    read_host(target, host_);  // the authority of CONNECT
  }
}

namespace {

http::ViolationSet let_by_of(const SitePolicy& policy) {
  http::ViolationSet out;
  for (std::size_t i = 0; i < http::kViolationCount; ++i) {
    const auto violation = static_cast<http::Violation>(i);
    if (policy.leeway(violation) != Leeway::Refused) out.insert(violation);
  }
  return out;
}

}  // namespace

Sites::Sites(SitePolicy everything, std::vector<Site> sites)
    : everything_(std::move(everything)), sites_(std::move(sites)), let_by_(let_by_of(everything_)) {
  for (std::uint32_t i = 0; i < sites_.size(); ++i) {
    let_by_.insert(let_by_of(sites_[i].policy));
    SiteMatch& match = sites_[i].match;
    if (match.hosts.empty()) any_host_.push_back(i);
    for (const std::string& host : match.hosts) {
      const bool wild = host.rfind("*.", 0) == 0;
      List& list = wild ? below_[host.substr(2)] : exact_[host];
      if (list.empty() || list.back() != i) list.push_back(i);
    }
    for (std::string& path : match.paths) {
      RequestPlace place;
      place.read(path, {});
      path = place.path();
    }
  }
}

bool Sites::at_server(std::uint32_t site, const IpAddress& server, std::uint16_t port) const {
  const SiteMatch& match = sites_[site].match;
  const bool address = match.addresses.empty() ||
                       std::any_of(match.addresses.begin(), match.addresses.end(),
                                   [&server](const IpPrefix& p) { return p.contains(server); });
  return address && (match.ports.empty() || std::find(match.ports.begin(), match.ports.end(), port) != match.ports.end());
}

bool Sites::on_path(std::uint32_t site, std::string_view path) const {
  const std::vector<std::string>& paths = sites_[site].match.paths;
  return paths.empty() || std::any_of(paths.begin(), paths.end(), [path](const std::string& prefix) {
           if (path.substr(0, prefix.size()) != prefix) return false;
           return prefix == "/" || path.size() == prefix.size() || path[prefix.size()] == '/';
         });
}

Sites::Reach Sites::reach(const IpAddress& server, std::uint16_t port) const {
  Reach reach;
  const auto count = static_cast<std::uint32_t>(sites_.size());
  while (reach.first < count && !at_server(reach.first, server, port)) ++reach.first;
  reach.settled = reach.first == count ||
                  (sites_[reach.first].match.hosts.empty() && sites_[reach.first].match.paths.empty());
  return reach;
}

template <class F>
bool Sites::any(const IpAddress& server, std::uint16_t port, const Reach& reach, F&& holds) const {
  if (reach.settled) return holds(settled(reach));
  for (auto i = reach.first; i < sites_.size(); ++i) {
    if (!at_server(i, server, port)) continue;
    if (holds(sites_[i].policy)) return true;
    if (sites_[i].match.hosts.empty() && sites_[i].match.paths.empty()) return false;  // takes what is left
  }
  return holds(everything_);
}

Leeway Sites::strictest(const IpAddress& server, std::uint16_t port, const Reach& reach, http::Violation violation) const {
  for (const Leeway leeway : {Leeway::Refused, Leeway::Detected}) {
    if (any(server, port, reach, [&](const SitePolicy& p) { return p.leeway(violation) == leeway; })) return leeway;
  }
  return Leeway::Tolerated;
}

bool Sites::tolerates(const IpAddress& server, std::uint16_t port, const Reach& reach, http::Violation violation) const {
  return any(server, port, reach, [&](const SitePolicy& p) { return p.tolerated.contains(violation); });
}

bool Sites::may_block(const IpAddress& server, std::uint16_t port, const Reach& reach) const {
  return any(server, port, reach, [](const SitePolicy& p) { return p.mode == WafMode::Block; });
}

const SitePolicy& Sites::choose(const IpAddress& server, std::uint16_t port, const Reach& reach,
                                const RequestPlace& place) const {
  auto best = static_cast<std::uint32_t>(sites_.size());
  const auto look = [&](const List& list) {
    for (const std::uint32_t site : list) {
      if (site >= best) return;
      if (site < reach.first || !at_server(site, server, port) || !on_path(site, place.path())) continue;
      best = site;
      return;
    }
  };
  look(any_host_);
  const std::string_view host = place.host();
  if (!host.empty()) {
    if (const auto found = exact_.find(host); found != exact_.end()) look(found->second);
    if (!below_.empty()) {
      for (std::size_t dot = host.find('.'); dot != std::string_view::npos; dot = host.find('.', dot + 1)) {
        // Of a name that begins with the dot nothing is left that could be below it.
        if (dot == 0) continue;
        if (const auto found = below_.find(host.substr(dot + 1)); found != below_.end()) look(found->second);
      }
    }
  }
  return best < sites_.size() ? sites_[best].policy : everything_;
}

}  // namespace weir::inspect
