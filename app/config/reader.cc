#include "app/config/reader.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "app/config/memory.h"
#include "app/config/schema.h"
#include "app/config/units.h"
#include "app/config/yaml.h"
#include "app/nearest.h"
#include "rules/reporter.h"

namespace weir::app {
namespace {

using rules::syntax::did_you_mean;
using rules::syntax::quoted;
using yaml::Kind;
using yaml::Node;
using yaml::Place;

constexpr std::size_t kLongestExcerpt = 200;
constexpr std::size_t kMostDiagnostics = 200;

// Part of the table below `prefix` ("inputs.", "sites[]."): names of its direct children.
std::vector<std::string> names_below(const std::string& prefix) {
  std::vector<std::string> names;
  for (const Field& field : schema()) {
    if (field.path.rfind(prefix, 0) != 0) continue;
    const std::string_view rest = std::string_view(field.path).substr(prefix.size());
    if (!rest.empty() && rest.find_first_of(".[") == std::string_view::npos) names.emplace_back(rest);
  }
  return names;
}

const Field* find_field(const std::string& path) {
  for (const Field& field : schema()) {
    if (field.path == path) return &field;
  }
  return nullptr;
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& file, rules::Diagnostics& out)
      : text_(text), file_(file), out_(out) {
    const std::size_t slash = file.rfind('/');
    if (slash != std::string::npos) directory_ = file.substr(0, slash + 1);
  }

  // `prefix` is "" or ends with a dot. The depth is that of the table.
  void section(const Node& node, const std::string& prefix);
  void check();
  void take_up_midstream();
  void warn(Place at, std::string code, std::string message) {
    add(rules::Severity::Warning, at, std::move(code), std::move(message));
  }
  void error(Place at, std::string code, std::string message) {
    failed_ = true;
    add(rules::Severity::Error, at, std::move(code), std::move(message));
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] Config take() { return std::move(draft_.config); }

 private:
  void add(rules::Severity severity, Place at, std::string code, std::string message);
  void entry(const yaml::Entry& entry, const std::string& path, const Field& field);
  void value(const Node& node, Place at, const std::string& path, const Field& field);
  bool expect(const Node& node, Place at, Kind kind, const std::string& path, const Field& field);
  std::string own_path(std::string text, bool is_path) const {
    return is_path && !text.empty() && text[0] != '/' ? directory_ + text : text;
  }
  void text(const Node& node, const std::string& path, const TextField& field);
  void texts(const Node& node, const std::string& path, const TextListField& field);
  void sections(const Node& node, const std::string& path, const SectionList& list);
  [[nodiscard]] Place place(const std::string& path) const;
  [[nodiscard]] bool is_set(std::string_view path) const;

  std::string_view text_;
  const std::string& file_;
  rules::Diagnostics& out_;
  std::string directory_;
  Draft draft_;
  std::vector<std::pair<std::string, Place>> places_;  // where each field was set; the last wins
  bool failed_ = false;
};

void Reader::add(rules::Severity severity, Place at, std::string code, std::string message) {
  if (out_.size() >= kMostDiagnostics) return;
  rules::Diagnostic d;
  d.severity = severity;
  d.file = file_;
  d.line = at.line;
  d.column = at.column;
  d.code = std::move(code);
  d.message = std::move(message);
  const std::string_view line = yaml::line_of(text_, at.line);
  if (line.size() <= kLongestExcerpt) d.excerpt = line;
  out_.push_back(std::move(d));
}

Place Reader::place(const std::string& path) const {
  for (auto it = places_.rbegin(); it != places_.rend(); ++it) {
    if (it->first == path) return it->second;
  }
  return {};
}

bool Reader::is_set(std::string_view path) const {
  return std::any_of(places_.begin(), places_.end(), [path](const auto& one) { return one.first == path; });
}

void Reader::section(const Node& node, const std::string& prefix) {
  const std::vector<std::string> names = names_below(prefix);
  std::vector<std::pair<std::string_view, Place>> seen;
  for (const yaml::Entry& one : node.entries) {
    const auto before = std::find_if(seen.begin(), seen.end(), [&one](const auto& s) { return s.first == one.key; });
    if (before != seen.end()) {
      error(one.at, "duplicate-key",
            quoted(one.key) + " is given twice; the first time in line " + std::to_string(before->second.line));
      continue;
    }
    seen.emplace_back(one.key, one.at);
    const std::string path = prefix + one.key;
    const Field* field = std::find(names.begin(), names.end(), one.key) == names.end() ? nullptr : find_field(path);
    if (field == nullptr) {
      const std::string where = prefix.empty() ? "" : " in " + prefix.substr(0, prefix.size() - 1);
      error(one.at, "unknown-key", "unknown key " + quoted(one.key) + where + did_you_mean(nearest(one.key, names)));
      continue;
    }
    entry(one, path, *field);
  }
  for (const std::string& name : names) {
    const Field* field = find_field(prefix + name);
    const bool there = std::any_of(seen.begin(), seen.end(), [&name](const auto& s) { return s.first == name; });
    if (field != nullptr && field->required && !there) {
      error(node.at, "missing-key", "there is no " + quoted(name) + " in " + prefix.substr(0, prefix.size() - 1));
    }
  }
}

void Reader::entry(const yaml::Entry& entry, const std::string& path, const Field& field) {
  places_.emplace_back(path, entry.value.kind == Kind::Scalar ? entry.value.at : entry.at);
  if (entry.value.kind == Kind::Empty) {
    error(entry.at, "empty-value", quoted(entry.key) + " has no value");
    return;
  }
  value(entry.value, entry.at, path, field);
}

bool Reader::expect(const Node& node, Place at, Kind kind, const std::string& path, const Field& field) {
  if (node.kind == kind) return true;
  std::string wanted(yaml::name(kind));
  if (kind == Kind::Scalar) wanted += " (" + describe(field.type) + ")";
  error(node.kind == Kind::Scalar ? node.at : at, "wrong-kind",
        quoted(path) + " takes " + wanted + ", not " + std::string(yaml::name(node.kind)));
  return false;
}

void Reader::value(const Node& node, Place at, const std::string& path, const Field& field) {
  if (const auto* section_field = std::get_if<Section>(&field.type)) {
    if (!expect(node, at, Kind::Map, path, field)) return;
    if (section_field->begin) section_field->begin(draft_);
    section(node, path + ".");
    return;
  }
  if (const auto* list = std::get_if<SectionList>(&field.type)) {
    if (expect(node, at, Kind::List, path, field)) sections(node, path, *list);
    return;
  }
  if (const auto* list = std::get_if<TextListField>(&field.type)) {
    if (expect(node, at, Kind::List, path, field)) texts(node, path, *list);
    return;
  }
  if (!expect(node, at, Kind::Scalar, path, field)) return;
  const auto wrong = [&](const std::string& message) {
    error(node.at, "bad-value", quoted(path.substr(path.rfind('.') + 1)) + " " + message);
  };
  const auto take = [&](const auto& parsed, const auto& put) {
    if (parsed) {
      put(draft_, *parsed);
    } else {
      wrong(parsed.error().message);
    }
  };
  if (const auto* flag = std::get_if<FlagField>(&field.type)) {
    take(parse_flag(node.text), flag->put);
  } else if (const auto* count = std::get_if<CountField>(&field.type)) {
    take(parse_count(node.text, count->range), count->put);
  } else if (const auto* size = std::get_if<SizeField>(&field.type)) {
    take(parse_size(node.text, size->range), size->put);
  } else if (const auto* duration = std::get_if<DurationField>(&field.type)) {
    take(parse_duration(node.text, duration->range), duration->put);
  } else if (const auto* choice = std::get_if<ChoiceField>(&field.type)) {
    const auto word = std::find(choice->words.begin(), choice->words.end(), node.text);
    if (word != choice->words.end()) {
      choice->put(draft_, static_cast<std::size_t>(word - choice->words.begin()));
    } else {
      std::string message = "must be ";
      for (std::size_t i = 0; i < choice->words.size(); ++i) {
        message += (i == 0 ? "" : i + 1 == choice->words.size() ? " or " : ", ") + choice->words[i];
      }
      wrong(message + ", not " + quoted(node.text) + did_you_mean(nearest(node.text, choice->words)));
    }
  } else if (const auto* words = std::get_if<TextField>(&field.type)) {
    text(node, path, *words);
  }
}

void Reader::text(const Node& node, const std::string& path, const TextField& field) {
  const std::string name = quoted(path.substr(path.rfind('.') + 1));
  if (node.text.empty()) {
    error(node.at, "bad-value", name + " is empty");
    return;
  }
  const std::string message = field.put(draft_, own_path(node.text, field.path));
  if (!message.empty()) error(node.at, "bad-value", name + ": " + message);
}

void Reader::texts(const Node& node, const std::string& path, const TextListField& field) {
  const std::string name = quoted(path.substr(path.rfind('.') + 1));
  if (node.items.empty()) error(node.at, "bad-value", name + " is an empty list");
  for (const Node& item : node.items) {
    if (item.kind != Kind::Scalar || item.text.empty()) {
      error(item.at, "wrong-kind", name + " is a list of " + std::string(field.what) + "; this is " +
                                       (item.kind == Kind::Scalar ? "empty" : std::string(yaml::name(item.kind))));
      continue;
    }
    const std::string message = field.put(draft_, own_path(item.text, field.path));
    if (!message.empty()) error(item.at, "bad-value", name + ": " + message);
  }
}

void Reader::sections(const Node& node, const std::string& path, const SectionList& list) {
  for (const Node& item : node.items) {
    if (item.kind != Kind::Map) {
      error(item.at, "wrong-kind",
            quoted(path) + " is a list of sections; this is " + std::string(yaml::name(item.kind)));
      continue;
    }
    list.begin(draft_);
    section(item, path + "[].");
    list.end(draft_);
  }
}

// A gateway load balancer moves connections between appliances whenever it likes; each of these causes is then
// nothing out of the ordinary.
void Reader::take_up_midstream() {
  FailurePolicies& failures = draft_.config.failures;
  for (const FailureCause cause : {FailureCause::Midstream, FailureCause::Asymmetric, FailureCause::Unseen}) {
    if (!failures.chosen[static_cast<std::size_t>(cause)]) failures.choose(cause, FailureAction::Pass);
  }
}

// What no single field can know.
void Reader::check() {
  const Config& config = draft_.config;
  const auto paranoia = [this](const PolicyConfig& own, const PolicyConfig* above, Place at) {
    const auto level = own.paranoia ? own.paranoia : above != nullptr ? above->paranoia : std::nullopt;
    if (own.detection_paranoia && *own.detection_paranoia < level.value_or(1)) {
      error(at, "bad-value", "'detection_paranoia' must not be below 'paranoia'");
    }
  };
  paranoia(config.policy, nullptr, place("detection_paranoia"));
  for (const SiteConfig& site : config.sites) paranoia(site.policy, &config.policy, place("sites[].detection_paranoia"));
  const ClientAddressConfig& client = config.client_address;
  const bool needed = client.proxy_protocol != ProxyProtocol::Off || client.header != ForwardedHeader::None;
  if (needed && client.trusted.empty()) {
    error(place("client_address"), "missing-key", "'client_address' needs 'trusted': whom is it taken from?");
  }
  if (!needed && !client.trusted.empty()) {
    error(place("client_address.trusted"), "bad-value",
          "'trusted' does nothing without 'proxy_protocol' or 'header'");
  }
  const AuditConfig& audit = config.audit;
  if (audit != AuditConfig{} && !audit.wanted()) {
    error(place("audit"), "missing-key", "'audit' needs 'file' or 'directory': where is it written?");
  }
  if (!audit.file.empty() && audit.file == config.events.file) {
    error(place("audit.file"), "bad-value", "'file' is that of 'events'");
  }
  if (!config.collections.file.empty() && !config.collections.shared) {
    error(place("collections.file"), "bad-value", "'file' is for collections that are shared");
  }
  const Result<void> divided = divide_memory(draft_.config, [this](std::string_view path) { return is_set(path); });
  if (!divided) error(place("limits.memory"), "bad-value", "'memory' " + divided.error().message);
  if (config.limits.flow.direction_bytes > config.limits.flow.buffered_bytes) {
    error(place("limits.direction_buffered"), "bad-value", "'direction_buffered' must not exceed 'buffered'");
  }
  const bool echo = config.geneve && config.geneve->profile != GatewayProfile::Mirror;
  if ((config.mirror || config.geneve) && !config.nfqueue && !echo) {
    const std::string message = "a mirror cannot block; 'mode' must be detect or off";
    if (config.policy.mode == WafMode::Block) error(place("mode"), "bad-value", message);
    for (const SiteConfig& site : config.sites) {
      if (site.policy.mode == WafMode::Block) error(place("sites[].mode"), "bad-value", message + " (site " + site.name + ")");
    }
  }
  if (echo) take_up_midstream();
  if (config.health.certificate.empty() != config.health.key.empty()) {
    error(place("health"), "missing-key", "'certificate' and 'key' are said together");
  }
  const HealthConfig& h = config.health;
  const bool same = (h.http_port != 0 && (h.http_port == h.https_port || h.http_port == h.tcp_port)) ||
                    (h.https_port != 0 && h.https_port == h.tcp_port);
  if (same) error(place("health"), "bad-value", "each kind of health check needs a port of its own");
}

}  // namespace

ConfigResult parse_config(std::string_view text, const std::string& file) {
  ConfigResult result;
  const yaml::Document document = yaml::parse(text, file, result.diagnostics);
  if (!document.whole) return result;
  Reader reader(text, file, result.diagnostics);
  if (document.root.kind == Kind::Map) {
    reader.section(document.root, "");
    if (!reader.failed()) reader.check();
  } else if (document.root.kind != Kind::Empty) {
    reader.error(document.root.at, "wrong-kind",
                 "a configuration is a section (key: value), not " + std::string(yaml::name(document.root.kind)));
  }
  std::stable_sort(result.diagnostics.begin(), result.diagnostics.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  if (reader.failed()) return result;
  result.config = reader.take();
  result.config->file = file;
  return result;
}

ConfigResult read_config(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text;
  if (in) {
    // One byte more than is taken, so that parse_config() sees that it is too much.
    text.resize(yaml::kMostBytes + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (!in && !in.eof()) {
    ConfigResult result;
    rules::Diagnostic d;
    d.file = file;
    d.code = "unreadable";
    d.message = "cannot be read: " + std::generic_category().message(errno == 0 ? EIO : errno);
    result.diagnostics.push_back(std::move(d));
    result.unreadable = true;
    return result;
  }
  return parse_config(text, file);
}

}  // namespace weir::app
