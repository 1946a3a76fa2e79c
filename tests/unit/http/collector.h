// A sink that puts messages together again, in the oracle's shape.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/http/parser.h"
#include "tests/unit/http/oracle.h"

namespace weir::http::test {

class Collector final : public HttpSink {
 public:
  struct Direction {
    std::vector<OracleMessage> done;  // complete ones
    OracleMessage current;
    ViolationSet violations;
    std::uint64_t calls = 0;
  };
  [[nodiscard]] const Direction& of(Side side) const { return directions_[index(side)]; }

  void on_request_line(ExchangeId, const RequestLine& l) override {
    at(Side::Request).current = {};
    at(Side::Request).current.first_line =
        std::string(l.method) + " " + std::string(l.target) + " " + std::string(l.version);
  }
  void on_status_line(ExchangeId, const StatusLine& l) override {
    at(Side::Response).current = {};
    std::string line = std::string(l.version) + " " + std::to_string(l.status);
    if (!l.reason.empty()) line += " " + std::string(l.reason);
    at(Side::Response).current.first_line = line;
  }
  void on_header(ExchangeId, Side side, std::string_view name, std::string_view value) override {
    at(side).current.fields.emplace_back(name, value);
  }
  void on_headers_done(ExchangeId, Side side) override { at(side); }
  void on_body(ExchangeId, Side side, std::string_view bytes) override {
    at(side).current.body.append(bytes);
  }
  void on_trailer(ExchangeId, Side side, std::string_view name, std::string_view value) override {
    at(side).current.trailers.emplace_back(name, value);
  }
  void on_message_done(ExchangeId, Side side, MessageEnd end, const MessageLengths&) override {
    if (end == MessageEnd::Complete) at(side).done.push_back(at(side).current);
  }
  void on_interim(ExchangeId, std::uint16_t) override { at(Side::Response); }
  void on_violation(ExchangeId, Side side, Violation violation) override {
    at(side).violations.insert(violation);
  }
  void on_tunnel(ExchangeId) override { at(Side::Response); }

 private:
  static std::size_t index(Side side) { return static_cast<std::size_t>(side); }
  Direction& at(Side side) {
    ++directions_[index(side)].calls;
    return directions_[index(side)];
  }
  Direction directions_[2];
};

}  // namespace weir::http::test
