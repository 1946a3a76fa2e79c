#include "crs/ftw_request.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/base/base64.h"

namespace weir::crs {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// Go's url.QueryUnescape would return the very same text.
bool unescapes_to_itself(std::string_view text) {
  if (text.find('+') != std::string_view::npos) return false;
  // A proper escape would change it, an improper one would fail.
  return text.find('%') == std::string_view::npos;
}

void append_escaped(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_' ||
        c == '.' || c == '~') {
      out.push_back(c);
    } else if (c == ' ') {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
  }
}

// Go's base64 decoder skips line ends.
std::optional<std::string> decode(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c != '\r' && c != '\n') clean.push_back(c);
  }
  return base::decode_base64(clean);
}

class Builder {
 public:
  explicit Builder(const FtwInput& input) : input_(input), headers_(input.headers) {}

  Result<std::string> build() {
    if (auto body = body_of_input(); !body) return fail(body.error().message);
    if (!body_.empty() && input_.autocomplete_headers) {
      if (!has("content-type")) headers_.emplace_back("Content-Type", kForm);
      if (has_value("content-type", kForm)) body_ = encode_form(body_);
    }
    if (!input_.data_is_lines && has_multipart()) convert_line_ends();
    if (input_.autocomplete_headers) add_standard_headers();
    std::string out = input_.method + " " + input_.uri + " " + input_.version + "\r\n";
    for (const auto& [name, value] : headers_)
      out.append(name).append(": ").append(value).append("\r\n");
    return out + "\r\n" + body_;
  }

 private:
  static constexpr std::string_view kForm = "application/x-www-form-urlencoded";

  Result<void> body_of_input() {
    if (input_.data) {
      auto expanded = expand_template(*input_.data);
      if (!expanded) return fail(expanded.error().message);
      body_ = std::move(*expanded);
    } else if (input_.encoded_data) {
      auto decoded = decode(*input_.encoded_data);
      if (!decoded) return fail("encoded_data is no base64");
      body_ = std::move(*decoded);
    }
    return {};
  }

  [[nodiscard]] bool has(std::string_view name) const {
    return std::any_of(headers_.begin(), headers_.end(),
                       [name](const auto& h) { return lowered(h.first) == name; });
  }
  [[nodiscard]] bool has_value(std::string_view name, std::string_view value) const {
    return std::any_of(headers_.begin(), headers_.end(), [&](const auto& h) {
      return lowered(h.first) == name && lowered(h.second) == value;
    });
  }
  [[nodiscard]] bool has_multipart() const {
    return std::any_of(headers_.begin(), headers_.end(), [](const auto& h) {
      return lowered(h.first) == "content-type" &&
             lowered(h.second).find("multipart/form-data;") != std::string::npos;
    });
  }

  // go-ftw: every LF, even one that has a CR already.
  void convert_line_ends() {
    std::string out;
    for (const char c : body_) {
      const bool has_cr = !out.empty() && out.back() == '\r';
      if (c == '\n' && !(input_.for_ftw && has_cr)) out.push_back('\r');
      out.push_back(c);
    }
    body_ = std::move(out);
  }

  void add_standard_headers() {
    if (!has("connection")) headers_.emplace_back("Connection", "close");
    if (has("content-length")) return;
    // The pattern is go-ftw's ^POST|PUT|PATCH|DELETE$, in which the anchors belong to the outer
    // words only.
    const std::string& m = input_.method;
    const bool has_body = !input_.for_ftw && (m.rfind("POST", 0) == 0 || m.find("PUT") != std::string::npos ||
                          m.find("PATCH") != std::string::npos ||
                          (m.size() >= 6 && m.compare(m.size() - 6, 6, "DELETE") == 0));
    if (!body_.empty() || has_body) {
      headers_.emplace_back("Content-Length", std::to_string(body_.size()));
    }
  }

  const FtwInput& input_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string body_;
};

}  // namespace

std::string encode_form(std::string_view data) {
  if (data.empty() || !unescapes_to_itself(data)) return std::string(data);
  std::string out;
  std::size_t at = 0;
  while (at < data.size()) {
    const std::size_t ampersand = std::min(data.find('&', at), data.size());
    const std::string_view token = data.substr(at, ampersand - at);
    at = ampersand + 1;
    const std::size_t equals = token.find('=');
    append_escaped(token.substr(0, equals), out);
    if (equals != std::string_view::npos) {
      out.push_back('=');
      append_escaped(token.substr(equals + 1), out);
    }
    out.push_back('&');
  }
  out.pop_back();
  return out;
}

Result<std::string> build_request(const FtwInput& input) {
  if (input.encoded_request) {
    auto decoded = decode(*input.encoded_request);
    if (!decoded) return fail("encoded_request is no base64");
    return std::move(*decoded);
  }
  if (input.raw_request) return *input.raw_request;
  return Builder(input).build();
}

}  // namespace weir::crs
