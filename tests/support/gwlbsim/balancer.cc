#include "tests/support/gwlbsim/balancer.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace gwlbsim {
namespace {

constexpr unsigned kGeneve = 6081;
constexpr int kAtOnce = 64;

std::uint64_t digest(const std::uint8_t* p, std::size_t n) {
  std::uint64_t h = 0xcbf29ce484222325ULL ^ n;
  for (std::size_t i = 0; i < n; ++i)
    h = (h ^ p[i]) * 0x100000001b3ULL;
  return h;
}

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "weir-gwlbsim: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(3);
}

}  // namespace

std::size_t Balancer::KeyHash::operator()(const Key& key) const {
  std::uint64_t h = digest(key.low.address.data(), 16);
  h = h * 31 + digest(key.high.address.data(), 16);
  return h * 31 + key.low.port * 65536ULL + key.high.port + key.protocol * 7 + key.endpoint;
}

Balancer::Balancer(const Settings& settings)
    : settings_(settings), random_(settings.seed), health_(settings) {
  if (::inet_pton(AF_INET, settings.listen.c_str(), &self_) != 1) give_up(settings.listen);
  for (const std::string& name : settings.targets) {
    Target t;
    t.name = name;
    if (::inet_pton(AF_INET, name.c_str(), &t.address) != 1) give_up(name);
    targets_.push_back(t);
  }
  udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr = self_;
  name.sin_port = htons(kGeneve);
  if (::bind(udp_, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
    give_up("cannot listen on " + settings.listen);
  int size = 32 << 20;
  ::setsockopt(udp_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  raw_ = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (raw_ < 0) give_up("no raw socket");
  size = 8 << 20;
  ::setsockopt(raw_, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  for (const Endpoint& e : settings.endpoints)
    tuns_.push_back({open_tun(e.client), open_tun(e.server)});
}

void Balancer::run() {
  std::puts("ready");
  std::fflush(stdout);
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::milliseconds(static_cast<long>(settings_.seconds * 1000));
  std::vector<pollfd> polled;
  polled.push_back({udp_, POLLIN, 0});
  for (const auto& pair : tuns_) {
    polled.push_back({pair[0], POLLIN, 0});
    polled.push_back({pair[1], POLLIN, 0});
  }
  polled.push_back({STDIN_FILENO, POLLIN, 0});
  while (std::chrono::steady_clock::now() < end) {
    polled.back().fd = commands_ended_ ? -1 : STDIN_FILENO;
    if (::poll(polled.data(), polled.size(), late_.empty() ? 100 : 2) <= 0) {
      send_late();
      continue;
    }
    if (polled[0].revents != 0) from_targets();
    for (std::size_t i = 0; i < tuns_.size(); ++i) {
      if (polled[1 + 2 * i].revents != 0) from_host(i, true);
      if (polled[2 + 2 * i].revents != 0) from_host(i, false);
    }
    if (polled.back().revents != 0 && !read_commands()) break;
  }
  report();
}

void Balancer::from_host(std::size_t endpoint, bool client) {
  for (int i = 0; i < kAtOnce; ++i) {
    const ssize_t n = ::read(tuns_[endpoint][client ? 0 : 1], buffer_.data(), buffer_.size());
    if (n <= 0) return;
    const auto size = static_cast<std::size_t>(n);
    ++(client ? counters_.from_clients : counters_.from_servers);
    if (!client && settings_.direct_return) {
      static_cast<void>(::write(tuns_[endpoint][0], buffer_.data(), size) < 0);
      continue;
    }
    if (size > settings_.limit) {
      ++counters_.too_large;
      continue;
    }
    const Inner inner = read_inner(buffer_.data(), size);
    if (!inner.ip) {
      ++counters_.no_flow;
      continue;
    }
    const bool up = inner.source <= inner.destination;
    const Key key{endpoint, inner.protocol, up ? inner.source : inner.destination,
                  up ? inner.destination : inner.source};
    // Whoever sends first behind the client's device is the client; a server's first packet counts
    // too.
    Flow* flow = flow_of(key, up == client, inner.version);
    if (flow == nullptr) {
      ++counters_.no_flow;
      continue;
    }
    if (!choose_target(*flow, flow->targets == 0)) {
      ++counters_.no_target;
      continue;
    }
    send_out(*flow, up == flow->client_is_low ? 0 : 1, buffer_.data(), size);
  }
}

Balancer::Flow* Balancer::flow_of(const Key& key, bool client_is_low, unsigned version) {
  const auto found = flows_.find(key);
  if (found != flows_.end()) return &found->second;
  if (flows_.size() >= settings_.most_flows) return nullptr;
  Flow& flow = flows_[key];
  flow.key = key;
  flow.client_is_low = client_is_low;
  flow.version = version;
  dress(flow);
  ++counters_.flows;
  return &flow;
}

void Balancer::dress(Flow& flow) {
  std::uint32_t cookie = 0;
  std::uint16_t port = 0;
  for (unsigned way = 0; way < 2; ++way) {
    Direction& d = flow.ways[way];
    if (way == 0 || settings_.different_cookies) {
      do {
        cookie = static_cast<std::uint32_t>(random_());
      } while (by_cookie_.contains(cookie));
      by_cookie_[cookie] = &flow;
    }
    if (way == 0 || settings_.different_ports)
      port = static_cast<std::uint16_t>(1024 + random_() % 64'000);
    d.header_before = d.header;
    d.port_before = d.port;
    d.header = geneve_header(settings_.options, settings_.endpoints[flow.key.endpoint].id, cookie,
                             flow.version);
    d.port = port;
  }
}

bool Balancer::usable(std::size_t target, bool fresh) const {
  const Target& t = targets_[target];
  return health_.healthy(target) && t.registered && !(fresh && t.draining);
}

bool Balancer::choose_target(Flow& flow, bool fresh) {
  // Without rebalancing a flow stays with its target, dead or alive.
  if (!fresh && (!settings_.rebalance || usable(flow.target, false))) return true;
  std::vector<std::size_t> choice;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (usable(i, true)) choice.push_back(i);
  }
  if (choice.empty()) return false;
  std::uint64_t h = digest(flow.key.low.address.data(), 16) ^
                    digest(flow.key.high.address.data(), 16) * 3 ^ flow.key.endpoint;
  if (settings_.stickiness >= 3) h = h * 31 + flow.key.protocol;
  if (settings_.stickiness == 5) h = h * 31 + flow.key.low.port * 65536ULL + flow.key.high.port;
  flow.target = choice[(h * 0x9e3779b97f4a7c15ULL >> 32) % choice.size()];
  if (!fresh) ++counters_.rebalanced;
  return true;
}

void Balancer::send_out(Flow& flow, unsigned way, const std::uint8_t* packet, std::size_t size) {
  Direction& d = flow.ways[way];
  Octets out(28 + d.header.size() + size);
  const std::size_t udp = out.size() - 20;
  out[0] = 0x45;
  put16(&out[2], static_cast<unsigned>(out.size()));
  out[6] = 0x40;
  out[8] = 64;
  out[9] = 17;
  const Target& target = targets_[flow.target];
  std::memcpy(&out[12], &self_, 4);
  std::memcpy(&out[16], &target.address, 4);
  put16(&out[20], d.port);
  put16(&out[22], kGeneve);
  put16(&out[24], static_cast<unsigned>(udp));
  std::memcpy(&out[28], d.header.data(), d.header.size());
  std::memcpy(&out[28 + d.header.size()], packet, size);
  if (settings_.checksums) {
    const unsigned sum = finish(add_words(&out[20], udp, add_words(&out[12], 8, 17 + udp)));
    put16(&out[26], sum == 0 ? 0xffff : sum);
  }
  if (d.outstanding.size() < kOutstanding) d.outstanding.push_back({});
  d.outstanding[d.next % d.outstanding.size()] = {digest(packet, size), flow.generation};
  d.next = d.outstanding.size() < kOutstanding ? d.outstanding.size() : (d.next + 1) % kOutstanding;
  flow.targets |= std::uint64_t{1} << flow.target % 64;
  if (settings_.reorder != 0 && late_.empty() && ++since_late_ >= settings_.reorder) {
    late_ = std::move(out);
    late_to_ = target.address;
    since_late_ = 0;
    return;
  }
  put_out(out, target.address);
  send_late();
}

void Balancer::put_out(const Octets& out, in_addr to) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr = to;
  const ssize_t n =
      ::sendto(raw_, out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&name), sizeof name);
  ++(n > 0 ? counters_.sent : counters_.unsent);
}

// The one that was overtaken, or that nothing came to overtake.
void Balancer::send_late() {
  if (late_.empty()) return;
  put_out(late_, late_to_);
  late_.clear();
}

void Balancer::from_targets() {
  for (int i = 0; i < kAtOnce; ++i) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t n = ::recvfrom(udp_, buffer_.data(), buffer_.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0) return;
    check(from, buffer_.data(), static_cast<std::size_t>(n));
  }
}

void Balancer::check(const sockaddr_in& from, std::uint8_t* bytes, std::size_t size) {
  bool has_cookie = false;
  std::uint32_t cookie = 0;
  const std::size_t header = read_header(bytes, size, has_cookie, cookie);
  if (header == 0) {
    ++counters_.no_geneve;
    return;
  }
  const auto found = by_cookie_.find(cookie);
  if (!has_cookie || found == by_cookie_.end()) {
    ++counters_.unknown_cookie;
    return;
  }
  Flow& flow = *found->second;
  const bool known = std::any_of(targets_.begin(), targets_.end(), [&](const Target& t) {
    const auto i = static_cast<std::size_t>(&t - targets_.data());
    return t.address.s_addr == from.sin_addr.s_addr && (flow.targets >> i % 64 & 1) != 0;
  });
  const std::uint8_t* packet = bytes + header;
  const std::size_t length = size - header;
  const Inner inner = read_inner(packet, length);
  const bool up = inner.source <= inner.destination;
  const Key key{flow.key.endpoint, inner.protocol, up ? inner.source : inner.destination,
                up ? inner.destination : inner.source};
  if (!known)
    ++counters_.wrong_target;
  else if (length > settings_.limit)
    ++counters_.returned_too_large;
  else if (!inner.ip || !(key == flow.key))
    ++counters_.wrong_flow;
  if (!known || length > settings_.limit || !inner.ip || !(key == flow.key)) return;
  const unsigned way = up == flow.client_is_low ? 0 : 1;
  Direction& d = flow.ways[way];
  const unsigned port = ntohs(from.sin_port);
  std::uint32_t generation = 0;
  if (take_outstanding(d, digest(packet, length), generation)) {
    const bool now = generation == flow.generation;
    const Octets& expected = now ? d.header : d.header_before;
    if (header != expected.size() || std::memcmp(bytes, expected.data(), header) != 0)
      ++counters_.changed_header;
    else if (port != (now ? d.port : d.port_before))
      ++counters_.wrong_port;
    else {
      ++counters_.returned;
      deliver(flow, way == 0, packet, length);
    }
    return;
  }
  bool current = false;
  bool other = false;
  if (!check_header(flow, way, bytes, header, port, current)) {
    other = check_header(flow, way ^ 1U, bytes, header, port, current);
    if (!other) {
      ++(current ? counters_.wrong_port : counters_.stale_header);
      return;
    }
  }
  std::string why;
  if (!well_formed(packet, length, why)) {
    ++counters_.malformed;
    ++reasons_[why];
    return;
  }
  ++counters_.invented;
  if (other) ++counters_.invented_other_header;
  deliver(flow, way == 0, packet, length);
}

// Of an invented packet. `current`: the header is the latest of that way, only the port may be
// wrong.
bool Balancer::check_header(const Flow& flow, unsigned way, const std::uint8_t* bytes,
                            std::size_t header, unsigned port, bool& current) {
  const Direction& d = flow.ways[way];
  if (header != d.header.size() || std::memcmp(bytes, d.header.data(), header) != 0) return false;
  current = true;
  return port == d.port;
}

bool Balancer::take_outstanding(Direction& way, std::uint64_t sought, std::uint32_t& generation) {
  for (Sent& s : way.outstanding) {
    if (s.generation == 0 || s.digest != sought) continue;
    generation = s.generation;
    s.generation = 0;
    return true;
  }
  return false;
}

void Balancer::deliver(const Flow& flow, bool to_server, const std::uint8_t* packet,
                       std::size_t size) {
  static_cast<void>(::write(tuns_[flow.key.endpoint][to_server ? 1 : 0], packet, size) < 0);
}

Balancer::Target* Balancer::target_called(const std::string& name) {
  for (Target& t : targets_) {
    if (t.name == name) return &t;
  }
  std::fprintf(stderr, "weir-gwlbsim: there is no target %s\n", name.c_str());
  return nullptr;
}

bool Balancer::command(const std::string& line) {
  const auto space = line.find(' ');
  const std::string word = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (word == "stop") return false;
  if (word == "report")
    report();
  else if (word == "recookie") {
    for (auto& [key, flow] : flows_) {
      ++flow.generation;
      dress(flow);
    }
  } else if (word == "rebalance") {
    for (auto& [key, flow] : flows_) {
      if (random_() % 2 == 0 || targets_.size() < 2) continue;
      flow.target = (flow.target + 1) % targets_.size();
      ++counters_.rebalanced;
    }
  } else if (word == "drain" || word == "undrain" || word == "deregister") {
    if (Target* t = target_called(rest)) {
      t->draining = word != "undrain";
      t->registered = word != "deregister";
    }
  } else if (!word.empty()) {
    std::fprintf(stderr, "weir-gwlbsim: unknown command %s\n", word.c_str());
  }
  return true;
}

bool Balancer::read_commands() {
  std::array<char, 512> bytes;
  const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (n <= 0) {
    commands_ended_ = true;
    return true;
  }
  commands_.append(bytes.data(), static_cast<std::size_t>(n));
  for (std::size_t end = 0; (end = commands_.find('\n')) != std::string::npos;) {
    const std::string line = commands_.substr(0, end);
    commands_.erase(0, end + 1);
    if (!command(line)) return false;
  }
  return true;
}

void Balancer::report() const {
  const Counters& c = counters_;
  const std::array<std::pair<const char*, std::uint64_t>, 20> all{
      {{"from_clients", c.from_clients},
       {"from_servers", c.from_servers},
       {"sent", c.sent},
       {"unsent", c.unsent},
       {"no_target", c.no_target},
       {"no_flow", c.no_flow},
       {"too_large", c.too_large},
       {"returned", c.returned},
       {"invented", c.invented},
       {"invented_other_header", c.invented_other_header},
       {"no_geneve", c.no_geneve},
       {"unknown_cookie", c.unknown_cookie},
       {"wrong_target", c.wrong_target},
       {"wrong_port", c.wrong_port},
       {"changed_header", c.changed_header},
       {"stale_header", c.stale_header},
       {"returned_too_large", c.returned_too_large},
       {"wrong_flow", c.wrong_flow},
       {"malformed", c.malformed},
       {"flows", c.flows}}};
  std::printf("{");
  for (const auto& [name, value] : all)
    std::printf("\"%s\": %llu, ", name, static_cast<unsigned long long>(value));
  std::printf("\"rebalanced\": %llu, \"reasons\": {",
              static_cast<unsigned long long>(c.rebalanced));
  const char* comma = "";
  for (const auto& [why, count] : reasons_) {
    std::printf("%s\"%s\": %llu", comma, why.c_str(), static_cast<unsigned long long>(count));
    comma = ", ";
  }
  std::printf("}, \"targets\": [");
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    std::printf("%s{\"address\": \"%s\", \"healthy\": %s, \"checks\": %lu, \"failures\": %lu}",
                i == 0 ? "" : ", ", targets_[i].name.c_str(), health_.healthy(i) ? "true" : "false",
                health_.checks(i), health_.failures(i));
  }
  std::printf("]}\n");
  std::fflush(stdout);
}

}  // namespace gwlbsim
