#include "crs/back_end.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/base64.h"
#include "engine/http/parser.h"
#include "rules/body/json.h"

namespace weir::crs {

namespace {

constexpr std::size_t kMostBody = std::size_t{1} << 20;

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// What a body of /reflect asks for.
class Wanted final : public rules::body::BodySink {
 public:
  bool on_argument(std::string_view name, std::string_view value) override {
    constexpr std::string_view kHeaders = "json.headers.";
    if (name == "json.status") {
      std::from_chars(value.data(), value.data() + value.size(), status);
    } else if (name == "json.body") {
      body = value;
    } else if (name == "json.encodedBody") {
      if (auto decoded = base::decode_base64(value)) body = std::move(*decoded);
    } else if (starts_with(name, kHeaders)) {
      headers.emplace_back(name.substr(kHeaders.size()), value);
    }
    return true;
  }
  void on_error(std::string_view) override { broken = true; }

  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool broken = false;
};

std::string response(int status, const std::vector<std::pair<std::string, std::string>>& headers,
                     std::string_view body) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Reflected");
  out += "\r\n";
  bool typed = body.empty();
  for (const auto& [name, value] : headers) {
    if (same_name(name, "content-length") || same_name(name, "transfer-encoding")) continue;
    typed = typed || same_name(name, "content-type");
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (!typed) out += "Content-Type: text/plain; charset=utf-8\r\n";
  // These never have a body (RFC 9110 6.4.1).
  if (status >= 200 && status != 204 && status != 304) {
    out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    out += body;
  } else {
    out += "\r\n";
  }
  return out;
}

std::string reflect(std::string_view request_body) {
  Wanted wanted;
  rules::body::JsonProcessor json;
  json.begin({}, rules::body::JsonNames::ModSecurity3, wanted);
  json.feed(request_body);
  json.finish();
  if (wanted.broken || wanted.status < 200 || wanted.status > 999) return response(400, {}, {});
  return response(wanted.status, wanted.headers, wanted.body);
}

class Server final : public http::HttpSink {
 public:
  void on_request_line(http::ExchangeId, const http::RequestLine& line) override {
    method_ = line.method;
    target_ = line.target;
    version_less_ = line.version.empty();
    body_.clear();
  }
  void on_status_line(http::ExchangeId, const http::StatusLine&) override {}
  void on_header(http::ExchangeId, http::Side, std::string_view, std::string_view) override {}
  void on_headers_done(http::ExchangeId, http::Side) override {}
  void on_body(http::ExchangeId, http::Side, std::string_view bytes) override {
    if (body_.size() + bytes.size() <= kMostBody) body_.append(bytes);
  }
  void on_trailer(http::ExchangeId, http::Side, std::string_view, std::string_view) override {}
  void on_message_done(http::ExchangeId, http::Side, http::MessageEnd end,
                       const http::MessageLengths&) override {
    if (end == http::MessageEnd::Complete) answer();
  }
  void on_interim(http::ExchangeId, std::uint16_t) override {}
  void on_violation(http::ExchangeId, http::Side, http::Violation) override {}
  void on_tunnel(http::ExchangeId) override {}

  Answers take() { return std::move(answers_); }

 private:
  void answer() {
    const std::string_view path = std::string_view(target_).substr(0, target_.find_first_of("?#"));
    std::string bytes;
    if (method_ == "POST" && path == "/reflect") {
      bytes = reflect(body_);
    } else {
      bytes = response(200, {}, {});
      // A 2xx to CONNECT has no framing fields (RFC 9110 9.3.6).
      if (method_ == "CONNECT") bytes = "HTTP/1.1 200 OK\r\n\r\n";
      if (version_less_) bytes = "\n";
    }
    if (answers_.status == 0) {
      answers_.first = bytes;
      answers_.version_less = version_less_;
      answers_.status = 200;
      if (!version_less_) std::from_chars(bytes.data() + 9, bytes.data() + 12, answers_.status);
    }
    answers_.bytes += bytes;
  }

  std::string method_, target_, body_;
  bool version_less_ = false;
  Answers answers_;
};

}  // namespace

Answers answers_to(std::string_view requests) {
  const http::ParserOptions options = http::ParserOptions::passive();
  Server server;
  http::Connection connection(server, options);
  connection.on_bytes(http::Side::Request, requests);
  return server.take();
}

}  // namespace weir::crs
