// weir inspect: captures in, records out.
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/commands/audit.h"
#include "app/commands/commands.h"
#include "app/commands/inspect_rules.h"
#include "app/config/memory.h"
#include "app/formats/colors.h"
#include "app/formats/jsonl.h"
#include "app/formats/text.h"
#include "app/report/profile.h"
#include "app/report/progress.h"
#include "app/report/report.h"
#include "app/report/summary.h"
#include "app/runtime/collections.h"
#include "app/runtime/run.h"
#include "app/runtime/scanner_thread.h"
#include "app/sinks/audit_files.h"
#include "app/sinks/output.h"
#include "capture/filter.h"
#include "capture/link_type.h"
#include "capture/pcap_file.h"
#include "capture/pcap_writer.h"
#include "rules/program.h"

namespace weir::app {
namespace {

Result<std::unique_ptr<capture::PcapFilePort>> open_port(const InspectOptions& options,
                                                         const std::string& file,
                                                         capture::PcapWriter* forwarded) {
  capture::PcapFileOptions port;
  port.files = {file};
  port.filter = options.filter;
  port.checksum =
      options.checksums == ChecksumChoice::Ignore ? ChecksumState::Ignore : ChecksumState::Unknown;
  port.forwarded = forwarded;
  port.settled_at_once = !options.inline_mode;
  return capture::PcapFilePort::open(std::move(port));
}

// An expression that means nothing for IP nor for Ethernet ("ether host …" needs the latter).
Result<void> check_filter(const std::string& expression) {
  capture::Filter filter(expression);
  const Result<void> ip = filter.check(capture::dlt_of(LinkType::RawIp));
  if (ip || filter.check(capture::dlt_of(LinkType::Ethernet))) return {};
  return ip;
}

// Mistakes that can be known before anything slow is done. Standard input cannot be looked at twice.
std::vector<std::string> unreadable(const InspectOptions& options) {
  std::vector<std::string> errors(options.captures.size());
  for (std::size_t i = 0; i < options.captures.size(); ++i) {
    if (options.captures[i] == "-") continue;
    const auto port = open_port(options, options.captures[i], nullptr);
    if (!port) errors[i] = port.error().message;
  }
  return errors;
}

std::uint64_t total_size(const std::vector<std::string>& captures) {
  std::uint64_t sum = 0;
  for (const std::string& capture : captures) {
    std::error_code error;
    const auto size = std::filesystem::file_size(capture, error);
    if (capture == "-" || error) return 0;
    sum += size;
  }
  return sum;
}

// Everything that is written besides the records.
struct Places {
  std::unique_ptr<capture::PcapWriter> forwarded;
  std::unique_ptr<rules::MemoryStore> collections;
  std::optional<AuditShape> audit_shape;
  std::unique_ptr<AuditFiles> audit_files;
  std::optional<AuditOutput> audit;

  [[nodiscard]] RunExtras extras(const InspectOptions& options) {
    RunExtras extras;
    if (!options.profile.empty()) extras.profile_clock = profile_clock;
    extras.store = collections.get();
    extras.audit = audit_shape;
    extras.audit_output = audit ? &*audit : nullptr;
    return extras;
  }
};

ExitCode open_audit(const InspectOptions& options, const InspectRules& judged, Places& places) {
  if (!options.audit.wanted()) return ExitCode::Fine;
  Result<AuditPlan> plan = plan_audit(options.audit, judged.sets.front()->program().settings.audit, "weir inspect");
  if (!plan) {
    complain(plan.error().message);
    return ExitCode::Usage;
  }
  if (!plan->warning.empty()) complain(plan->warning);
  auto files = AuditFiles::open(std::move(plan->places));
  if (!files) {
    complain(files.error().message);
    return ExitCode::Environment;
  }
  places.audit_shape = std::move(plan->shape);
  places.audit_files = std::move(*files);
  places.audit.emplace(*places.audit_files);
  return ExitCode::Fine;
}

ExitCode open_places(const InspectOptions& options, const InspectRules& judged, Places& places) {
  if (const ExitCode audit = open_audit(options, judged, places); audit != ExitCode::Fine) return audit;
  if (!options.collections.empty()) {
    auto opened = open_collections(options.collections, {});
    if (!opened) {
      complain(opened.error().message);
      return ExitCode::Environment;
    }
    if (!opened->warning.empty()) complain("warning: " + opened->warning);
    places.collections = std::move(opened->store);
  }
  if (!options.write_forwarded.empty()) {
    auto writer = capture::PcapWriter::open(options.write_forwarded);
    if (!writer) {
      complain(writer.error().message);
      return ExitCode::Environment;
    }
    places.forwarded = std::move(*writer);
  }
  return ExitCode::Fine;
}

// False, after sentences, if something could not be written.
bool close_places(Places& places) {
  bool whole = true;
  if (places.audit && places.audit->lost() > 0) {
    const std::uint64_t lost = places.audit->lost();
    complain(places.audit->why() + "; " + std::to_string(lost) +
             (lost == 1 ? " entry is" : " entries are") + " missing in the audit log");
    whole = false;
  }
  if (places.forwarded) {
    if (const Result<void> closed = places.forwarded->close(); !closed) {
      complain(closed.error().message);
      whole = false;
    }
  }
  return whole;
}

// Of a smaller capture Weir has judged everything before Hyperscan's databases are compiled.
constexpr std::uint64_t kWorthCompiling = 32U << 20;

class Inspection {
 public:
  Inspection(const InspectOptions& options, const InspectRules& judged, Output& output, Places& places,
             ScannerThread& scanners)
      : options_(options),
        judged_(judged),
        output_(output),
        forwarded_(places.forwarded.get()),
        colored_(use_color(options.color, output.descriptor())),
        progress_(options.progress && !(options.output.empty() && isatty(output.descriptor()) == 1),
                  total_size(options.captures)),
        scanners_(scanners),
        run_(options.workers, judged.options, judged.sites,
             [this] { return make_format(); },
             [this](std::string_view line) { output_.write(line); }, places.extras(options)) {
    heap_for_transactions(run_.workers());
  }

  // False if something could not be read.
  bool read(const std::vector<std::string>& errors);
  void summarize();
  [[nodiscard]] const inspect::InspectorCounters& counters() const { return counters_; }
  // False, after a sentence, if the profile that is asked for cannot be written.
  bool write_profile() const;

 private:
  std::unique_ptr<Format> make_format() const {
    if (options_.format == OutputFormat::Jsonl) return std::make_unique<JsonlFormat>();
    return std::make_unique<TextFormat>(colored_);
  }
  void trouble(const std::string& sentence) {
    progress_.clear();
    complain(sentence);
    whole_ = false;
  }
  // One step of reading, for Run::read().
  bool read_some(const std::vector<std::string>& errors);
  void begin_capture(const std::string& file);
  bool read_packets();  // false: no more of this capture
  void end_capture();

  const InspectOptions& options_;
  const InspectRules& judged_;
  Output& output_;
  capture::PcapWriter* forwarded_;
  bool colored_;
  ProgressLine progress_;
  ScannerThread& scanners_;
  Run run_;
  inspect::InspectorCounters counters_;
  std::size_t next_ = 0;                         // the capture that is read next
  std::unique_ptr<capture::PcapFilePort> port_;  // of the one that is being read
  std::array<Packet, 64> packets_;
  std::uint64_t bytes_before_ = 0;
  std::uint64_t captures_ = 0;
  bool whole_ = true;
};

bool Inspection::read(const std::vector<std::string>& errors) {
  if (options_.format == OutputFormat::Text) output_.write(TextFormat(colored_).heading());
  run_.read([&] { return read_some(errors); });
  run_.end_of_input();
  counters_ = run_.counters();
  progress_.clear();
  if (!run_.store_trouble().empty()) trouble("the collections are not saved: " + run_.store_trouble());
  return whole_;
}

bool Inspection::read_some(const std::vector<std::string>& errors) {
  if (port_ != nullptr) {
    if (!read_packets()) end_capture();
    return true;
  }
  if (next_ == options_.captures.size() || output_.stopped()) return false;
  const std::string& error = errors[next_];
  const std::string& file = options_.captures[next_++];
  if (error.empty()) {
    begin_capture(file);
  } else {
    trouble(error);
  }
  return true;
}

void Inspection::begin_capture(const std::string& file) {
  auto opened = open_port(options_, file, forwarded_);
  if (!opened) {
    trouble(opened.error().message);
    return;
  }
  port_ = std::move(*opened);
  ++captures_;
  run_.begin_file(file);
}

bool Inspection::read_packets() {
  capture::PcapFilePort& port = *port_;
  const Result<Received> got = port.receive(packets_, seconds(1));
  if (!got) {
    trouble(got.error().message);
    return false;
  }
  run_.packets({packets_.data(), got->count}, port);
  if (bytes_before_ + port.bytes_read() > kWorthCompiling) scanners_.start();
  if (output_.stopped() || got->ended) return false;
  progress_.update(bytes_before_ + port.bytes_read(), run_.packets_seen(), run_.transactions());
  return true;
}

void Inspection::end_capture() {
  run_.end_file();
  bytes_before_ += port_->bytes_read();
  for (const std::string& sentence : port_->damage()) trouble(sentence);
  port_.reset();
}

void Inspection::summarize() {
  if (options_.format != OutputFormat::Text) return;
  RunFacts facts;
  facts.captures = captures_;
  facts.paranoia = judged_.options.paranoia;
  facts.mode = judged_.options.mode;
  facts.inline_mode = options_.inline_mode;
  output_.write("\n" + summary(counters_, facts, colored_));
}

bool Inspection::write_profile() const {
  if (options_.profile.empty()) return true;
  const std::vector<rules::ProfileRow> rows = run_.profile();
  const std::string& file = options_.profile;
  const bool json = file.size() > 5 && file.substr(file.size() - 5) == ".json";
  const std::string text =
      json ? profile_json(rows, counters_.transactions) : profile_text(rows, counters_.transactions);
  if (file == "-") {
    print_error(text);
    return true;
  }
  Result<Output> output = Output::open(file);
  if (output) output->write(text);
  const Result<void> written = output ? output->finish() : fail(output.error().message);
  if (!written) complain(written.error().message);
  return static_cast<bool>(written);
}

ExitCode inspect_all(const InspectOptions& options, const InspectRules& judged,
                     const std::vector<std::string>& errors, ScannerThread& scanners) {
  Places places;
  if (const ExitCode opened = open_places(options, judged, places); opened != ExitCode::Fine) return opened;
  Result<Output> output = Output::open(options.output);
  if (!output) {
    complain(output.error().message);
    return ExitCode::Environment;
  }
  Inspection inspection(options, judged, *output, places, scanners);
  bool whole = inspection.read(errors);
  inspection.summarize();
  whole = inspection.write_profile() && whole;
  whole = close_places(places) && whole;
  const Result<void> written = output->finish();
  if (!written && !output->reader_gone()) {
    complain(written.error().message);
    whole = false;
  }
  if (!whole) return ExitCode::Environment;
  if (options.fail_on_block && inspection.counters().refused > 0) return ExitCode::Negative;
  return ExitCode::Fine;
}

}  // namespace

ExitCode run_inspect(const InspectOptions& options) {
  if (const Result<void> filter = check_filter(options.filter); !filter) {
    complain(filter.error().message);
    return ExitCode::Usage;
  }
  const std::vector<std::string> errors = unreadable(options);
  bool any = false;
  for (const std::string& error : errors) any = any || error.empty();
  if (!any) {
    for (const std::string& error : errors) complain(error);
    return ExitCode::Environment;
  }

  const InspectRules judged = load_for_inspect(options);
  if (judged.exit != ExitCode::Fine) return judged.exit;

  ScannerThread scanners(judged.sets);
  const ExitCode code = inspect_all(options, judged, errors, scanners);
  // Everything is written and closed; what is still being compiled would be for nothing.
  if (scanners.busy()) std::_Exit(static_cast<int>(code));
  return code;
}

}  // namespace weir::app
