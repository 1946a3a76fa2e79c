// Writes down what the parser tells, one line for each call; adjacent body calls of one message
// become one line, so that the text does not depend on how the stream was cut.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "engine/http/parser.h"

namespace weir::http::test {

inline std::uint64_t fnv(std::string_view text) {
  std::uint64_t h = 1469598103934665603ULL;
  for (const char c : text)
    h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return h;
}

// Printable, and short: long texts become their length and a digest.
inline std::string show(std::string_view text) {
  if (text.size() > 100) {
    char digest[32];
    std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(fnv(text)));
    return "<" + std::to_string(text.size()) + " octets " + digest + ">";
  }
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u >= 0x20 && u < 0x7f) {
      out += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", u);
      out += hex;
    }
  }
  return out + "\"";
}

class Recorder final : public HttpSink {
 public:
  [[nodiscard]] std::vector<std::string> take() {
    flush();
    return std::move(lines_);
  }
  [[nodiscard]] std::string text() {
    std::string all;
    for (const std::string& line : take())
      all += line + "\n";
    return all;
  }
  void note(std::string line) {
    flush();
    lines_.push_back(std::move(line));
  }

  void on_request_line(ExchangeId id, const RequestLine& l) override {
    note("request " + std::to_string(id) + " " + show(l.method) + " " + show(l.target) + " " +
         show(l.version));
  }
  void on_status_line(ExchangeId id, const StatusLine& l) override {
    note("status " + std::to_string(id) + " " + show(l.version) + " " + std::to_string(l.status) +
         " " + show(l.reason));
  }
  void on_header(ExchangeId id, Side side, std::string_view name, std::string_view value) override {
    note("header " + who(id, side) + " " + show(name) + " " + show(value));
  }
  void on_headers_done(ExchangeId id, Side side) override { note("headers-done " + who(id, side)); }
  void on_body(ExchangeId id, Side side, std::string_view bytes) override {
    const std::string key = who(id, side);
    if (key != body_of_) flush();
    body_of_ = key;
    body_.append(bytes);
  }
  void on_trailer(ExchangeId id, Side side, std::string_view name,
                  std::string_view value) override {
    note("trailer " + who(id, side) + " " + show(name) + " " + show(value));
  }
  void on_message_done(ExchangeId id, Side side, MessageEnd end, const MessageLengths& l) override {
    note("done " + who(id, side) + (end == MessageEnd::Complete ? " complete " : " incomplete ") +
         std::to_string(l.body_wire) + " " + std::to_string(l.body_decoded) + " " +
         std::to_string(l.body_missing));
  }
  void on_interim(ExchangeId id, std::uint16_t status) override {
    note("interim " + std::to_string(id) + " " + std::to_string(status));
  }
  void on_violation(ExchangeId id, Side side, Violation violation) override {
    note("violation " + who(id, side) + " " + std::string(name(violation)));
  }
  void on_tunnel(ExchangeId id) override { note("tunnel " + std::to_string(id)); }

 private:
  static std::string who(ExchangeId id, Side side) {
    return std::to_string(id) + (side == Side::Request ? " >" : " <");
  }
  void flush() {
    if (body_of_.empty()) return;
    lines_.push_back("body " + body_of_ + " " + show(body_));
    body_of_.clear();
    body_.clear();
  }

  std::vector<std::string> lines_;
  std::string body_of_;
  std::string body_;
};

inline std::string_view name_of(SideState state) {
  switch (state) {
    case SideState::Idle:
      return "idle";
    case SideState::InHeaders:
      return "in-headers";
    case SideState::InBody:
      return "in-body";
    case SideState::Lost:
      return "lost";
    case SideState::Tunnel:
      return "tunnel";
    case SideState::Opaque:
      return "opaque";
    case SideState::Refused:
      return "refused";
    case SideState::Ended:
      return "ended";
  }
  return "?";
}

inline Side side_of(char c) {
  return c == '>' ? Side::Request : Side::Response;
}

// One thing that happens on a connection.
struct Step {
  enum class Kind : std::uint8_t { Bytes, Gap, End, Midstream };
  Kind kind = Kind::Bytes;
  Side side = Side::Request;
  std::string bytes;
  std::uint64_t length = 0;
  StreamEnd end = StreamEnd::Clean;
};

// Cuts the bytes of each step at the offsets that `next_cut(remaining)` gives (1..remaining).
template <class NextCut>
std::vector<std::string> replay(const std::vector<Step>& steps, const ParserOptions& options,
                                NextCut&& next_cut) {
  Recorder recorder;
  Connection connection(recorder, options);
  Progress sum;
  const auto add = [&sum](const Progress& p) {
    sum.headers_done += p.headers_done;
    sum.messages_done += p.messages_done;
    sum.violations += p.violations;
    sum.refused |= p.refused;
    sum.tunnel |= p.tunnel;
  };
  for (const Step& step : steps) {
    switch (step.kind) {
      case Step::Kind::Midstream:
        connection.start_midstream();
        break;
      case Step::Kind::Gap:
        add(connection.on_gap(step.side, step.length));
        break;
      case Step::Kind::End:
        add(connection.on_end(step.side, step.end));
        break;
      case Step::Kind::Bytes: {
        std::string_view rest = step.bytes;
        while (!rest.empty()) {
          const std::size_t n = next_cut(rest.size());
          // A copy of its own size, so that a sanitizer sees reading beyond it.
          const std::vector<char> piece(rest.begin(),
                                        rest.begin() + static_cast<std::ptrdiff_t>(n));
          add(connection.on_bytes(step.side, {piece.data(), piece.size()}));
          rest.remove_prefix(n);
        }
        break;
      }
    }
  }
  recorder.note("state " + std::string(name_of(connection.state(Side::Request))) + " " +
                std::string(name_of(connection.state(Side::Response))) + " waiting " +
                std::to_string(connection.waiting()));
  recorder.note("progress headers " + std::to_string(sum.headers_done) + " messages " +
                std::to_string(sum.messages_done) + " violations " +
                std::to_string(sum.violations) + (sum.refused ? " refused" : "") +
                (sum.tunnel ? " tunnel" : ""));
  return recorder.take();
}

}  // namespace weir::http::test
