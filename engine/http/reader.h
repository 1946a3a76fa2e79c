// One direction of an HTTP/1 connection: lines, header section, body, trailer section, and what
// comes after a gap. What differs between requests and responses is in the two classes derived from
// it. Private to the room; engine/http/parser.h is what others use.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

#include "engine/http/chunked.h"
#include "engine/http/content.h"
#include "engine/http/exchange.h"
#include "engine/http/framing.h"
#include "engine/http/line_reader.h"
#include "engine/http/message.h"
#include "engine/http/options.h"
#include "engine/http/progress.h"
#include "engine/http/sink.h"

namespace weir::http {

// What both directions of a connection share.
struct Shared {
  HttpSink& sink;
  const ParserOptions& options;
  std::pmr::memory_resource* memory;
  DecoderPool* pool;  // null until needed if the owner gave none
  std::unique_ptr<DecoderPool> own_pool;
  ExchangeQueue queue;
  ExchangeId next_id = 0;
  bool requests_seen = false;  // octets of this side came
  bool responses_seen = false;
  bool request_gap = false;  // requests may have been missed
  bool responses_lost = false;  // the response side looks for a start line
  bool answer_begins = false;   // meanwhile a request began: with the next octet of this side a line begins
  bool http_seen = false;    // some start line was read
  bool tunnel = false;       // the server agreed to leave HTTP
  bool opaque = false;       // TLS, HTTP/2: neither side is read
};

class Reader : private ContentSink {
 public:
  Reader(Side side, Shared& shared);

  void feed(std::string_view in);
  void gap(std::uint64_t length);
  void end(StreamEnd how);
  // The rest of the current body is not wanted by the sink.
  void skip_body() noexcept;
  // `length` octets of the current body went by unread, as was agreed.
  void pass(std::uint64_t length);
  // Octets of the current body that are still to come; nullopt: there is none, or only its own octets tell.
  [[nodiscard]] std::optional<std::uint64_t> rest_of_body() const noexcept;
  [[nodiscard]] bool coded() const noexcept { return decoding_; }
  // What was before is unknown: wait for something that looks like a start line. Inline a request is found
  // within a line too: what ends there may be the body of the request before, which has no line end.
  void lose() noexcept;
  // The other side agreed to leave HTTP.
  void enter_tunnel(ExchangeId agreed);
  // For want of memory: nothing can be said of what follows, and nothing is kept.
  void give_up() noexcept;
  // Bytes of lines that are not complete.
  [[nodiscard]] std::size_t buffered() const noexcept {
    const std::size_t all = lines_.capacity() + field_.capacity() + facts_.capacity();
    return all > kInPlace ? all : 0;
  }

  [[nodiscard]] SideState state() const noexcept;
  [[nodiscard]] Progress& progress() noexcept { return progress_; }
  [[nodiscard]] ExchangeId id() const noexcept { return id_; }
  [[nodiscard]] std::uint64_t message_start() const noexcept { return line_at_; }
  // Between messages, and no octet of the next one came.
  [[nodiscard]] bool at_rest() const noexcept {
    return state_ == State::Start && !begun_ && !lines_.started();
  }
  [[nodiscard]] bool ended() const noexcept { return state_ == State::Ended; }
  [[nodiscard]] std::uint64_t fed() const noexcept { return fed_; }
  [[nodiscard]] std::uint32_t blank_lines() const noexcept { return blank_lines_; }
  // REQUIRES: at_rest(). Everything else is set anew by the next message.
  void resume(std::uint64_t fed, std::uint32_t blank_lines) noexcept {
    fed_ = line_at_ = fed;
    blank_lines_ = blank_lines;
  }
  // Octets of a message were read, and its end was not. (Between an interim and the final response: no.)
  [[nodiscard]] bool under_way() const noexcept {
    return state_ == State::Start ? lines_.started()
                                  : state_ == State::Headers || state_ == State::Body ||
                                        state_ == State::Trailers || state_ == State::Refused;
  }

 protected:
  enum class State : std::uint8_t {
    Start,  // between messages, or in a start line
    Headers,
    Body,
    Trailers,
    Resync,  // waiting for something that looks like a start line
    Tunnel,  // left HTTP
    Opaque,  // never was HTTP/1
    Refused,
    Ended,
  };
  enum class Sniff : std::uint8_t { Undecided, Plausible, Foreign };
  // Resync: where a start line may begin.
  enum class Search : std::uint8_t {
    AtLine,      // with the octet that comes next, and behind every line end
    BehindLine,  // the rest of the current line is of no interest
    Anywhere,    // within a line too
  };

  ~Reader() override;

  // The first octet of what may be a start line came: give the message its number.
  virtual void begin_message() = 0;
  // Judges the first octets of a line, up to its LF if that is among them. A prefix that is decided
  // stays decided when octets are added.
  [[nodiscard]] virtual Sniff sniff(std::string_view prefix, bool resync) const = 0;
  // Resync: the part of a line that would be a start line if the line began in a body.
  [[nodiscard]] virtual std::string_view start_line_in(std::string_view line) const = 0;
  // Resync: the line, whose prefix was plausible, is a start line.
  [[nodiscard]] virtual bool is_start_line(std::string_view line) const = 0;
  // The octets at the start of a line are no start line.
  virtual void on_foreign(std::string_view prefix) = 0;
  // Leaves state_ as Headers, or as what on_section_end() or lose() made of it.
  virtual void on_start_line(const Line& line) = 0;
  // The header section ended; decides on the body with begin_body().
  virtual void on_section_end() = 0;
  virtual void on_message_done(MessageEnd end) = 0;

  // Tells the sink, once for each kind and message. Afterwards refused() may hold.
  void report(Violation violation);
  void report_all(const ViolationSet& violations);
  [[nodiscard]] bool refused() const noexcept { return state_ == State::Refused; }
  void begin_section();
  void begin_body(Framing framing, bool decode);
  void finish_message(MessageEnd end);
  void body(std::string_view bytes);
  // What follows is unknown because what was there is no HTTP: only a line of its own is a start line.
  void drop() noexcept;
  // drop(), from within a line: its rest is of no interest.
  void lose_line() noexcept;
  // The octets of the current line are body.
  void line_is_body();

  const Side side_;
  State state_ = State::Start;
  Framing framing_ = Framing::None;
  bool begun_ = false;   // the message has its number
  bool open_ = false;    // its first line was told to the sink, its end was not
  bool silent_ = false;  // an interim response: its fields are not told
  bool http10_ = false;
  std::uint32_t blank_lines_ = 0;
  ExchangeId id_ = 0;
  Shared& shared_;
  LineReader lines_;
  MessageFacts facts_;
  ViolationSet reported_;  // of this message
  Progress progress_;

 private:
  static constexpr std::size_t kSniff = 24;
  static constexpr std::size_t kInPlace = 45;  // three short strings need no memory of their own

  void read_start(std::string_view& in);
  void read_resync(std::string_view& in);
  [[nodiscard]] bool answered() const noexcept;
  void read_section(std::string_view& in);
  void read_body(std::string_view& in);
  void read_chunks(std::string_view& in);
  using SniffBuffer = std::array<char, kSniff>;
  [[nodiscard]] std::string_view line_prefix(std::string_view in, SniffBuffer& buffer);
  [[nodiscard]] bool take_line(std::string_view& in, Line& line, Violation too_long);
  [[nodiscard]] bool read_plain_field(std::string_view& in);
  void section_line(const Line& line, std::string_view rest);
  void gap_in_body(std::uint64_t length);
  void fold(std::string_view text);
  void flush_field();
  void field(std::string_view line, ParsedField parsed);
  void end_section();
  void end_headers_early();
  void release_decoder() noexcept;
  void on_decoded(std::string_view bytes) override;
  void on_content_violation(Violation violation) override;

  std::pmr::string field_;  // a field line that may be continued by a fold
  bool field_waits_ = false;
  bool folding_ = false;     // the current line continues field_
  bool first_field_ = true;  // no field line of the section came yet
  bool sniffed_ = false;     // the current line passed sniff()
  Search search_ = Search::AtLine;
  bool body_wanted_ = true;
  bool decoding_ = false;
  bool decoder_lost_ = false;  // a gap cut the coded stream
  bool early_end_ = false;     // the stream ended inside the header section
  std::uint32_t fields_ = 0;
  std::uint64_t fed_ = 0;      // octets of this side so far, holes included
  std::uint64_t line_at_ = 0;  // of these, those before the first line of the present or latest message
  std::uint64_t section_bytes_ = 0;
  std::uint64_t remaining_ = 0;  // of a body of known length
  MessageLengths lengths_;
  ChunkDecoder chunks_;
  std::unique_ptr<ContentDecoder> decoder_;
};

class RequestReader final : public Reader {
 public:
  explicit RequestReader(Shared& shared) : Reader(Side::Request, shared) {}

  [[nodiscard]] bool closing() const noexcept { return closing_; }
  void set_closing(bool closing) noexcept { closing_ = closing; }

 private:
  void begin_message() override;
  [[nodiscard]] Sniff sniff(std::string_view prefix, bool resync) const override;
  [[nodiscard]] std::string_view start_line_in(std::string_view line) const override;
  [[nodiscard]] bool is_start_line(std::string_view line) const override;
  void on_foreign(std::string_view prefix) override;
  void on_start_line(const Line& line) override;
  void on_section_end() override;
  void on_message_done(MessageEnd end) override;

  void become_opaque() noexcept;
  [[nodiscard]] Violation no_request_line() const noexcept;

  bool connect_or_trace_ = false;
  bool closing_ = false;  // the last request said Connection: close
};

class ResponseReader final : public Reader {
 public:
  ResponseReader(Shared& shared, RequestReader& requests)
      : Reader(Side::Response, shared), requests_(requests) {}

 private:
  void begin_message() override;
  [[nodiscard]] Sniff sniff(std::string_view prefix, bool resync) const override;
  [[nodiscard]] std::string_view start_line_in(std::string_view line) const override;
  [[nodiscard]] bool is_start_line(std::string_view line) const override;
  void on_foreign(std::string_view prefix) override;
  void on_start_line(const Line& line) override;
  void on_section_end() override;
  void on_message_done(MessageEnd end) override;
  void begin_http09();
  [[nodiscard]] bool answers_connect() const noexcept;
  [[nodiscard]] bool doubtful_tunnel() const noexcept;
  [[nodiscard]] bool switches() const noexcept;

  RequestReader& requests_;
  std::uint16_t status_ = 0;
  std::uint8_t traits_ = 0;  // of the request that is answered
  bool queued_ = false;      // it is the front of the queue
};

}  // namespace weir::http
