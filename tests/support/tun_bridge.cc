// Weir in the wire between two network namespaces, for tests: a TUN device in each, and an inline Inspector
// between them. Real TCP stacks on both sides without NFQUEUE, kernel rules or a load balancer.
//
//   tun_bridge --client NS --server NS --rules FILE [--rules FILE …] [--events FILE] [--page FILE]
//              [--mode block|detect] [--pass] [--loss N --seed N] [--gso]
//
// Makes the device "weir0" in each namespace (the test gives it addresses), prints "ready", and runs until
// SIGTERM or SIGINT; then prints the counters as JSON. --loss: of 1000 packets on each hop. --pass: no Weir,
// everything is forwarded. --gso: take segments of up to 64 KiB with partial checksums, as NFQUEUE does.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "app/formats/jsonl.h"
#include "engine/inspect/inspector.h"

namespace {

using namespace weir;

volatile std::sig_atomic_t stop_wanted = 0;
void on_signal(int) { stop_wanted = 1; }

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "tun_bridge: %s: %s\n", what.c_str(), std::strerror(errno));
  std::_Exit(3);
}

struct Options {
  std::string client, server, events, page;
  std::vector<rules::Source> rules;
  inspect::InspectorOptions inspector;
  bool pass = false;
  bool gso = false;
  unsigned loss = 0;  // of 1000
  unsigned seed = 1;
};

std::string whole_file(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  if (!in) die(name);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Options parse(int argc, char** argv) {
  Options o;
  o.inspector.stance = inspect::Stance::Inline;
  o.inspector.mode = WafMode::Block;
  o.inspector.detect_offload = false;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&] {
      if (++i == argc) die("a value is missing after " + name);
      return std::string(argv[i]);
    };
    if (name == "--client") o.client = value();
    else if (name == "--server") o.server = value();
    else if (name == "--rules") o.rules.push_back(rules::Source::file(value()));
    else if (name == "--events") o.events = value();
    else if (name == "--page") o.inspector.block.page = whole_file(value());
    else if (name == "--mode") o.inspector.mode = value() == "detect" ? WafMode::Detect : WafMode::Block;
    else if (name == "--linger") o.inspector.block.linger = seconds(std::stoi(value()));
    else if (name == "--pass") o.pass = true;
    else if (name == "--gso") o.gso = true;
    else if (name == "--loss") o.loss = static_cast<unsigned>(std::stoul(value()));
    else if (name == "--seed") o.seed = static_cast<unsigned>(std::stoul(value()));
    else die("unknown option " + name);
  }
  return o;
}

// A TUN device "weir0" in the namespace; the calling thread comes back to its own.
int tun_in(const std::string& name_space, bool gso) {
  const int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const std::string path = "/run/netns/" + name_space;
  const int there = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (own < 0 || there < 0) die(path);
  if (setns(there, CLONE_NEWNET) != 0) die("setns");
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) die("/dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, "weir0", IFNAMSIZ);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
  if (ioctl(fd, TUNSETIFF, &request) != 0) die("TUNSETIFF");
  const unsigned offload = gso ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0;
  if (ioctl(fd, TUNSETOFFLOAD, offload) != 0) die("TUNSETOFFLOAD");
  if (setns(own, CLONE_NEWNET) != 0) die("setns back");
  close(own);
  close(there);
  return fd;
}

Timestamp clock_now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return {t.tv_sec * 1'000'000'000 + t.tv_nsec};
}

struct Sink final : EventSink {
  void write(const Event& event) override {
    if (out == nullptr) return;
    line.clear();
    format.append(event, {"tun"}, line);
    std::fwrite(line.data(), 1, line.size(), out);
  }
  app::JsonlFormat format;
  std::string line;
  std::FILE* out = nullptr;
};

// The kernel's header of it names a field "class".
struct Header {
  std::uint8_t flags = 0, gso_type = 0;
  std::uint16_t header_length = 0, gso_size = 0, checksum_start = 0, checksum_offset = 0;
};
static_assert(sizeof(Header) == 10);
constexpr std::uint8_t kNeedsChecksum = 1;

class Bridge {
 public:
  Bridge(const Options& options, std::shared_ptr<const rules::RuleSet> rules)
      : options_(options), random_(options.seed) {
    if (!options.events.empty()) sink_.out = std::fopen(options.events.c_str(), "w");
    if (!options.pass) inspector_.emplace(options.inspector, sink_, std::move(rules));
    fds_ = {tun_in(options.client, options.gso), tun_in(options.server, options.gso)};
  }

  void run() {
    std::printf("ready\n");
    std::fflush(stdout);
    std::array<pollfd, 2> ready{{{fds_[0], POLLIN, 0}, {fds_[1], POLLIN, 0}}};
    Timestamp ticked = clock_now();
    while (stop_wanted == 0) {
      if (poll(ready.data(), ready.size(), 20) < 0 && errno != EINTR) die("poll");
      for (const std::size_t from : {std::size_t{0}, std::size_t{1}}) {
        for (int n = 0; n < 64 && take(from); ++n) {
        }
      }
      const Timestamp now = clock_now();
      if (inspector_ && now - ticked >= milliseconds(20)) {
        ticked = now;
        const inspect::Verdict v = inspector_->on_time(now);
        settle(v.held);
        inject(v.inject);
        if (sink_.out != nullptr) std::fflush(sink_.out);
      }
    }
  }

  void finish() {
    if (!inspector_) return;
    inspector_->end_of_input();
    if (sink_.out != nullptr) std::fclose(sink_.out);
    const inspect::InspectorCounters& c = inspector_->counters();
    const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
    std::printf("{\"packets\":%llu,\"dropped\":%llu,\"pages\":%llu,\"pages_read\":%llu,\"resets\":%llu,"
                "\"injected\":%llu,\"transactions\":%llu,\"refused\":%llu}\n",
                n(c.packets), n(c.dropped_packets), n(c.pages), n(c.pages_read), n(c.resets), n(c.injected),
                n(c.transactions), n(c.refused));
  }

 private:
  struct Kept {
    std::size_t from;
    std::vector<std::uint8_t> bytes;
  };

  bool lost() { return options_.loss != 0 && random_() % 1000 < options_.loss; }

  void put(std::size_t to, const Header& header, Bytes bytes) {
    if (lost()) return;
    out_.resize(sizeof(Header) + bytes.size());
    std::memcpy(out_.data(), &header, sizeof(Header));
    std::memcpy(out_.data() + sizeof(Header), bytes.data(), bytes.size());
    const ssize_t written = ::write(fds_[to], out_.data(), out_.size());
    if (written < 0 && errno != EAGAIN && errno != EIO) die("write");
  }

  bool take(std::size_t from) {
    const ssize_t length = ::read(fds_[from], buffer_.data(), buffer_.size());
    if (length <= static_cast<ssize_t>(sizeof(Header))) return false;
    if (lost()) return true;
    Header header{};
    std::memcpy(&header, buffer_.data(), sizeof(Header));
    Packet p;
    p.bytes = Bytes(buffer_.data(), static_cast<std::size_t>(length)).subspan(sizeof(Header));
    p.wire_length = static_cast<std::uint32_t>(p.bytes.size());
    p.link = LinkType::RawIp;
    p.time = clock_now();
    p.number = p.token = ++number_;
    if ((header.flags & kNeedsChecksum) != 0) p.checksum = ChecksumState::NotFilled;
    if (!inspector_) {
      put(1 - from, header, p.bytes);
      return true;
    }
    const inspect::Verdict v = inspector_->on_packet(p);
    settle(v.held);
    switch (v.kind) {
      case inspect::VerdictKind::Forward: put(1 - from, header, p.bytes); break;
      case inspect::VerdictKind::Replace: put(1 - from, header, v.replacement); break;
      case inspect::VerdictKind::Hold:
        held_[p.number] = {from, {p.bytes.begin(), p.bytes.end()}};
        break;
      case inspect::VerdictKind::Drop: break;
    }
    inject(v.inject);
    return true;
  }

  void settle(std::span<const inspect::HeldFate> fates) {
    for (const inspect::HeldFate& fate : fates) {
      const auto found = held_.find(fate.number);
      if (found == held_.end()) continue;
      if (fate.fate == Fate::Forward) put(1 - found->second.from, Header{}, found->second.bytes);
      held_.erase(found);
    }
  }

  void inject(std::span<const inspect::Injection> frames) {
    for (const inspect::Injection& one : frames) {
      put(one.towards == Towards::Client ? 0 : 1, Header{}, one.frame);
    }
  }

  const Options& options_;
  std::mt19937 random_;
  Sink sink_;
  std::optional<inspect::Inspector> inspector_;
  std::array<int, 2> fds_{};
  std::array<std::uint8_t, 70'000> buffer_{};
  std::vector<std::uint8_t> out_;
  std::map<std::uint64_t, Kept> held_;
  std::uint64_t number_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGINT, on_signal);
  std::signal(SIGPIPE, SIG_IGN);
  std::shared_ptr<const rules::RuleSet> set;
  if (!options.pass) {
    const rules::LoadResult loaded = rules::RuleSet::load(options.rules, {});
    for (const auto& d : loaded.diagnostics) {
      if (d.severity == rules::Severity::Error) std::fprintf(stderr, "%s\n", d.message.c_str());
    }
    set = loaded.rules;
    if (set == nullptr) return 2;
  }
  Bridge bridge(options, set);
  bridge.run();
  bridge.finish();
  return 0;
}
