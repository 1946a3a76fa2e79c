// weir explain: why a request matched, step by step.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/commands/commands.h"
#include "app/commands/rule_loading.h"
#include "app/explain/curl.h"
#include "app/explain/request.h"
#include "app/explain/trace.h"
#include "app/formats/colors.h"
#include "app/report/report.h"
#include "app/runtime/run.h"
#include "app/sinks/output.h"
#include "capture/pcap_file.h"
#include "engine/inspect/direct.h"
#include "engine/inspect/inspector.h"
#include "rules/memory_store.h"

namespace weir::app {
namespace {

Interest interest(const ExplainOptions& options) {
  return {options.all, {options.only.begin(), options.only.end()}};
}

// Tells the story of the transaction that was traced.
class Teller final : public EventSink {
 public:
  Teller(const ExplainOptions& options, bool colored)
      : json_(options.format == ExplainFormat::Json),
        capture_(options.capture.empty() ? "-" : options.capture),
        text_story_(interest(options), colored),
        json_story_(interest(options)) {}

  [[nodiscard]] rules::TraceSink* trace() {
    if (json_) return &json_story_;
    return &text_story_;
  }
  // Only of this transaction; without, of the first.
  void only(std::uint64_t flow, std::uint64_t tx) { wanted_ = {flow, tx}; }
  void write(const Event& event) override {
    if (event.type != EventType::Http || told_) return;
    if (wanted_ && *wanted_ != std::pair{event.origin.flow_id, event.http.tx_id}) return;
    text_ = json_ ? json_story_.told(event, capture_) : text_story_.told(event);
    told_ = true;
  }
  [[nodiscard]] bool told() const { return told_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  bool json_;
  std::string capture_;
  TextStory text_story_;
  JsonStory json_story_;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> wanted_;
  bool told_ = false;
  std::string text_;
};

Result<std::string> read_file(const std::string& path) {
  if (path == "-") return std::string{std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail("cannot read " + path);
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

inspect::InspectorOptions options_for(const ExplainOptions& options, const LoadedRules& loaded) {
  inspect::InspectorOptions inspector;
  inspector.paranoia = static_cast<std::uint8_t>(options.rules.paranoia.value_or(1));
  if (!loaded.scores.inbound.empty()) inspector.inbound_score = {loaded.scores.inbound};
  if (!loaded.scores.outbound.empty()) inspector.outbound_score = {loaded.scores.outbound};
  return inspector;
}

void explain_bytes(const std::string& request, const std::string& response, std::uint16_t port,
                   const inspect::InspectorOptions& options, const LoadedRules& loaded, Teller& teller) {
  rules::MemoryStore store;
  inspect::DirectConnection connection(options, teller, loaded.rules, &store);
  inspect::Tracing tracing;
  tracing.sink = teller.trace();
  tracing.all = false;
  tracing.flow_id = 1;
  tracing.tx_id = 0;
  connection.trace(tracing);
  inspect::SessionOrigin origin;
  origin.flow_id = 1;
  origin.client = *IpAddress::parse("127.0.0.1");
  origin.server = origin.client;
  origin.client_port = 40000;
  origin.server_port = port;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  connection.open({std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()}, origin);
  if (connection.send(http::Side::Request, request) && !response.empty()) {
    (void)connection.send(http::Side::Response, response);
  }
  connection.close();
}

using PortResult = Result<std::unique_ptr<capture::PcapFilePort>>;

PortResult open_capture(const std::string& file) {
  capture::PcapFileOptions port;
  port.files = {file};
  return capture::PcapFilePort::open(std::move(port));
}

// Writes down which transaction each line would be about.
class Index final : public Format {
 public:
  void append(const Event& event, const EventSource&, std::string& out) override {
    if (event.type != EventType::Http) return;
    out += std::to_string(event.origin.flow_id) + " " + std::to_string(event.http.tx_id);
  }
};

// The transaction that `weir inspect` writes as its n-th record.
std::optional<std::pair<std::uint64_t, std::uint64_t>> find_transaction(
    const ExplainOptions& options, const inspect::InspectorOptions& inspector,
    const LoadedRules& loaded, capture::PcapFilePort& port) {
  std::uint64_t n = 0;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> found;
  Run run(1, inspector, inspect::without_sites(inspector, loaded.rules), [] { return std::make_unique<Index>(); },
          [&](std::string_view line) {
            if (++n != options.transaction) return;
            const std::string text(line);
            const std::size_t blank = text.find(' ');
            found = {std::stoull(text.substr(0, blank)), std::stoull(text.substr(blank + 1))};
          });
  run.begin_file(options.capture);
  std::array<Packet, 256> packets;
  for (bool ended = false; !ended;) {
    const Result<Received> got = port.receive(packets, seconds(1));
    if (!got) break;
    run.packets({packets.data(), got->count}, port);
    ended = got->ended;
  }
  run.end_file();
  run.end_of_input();
  if (!found) {
    complain(options.capture + " has " + std::to_string(n) + (n == 1 ? " transaction" : " transactions"));
  }
  return found;
}

ExitCode explain_capture(const ExplainOptions& options, const inspect::InspectorOptions& inspector_options,
                         const LoadedRules& loaded, Teller& teller) {
  PortResult first = open_capture(options.capture);
  if (!first) {
    complain(first.error().message);
    return ExitCode::Environment;
  }
  const auto wanted = find_transaction(options, inspector_options, loaded, **first);
  if (!wanted) return ExitCode::Usage;
  PortResult second = open_capture(options.capture);
  if (!second) {
    complain(second.error().message);
    return ExitCode::Environment;
  }
  teller.only(wanted->first, wanted->second);
  rules::MemoryStore store;
  inspect::Inspector inspector(inspector_options, teller, loaded.rules, &store);
  inspect::Tracing tracing;
  tracing.sink = teller.trace();
  tracing.all = false;
  tracing.flow_id = wanted->first;
  tracing.tx_id = wanted->second;
  inspector.trace(tracing);
  std::array<Packet, 256> packets;
  for (bool ended = false; !ended && !teller.told();) {
    const Result<Received> got = (*second)->receive(packets, seconds(1));
    if (!got) break;
    for (std::size_t i = 0; i < got->count; ++i) {
      (void)inspector.on_packet(packets[i]);
      (*second)->settle(packets[i], Fate::Forward);
    }
    ended = got->ended;
  }
  inspector.end_of_input();
  return ExitCode::Fine;
}

}  // namespace

ExitCode run_explain(const ExplainOptions& options) {
  std::string request;
  std::string response;
  std::uint16_t port = 80;
  if (!options.curl.empty()) {
    Result<CurlRequest> curl = curl_request(options.curl);
    if (!curl) {
      complain(curl.error().message);
      return ExitCode::Usage;
    }
    request = std::move(curl->bytes);
    port = curl->port;
  }
  for (const auto& [path, bytes] : {std::pair{&options.request, &request}, std::pair{&options.response, &response}}) {
    if (path->empty()) continue;
    Result<std::string> read = read_file(*path);
    if (!read) {
      complain(read.error().message);
      return ExitCode::Environment;
    }
    *bytes = request_bytes(*read);
  }
  if (!options.capture.empty()) {
    if (const PortResult readable = open_capture(options.capture); !readable) {
      complain(readable.error().message);
      return ExitCode::Environment;
    }
  }
  RuleOptions rules = options.rules;
  // What the prefilter rules out is never looked at one by one, so there would be nothing to tell of it.
  if (options.all || !options.only.empty()) rules.prefilter = false;
  const LoadedRules loaded = load_rules(rules, crs::Mode::DetectionOnly);
  report_rules(loaded, options.color, 0);
  if (!loaded.rules) return loaded.exit;

  Result<Output> output = Output::open({});
  Teller teller(options, use_color(options.color, output->descriptor()));
  const inspect::InspectorOptions inspector = options_for(options, loaded);
  if (options.capture.empty()) {
    explain_bytes(request, response, port, inspector, loaded, teller);
  } else if (const ExitCode exit = explain_capture(options, inspector, loaded, teller); exit != ExitCode::Fine) {
    return exit;
  }
  if (!teller.told()) {
    complain("what was given is no HTTP request");
    return ExitCode::Usage;
  }
  output->write(teller.text());
  const Result<void> written = output->finish();
  if (written || output->reader_gone()) return ExitCode::Fine;
  complain(written.error().message);
  return ExitCode::Environment;
}

}  // namespace weir::app
