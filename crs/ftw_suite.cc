#include "crs/ftw_suite.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

#include <yaml-cpp/yaml.h>

#include "rules/body/message.h"
#include "rules/include.h"

namespace weir::crs {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{16} << 20;

// Thrown inside this file only; says where.
struct Wrong {
  std::uint32_t line;
  std::string what;
};

std::uint32_t line_of(const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? 0 : static_cast<std::uint32_t>(mark.line) + 1;
}

[[noreturn]] void wrong(const YAML::Node& node, std::string what) {
  throw Wrong{line_of(node), std::move(what)};
}

bool is_given(const YAML::Node& node) {
  return node.IsDefined() && !node.IsNull();
}

std::string text_of(const YAML::Node& node, const char* name) {
  if (!node.IsScalar()) wrong(node, std::string(name) + " is no text");
  return node.Scalar();
}

long number_of(const YAML::Node& node, const char* name) {
  const std::string text = text_of(node, name);
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > 2147483647) {
    wrong(node, std::string(name) + " is no number: " + text);
  }
  return value;
}

bool truth_of(const YAML::Node& node, const char* name) {
  const std::string text = text_of(node, name);
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  wrong(node, std::string(name) + " is neither true nor false: " + text);
}

void read_text(const YAML::Node& map, const char* name, std::string& out) {
  if (const YAML::Node node = map[name]; is_given(node)) out = text_of(node, name);
}

void read_text(const YAML::Node& map, const char* name, std::optional<std::string>& out) {
  if (const YAML::Node node = map[name]; is_given(node)) out = text_of(node, name);
}

void read_truth(const YAML::Node& map, const char* name, bool& out) {
  if (const YAML::Node node = map[name]; is_given(node)) out = truth_of(node, name);
}

std::vector<std::uint32_t> ids_of(const YAML::Node& node, const char* name) {
  std::vector<std::uint32_t> ids;
  if (!is_given(node)) return ids;
  if (!node.IsSequence()) return {static_cast<std::uint32_t>(number_of(node, name))};
  for (const YAML::Node& one : node)
    ids.push_back(static_cast<std::uint32_t>(number_of(one, name)));
  return ids;
}

void read_headers(const YAML::Node& map, FtwInput& out) {
  if (const YAML::Node ordered = map["ordered_headers"]; is_given(ordered)) {
    if (!ordered.IsSequence()) wrong(ordered, "ordered_headers is no list");
    for (const YAML::Node& one : ordered) {
      out.headers.emplace_back(text_of(one["name"], "name"), text_of(one["value"], "value"));
    }
    return;
  }
  const YAML::Node headers = map["headers"];
  if (!is_given(headers)) return;
  if (!headers.IsMap()) wrong(headers, "headers is no map");
  for (const auto& entry : headers) {
    const std::string name = text_of(entry.first, "a header's name");
    out.headers.emplace_back(name,
                             entry.second.IsNull() ? "" : text_of(entry.second, name.c_str()));
  }
  std::stable_sort(out.headers.begin(), out.headers.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
}

void read_data(const YAML::Node& map, FtwInput& out) {
  const YAML::Node data = map["data"];
  if (!is_given(data)) return;
  if (!data.IsSequence()) {
    out.data = text_of(data, "data");
    return;
  }
  out.data_is_lines = true;
  out.data = "";
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (i > 0) *out.data += "\r\n";
    *out.data += data[i].IsNull() ? "" : text_of(data[i], "data");
  }
}

FtwInput input_of(const YAML::Node& map) {
  FtwInput out;
  if (!is_given(map)) return out;
  if (!map.IsMap()) wrong(map, "input is no map");
  read_text(map, "dest_addr", out.dest_addr);
  if (const YAML::Node port = map["port"]; is_given(port)) {
    const long value = number_of(port, "port");
    if (value > 65535) wrong(port, "port is above 65535");
    out.port = static_cast<int>(value);
  }
  read_text(map, "protocol", out.protocol);
  read_text(map, "method", out.method);
  read_text(map, "uri", out.uri);
  read_text(map, "version", out.version);
  read_headers(map, out);
  read_data(map, out);
  read_text(map, "encoded_data", out.encoded_data);
  read_text(map, "encoded_request", out.encoded_request);
  read_text(map, "raw_request", out.raw_request);
  bool stop_magic = false;
  read_truth(map, "stop_magic", stop_magic);
  out.autocomplete_headers = !stop_magic;
  read_truth(map, "autocomplete_headers", out.autocomplete_headers);
  read_truth(map, "follow_redirect", out.follow_redirect);
  // go-ftw cannot tell an empty request from none.
  if (out.encoded_request && out.encoded_request->empty()) out.encoded_request.reset();
  if (out.raw_request && out.raw_request->empty()) out.raw_request.reset();
  if (out.encoded_request && out.data && !out.data->empty()) {
    wrong(map, "data and encoded_request exclude each other");
  }
  return out;
}

// The id in `id "920100"`, the form in which CRS 3.3 asks for a rule; 0 if the text is something
// else.
std::uint32_t id_in(const std::string& text) {
  constexpr std::string_view kBefore = "id \"";
  if (text.size() < kBefore.size() + 2 || text.rfind(kBefore, 0) != 0 || text.back() != '"')
    return 0;
  std::uint32_t id = 0;
  const char* end = text.data() + text.size() - 1;
  const auto [stop, error] = std::from_chars(text.data() + kBefore.size(), end, id);
  return error == std::errc() && stop == end ? id : 0;
}

void read_log_text(const std::string& text, std::vector<std::uint32_t>& ids, std::string& regex) {
  if (text.empty() || !ids.empty() || !regex.empty()) return;
  if (const std::uint32_t id = id_in(text); id != 0) {
    ids.push_back(id);
  } else {
    regex = text;
  }
}

FtwOutput output_of(const YAML::Node& map) {
  FtwOutput out;
  if (!is_given(map)) return out;
  if (!map.IsMap()) wrong(map, "output is no map");
  if (const YAML::Node status = map["status"]; is_given(status)) {
    if (status.IsSequence()) {
      for (const YAML::Node& one : status) {
        out.status.push_back(static_cast<int>(number_of(one, "status")));
      }
    } else if (const long value = number_of(status, "status"); value != 0) {
      out.status.push_back(static_cast<int>(value));
    }
  }
  read_text(map, "response_contains", out.response_contains);
  if (const YAML::Node log = map["log"]; is_given(log)) {
    if (!log.IsMap()) wrong(log, "log is no map");
    out.expect_ids = ids_of(log["expect_ids"], "expect_ids");
    if (out.expect_ids.empty()) out.expect_ids = ids_of(log["expect_id"], "expect_id");
    out.no_expect_ids = ids_of(log["no_expect_ids"], "no_expect_ids");
    read_text(log, "match_regex", out.match_regex);
    read_text(log, "no_match_regex", out.no_match_regex);
  }
  std::string contains;
  std::string no_contains;
  read_text(map, "log_contains", contains);
  read_text(map, "no_log_contains", no_contains);
  read_log_text(contains, out.expect_ids, out.match_regex);
  read_log_text(no_contains, out.no_expect_ids, out.no_match_regex);
  if (const YAML::Node error = map["expect_error"]; is_given(error)) {
    out.expect_error = truth_of(error, "expect_error");
    out.no_error = !out.expect_error;
  }
  read_truth(map, "isolated", out.isolated);
  read_truth(map, "retry_once", out.retry_once);
  if (out.isolated && out.expect_ids.size() != 1) wrong(map, "isolated needs one id in expect_ids");
  return out;
}

std::uint32_t rule_in_file_name(const std::string& file) {
  const std::string name = fs::path(file).filename().string();
  const std::size_t begin = name.find_first_of("0123456789");
  if (begin == std::string::npos) return 0;
  std::uint32_t id = 0;
  std::from_chars(name.data() + begin, name.data() + name.size(), id);
  return id;
}

FtwTest test_of(const YAML::Node& map, std::uint32_t rule_id, std::size_t number) {
  if (!map.IsMap()) wrong(map, "a test is no map");
  FtwTest out;
  out.line = line_of(map);
  out.rule_id = rule_id;
  if (const YAML::Node id = map["test_id"]; is_given(id)) {
    number = static_cast<std::size_t>(number_of(id, "test_id"));
  }
  out.id = std::to_string(rule_id) + "-" + std::to_string(number);
  read_text(map, "test_title", out.id);
  read_text(map, "desc", out.description);
  if (const YAML::Node tags = map["tags"]; tags.IsDefined() && tags.IsSequence()) {
    for (const YAML::Node& tag : tags)
      out.tags.push_back(text_of(tag, "tags"));
  }
  const YAML::Node stages = map["stages"];
  if (!stages.IsDefined() || !stages.IsSequence() || stages.size() == 0) {
    wrong(map, "a test has no stages");
  }
  for (const YAML::Node& entry : stages) {
    if (!entry.IsMap()) wrong(entry, "a stage is no map");
    const YAML::Node wrapped = entry["stage"];
    const YAML::Node stage = is_given(wrapped) ? wrapped : entry;
    if (!stage.IsMap()) wrong(stage, "a stage is no map");
    out.stages.push_back({input_of(stage["input"]), output_of(stage["output"])});
    out.stages.back().input.for_ftw = is_given(wrapped);
  }
  return out;
}

// "file:line: what is wrong". What is wrong may quote the file, which may hold anything.
std::string located(const std::string& file, std::size_t line, const std::string& what) {
  return file + ":" + std::to_string(line) + ": " + rules::body::printable(what, 400);
}

std::size_t line_of(const YAML::Exception& error) {
  return error.mark.is_null() ? 0 : static_cast<std::size_t>(error.mark.line) + 1;
}

void read_document(const YAML::Node& document, const std::string& file, FtwSuite& out) {
  if (document.IsNull()) return;  // CRS ships an empty file
  if (!document.IsMap()) wrong(document, "the document is no map");
  std::uint32_t rule_id = 0;
  if (const YAML::Node id = document["rule_id"]; is_given(id)) {
    rule_id = static_cast<std::uint32_t>(number_of(id, "rule_id"));
  }
  if (rule_id == 0) rule_id = rule_in_file_name(file);
  bool enabled = true;
  if (const YAML::Node meta = document["meta"]; meta.IsDefined() && meta.IsMap()) {
    read_truth(meta, "enabled", enabled);
  }
  const YAML::Node tests = document["tests"];
  if (!is_given(tests)) return;
  if (!tests.IsSequence()) wrong(tests, "tests is no list");
  for (std::size_t i = 0; i < tests.size(); ++i) {
    try {
      FtwTest test = test_of(tests[i], rule_id, i + 1);
      test.file = file;
      test.enabled = enabled;
      out.tests.push_back(std::move(test));
    } catch (const Wrong& error) {
      out.errors.push_back(located(file, error.line, error.what));
    }
  }
}

}  // namespace

void read_ftw(std::string_view yaml, const std::string& file, FtwSuite& out) {
  try {
    read_document(YAML::Load(std::string(yaml)), file, out);
  } catch (const Wrong& error) {
    out.errors.push_back(located(file, error.line, error.what));
  } catch (const YAML::Exception& error) {
    out.errors.push_back(located(file, line_of(error), error.msg));
  }
}

Result<std::vector<FtwOverride>> read_ftw_overrides(std::string_view yaml,
                                                    const std::string& file) {
  std::vector<FtwOverride> out;
  try {
    const YAML::Node document = YAML::Load(std::string(yaml));
    if (document.IsNull()) return out;
    if (!document.IsMap()) wrong(document, "the document is no map");
    const YAML::Node list = document["overrides"];
    if (!is_given(list)) return out;
    if (!list.IsSequence()) wrong(list, "overrides is no list");
    for (const YAML::Node& entry : list) {
      if (!entry.IsMap()) wrong(entry, "an override is no map");
      FtwOverride& one = out.emplace_back();
      read_text(entry, "test", one.test);
      read_text(entry, "reason", one.reason);
      if (const YAML::Node crs = entry["crs"]; is_given(crs)) {
        one.crs = static_cast<int>(number_of(crs, "crs"));
      }
      if (one.test.empty()) wrong(entry, "an override names no test");
      if (one.reason.empty()) wrong(entry, "the override of " + one.test + " has no reason");
      if (!is_given(entry["output"])) {
        wrong(entry, "the override of " + one.test + " does not say what Weir answers: output");
      }
      one.output = output_of(entry["output"]);
    }
  } catch (const Wrong& error) {
    return fail(located(file, error.line, error.what));
  } catch (const YAML::Exception& error) {
    return fail(located(file, line_of(error), error.msg));
  }
  return out;
}

Result<FtwSuite> read_ftw_suite(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    fs::recursive_directory_iterator entries(path, error);
    for (const fs::recursive_directory_iterator end; !error && entries != end;
         entries.increment(error)) {
      const std::string extension = entries->path().extension().string();
      std::error_code ignored;
      if ((extension == ".yaml" || extension == ".yml") && entries->is_regular_file(ignored)) {
        files.push_back(entries->path().string());
      }
    }
    if (error) return fail("cannot list " + path + ": " + error.message());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  FtwSuite suite;
  for (const std::string& file : files) {
    auto text = rules::syntax::read_file(file, kMostBytes);
    if (!text) return fail(text.error().message);
    ++suite.files;
    read_ftw(*text, file, suite);
  }
  if (suite.tests.empty() && suite.errors.empty()) return fail("there are no tests in " + path);
  return suite;
}

}  // namespace weir::crs
