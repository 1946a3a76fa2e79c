// Requests made to be dear: long runs of every byte and of the pieces that patterns and transformations
// look for, in every place of a request, against a whole rule set. Time must grow with the length, no
// faster, and stay under a bound for 64 KB.
//
//   dos --rules FILE… [--cache DIR] [--quick]
//
// Prints the dearest cases of each size, and those that grow faster than their length. Exit status 1 if a
// request of 64 KB took over 20 ms, or a case grew by more than kGrowth times its length.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/harness.h"

namespace {

using weir::bench::Request;
using weir::bench::WeirEngine;

constexpr std::size_t kSmall = 16 * 1024;
constexpr std::size_t kMiddle = 64 * 1024;
constexpr std::size_t kLarge = 1024 * 1024;
constexpr double kMostMs = 20;
constexpr double kGrowth = 1.6;

// What patterns and transformations look for, over and over.
const std::vector<std::string> kPieces = {
    "%25", "%u0041", "%2", "%", "\\x41", "\\u0041", "\\u{41}", "\\101", "&#x41;", "&#65;", "&lt;", "&amp",
    "/*", "*/", "/**/", "--", "-- \n", "#\n", "../", "./", "//", "..\\", "' or ", "'='", "1=1 ", "\"a\"",
    "union select ", "select ", "sleep(", "((((", "))))", "(a)", "[a]", "{{", "}}", "${", "$(", "`a`", "<a ",
    "<script", "</", "<!--", "-->", "onload=", "on=", "x=y ", "javascript:", "data:", "http://a/", "a.b.",
    "a@b", "a/b", "a\\b", "a b ", "a\tb\n", "\r\n", "a,b", "a;b", "a|b", "a&b", "ls ", ";ls", "|cat ", "cat /etc/",
    "exec(", "eval ", "system", "php:", "O:1:", "0x41", "1e1", "0.", "1,", "-1", "+1", "a=b&", "&a", "=", "a:b",
    "QUJD", "QQ==", "414243", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xc0\xae", "\xff\xfe", "zA9 ",
    "if(", "fi", "do ", "{a,b}", "<?", "?>", "<%", "%>", "@@a", "!a", "~a", "^a", "_a", "a_", "Aa", "aA1_",
};

std::string repeated(std::string_view piece, std::size_t size) {
  std::string out;
  out.reserve(size);
  while (out.size() + piece.size() <= size) out += piece;
  return out;
}

std::string percent(std::string_view s) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : s) {
    const auto b = static_cast<unsigned char>(c);
    if ((b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')) {
      out += c;
    } else {
      out += '%';
      out += kHex[b >> 4];
      out += kHex[b & 15];
    }
  }
  return out;
}

std::string json_string(std::string_view s) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : s) {
    const auto b = static_cast<unsigned char>(c);
    if (b < 0x20 || b == '"' || b == '\\' || b >= 0x7f) {
      out += "\\u00";
      out += kHex[b >> 4];
      out += kHex[b & 15];
    } else {
      out += c;
    }
  }
  return out;
}

std::string post(std::string_view type, const std::string& body) {
  return "POST /a HTTP/1.1\r\nHost: www.example\r\nUser-Agent: x\r\nAccept: */*\r\nContent-Type: " +
         std::string(type) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string get(const std::string& target, const std::string& extra = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: www.example\r\nUser-Agent: x\r\nAccept: */*\r\n" + extra + "\r\n";
}

struct Place {
  const char* name;
  std::function<std::string(std::string_view piece, std::size_t size)> make;
  bool large;  // also 1 MB: what only a body can have
};

std::string clean(std::string s) {  // of a header: no line ends
  std::replace(s.begin(), s.end(), '\r', ' ');
  std::replace(s.begin(), s.end(), '\n', ' ');
  return s;
}
std::string in_target(std::string s) {
  for (char& c : s) {
    if (c == ' ' || c == '\r' || c == '\n') c = '+';
  }
  return s;
}

const std::vector<Place> kPlaces = {
    {"argument", [](auto p, auto n) { return get("/?a=" + in_target(repeated(p, n))); }, false},
    {"path", [](auto p, auto n) { return get("/" + in_target(repeated(p, n))); }, false},
    {"header", [](auto p, auto n) { return get("/", "Referer: " + clean(repeated(p, n)) + "\r\n"); }, false},
    {"cookie", [](auto p, auto n) { return get("/", "Cookie: a=" + clean(repeated(p, n)) + "\r\n"); }, false},
    {"field name", [](auto p, auto n) { return post("application/x-www-form-urlencoded", repeated(p, n) + "=1"); }, true},
    {"field",
     [](auto p, auto n) { return post("application/x-www-form-urlencoded", "a=" + repeated(p, n)); }, true},
    {"coded field",
     [](auto p, auto n) {
       return post("application/x-www-form-urlencoded", "a=" + repeated(percent(p), n));
     }, true},
    {"json string",
     [](auto p, auto n) {
       return post("application/json", "{\"a\":\"" + repeated(json_string(p), n) + "\"}");
     }, true},
    {"json members",
     [](auto p, auto n) {
       std::string body = "[";
       while (body.size() + 40 < n) body += "\"" + json_string(p) + "\",";
       return post("application/json", body + "1]");
     }, true},
    {"xml text",
     [](auto p, auto n) {
       std::string text = repeated(p, n);
       for (char& c : text) {
         if (c == '<' || c == '&' || (c >= 0 && c < 32) || c < 0) c = ' ';
       }
       return post("text/xml", "<a>" + text + "</a>");
     }, true},
    {"upload",
     [](auto p, auto n) {
       return post("multipart/form-data; boundary=b0",
                   "--b0\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\n\r\n" +
                       repeated(p, n) + "\r\n--b0--\r\n");
     }, true},
    {"part",
     [](auto p, auto n) {
       return post("multipart/form-data; boundary=b0",
                   "--b0\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n" + repeated(p, n) +
                       "\r\n--b0--\r\n");
     }, true},
    {"plain", [](auto p, auto n) { return post("text/plain", repeated(p, n)); }, true},
};

struct Case {
  std::string name;
  double small = 0, middle = 0, large = 0;  // milliseconds
};

double took_ms(WeirEngine& engine, const std::string& bytes) {
  const auto request = weir::bench::parse(bytes);
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double from = weir::bench::cpu_seconds();
    engine.run(*request);
    best = std::min(best, (weir::bench::cpu_seconds() - from) * 1e3);
    if (best > 200) break;
  }
  return best;
}

std::string shown(std::string_view piece) { return piece.size() == 1 ? "byte " + percent(piece) : percent(piece); }

void print_dearest(std::vector<Case> cases, const char* what, double Case::*time) {
  std::sort(cases.begin(), cases.end(), [time](const Case& a, const Case& b) { return a.*time > b.*time; });
  std::printf("%s: %zu requests, dearest:", what, cases.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(6, cases.size()); ++i) {
    std::printf(" %.2f ms (%s)%s", cases[i].*time, cases[i].name.c_str(), i < 5 ? "," : "\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  weir::bench::heap_as_in_weir();
  weir::bench::WeirOptions options;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--rules" && i + 1 < argc) options.files.emplace_back(argv[++i]);
    else if (word == "--cache" && i + 1 < argc) options.cache = argv[++i];
    else if (word == "--quick") quick = true;
  }
  if (options.files.empty()) {
    std::fputs("usage: dos --rules FILE… [--cache DIR] [--quick]\n", stderr);
    return 2;
  }
  WeirEngine engine(options);
  std::vector<std::string> pieces = kPieces;
  for (int b = 0; b < 256; b += quick ? 5 : 1) pieces.emplace_back(1, static_cast<char>(b));
  std::vector<Case> cases;
  std::vector<Case> with_large;
  for (const Place& place : kPlaces) {
    for (std::size_t i = 0; i < pieces.size(); i += quick ? 3 : 1) {
      Case c;
      c.name = std::string(place.name) + ", " + shown(pieces[i]);
      c.small = took_ms(engine, place.make(pieces[i], kSmall));
      c.middle = took_ms(engine, place.make(pieces[i], kMiddle));
      if (place.large) {
        c.large = took_ms(engine, place.make(pieces[i], kLarge));
        with_large.push_back(c);
      }
      cases.push_back(c);
    }
  }
  print_dearest(cases, "64 KB", &Case::middle);
  print_dearest(with_large, "1 MB", &Case::large);
  std::size_t steep = 0;
  std::size_t slow = 0;
  for (const Case& c : cases) {
    const bool grew = c.middle > 4 * kGrowth * std::max(c.small, 0.05) ||
                      c.large > 16 * kGrowth * std::max(c.middle, 0.2);
    if (c.middle > kMostMs) ++slow;
    if (!grew) continue;
    if (++steep <= 12) {
      std::printf("grows faster than its length: %s: %.2f, %.2f, %.2f ms\n", c.name.c_str(), c.small, c.middle,
                  c.large);
    }
  }
  std::printf("dos=64KB requests=%zu over_20ms=%zu not_linear=%zu\n", cases.size(), slow, steep);
  return slow + steep == 0 ? 0 : 1;
}
