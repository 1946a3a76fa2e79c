#include "app/explain/curl.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/base64.h"
#include "engine/base/utf8.h"

namespace weir::app {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Splits a command into words as a shell does, without expansions.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  Result<std::vector<std::string>> split() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        finish();
        ++at_;
      } else if (c == '\'') {
        if (!single()) return fail("the quote ' is not closed");
      } else if (c == '"') {
        if (!quoted_double()) return fail("the quote \" is not closed");
      } else if (c == '$' && at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
        if (!dollar()) return fail("the quote $' is not closed");
      } else if (c == '\\') {
        backslash();
      } else {
        put(c);
        ++at_;
      }
    }
    finish();
    return std::move(words_);
  }

 private:
  void put(char c) {
    word_.push_back(c);
    open_ = true;
  }
  void finish() {
    if (open_) words_.push_back(std::move(word_));
    word_.clear();
    open_ = false;
  }
  void backslash() {
    ++at_;
    if (at_ >= text_.size()) return;
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    if (text_[at_] != '\n') put(text_[at_]);
    ++at_;
  }
  bool single() {
    const std::size_t end = text_.find('\'', at_ + 1);
    if (end == std::string_view::npos) return false;
    word_.append(text_.substr(at_ + 1, end - at_ - 1));
    open_ = true;
    at_ = end + 1;
    return true;
  }
  bool quoted_double() {
    open_ = true;
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\' && at_ + 1 < text_.size()) {
        const char next = text_[at_ + 1];
        if (next == '\n') {
          ++at_;
          continue;
        }
        if (next == '"' || next == '\\' || next == '$' || next == '`') c = text_[++at_];
      }
      word_.push_back(c);
    }
    return false;
  }
  bool dollar() {
    open_ = true;
    for (at_ += 2; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\'') {
        ++at_;
        return true;
      }
      if (text_[at_] != '\\' || at_ + 1 >= text_.size()) {
        word_.push_back(text_[at_]);
        continue;
      }
      escape(text_[++at_]);
    }
    return false;
  }
  void escape(char c) {
    switch (c) {
      case 'n': word_.push_back('\n'); break;
      case 'r': word_.push_back('\r'); break;
      case 't': word_.push_back('\t'); break;
      case 'x': word_.push_back(static_cast<char>(number(2))); break;
      case 'u': base::append_utf8(word_, number(4)); break;
      case 'U': base::append_utf8(word_, number(8)); break;
      default: word_.push_back(c);
    }
  }
  // At most `most` hexadecimal digits after the present place.
  char32_t number(int most) {
    char32_t value = 0;
    for (; most > 0 && at_ + 1 < text_.size(); --most) {
      const int digit = hex_digit(text_[at_ + 1]);
      if (digit < 0) break;
      value = value * 16 + static_cast<char32_t>(digit);
      ++at_;
    }
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string word_;
  bool open_ = false;
  std::vector<std::string> words_;
};

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return out;
}

std::string percent_encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
        c == '_' || c == '~') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
  }
  return out;
}

enum class Opt : std::uint8_t {
  Ignore, IgnoreValue, Method, Header, Data, DataRaw, UrlEncode, Json, Agent, Referer, Cookie, User, Get, Head, Http10, Url,
  Compressed,
};

struct Known {
  std::string_view name;
  char letter;
  Opt what;
};

constexpr std::array kKnown{
    Known{"request", 'X', Opt::Method},         Known{"header", 'H', Opt::Header},
    Known{"data", 'd', Opt::Data},              Known{"data-ascii", 0, Opt::Data},
    Known{"data-binary", 0, Opt::DataRaw},      Known{"data-raw", 0, Opt::DataRaw},
    Known{"data-urlencode", 0, Opt::UrlEncode}, Known{"json", 0, Opt::Json},
    Known{"user-agent", 'A', Opt::Agent},       Known{"referer", 'e', Opt::Referer},
    Known{"cookie", 'b', Opt::Cookie},          Known{"user", 'u', Opt::User},
    Known{"get", 'G', Opt::Get},                Known{"head", 'I', Opt::Head},
    Known{"http1.0", '0', Opt::Http10},         Known{"url", 0, Opt::Url},
    Known{"compressed", 0, Opt::Compressed},    Known{"silent", 's', Opt::Ignore},
    Known{"insecure", 'k', Opt::Ignore},        Known{"location", 'L', Opt::Ignore},
    Known{"verbose", 'v', Opt::Ignore},         Known{"include", 'i', Opt::Ignore},
    Known{"show-error", 'S', Opt::Ignore},      Known{"fail", 'f', Opt::Ignore},
    Known{"http1.1", 0, Opt::Ignore},           Known{"http2", 0, Opt::Ignore},
    Known{"globoff", 'g', Opt::Ignore},         Known{"path-as-is", 0, Opt::Ignore},
    Known{"ipv4", '4', Opt::Ignore},            Known{"ipv6", '6', Opt::Ignore},
    Known{"output", 'o', Opt::IgnoreValue},     Known{"max-time", 'm', Opt::IgnoreValue},
    Known{"connect-timeout", 0, Opt::IgnoreValue}, Known{"resolve", 0, Opt::IgnoreValue},
    Known{"proxy", 'x', Opt::IgnoreValue},      Known{"cacert", 0, Opt::IgnoreValue},
    Known{"write-out", 'w', Opt::IgnoreValue},
};

bool takes_value(Opt what) {
  return what != Opt::Ignore && what != Opt::Get && what != Opt::Head && what != Opt::Http10 &&
         what != Opt::Compressed;
}

class Builder {
 public:
  Result<CurlRequest> build(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string& word = words[i];
      if (i == 0 && word == "curl") continue;
      if (word.size() < 2 || word[0] != '-') {
        url_ = word;
        continue;
      }
      if (Result<void> taken = option(words, i); !taken) return fail(taken.error().message);
    }
    return finish();
  }

 private:
  Result<void> option(const std::vector<std::string>& words, std::size_t& i) {
    const std::string& word = words[i];
    const bool is_long = word[1] == '-';
    for (std::size_t k = 1; k < word.size(); ++k) {
      const Known* known = nullptr;
      for (const Known& one : kKnown) {
        if (is_long ? word.substr(2) == one.name : one.letter != 0 && word[k] == one.letter) known = &one;
      }
      if (known == nullptr) {
        return fail("the curl option " + (is_long ? word : "-" + word.substr(k, 1)) + " is not understood");
      }
      std::string value;
      if (takes_value(known->what)) {
        if (!is_long && k + 1 < word.size()) {
          value = word.substr(k + 1);
        } else if (i + 1 < words.size()) {
          value = words[++i];
        } else {
          return fail("the curl option " + word + " lacks its value");
        }
        return take(known->what, std::move(value));
      }
      if (Result<void> taken = take(known->what, {}); !taken || is_long) return taken;
    }
    return {};
  }

  Result<void> take(Opt what, std::string value) {
    switch (what) {
      case Opt::Ignore:
      case Opt::IgnoreValue: break;
      case Opt::Method: method_ = value; break;
      case Opt::Header: header(value); break;
      case Opt::Data:
      case Opt::Json:
        if (!value.empty() && value[0] == '@') return fail("data from a file (@…) is not read: use --request");
        if (what == Opt::Data) value.erase(std::remove_if(value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n'; }), value.end());
        if (what == Opt::Json) {
          set_default("Content-Type", "application/json");
          set_default("Accept", "application/json");
        }
        add_data(value, what != Opt::Json);
        break;
      case Opt::DataRaw: add_data(value, true); break;
      case Opt::UrlEncode: {
        const std::size_t equals = value.find('=');
        if (equals == std::string::npos) {
          add_data(percent_encoded(value), true);
        } else {
          const std::string name = value.substr(0, equals);
          add_data((name.empty() ? "" : name + "=") + percent_encoded(std::string_view(value).substr(equals + 1)), true);
        }
        break;
      }
      case Opt::Agent: headers_.emplace_back("User-Agent", value); break;
      case Opt::Referer: headers_.emplace_back("Referer", value); break;
      case Opt::Cookie: headers_.emplace_back("Cookie", value); break;
      case Opt::User: headers_.emplace_back("Authorization", "Basic " + base::encode_base64(value)); break;
      case Opt::Get: get_ = true; break;
      case Opt::Head: head_ = true; break;
      case Opt::Http10: version_ = "HTTP/1.0"; break;
      case Opt::Url: url_ = value; break;
      case Opt::Compressed: set_default("Accept-Encoding", "deflate, gzip, br"); break;
    }
    return {};
  }

  void header(const std::string& line) {
    const std::size_t colon = line.find_first_of(":;");
    if (colon == std::string::npos) return;
    std::string value = line.substr(colon + 1);
    value.erase(0, value.find_first_not_of(" \t"));
    const std::string name = line.substr(0, colon);
    if (value.empty() && line[colon] == ':') {
      removed_.push_back(lowered(name));  // "Name:" takes a header away
    } else {
      headers_.emplace_back(name, value);
    }
  }
  [[nodiscard]] bool has(std::string_view lower) const {
    return std::any_of(headers_.begin(), headers_.end(), [&](const auto& h) { return lowered(h.first) == lower; }) ||
           std::find(removed_.begin(), removed_.end(), lower) != removed_.end();
  }
  void set_default(std::string name, std::string value) { defaults_.emplace_back(std::move(name), std::move(value)); }
  void add_data(std::string_view value, bool ampersand) {
    if (has_data_ && ampersand) data_ += '&';
    data_ += value;
    has_data_ = true;
  }

  Result<CurlRequest> finish() {
    if (url_.empty()) return fail("the curl command names no URL");
    CurlRequest request;
    std::string rest = url_;
    if (const std::size_t scheme = rest.find("://"); scheme != std::string::npos) {
      const std::string name = lowered(rest.substr(0, scheme));
      if (name != "http" && name != "https") return fail("the URL is not of HTTP: " + url_);
      if (name == "https") request.port = 443;
      rest.erase(0, scheme + 3);
    }
    const std::size_t path_at = std::min(rest.find_first_of("/?#"), rest.size());
    std::string authority = rest.substr(0, path_at);
    std::string target = rest.substr(path_at);
    target = target.substr(0, target.find('#'));
    if (target.empty() || target[0] != '/') target = "/" + target;
    if (const std::size_t at = authority.rfind('@'); at != std::string::npos) authority.erase(0, at + 1);
    request.host = authority;
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string::npos && authority.find(']', colon) == std::string::npos) {
      request.host = authority.substr(0, colon);
      std::from_chars(authority.data() + colon + 1, authority.data() + authority.size(), request.port);
    }
    if (get_ && has_data_) {
      target += (target.find('?') == std::string::npos ? "?" : "&") + data_;
      has_data_ = false;
    }
    if (method_.empty()) method_ = head_ ? "HEAD" : has_data_ ? "POST" : "GET";

    std::string& out = request.bytes;
    out = method_ + " " + target + " " + version_ + "\r\n";
    if (!has("host")) out += "Host: " + authority + "\r\n";
    set_default("User-Agent", "curl/7.88.1");
    set_default("Accept", "*/*");
    if (has_data_) {
      set_default("Content-Type", "application/x-www-form-urlencoded");
      set_default("Content-Length", std::to_string(data_.size()));
    }
    for (const auto& [name, value] : defaults_) {
      if (has(lowered(name))) continue;
      headers_.emplace_back(name, value);
    }
    for (const auto& [name, value] : headers_) out += name + ": " + value + "\r\n";
    out += "\r\n";
    if (has_data_) out += data_;
    return request;
  }

  std::string url_, method_, data_;
  std::string version_ = "HTTP/1.1";
  std::vector<std::pair<std::string, std::string>> headers_, defaults_;
  std::vector<std::string> removed_;
  bool has_data_ = false, get_ = false, head_ = false;
};

}  // namespace

Result<CurlRequest> curl_request(std::string_view command) {
  Result<std::vector<std::string>> words = Words(command).split();
  if (!words) return fail(words.error().message);
  return Builder().build(*words);
}

}  // namespace weir::app
