// When a message is complete, what it costs, and what is held meanwhile.
#include <memory_resource>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/http/collector.h"
#include "tests/unit/http/recorder.h"

namespace weir::http::test {
namespace {

class CountingMemory final : public std::pmr::memory_resource {
 public:
  std::size_t in_use = 0;
  std::size_t peak = 0;
  std::size_t allocations = 0;
  std::size_t limit = SIZE_MAX;

 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    if (in_use + size > limit) throw std::bad_alloc();
    in_use += size;
    peak = std::max(peak, in_use);
    ++allocations;
    return std::pmr::new_delete_resource()->allocate(size, alignment);
  }
  void do_deallocate(void* block, std::size_t size, std::size_t alignment) override {
    in_use -= size;
    std::pmr::new_delete_resource()->deallocate(block, size, alignment);
  }
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
    return this == &other;
  }
};

struct Parser {
  explicit Parser(ParserOptions o = ParserOptions::passive())
      : options(o), connection(sink, options, nullptr, &memory) {}
  Progress request(std::string_view text) { return connection.on_bytes(Side::Request, text); }
  Progress response(std::string_view text) { return connection.on_bytes(Side::Response, text); }

  ParserOptions options;
  CountingMemory memory;
  Collector sink;
  Connection connection;
};

// Offset of the octet with which `what` first becomes true, counted from 1; 0: never.
template <class What>
std::size_t octet_of(const std::string& text, What&& what) {
  Parser s;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (what(s.request(std::string_view(text).substr(i, 1)))) return i + 1;
  }
  return 0;
}
std::size_t headers_at(const std::string& text) {
  return octet_of(text, [](const Progress& p) { return p.headers_done > 0; });
}
std::size_t message_at(const std::string& text) {
  return octet_of(text, [](const Progress& p) { return p.messages_done > 0; });
}
std::size_t body_at(const std::string& text) {
  return octet_of(text, [](const Progress& p) { return p.body_ended || p.messages_done > 0; });
}

TEST(Completion, IsToldAtTheEarliestOctet) {
  const std::string h = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(headers_at(h + "x"), h.size());
  EXPECT_EQ(message_at(h + "x"), h.size());
  const std::string lf = "GET / HTTP/1.1\nHost: a\n\n";
  EXPECT_EQ(message_at(lf + "x"), lf.size()) << "at the LF of the blank line";
  const std::string zero = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(message_at(zero + "x"), zero.size());
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
  EXPECT_EQ(headers_at(post + "abc"), post.size());
  EXPECT_EQ(message_at(post + "abcx"), post.size() + 3);
  EXPECT_EQ(message_at("GET /x\r\nmore"), 8U) << "HTTP/0.9 at its first LF";
  const std::string chunked =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";
  EXPECT_EQ(body_at(chunked + "\r\nx"), chunked.size()) << "some servers act here";
  EXPECT_EQ(message_at(chunked + "\r\nx"), chunked.size() + 2);
  EXPECT_EQ(message_at(chunked + "X: y\r\n\r\nx"), chunked.size() + 8);
  EXPECT_EQ(message_at(chunked + "\nx"), chunked.size() + 1);
  const std::string ws = "GET /c HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
  EXPECT_EQ(message_at(ws), ws.size());
}

TEST(Completion, OfTheBodyIsToldOnlyWhileTheTrailerIsOpen) {
  Parser s;
  const Progress all = s.request(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
  EXPECT_FALSE(all.body_ended);
  EXPECT_EQ(all.messages_done, 1U);
  const Progress open =
      s.request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
  EXPECT_TRUE(open.body_ended);
  EXPECT_EQ(open.messages_done, 0U);
  EXPECT_FALSE(s.request("X: y\r\n").body_ended);
  EXPECT_EQ(s.request("\r\n").messages_done, 1U);
}

TEST(Completion, AnEndedStreamCompletesWhatLenientServersTake) {
  Parser s;
  EXPECT_EQ(s.request("GET /x HTTP/1.0\r\nA: b").headers_done, 0U);
  const Progress p = s.connection.on_end(Side::Request, StreamEnd::Clean);
  EXPECT_EQ(p.headers_done, 1U);
  EXPECT_EQ(p.messages_done, 1U);
}

TEST(Refusal, IsToldInTheSameCall) {
  Parser s(ParserOptions::inline_strict());
  EXPECT_FALSE(s.request("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n").refused)
      << "the line may be continued";
  EXPECT_TRUE(s.request("\r\n").refused);
  EXPECT_EQ(s.connection.state(Side::Request), SideState::Refused);
  EXPECT_EQ(s.memory.in_use, 0U);
}

TEST(Refusal, CanBeToleratedByName) {
  ParserOptions options = ParserOptions::inline_strict();
  options.tolerate(Violation::HeaderFolded);
  Parser s(options);
  EXPECT_FALSE(s.request("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n").refused);
  EXPECT_TRUE(s.sink.of(Side::Request).violations.contains(Violation::HeaderFolded));
  EXPECT_EQ(s.sink.of(Side::Request).done.at(0).fields.at(1).second, "y z");
}

TEST(Memory, WholeMessagesNeedNone) {
  Parser s;
  for (int i = 0; i < 1000; ++i) {
    s.request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    s.response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  }
  EXPECT_EQ(s.sink.of(Side::Request).done.size(), 1000U);
  EXPECT_EQ(s.sink.of(Side::Response).done.size(), 1000U);
  EXPECT_EQ(s.memory.allocations, 0U);
}

TEST(Memory, AnIdleConnectionHoldsNone) {
  Parser s;
  const std::string text =
      "GET http://a/ HTTP/1.1\r\nHost: a\r\nCookie: " + std::string(5000, 'c') +
      "\r\nX: y\r\n z\r\n\r\n";
  for (const char c : text)
    s.request({&c, 1});
  EXPECT_GT(s.memory.peak, 5000U);
  EXPECT_EQ(s.memory.in_use, 0U);
  EXPECT_EQ(s.connection.state(Side::Request), SideState::Idle);
}

// Slow, endless or absurd headers, octet by octet: never more than two lines' worth.
TEST(Memory, IsBoundedWhateverComes) {
  const std::string attacks[] = {
      "GET /" + std::string(300000, 'a'),
      std::string(300000, 'A'),
      std::string(300000, '\n'),
      "GET / HTTP/1.1\r\nX: " + std::string(300000, 'a'),
      "GET / HTTP/1.1\r\n" + std::string(300000, 'n'),
      "GET / HTTP/1.1\r\nX: y\r\n" + std::string(300000, ' '),
  };
  for (const std::string& attack : attacks) {
    Parser s;
    Progress sum;
    for (const char c : attack)
      sum.work += s.request({&c, 1}).work;
    EXPECT_LE(s.memory.peak, 4 * 16 * 1024U) << attack.substr(0, 30);
    EXPECT_LE(sum.work, 40 * attack.size()) << attack.substr(0, 30);
  }
  Parser folds;
  Progress sum = folds.request("GET / HTTP/1.1\r\nX: y\r\n");
  for (int i = 0; i < 100000; ++i)
    sum.work += folds.request(" more\r\n").work;
  EXPECT_LE(folds.memory.peak, 4 * 16 * 1024U);
  EXPECT_LE(sum.work, 10U * 7 * 100000);
  Parser fields;
  std::uint64_t calls = 0;
  fields.request("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 100000; ++i)
    fields.request("X: y\r\n");
  calls = fields.sink.of(Side::Request).calls;
  EXPECT_LE(calls, 200U) << "what is beyond the limits is not told";
}

TEST(Work, IsLinearInTheOctets) {
  struct Attack {
    const char* name;
    std::string unit;
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const Attack attacks[] = {
      {"tiny chunks", "1\r\na\r\n", chunked},
      {"tiny requests", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"blank lines", "\r\n"},
      {"lone CRs", "\r"},
      {"broken requests", "\x01\n"},
      {"almost methods", "GET "},
      {"extensions", "1;aaaaaaaaaaaa=\"bbbbbbbbb\"\r\na\r\n", chunked},
      {"fields", "A: b\r\n", "GET / HTTP/1.1\r\n"},
      {"folds", " b\r\n", "GET / HTTP/1.1\r\nA: b\r\n"},
      {"commas", ",", "GET / HTTP/1.1\r\nTransfer-Encoding: "},
  };
  for (const Attack& a : attacks) {
    std::uint64_t per_octet[2] = {};
    for (const int scale : {0, 1}) {
      std::string text = a.head;
      while (text.size() < (scale == 0 ? 20000U : 400000U))
        text += a.unit;
      for (const std::size_t piece : {std::size_t{1}, std::size_t{1448}, text.size()}) {
        Parser s;
        std::uint64_t work = 0;
        for (std::size_t at = 0; at < text.size(); at += piece) {
          work += s.request(std::string_view(text).substr(at, piece)).work;
        }
        per_octet[scale] = std::max(per_octet[scale], 100 * work / text.size());
      }
    }
    EXPECT_LE(per_octet[1], per_octet[0] + per_octet[0] / 10 + 10) << a.name;
    EXPECT_LE(per_octet[1], 4000U) << a.name;
  }
}

TEST(Work, AMillionTinyChunks) {
  Parser s;
  s.request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::uint64_t work = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text;
    for (int k = 0; k < 1000; ++k)
      text += "1\r\na\r\n";
    work += s.request(text).work;
  }
  EXPECT_EQ(s.request("0\r\n\r\n").messages_done, 1U);
  EXPECT_EQ(s.sink.of(Side::Request).done.at(0).body.size(), 1000000U);
  EXPECT_LE(work, 3U * 6000000U);
  EXPECT_LE(s.memory.peak, 512U);
}

TEST(Memory, ItsExhaustionIsToldAndEndsTheSide) {
  Parser s;
  s.memory.limit = 1000;
  Progress p;
  for (int i = 0; i < 3000 && !p.exhausted; ++i)
    p = s.request("a");
  EXPECT_TRUE(p.exhausted);
  EXPECT_EQ(s.connection.state(Side::Request), SideState::Refused);
  s.request(" / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(s.sink.of(Side::Request).calls, 0U);
}

// The sink may say that it has enough of a body: it is counted, not decoded and not delivered.
class Sated final : public HttpSink {
 public:
  Connection* connection = nullptr;
  std::size_t bodies = 0;
  MessageLengths lengths;
  void on_request_line(ExchangeId, const RequestLine&) override {}
  void on_status_line(ExchangeId, const StatusLine&) override {}
  void on_header(ExchangeId, Side, std::string_view, std::string_view) override {}
  void on_headers_done(ExchangeId, Side) override {}
  void on_body(ExchangeId, Side side, std::string_view bytes) override {
    bodies += bytes.size();
    connection->skip_body(side);
  }
  void on_trailer(ExchangeId, Side, std::string_view, std::string_view) override {}
  void on_message_done(ExchangeId, Side, MessageEnd, const MessageLengths& l) override {
    lengths = l;
  }
  void on_interim(ExchangeId, std::uint16_t) override {}
  void on_violation(ExchangeId, Side, Violation) override {}
  void on_tunnel(ExchangeId) override {}
};

TEST(SkipBody, CountsTheRest) {
  Sated sink;
  const ParserOptions options = ParserOptions::passive();
  Connection connection(sink, options);
  sink.connection = &connection;
  (void)connection.on_bytes(Side::Request,
                            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
  (void)connection.on_bytes(Side::Request, "def");
  EXPECT_EQ(connection.on_bytes(Side::Request, "ghi").messages_done, 1U);
  EXPECT_EQ(sink.bodies, 3U);
  EXPECT_EQ(sink.lengths.body_wire, 9U);
  EXPECT_EQ(sink.lengths.body_decoded, 3U);
  // The next body is wanted again.
  (void)connection.on_bytes(Side::Request,
                            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy");
  EXPECT_EQ(sink.bodies, 5U);
}

TEST(Violations, HaveStableDistinctNames) {
  for (std::size_t i = 0; i < kViolationCount; ++i) {
    const auto v = static_cast<Violation>(i);
    EXPECT_EQ(violation_of(name(v)), v);
    EXPECT_EQ(name(v).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"),
              std::string::npos);
    EXPECT_FALSE(describe(v).empty());
    // What is refused from a server is refused from a client, where both can send it.
    if (default_response_disposition(v) == Disposition::Refuse) {
      EXPECT_EQ(default_disposition(v), Disposition::Refuse) << name(v);
    }
  }
  EXPECT_FALSE(violation_of("no-such"));
}

}  // namespace
}  // namespace weir::http::test
