// A rule set and a request in a few words, for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/ruleset.h"
#include "rules/store.h"
#include "rules/transaction.h"

namespace weir::rules::testing {

struct Request {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> headers = {{"Host", "localhost"}};
  std::string body;
  std::string protocol = "HTTP/1.1";
  std::uint16_t status = 200;
  std::vector<std::pair<std::string, std::string>> response_headers = {{"Content-Type", "text/html"}};
  std::string response_body;

  Request& header(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

inline Request get(std::string target) {
  Request r;
  r.target = std::move(target);
  return r;
}

inline Request post(std::string type, std::string body) {
  Request r;
  r.method = "POST";
  if (!type.empty()) r.header("Content-Type", std::move(type));
  r.header("Content-Length", std::to_string(body.size()));
  r.body = std::move(body);
  return r;
}

inline Request form(std::string body) {
  return post("application/x-www-form-urlencoded", std::move(body));
}

class Waf {
 public:
  explicit Waf(const std::string& rules, LoadOptions options = {}, CollectionStore* store = nullptr)
      : tx_(scratch_, store) {
    load({Source::memory("test.conf", kBase + rules)}, options);
  }
  Waf(const std::vector<Source>& sources, const LoadOptions& options,
      CollectionStore* store = nullptr)
      : tx_(scratch_, store) {
    load(sources, options);
  }

  // Runs a whole transaction; returns the decision of the phase that ended it, or of the last one.
  const Decision& run(const Request& r, Timestamp time = {1'700'000'000'000'000'000}) {
    begin(time);
    feed(r, time);
    return tx_.decision();
  }
  void begin(Timestamp time = {1'700'000'000'000'000'000}) {
    Transaction::Peers peers;
    peers.client = *IpAddress::parse("192.0.2.1");
    peers.server = *IpAddress::parse("198.51.100.2");
    peers.client_port = 50000;
    peers.server_port = 80;
    tx_.begin(rules_, peers, "unique-1", time, mode);
  }
  void feed(const Request& r, Timestamp time) {
    last_ = Decision{};
    tx_.request_line(r.method, r.target, r.protocol);
    for (const auto& [n, v] : r.headers) tx_.request_header(n, v);
    if (!stop(tx_.request_headers_done(time))) {
      std::string_view body = r.body;
      while (!body.empty() && !last_.disruptive()) {
        const std::size_t n = std::min(piece, body.size());
        stop(tx_.request_body(body.substr(0, n)));
        body.remove_prefix(n);
      }
      if (!last_.disruptive() && !stop(tx_.request_body_done(time))) respond(r, time);
    }
    tx_.finish(time);
  }

  // Ids of the rules that matched, each once, in order; control rules without log are left out.
  std::vector<std::uint64_t> logged() const {
    std::vector<std::uint64_t> out;
    for (const Match& m : tx_.matches()) {
      if (m.log && std::find(out.begin(), out.end(), m.rule_id) == out.end()) out.push_back(m.rule_id);
    }
    return out;
  }
  std::vector<std::uint64_t> ids() const {
    std::vector<std::uint64_t> out;
    for (const Match& m : tx_.matches()) out.push_back(m.rule_id);
    return out;
  }
  bool matched(std::uint64_t id) const {
    const auto all = ids();
    return std::find(all.begin(), all.end(), id) != all.end();
  }
  const Match* match(std::uint64_t id) const {
    for (const Match& m : tx_.matches()) {
      if (m.rule_id == id) return &m;
    }
    return nullptr;
  }
  // A TX variable, or "(none)".
  std::string tx(std::string_view key) const { return var("TX", key); }
  std::string var(std::string_view collection, std::string_view key = {}) const {
    const auto v = tx_.variable(collection, key);
    return v ? std::string(*v) : "(none)";
  }

  Transaction& transaction() { return tx_; }
  const Decision& returned() const { return last_; }
  const RuleSet* rules() const { return rules_.get(); }
  const Diagnostics& diagnostics() const { return diagnostics_; }
  bool has(std::string_view code) const {
    return std::any_of(diagnostics_.begin(), diagnostics_.end(),
                       [&](const Diagnostic& d) { return d.code == code; });
  }
  const Diagnostic* diagnostic(std::string_view code) const {
    for (const Diagnostic& d : diagnostics_) {
      if (d.code == code) return &d;
    }
    return nullptr;
  }

  std::size_t piece = SIZE_MAX;  // bodies are fed in pieces of this size
  std::optional<EngineMode> mode;

  inline static const std::string kBase =
      "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n";

 private:
  void load(const std::vector<Source>& sources, const LoadOptions& options) {
    LoadResult r = RuleSet::load(sources, options);
    rules_ = std::move(r.rules);
    diagnostics_ = std::move(r.diagnostics);
  }
  bool stop(const Decision& d) {
    if (d.kind != DecisionKind::Continue) last_ = d;
    return last_.disruptive();
  }
  void respond(const Request& r, Timestamp time) {
    tx_.response_line(r.protocol, r.status, "OK");
    for (const auto& [n, v] : r.response_headers) tx_.response_header(n, v);
    if (stop(tx_.response_headers_done(time))) return;
    if (stop(tx_.response_body(r.response_body))) return;
    stop(tx_.response_body_done(time));
  }

  Scratch scratch_;
  Transaction tx_;
  std::shared_ptr<const RuleSet> rules_;
  Diagnostics diagnostics_;
  Decision last_;
};

inline std::string errors_of(const Waf& waf) {
  std::string out;
  for (const Diagnostic& d : waf.diagnostics()) {
    if (d.severity != Severity::Error) continue;
    out += d.file + ":" + std::to_string(d.line) + ":" + std::to_string(d.column) + ": " + d.message +
           " [" + d.code + "]\n";
  }
  return out;
}

#define LOADED(waf) ASSERT_NE((waf).rules(), nullptr) << ::weir::rules::testing::errors_of(waf)

}  // namespace weir::rules::testing
