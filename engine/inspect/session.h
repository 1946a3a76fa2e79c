// Session: one TCP connection that may speak HTTP. Feeds what the parser says to the rules, phase by phase,
// keeps the exchanges that are under way, and writes a record when one is over.
//
// Order within an exchange, whatever the order on the wire: request headers (phase 1), request body (2),
// response headers (3), response body (4), end (5). A response that begins before its request is complete
// (allowed by RFC 9112 9.3.2, and a way past phase 2 if judged as it comes) is kept until then, within a
// bound.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/event.h"
#include "engine/flow/flow.h"
#include "engine/http/parser.h"
#include "engine/http/sink.h"
#include "engine/inspect/context.h"
#include "engine/inspect/record.h"
#include "engine/inspect/sites.h"

namespace weir::inspect {

// How far the response to the refused request had come.
enum class ResponseState : std::uint8_t {
  None,        // nothing of it, and every earlier response is complete
  UnderWay,
  Complete,
  Owed,        // an earlier response is not complete
  Unreadable,  // the server's side is not followed as HTTP (any more)
};

// Inline: why nothing more of the connection may pass, and where in its streams that was.
struct Refusal {
  DropReason reason = DropReason::None;
  std::string_view detail;    // static
  std::uint64_t rule_id = 0;
  Decision decision;          // what to answer; its views are not kept
  http::ExchangeId exchange = 0;
  bool http = true;           // the client speaks HTTP/1: it can be answered
  bool head = false;          // the refused request's method is HEAD
  ResponseState response = ResponseState::None;
  std::uint64_t request_start = 0;   // stream offset of its request line
  std::uint64_t response_start = 0;  // UnderWay, Complete: of its status line
};

struct ParkedSession;  // engine/inspect/parked.h

// What is told of a connection at its end.
struct SessionFacts {
  bool spoke_http = false;
  bool tls = false, http2 = false;  // as its first bytes said
  bool alerted = false;
  bool blocked = false;
  std::uint64_t transactions = 0;
};
[[nodiscard]] SessionFacts facts_of(const ParkedSession& parked);

class Session final : public http::HttpSink {
 public:
  explicit Session(Context& context) : context_(context) {}
  ~Session() override = default;

  // A new connection. midstream: its beginning was not seen. `flow`: null where there are no packets.
  void open(const SessionOrigin& origin, bool midstream, flow::Flow* flow = nullptr);
  // What the two ends say (engine/inspect/proxied.cc). REQUIRES: open() was called.
  http::Progress on_bytes(http::Side side, std::string_view bytes);
  http::Progress on_gap(http::Side side, std::uint64_t length);
  // Of the unwanted rest.
  http::Progress on_unread(http::Side side, std::uint64_t length);
  http::Progress on_end(http::Side side, http::StreamEnd how);
  // Nothing more of this side is read.
  [[nodiscard]] bool over(http::Side side) const;
  // Inline: how much of the body of the response under way is to come and need not be read, there being nothing else
  // (http::kEndless: until the connection's end). nullopt: all must be read. engine/inspect/releasing.cc
  [[nodiscard]] std::optional<std::uint64_t> unwanted_rest() const;
  // The same of the body of the request under way, which nothing answers yet: its length is known.
  [[nodiscard]] std::optional<std::uint64_t> unwanted_upload() const;
  // Then phase 4 (2), which will see no more of it, comes now: it may still refuse.
  void settle_response();
  void settle_request();
  // Inline: the last chunk is there, but not the end of the trailer section. Some servers act on it, so
  // it is judged now.
  void body_ended();
  // Everything under way is over: no byte of either side follows.
  void close();
  // Between requests (engine/inspect/parking.cc): what is to be kept, as a number of Context::parked; the session may
  // serve another connection then. kNone: something is under way.
  [[nodiscard]] std::uint32_t park();
  // Becomes the one that was parked.
  void wake(const ParkedSession& parked, const SessionOrigin& origin, flow::Flow* flow);
  // Gives the parser's memory back until the next open().
  void rest();
  // Finishes the exchange as it stands, to give its place or memory to another one.
  void evict(Exchange* exchange, FailureCause cause = FailureCause::Transactions);
  // engine/inspect/room.cc. What it holds, after bytes of it, is brought up to date.
  void account();
  // There is no memory for its lines that are not complete: they are given up.
  void give_up_lines();
  [[nodiscard]] std::uint64_t last_packet() const { return last_packet_; }

  [[nodiscard]] SessionFacts facts() const;
  [[nodiscard]] bool busy() const { return !exchanges_.empty(); }
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }
  // DecisionKind::Redirect: where to. Valid until the next open().
  [[nodiscard]] std::string_view location() const { return location_; }
  [[nodiscard]] const SessionOrigin& origin() const { return origin_; }
  // The refused exchange, and what the client sent after it, is over; earlier responses are still waited for.
  void finish_refused();
  // After finish_refused(): every earlier response is complete.
  [[nodiscard]] bool earlier_answered() const { return earlier_answered_; }
  // Refused while no packet of it was at hand: neither end has been told. Says so once.
  [[nodiscard]] bool take_untold() { return std::exchange(untold_, false); }
  // After finish_refused(): an earlier response was refused as well.
  [[nodiscard]] bool refused_again() const { return refused_again_; }

  // http::HttpSink
  void on_request_line(http::ExchangeId id, const http::RequestLine& line) override;
  void on_status_line(http::ExchangeId id, const http::StatusLine& line) override;
  void on_header(http::ExchangeId id, http::Side side, std::string_view name,
                 std::string_view value) override;
  void on_headers_done(http::ExchangeId id, http::Side side) override;
  void on_body(http::ExchangeId id, http::Side side, std::string_view bytes) override;
  void on_trailer(http::ExchangeId id, http::Side side, std::string_view name,
                  std::string_view value) override;
  void on_message_done(http::ExchangeId id, http::Side side, http::MessageEnd end,
                       const http::MessageLengths& lengths) override;
  void on_interim(http::ExchangeId id, std::uint16_t status) override;
  void on_violation(http::ExchangeId id, http::Side side, http::Violation violation) override;
  void on_tunnel(http::ExchangeId id) override;

 private:
  Exchange* find(http::ExchangeId id);
  Exchange* find_or_start(http::ExchangeId id);
  // engine/inspect/judging.cc: the rules get to know the request, once it is known which ones.
  void begin_judging(Exchange& exchange);
  void choose_policy(Exchange& exchange);
  [[nodiscard]] bool must_wait();
  const Sites::Reach& reach();
  // engine/inspect/leeway.cc: what becomes of what is refused by default.
  [[nodiscard]] bool may_block();
  [[nodiscard]] const SitePolicy* known_policy(const Exchange* exchange);
  [[nodiscard]] bool may_wait(const Exchange& exchange, http::Side side, http::Violation violation);
  // What its policy, once it is known, says of violations that came before.
  void decide_violations(Exchange& exchange);
  void violated(Exchange* exchange, http::ExchangeId id, http::Side side, http::Violation violation, Leeway leeway);
  void let_by(FailureCause cause, Leeway leeway);
  void tell_let_by();
  void choose_client(Exchange& exchange);
  // Has a parser with the options of the sites as they are now.
  void use_parser();
  void forget_refusal();
  // engine/inspect/proxied.cc: the PROXY protocol in front of the client's bytes.
  void begin_front(bool midstream);
  void end_front();
  http::Progress front(std::string_view bytes);
  http::Progress front_refused();
  void response_line(Exchange& exchange, const http::StatusLine& line);
  void response_headers_done(Exchange& exchange);
  void response_body(Exchange& exchange, std::string_view bytes);
  void request_body_done(Exchange& exchange, bool trailers_may_follow = false);
  void response_done(Exchange& exchange);
  void judge_response_body(Exchange& exchange, bool cut);
  void replay_early(Exchange& exchange);
  void decided(Exchange& exchange, const Decision& decision);
  void refuse(const Exchange* exchange, http::ExchangeId id, DropReason reason, std::string_view detail,
              const Decision& decision);
  // A failure ends the connection.
  void give_up(const Exchange& exchange, FailureCause cause);
  [[nodiscard]] bool inline_stance() const { return context_.options.stance == Stance::Inline; }
  void finish(Exchange& exchange);
  void finish_if_over(Exchange& exchange);

  // The rules still want to hear of the exchange.
  static bool judging(const Exchange& exchange) { return exchange.judged && !exchange.stopped; }
  // Phase 2 has run: what comes of the response can be judged at once.
  static bool in_order(const Exchange& exchange) { return exchange.request.done || !exchange.judged; }

  void refuse_flow();

  friend class WaitingLines;
  Context& context_;
  std::optional<http::Connection> connection_;
  SessionOrigin origin_;
  const http::ParserOptions* parser_ = nullptr;
  Client client_;                             // who sends, as the connection or the PROXY protocol says
  std::unique_ptr<http::ProxyReader> front_;  // null: not, or not any more
  bool front_trusted_ = false;
  bool opaque_ = false;                       // refused in front of HTTP: nothing is read
  std::uint64_t before_ = 0;                  // the client's bytes that were no HTTP, in front of it
  Sites::Reach reach_;
  std::uint32_t generation_ = 0;  // of the sites that reach_ is about
  std::vector<Exchange*> exchanges_;  // under way, by id; few
  http::ExchangeId next_ = 0;         // one more than the highest id heard of
  http::ViolationSet unplaced_;       // of bytes that are no HTTP
  std::uint32_t let_by_ = 0;          // causes that passed, not told yet; a bit for each
  std::uint32_t detected_ = 0;        // of these: because of the mode
  Refusal refusal_;
  std::string location_;
  flow::Flow* flow_ = nullptr;
  std::uint64_t transactions_ = 0;
  std::size_t lines_ = 0;          // bytes of lines that are not complete, as last counted
  std::uint64_t last_packet_ = 0;  // that brought bytes of it, if it is among those that wait:
  Session* older_ = nullptr;       // of WaitingLines
  Session* newer_ = nullptr;
  bool waits_ = false;
  bool alerted_ = false;
  bool refused_again_ = false;
  bool untold_ = false;
  bool earlier_answered_ = false;
  bool spoke_http_ = false;
  bool tunnel_ = false;
};

}  // namespace weir::inspect
