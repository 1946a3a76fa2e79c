// Rewrites a capture so that the same TCP streams arrive in other segments. Whoever reads the result must
// see the same requests and responses (segmentation invariance).
//
//   resegment MODE SEED IN.pcap OUT.pcap
//
//   bytes      every payload byte in a segment of its own
//   pieces     random pieces of 1 to 300 bytes
//   reorder    pieces, shuffled among the segments that follow each other in one direction
//   duplicate  pieces, some sent twice
//   overlap    pieces that begin before or end after their place, with equal bytes
//   mixed      all of it
//
// Ethernet with VLAN tags, IPv4 and IPv6 without extension headers; any other packet goes through as it is.
// Checksums of what is rewritten are correct. Time stamps stay those of the original packet.
#include <pcap/pcap.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using Frame = std::vector<std::uint8_t>;

struct Layout {
  std::size_t ip = 0, tcp = 0, payload = 0, end = 0;
  int version = 0;
};

std::uint16_t load16(const std::uint8_t* p) { return static_cast<std::uint16_t>(p[0] << 8 | p[1]); }
std::uint32_t load32(const std::uint8_t* p) {
  return std::uint32_t{load16(p)} << 16 | load16(p + 2);
}
void store16(std::uint8_t* p, std::size_t v) {
  p[0] = static_cast<std::uint8_t>(v >> 8);
  p[1] = static_cast<std::uint8_t>(v);
}
void store32(std::uint8_t* p, std::uint32_t v) {
  store16(p, v >> 16);
  store16(p + 2, v & 0xffff);
}

// False: not a whole TCP packet that can be cut.
bool locate(const Frame& f, Layout& at) {
  std::size_t i = 12;
  while (i + 6 <= f.size() && (load16(&f[i]) == 0x8100 || load16(&f[i]) == 0x88a8)) i += 4;
  if (i + 2 + 20 > f.size()) return false;
  const std::uint16_t type = load16(&f[i]);
  at.ip = i + 2;
  if (type == 0x0800) {
    at.version = 4;
    const std::size_t header = (f[at.ip] & 15U) * 4U;
    if (f[at.ip + 9] != 6 || (load16(&f[at.ip + 6]) & 0x3fff) != 0) return false;
    at.tcp = at.ip + header;
    at.end = at.ip + load16(&f[at.ip + 2]);
  } else if (type == 0x86dd && at.ip + 40 <= f.size()) {
    at.version = 6;
    if (f[at.ip + 6] != 6) return false;
    at.tcp = at.ip + 40;
    at.end = at.tcp + load16(&f[at.ip + 4]);
  } else {
    return false;
  }
  if (at.tcp + 20 > f.size() || at.end > f.size()) return false;
  at.payload = at.tcp + (f[at.tcp + 12] >> 4) * 4U;
  return at.payload <= at.end;
}

std::uint32_t sum(const std::uint8_t* p, std::size_t n) {
  std::uint32_t s = 0;
  for (; n > 1; p += 2, n -= 2) s += load16(p);
  return n == 1 ? s + (std::uint32_t{*p} << 8) : s;
}
std::uint16_t fold(std::uint32_t s) {
  while (s >> 16 != 0) s = (s & 0xffff) + (s >> 16);
  return static_cast<std::uint16_t>(~s);
}

void finish(Frame& f, const Layout& at) {
  const std::size_t length = f.size() - at.tcp;
  std::uint32_t pseudo = 6 + static_cast<std::uint32_t>(length);
  if (at.version == 4) {
    store16(&f[at.ip + 2], f.size() - at.ip);
    store16(&f[at.ip + 10], 0);
    store16(&f[at.ip + 10], fold(sum(&f[at.ip], at.tcp - at.ip)));
    pseudo += sum(&f[at.ip + 12], 8);
  } else {
    store16(&f[at.ip + 4], f.size() - at.ip - 40);
    pseudo += sum(&f[at.ip + 8], 32);
  }
  store16(&f[at.tcp + 16], 0);
  store16(&f[at.tcp + 16], fold(pseudo + sum(&f[at.tcp], length)));
}

struct Out {
  timeval time;
  Frame frame;
};

class Rewriter {
 public:
  Rewriter(std::string mode, std::uint64_t seed, pcap_dumper_t* dump)
      : mode_(std::move(mode)), random_(seed), dump_(dump) {}

  void packet(const pcap_pkthdr& header, const Frame& frame) {
    Layout at;
    const bool whole = header.caplen == header.len && locate(frame, at);
    const std::uint8_t flags = whole ? frame[at.tcp + 13] : 0;
    if (!whole || at.payload == at.end || (flags & 0x07) != 0) {  // FIN, SYN, RST and bare ACKs stay put
      flush();
      write({header.ts, frame});
      return;
    }
    // A run: consecutive data packets of one direction of one flow. Only inside it order may change.
    std::vector<std::uint8_t> key(frame.begin() + static_cast<std::ptrdiff_t>(at.ip + (at.version == 4 ? 12 : 8)),
                                  frame.begin() + static_cast<std::ptrdiff_t>(at.tcp + 4));
    if (key != key_ || run_.size() > 64) flush();
    key_ = std::move(key);
    cut(header.ts, frame, at);
  }

  void flush() {
    if (is("reorder")) std::shuffle(run_.begin(), run_.end(), random_);
    for (const Out& out : run_) {
      write(out);
      if (is("duplicate") && below(4) == 0) write(out);
    }
    run_.clear();
    key_.clear();
  }

 private:
  bool is(const char* mode) const { return mode_ == mode || mode_ == "mixed"; }
  std::size_t below(std::size_t n) { return random_() % n; }

  void cut(timeval time, const Frame& frame, const Layout& at) {
    const std::size_t total = at.end - at.payload;
    for (std::size_t from = 0; from < total;) {
      const std::size_t want = mode_ == "bytes" ? 1 : 1 + below(300);
      const std::size_t to = std::min(total, from + want);
      std::size_t first = from;
      std::size_t last = to;
      if (is("overlap")) {
        first -= std::min(first, below(40));
        last += std::min(total - last, below(40));
      }
      Frame piece(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(at.payload));
      piece.insert(piece.end(), frame.begin() + static_cast<std::ptrdiff_t>(at.payload + first),
                   frame.begin() + static_cast<std::ptrdiff_t>(at.payload + last));
      store32(&piece[at.tcp + 4], load32(&frame[at.tcp + 4]) + static_cast<std::uint32_t>(first));
      if (last != total) piece[at.tcp + 13] &= static_cast<std::uint8_t>(~8U);
      finish(piece, at);
      run_.push_back({time, std::move(piece)});
      from = to;
    }
  }

  void write(const Out& out) {
    pcap_pkthdr header{};
    header.ts = out.time;
    header.caplen = header.len = static_cast<bpf_u_int32>(out.frame.size());
    pcap_dump(reinterpret_cast<u_char*>(dump_), &header, out.frame.data());
  }

  std::string mode_;
  std::mt19937_64 random_;
  pcap_dumper_t* dump_;
  std::vector<Out> run_;
  std::vector<std::uint8_t> key_;
};

}  // namespace

int main(int argc, char** argv) {
  static const char* const kModes[] = {"bytes", "pieces", "reorder", "duplicate", "overlap", "mixed"};
  if (argc != 5 || std::none_of(std::begin(kModes), std::end(kModes),
                                [&](const char* m) { return std::strcmp(m, argv[1]) == 0; })) {
    std::fputs("usage: resegment bytes|pieces|reorder|duplicate|overlap|mixed SEED IN OUT\n", stderr);
    return 2;
  }
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* in = pcap_open_offline_with_tstamp_precision(argv[3], PCAP_TSTAMP_PRECISION_NANO, error);
  if (in == nullptr || pcap_datalink(in) != DLT_EN10MB) {
    std::fprintf(stderr, "resegment: %s is no Ethernet capture\n", argv[3]);
    return 3;
  }
  pcap_t* shape = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, 262144, PCAP_TSTAMP_PRECISION_NANO);
  pcap_dumper_t* dump = pcap_dump_open(shape, argv[4]);
  if (dump == nullptr) {
    std::fprintf(stderr, "resegment: cannot write %s\n", argv[4]);
    return 3;
  }
  Rewriter rewriter(argv[1], std::strtoull(argv[2], nullptr, 10), dump);
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  while (pcap_next_ex(in, &header, &bytes) == 1) {
    rewriter.packet(*header, Frame(bytes, bytes + header->caplen));
  }
  rewriter.flush();
  pcap_dump_close(dump);
  pcap_close(shape);
  pcap_close(in);
  return 0;
}
