// Answers: what refused clients are told. For each, Weir plays the server's end of the TCP connection to its
// end: bytes of earlier responses that the client has not acknowledged, the page, FIN; retransmitted by time
// and on duplicate acknowledgements, within the client's window and a congestion window (RFC 9293 3.8, RFC
// 5681, RFC 6298); what the client still sends is acknowledged and discarded, since a reset would make it
// throw the page away unread. In the end the client has closed, or it is reset.
//
// An answer may wait (queue) until earlier responses on the connection are complete.
// The server's end gets a reset when the page begins, repeated a few times.
//
// Bounded: BlockOptions::connections, all reserved at construction. Frames go to the Outbox; what it does
// not take is made again later. Not thread-safe. Time is that of the packets.
// Tested by tests/unit/inspect/answers_test.cc against a model of a client's TCP, and against a kernel's by
// tests/e2e/inline_lab.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/base/pool.h"
#include "engine/base/timer_wheel.h"
#include "engine/flow/tracker.h"
#include "engine/inspect/block_page.h"
#include "engine/inspect/outbox.h"
#include "engine/net/build.h"
#include "engine/net/segment.h"

namespace weir::inspect {

// How frames get to both ends.
struct Ways {
  net::Route to_client, to_server;
  Like client_like, server_like;  // of packets that travel to the client, to the server, where one was seen
};

class Answers {
 public:
  Answers(const BlockOptions& options, const flow::Tracker& tracker, Outbox& outbox);
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  enum class Stage : std::uint8_t {
    Queued,   // earlier responses are still to come from the server
    Serving,  // Weir is the server
  };

  // kNone: no room. The flow must stay where it is until close().
  [[nodiscard]] std::uint32_t open(flow::Flow& flow, const Ways& ways, Timestamp now);
  // Queued: a segment of the client's that begins at `offset` came by and was not let through.
  void seen(std::uint32_t index, std::int64_t offset, const net::TcpSegment& segment);
  // The page begins. Offsets of the stream to the client: all before `forwarded` was let through, the page
  // begins at `start`; what lies between is sent from what the tracker keeps. `page`: false for FIN only.
  struct Begin {
    std::int64_t forwarded = 0;
    std::int64_t start = 0;
    bool page = true;
  };
  void serve(std::uint32_t index, const Begin& begin, const BlockPage& page, const PageFacts& facts,
             std::string_view location, Timestamp now);

  [[nodiscard]] Stage stage(std::uint32_t index) const { return pool_[index].stage; }
  // A packet of the client on a connection that is answered. true: the answer is over, close() it.
  bool on_client(std::uint32_t index, const net::TcpSegment& segment, Timestamp now);
  // Frames towards the ends go as packets of the connection do: the latest counts.
  void refresh(std::uint32_t index, const Packet& packet, flow::Direction direction);
  void close(std::uint32_t index);

  // What is due. over(Flow&): the answer is over; the flow's client was reset if it did not close.
  template <class Over>
  void on_time(Timestamp now, Over&& over);

  [[nodiscard]] std::uint32_t open_now() const { return pool_.size(); }
  [[nodiscard]] std::uint64_t pages() const { return pages_; }
  [[nodiscard]] std::uint64_t pages_read() const { return pages_read_; }
  // Bytes reserved.
  [[nodiscard]] std::size_t memory() const { return pool_.capacity() * sizeof(Answer); }

 private:
  struct Answer {
    base::TimerLink timer;
    flow::Flow* flow = nullptr;
    const BlockPage* page = nullptr;
    Ways ways;
    PageFacts facts;
    Timestamp deadline;   // of the client
    Timestamp resend;     // when what is in flight counts as lost
    Timestamp reset_due;  // when the server's reset is repeated
    Timestamp echoed_at;  // when `ts_value` was right
    // Offsets of the stream to the client.
    std::int64_t start = 0;  // of the page
    std::int64_t end = 0;    // of the FIN
    std::int64_t una = 0;    // acknowledged
    std::int64_t next = 0;   // to be sent next
    std::int64_t most = 0;   // highest ever sent
    std::int64_t edge = 0;   // of the client's window
    // Of the stream from the client.
    std::int64_t received = 0;
    std::uint32_t ts_value = 0;
    std::uint32_t ts_echo = 0;
    std::uint16_t head_length = 0;
    std::uint16_t mss = 0;
    std::uint16_t cwnd = 0;  // segments
    std::uint16_t window_raw = 0;
    Stage stage = Stage::Queued;
    std::uint8_t losses = 0;  // in a row
    std::uint8_t repeats = 0;
    std::uint8_t resets_left = 0;
    bool client_fin = false;
    bool timestamps = false;
    bool counted_read = false;
    std::array<char, BlockPage::kMostHead> head;
  };
  struct TimerOf {
    base::Pool<Answer>* pool;
    base::TimerLink& operator()(std::uint32_t i) const { return (*pool)[i].timer; }
  };

  [[nodiscard]] bool take_ack(Answer& a, const net::TcpSegment& s, Timestamp now);
  [[nodiscard]] bool take_data(Answer& a, const net::TcpSegment& s);
  // What may be sent now; whether anything was.
  bool transmit(Answer& a, Timestamp now);
  // Sends what lies at `from`; the sequence space it takes, 0 if it could not be sent.
  std::int64_t send_at(Answer& a, std::int64_t from, std::int64_t edge, Timestamp now);
  void send_ack(Answer& a, Timestamp now);
  void reset_client(Answer& a);
  void reset_server(Answer& a);
  [[nodiscard]] net::TcpFrame to_client(const Answer& a, Timestamp now) const;
  [[nodiscard]] bool lost(Answer& a, Timestamp now);
  [[nodiscard]] static Duration timeout(const Answer& a);
  void arm(std::uint32_t index);
  // true: over.
  [[nodiscard]] bool due(Answer& a, Timestamp now);

  BlockOptions options_;
  const flow::Tracker& tracker_;
  Outbox& outbox_;
  base::Pool<Answer> pool_;
  base::TimerWheel<TimerOf> wheel_;
  bool started_ = false;
  std::uint64_t pages_ = 0;
  std::uint64_t pages_read_ = 0;
};

template <class Over>
void Answers::on_time(Timestamp now, Over&& over) {
  started_ = true;
  // An Outbox that is full takes nothing more: what is due comes with the next call.
  wheel_.advance(now, Outbox::kMostFrames * 4, [&](std::uint32_t index) {
    Answer& a = pool_[index];
    flow::Flow& flow = *a.flow;
    if (due(a, now)) {
      over(flow);
    } else {
      arm(index);
    }
  });
}

}  // namespace weir::inspect
