// TcpPeer: one end of TCP connections, for tests that put Weir between two of them. Written from RFC 9293,
// 7323 and 5961 without looking at engine/, strict where a current Linux host is: exact resets, challenge
// ACKs, PAWS, windows. It retransmits by time and on three duplicate ACKs. What it thinks wrong about a
// segment that it was sent is in `complaints`.
//
//   TcpPeer client(…), server(…);
//   server.listen(); client.connect(now);
//   client.write("GET …"); frames = client.take(); … server.on_frame(frame, now)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/net/decode.h"
#include "engine/net/tcp.h"
#include "tests/support/packet_builder.h"

namespace weir::test {

struct PeerSetup {
  std::string address, other;
  std::uint16_t port = 0, other_port = 0;
  std::uint32_t isn = 0;
  std::uint16_t mss = 1000;
  std::optional<std::uint8_t> scale = 4;
  bool timestamps = true;
  std::uint32_t ts_start = 0xfffffff0U;  // wraps soon
  std::uint32_t buffer = 60'000;         // receive buffer: the window when nothing is unread
  std::uint8_t ttl = 64;
  std::uint16_t vlan = 0;                // 0: none
  bool left = true;                      // whose MAC address
};

class TcpPeer {
 public:
  enum class State { Closed, Listen, SynSent, SynReceived, Open, Reset };

  explicit TcpPeer(PeerSetup setup) : me_(std::move(setup)) {}

  // The application.
  void listen() { state_ = State::Listen; }
  void connect(Timestamp now) {
    now_ = now;
    state_ = State::SynSent;
    send(me_.isn, "", net::kSyn);
    next_ = una_ = me_.isn + 1;
    deadline_ = now + timeout();
  }
  void write(const std::string& bytes) {
    unsent_ += bytes;
    push();
  }
  void shut() {  // FIN after what is written
    fin_wanted_ = true;
    push();
  }
  void abort() {
    send(next_, "", net::kRst | net::kAck);
    state_ = State::Closed;
  }
  void hold_reading(bool hold) {
    hold_ = hold;
    if (!hold && unread_ > 0) {
      unread_ = 0;
      if (state_ == State::Open) send_ack();
    }
  }

  // The network.
  std::vector<Octets> take() { return std::exchange(out_, {}); }
  void on_frame(const Octets& bytes, Timestamp now) {
    now_ = now;
    const Packet packet = as_packet(bytes, LinkType::Ethernet, now);
    const net::Decoded decoded = net::decode(packet, {});
    if (!std::holds_alternative<net::Datagram>(decoded)) return complain("no datagram");
    const auto& d = std::get<net::Datagram>(decoded);
    if (!d.anomalies.empty()) complain("odd IP header");
    const net::TcpParsed parsed = net::parse_tcp(d);
    if (parsed.checksum != net::ChecksumVerdict::Right) return complain("wrong checksum");
    const net::TcpSegment& s = parsed.segment;
    if (s.destination.port != me_.port || s.source.port != me_.other_port) return complain("ports");
    if (s.destination.address != *IpAddress::parse(me_.address)) return complain("address");
    if (s.payload.size() > me_.mss) complain("payload beyond the MSS");
    last_ttl = s.ttl;
    ++frames;
    if (bytes[5] != (me_.left ? 1 : 2)) complain("not my MAC address");
    if (me_.vlan != 0 && d.encapsulation.vlans[0] != me_.vlan) complain("not my VLAN");
    on_segment(s);
  }
  void on_time(Timestamp now) {
    now_ = now;
    if (deadline_ && *deadline_ <= now) {
      ++losses_;
      deadline_ = now + timeout();
      if (losses_ > 8) {
        state_ = State::Closed;
        deadline_.reset();
        gave_up = true;
        return;
      }
      if (state_ == State::SynSent) {
        send(me_.isn, "", net::kSyn);
      } else if (state_ == State::SynReceived) {
        send(me_.isn, "", net::kSyn | net::kAck);
      } else if (state_ == State::Open) {
        retransmit();
      }
    }
  }
  [[nodiscard]] std::optional<Timestamp> deadline() const { return deadline_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool established() const { return state_ == State::Open; }
  // All that was written, and FIN if wanted, is acknowledged.
  [[nodiscard]] bool all_acked() const {
    return unsent_.empty() && flight_.empty() && (!fin_wanted_ || fin_acked_);
  }
  [[nodiscard]] std::uint32_t next() const { return next_; }
  [[nodiscard]] std::uint32_t expected() const { return rcv_next_; }
  [[nodiscard]] std::uint32_t written() const { return next_ - me_.isn - 1; }

  std::string received;
  bool eof = false;
  bool reset = false;
  bool gave_up = false;
  int challenges = 0;
  int frames = 0;
  std::uint8_t last_ttl = 0;
  std::vector<std::string> complaints;

 private:
  static bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

  void complain(const std::string& what) { complaints.push_back(what); }
  [[nodiscard]] Duration timeout() const {
    return Duration{milliseconds(300).ns << (losses_ < 4 ? losses_ : 4)};
  }
  [[nodiscard]] std::uint32_t window() const {
    return unread_ >= me_.buffer ? 0 : me_.buffer - static_cast<std::uint32_t>(unread_);
  }
  [[nodiscard]] std::uint32_t clock() const {
    return me_.ts_start + static_cast<std::uint32_t>(now_.ns / milliseconds(1).ns);
  }

  void send(std::uint32_t seq, const std::string& payload, unsigned flags) {
    PacketBuilder b;
    b.eth();
    if (me_.vlan != 0) b.vlan(me_.vlan);
    const bool six = me_.address.find(':') != std::string::npos;
    six ? b.ipv6(me_.address, me_.other) : b.ipv4(me_.address, me_.other);
    b.ttl(me_.ttl).tcp(me_.port, me_.other_port).seq(seq).flags(flags);
    if ((flags & net::kAck) != 0) b.ack(rcv_next_);
    const bool syn = (flags & net::kSyn) != 0;
    const std::uint8_t scale = scaling_ && me_.scale && !syn ? *me_.scale : 0;
    b.set_window(static_cast<std::uint16_t>(std::min<std::uint32_t>(window() >> scale, 0xffff)));
    Octets options;
    if (syn) {
      options = {2, 4, static_cast<std::uint8_t>(me_.mss >> 8), static_cast<std::uint8_t>(me_.mss)};
      if (me_.scale) options.insert(options.end(), {1, 3, 3, *me_.scale});
    }
    const bool stamps = me_.timestamps && (stamping_ || syn) && (flags & net::kRst) == 0;
    if (stamps) {
      const std::uint32_t v = clock();
      options.insert(options.end(), {1, 1, 8, 10});
      for (const std::uint32_t x : {v, ts_recent_}) {
        for (int i = 24; i >= 0; i -= 8) options.push_back(static_cast<std::uint8_t>(x >> i));
      }
    }
    if (!options.empty()) b.tcp_options(options);
    if (!payload.empty()) b.payload(payload);
    Octets frame = b.build();
    if (!me_.left) std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
    out_.push_back(std::move(frame));
  }
  void send_ack() { send(next_, "", net::kAck); }

  // What is written goes out, as far as the other end's window and ten segments in flight allow.
  void push() {
    if (state_ != State::Open) return;
    const std::size_t room = me_.mss - (stamping_ ? 12U : 0U);
    while (!unsent_.empty() && flight_.size() < 10) {
      const std::uint32_t in_flight = next_ - una_;
      if (in_flight >= other_window_) break;
      const std::size_t n = std::min({unsent_.size(), room, std::size_t{other_window_ - in_flight}, std::size_t{peer_mss_}});
      std::string part = unsent_.substr(0, n);
      unsent_.erase(0, n);
      send(next_, part, net::kAck | net::kPsh);
      flight_.emplace_back(next_, part);
      next_ += static_cast<std::uint32_t>(n);
      if (!deadline_) deadline_ = now_ + timeout();
    }
    if (fin_wanted_ && unsent_.empty() && !fin_sent_) {
      fin_sent_ = true;
      fin_seq_ = next_;
      send(next_++, "", net::kFin | net::kAck);
      if (!deadline_) deadline_ = now_ + timeout();
    }
    if (!unsent_.empty() && !deadline_) deadline_ = now_ + timeout();  // zero window: probe
  }
  void retransmit() {
    if (!flight_.empty()) {
      send(flight_.front().first, flight_.front().second, net::kAck | net::kPsh);
    } else if (fin_sent_ && !fin_acked_) {
      send(fin_seq_, "", net::kFin | net::kAck);
    } else if (!unsent_.empty()) {
      send(next_, unsent_.substr(0, 1), net::kAck);  // window probe
      flight_.emplace_back(next_, unsent_.substr(0, 1));
      ++next_;
      unsent_.erase(0, 1);
    } else {
      deadline_.reset();
      losses_ = 0;
    }
  }

  void on_segment(const net::TcpSegment& s) {
    switch (state_) {
      case State::Closed:
      case State::Reset:
        if (!s.has(net::kRst) && s.has(net::kAck)) {
          const std::uint32_t mine = std::exchange(next_, s.ack);
          send(s.ack, "", net::kRst);
          next_ = mine;
        }
        return;
      case State::Listen:
      case State::SynSent:
      case State::SynReceived: return on_handshake(s);
      case State::Open: return on_open(s);
    }
  }

  void take_syn(const net::TcpSegment& s) {
    rcv_next_ = s.seq + 1;
    peer_mss_ = s.options.mss.value_or(536);
    scaling_ = me_.scale && s.options.window_scale;
    other_scale_ = scaling_ ? *s.options.window_scale : std::uint8_t{0};
    stamping_ = me_.timestamps && s.options.timestamps;
    if (stamping_) ts_recent_ = s.options.timestamps->value;
    other_window_ = s.window;
  }

  void on_handshake(const net::TcpSegment& s) {
    if (state_ == State::Listen) {
      if (!s.has(net::kSyn) || s.has(net::kAck)) return;
      take_syn(s);
      state_ = State::SynReceived;
      send(me_.isn, "", net::kSyn | net::kAck);
      next_ = una_ = me_.isn + 1;
      deadline_ = now_ + timeout();
    } else if (state_ == State::SynSent) {
      if (s.has(net::kRst)) {
        if (s.has(net::kAck) && s.ack == next_) become_reset();
        return;
      }
      if (!s.has(net::kSyn) || !s.has(net::kAck) || s.ack != next_) {
        if (s.has(net::kAck)) send(s.ack, "", net::kRst);
        return;
      }
      take_syn(s);
      become_open();
      send_ack();
      push();
    } else {
      if (s.has(net::kRst)) {
        if (s.seq == rcv_next_) become_reset();
        return;
      }
      if (s.has(net::kSyn) || !s.has(net::kAck) || s.ack != next_) return;
      become_open();
      on_open(s);
    }
  }
  void become_open() {
    state_ = State::Open;
    deadline_.reset();
    losses_ = 0;
  }
  void become_reset() {
    reset = true;
    state_ = State::Reset;
    deadline_.reset();
    flight_.clear();
  }

  void on_open(const net::TcpSegment& s) {
    if (stamping_ && s.options.timestamps && !s.has(net::kRst) &&
        before(s.options.timestamps->value, ts_recent_)) {
      complain("timestamp goes backwards");
      return send_ack();
    }
    const auto length = static_cast<std::uint32_t>(s.payload.size());
    if (s.has(net::kRst)) {
      if (s.seq == rcv_next_) return become_reset();
      if (!before(s.seq, rcv_next_) && before(s.seq, rcv_next_ + window())) {
        ++challenges;
        send_ack();
      }
      return;
    }
    if (s.has(net::kSyn)) {
      ++challenges;
      return send_ack();
    }
    const bool fits = length == 0 ? !before(rcv_next_ + window(), s.seq)
                                  : before(s.seq, rcv_next_ + window());
    if (!fits || before(s.seq + length, rcv_next_ - 1)) return send_ack();
    if (!s.has(net::kAck)) return;
    if (before(next_, s.ack) || before(s.ack, una_ - 200'000)) return send_ack();
    if (stamping_) {
      if (s.options.timestamps) {
        if (!before(rcv_next_, s.seq)) ts_recent_ = s.options.timestamps->value;
      } else {
        complain("no timestamp");
      }
    }
    on_ack(s);
    if (length > 0 || s.has(net::kFin)) {
      on_data(s);
      if (state_ == State::Open) send_ack();
    } else if (before(s.seq, rcv_next_)) {
      send_ack();  // keep-alive
    }
    push();
  }

  void on_ack(const net::TcpSegment& s) {
    other_window_ = std::uint32_t{s.window} << other_scale_;
    if (before(una_, s.ack)) {
      una_ = s.ack;
      while (!flight_.empty() &&
             !before(una_, flight_.front().first + static_cast<std::uint32_t>(flight_.front().second.size()))) {
        flight_.erase(flight_.begin());
      }
      if (!flight_.empty() && before(flight_.front().first, una_)) {
        flight_.front().second.erase(0, una_ - flight_.front().first);
        flight_.front().first = una_;
      }
      if (fin_sent_ && before(fin_seq_, una_)) fin_acked_ = true;
      losses_ = duplicates_ = 0;
      deadline_.reset();
      if (!flight_.empty() || (fin_sent_ && !fin_acked_)) deadline_ = now_ + timeout();
    } else if (s.ack == una_ && s.payload.empty() && !flight_.empty() && ++duplicates_ == 3) {
      retransmit();
    }
  }

  void on_data(const net::TcpSegment& s) {
    for (std::uint32_t i = 0; i < s.payload.size(); ++i) {
      const std::uint32_t at = s.seq + i;
      if (before(at, rcv_next_) || !before(at, rcv_next_ + window())) continue;
      behind_.emplace(at, static_cast<char>(s.payload[i]));
    }
    if (s.has(net::kFin)) other_fin_ = s.seq + static_cast<std::uint32_t>(s.payload.size());
    for (auto it = behind_.find(rcv_next_); it != behind_.end() && !eof; it = behind_.find(rcv_next_)) {
      received.push_back(it->second);
      behind_.erase(it);
      ++rcv_next_;
      if (hold_) ++unread_;
    }
    if (!eof && other_fin_ && *other_fin_ == rcv_next_) {
      eof = true;
      ++rcv_next_;
    }
  }

  PeerSetup me_;
  State state_ = State::Closed;
  Timestamp now_;
  std::optional<Timestamp> deadline_;
  int losses_ = 0;
  int duplicates_ = 0;
  std::string unsent_;
  std::vector<std::pair<std::uint32_t, std::string>> flight_;
  std::uint32_t next_ = 0, una_ = 0;
  std::uint32_t rcv_next_ = 0;
  std::uint32_t other_window_ = 0;
  std::uint32_t ts_recent_ = 0;
  std::uint32_t fin_seq_ = 0;
  std::uint16_t peer_mss_ = 536;
  std::uint8_t other_scale_ = 0;
  bool scaling_ = false, stamping_ = false;
  bool fin_wanted_ = false, fin_sent_ = false, fin_acked_ = false;
  std::optional<std::uint32_t> other_fin_;
  std::map<std::uint32_t, char> behind_;
  bool hold_ = false;
  std::size_t unread_ = 0;
  std::vector<Octets> out_;
};

}  // namespace weir::test
