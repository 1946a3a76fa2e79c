#include "tests/unit/http/agree.h"

#include <algorithm>
#include <random>

#include "tests/unit/http/collector.h"
#include "tests/unit/http/oracle.h"
#include "tests/unit/http/recorder.h"

namespace weir::http::test {
namespace {

void feed_in_cuts(Connection& connection, Side side, std::string_view text, unsigned seed) {
  std::mt19937 random(seed);
  const std::size_t mean = 1 + seed % 40;
  while (!text.empty()) {
    const std::size_t n = std::min<std::size_t>(text.size(), 1 + random() % (2 * mean));
    const std::vector<char> piece(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(n));
    (void)connection.on_bytes(side, {piece.data(), n});
    text.remove_prefix(n);
  }
}

std::string describe(const OracleMessage& m) {
  std::string out = m.first_line;
  for (const auto& [n, v] : m.fields)
    out += " | " + n + ": " + v;
  out += " | body " + show(m.body);
  for (const auto& [n, v] : m.trailers)
    out += " | " + n + ": " + v;
  return out;
}

// The limits are the parser's own matter: inputs that may touch them are not compared.
bool within_limits(const std::string& text) {
  return text.size() < 8192 && std::count(text.begin(), text.end(), '\n') < 100;
}

std::string compare(const OracleResult& oracle, const Collector::Direction& found, bool refused,
                    const std::string& text) {
  const std::string about =
      " on " + show(text.substr(0, 100)) + " size " + std::to_string(text.size());
  const std::size_t common = std::min(oracle.messages.size(), found.done.size());
  const bool accepted = oracle.status == OracleStatus::Complete;
  const bool spotless = found.violations.empty();
  if (accepted && refused) {
    std::string names;
    found.violations.for_each([&names](Violation v) { names += " " + std::string(name(v)); });
    return "oracle accepts, parser refuses:" + names + about;
  }
  if (spotless && oracle.status == OracleStatus::Invalid)
    return "parser accepts, oracle refuses" + about;
  if (!accepted && !spotless) return {};
  if ((accepted || spotless) && oracle.messages.size() != found.done.size()) {
    return "oracle has " + std::to_string(oracle.messages.size()) + " messages, parser " +
           std::to_string(found.done.size()) + about;
  }
  for (std::size_t i = 0; i < common; ++i) {
    if (oracle.messages[i] == found.done[i]) continue;
    return "message " + std::to_string(i) + ": oracle " + describe(oracle.messages[i]) +
           "; parser " + describe(found.done[i]) + about;
  }
  return {};
}

}  // namespace

std::string disagreement_on_requests(const std::string& text, unsigned seed) {
  if (!within_limits(text)) return {};
  const OracleResult oracle = parse_requests(text);
  if (oracle.coded || oracle.messages.size() > 60) return {};
  Collector collector;
  const ParserOptions options = ParserOptions::inline_strict();
  Connection connection(collector, options);
  feed_in_cuts(connection, Side::Request, text, seed);
  return compare(oracle, collector.of(Side::Request),
                 connection.state(Side::Request) == SideState::Refused, text);
}

std::string disagreement_on_responses(const std::string& text,
                                      const std::vector<std::string>& methods, unsigned seed) {
  if (!within_limits(text)) return {};
  const OracleResult oracle = parse_responses(text, methods, true);
  if (oracle.coded || oracle.messages.size() > methods.size()) return {};
  Collector collector;
  const ParserOptions options = ParserOptions::inline_strict();
  Connection connection(collector, options);
  for (const std::string& method : methods) {
    feed_in_cuts(connection, Side::Request, method + " / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n",
                 seed);
  }
  feed_in_cuts(connection, Side::Response, text, seed);
  const bool refused = connection.state(Side::Response) == SideState::Refused;
  const bool tunnel = connection.state(Side::Response) == SideState::Tunnel;
  (void)connection.on_end(Side::Response, StreamEnd::Clean);
  if (tunnel) return {};
  return compare(oracle, collector.of(Side::Response), refused, text);
}

std::string dependence_on_cuts(const std::string& script, unsigned seed) {
  // A step begins at each 0xff octet; the octet after it says what kind.
  std::vector<Step> steps(1);
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (script[i] != '\xff' || i + 1 >= script.size()) {
      steps.back().bytes += script[i];
      continue;
    }
    const auto kind = static_cast<unsigned char>(script[++i]);
    Step step;
    step.side = (kind & 1U) != 0 ? Side::Response : Side::Request;
    if (kind % 16 == 14) {
      step.kind = Step::Kind::End;
      step.end = (kind & 32U) != 0 ? StreamEnd::Reset : StreamEnd::Clean;
    } else if (kind % 16 == 12) {
      step.kind = Step::Kind::Gap;
      step.length = kind / 16U;
    }
    steps.push_back(step);
    if (step.kind != Step::Kind::Bytes) steps.emplace_back().side = step.side;
  }
  for (const bool strict : {false, true}) {
    ParserOptions options = strict ? ParserOptions::inline_strict() : ParserOptions::passive();
    // Small limits, so that short inputs reach them.
    options.max_line = 200;
    options.max_header_bytes = 600;
    options.max_headers = 12;
    options.max_chunk_extension = 8;
    options.max_decoded = 8192;
    options.max_pipeline = 5;
    const auto whole = replay(steps, options, [](std::size_t n) { return n; });
    std::mt19937 random(seed);
    const std::size_t mean = 1 + seed % 30;
    const auto cut = replay(steps, options, [&](std::size_t n) {
      return std::min<std::size_t>(n, 1 + random() % (2 * mean));
    });
    if (whole == cut) continue;
    std::string out = strict ? "strict:\n" : "passive:\n";
    for (const auto& line : whole)
      out += "  whole " + line + "\n";
    for (const auto& line : cut)
      out += "  cut   " + line + "\n";
    return out;
  }
  return {};
}

}  // namespace weir::http::test
