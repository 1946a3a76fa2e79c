// Random messages, mostly valid, from a generator with a fixed seed: the parser and the oracle must
// agree, and cuts must not matter.
#include "tests/unit/http/agree.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/unit/http/oracle.h"

namespace weir::http::test {
namespace {

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <std::size_t N>
  std::string pick(const char* const (&items)[N]) {
    return items[below(N)];
  }

  std::string request() {
    const std::string method =
        pick({"GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "x-odd", "TRACE"});
    std::string target = pick({"/", "/a/b?c=d&e=%20", "/index.php", "http://a/x", "http://A:80/",
                               "/%2e", "/?", "//x", "/a;b=c"});
    if (method == "OPTIONS" && one_in(2)) target = "*";
    const std::string version = one_in(6) ? "HTTP/1.0" : "HTTP/1.1";
    std::string fields = "Host: a\r\n" + some_fields();
    std::string body;
    if (method != "TRACE" && one_in(2)) add_body(fields, body, version);
    return method + " " + target + " " + version + "\r\n" + fields + "\r\n" + body;
  }

  std::string response(bool head) {
    const unsigned status[] = {200, 200, 404, 204, 304, 100, 500, 206, 302};
    const unsigned code = status[below(9)];
    std::string fields = some_fields();
    std::string body;
    if (code != 204 && code != 100) add_body(fields, body, "HTTP/1.1");
    if (head || code == 304) body.clear();
    if (code == 204 || code == 100) body.clear();
    return "HTTP/1.1 " + std::to_string(code) + pick({" OK", " ", "", " Not Quite"}) + "\r\n" +
           fields + "\r\n" + body;
  }

  std::string damaged(std::string text) {
    for (unsigned n = 1 + below(3); n > 0 && !text.empty(); --n) {
      const std::size_t at = random_() % text.size();
      switch (below(5)) {
        case 0:
          text[at] = static_cast<char>(random_());
          break;
        case 1:
          text.erase(at, 1 + below(3));
          break;
        case 2:
          text.insert(at, pick({" ", "\t", "\r", "\n", "\r\n", ":", "0", ",", "\0x", ";"}));
          break;
        case 3:
          text.insert(at, text.substr(at, below(20)));
          break;
        default:
          text.resize(at);
          break;
      }
    }
    return text;
  }

 private:
  std::string some_fields() {
    std::string out;
    for (unsigned n = below(5); n > 0; --n) {
      out +=
          pick({"Accept", "X-A", "User-Agent", "Cookie", "x_y", "Referer", "Content-Type", "Via"});
      out += pick({":", ": ", ":\t ", ": "});
      out += pick({"", "a", "a b", "text/html; q=0.5, */*", "\xe9", "\"q\"", "1:2", "a\tb"});
      out += pick({"", "", " ", "\t"});
      out += "\r\n";
    }
    return out;
  }

  void add_body(std::string& fields, std::string& body, const std::string& version) {
    std::string octets;
    for (unsigned n = below(60); n > 0; --n)
      octets += static_cast<char>(random_());
    if (version == "HTTP/1.0" || one_in(2)) {
      fields += "Content-Length: " + std::to_string(octets.size()) + "\r\n";
      body = octets;
      return;
    }
    fields += pick({"Transfer-Encoding: chunked\r\n", "transfer-encoding:  Chunked\t\r\n"});
    std::size_t at = 0;
    while (at < octets.size()) {
      const std::size_t n = std::min<std::size_t>(octets.size() - at, 1 + below(20));
      char size[24];
      std::snprintf(size, sizeof size, one_in(2) ? "%zx" : "%03zX", n);
      body += size + pick({"", "", "", ";a", ";a=b", ";n=\"q \\\" x\"", ";a;b=c"}) + "\r\n" +
              octets.substr(at, n) + "\r\n";
      at += n;
    }
    body += pick({"0\r\n", "00\r\n", "0;x=y\r\n"});
    if (one_in(3)) body += "X-Trailer: yes\r\n";
    body += "\r\n";
  }

  std::mt19937_64 random_;
};

TEST(Agreement, ValidRequests) {
  std::size_t messages = 0;
  for (unsigned seed = 0; seed < 6000; ++seed) {
    Generator make(seed);
    std::string text;
    for (unsigned n = 1 + make.below(4); n > 0; --n)
      text += make.request();
    const OracleResult oracle = parse_requests(text);
    ASSERT_EQ(oracle.status, OracleStatus::Complete)
        << "the generator makes valid messages: " << text;
    messages += oracle.messages.size();
    ASSERT_EQ(disagreement_on_requests(text, seed), "") << text;
  }
  EXPECT_GT(messages, 10000U);
}

TEST(Agreement, DamagedRequests) {
  std::size_t refused = 0;
  for (unsigned seed = 0; seed < 12000; ++seed) {
    Generator make(seed);
    const std::string text = make.damaged(make.request() + make.request());
    if (parse_requests(text).status == OracleStatus::Invalid) ++refused;
    ASSERT_EQ(disagreement_on_requests(text, seed), "") << text;
    ASSERT_EQ(dependence_on_cuts(text, seed), "") << text;
  }
  EXPECT_GT(refused, 3000U);
}

TEST(Agreement, Responses) {
  std::size_t compared = 0;
  for (unsigned seed = 0; seed < 12000; ++seed) {
    Generator make(seed);
    std::vector<std::string> methods;
    std::string text;
    for (unsigned n = 1 + make.below(3); n > 0; --n) {
      methods.push_back(make.one_in(4) ? "HEAD" : "GET");
      text += make.response(methods.back() == "HEAD");
    }
    if (make.one_in(2)) text = make.damaged(text);
    if (parse_responses(text, methods, true).status == OracleStatus::Complete) ++compared;
    ASSERT_EQ(disagreement_on_responses(text, methods, seed), "") << text;
  }
  EXPECT_GT(compared, 3000U);
}

// Whole conversations with gaps, ends and damage: only the cuts differ.
TEST(Agreement, CutsOfConversations) {
  for (unsigned seed = 0; seed < 5000; ++seed) {
    Generator make(seed);
    std::string script;
    for (unsigned n = 1 + make.below(4); n > 0; --n) {
      script += std::string("\xff") + '\x02' + make.request();
      if (make.one_in(5))
        script +=
            std::string("\xff") + static_cast<char>(12 + 16 * make.below(14)) + make.request();
      script += std::string("\xff") + '\x01' + make.response(false);
      if (make.one_in(5)) script += std::string("\xff") + static_cast<char>(14 + make.below(2));
    }
    if (make.one_in(2)) script = make.damaged(script);
    ASSERT_EQ(dependence_on_cuts(script, seed), "");
  }
}

}  // namespace
}  // namespace weir::http::test
