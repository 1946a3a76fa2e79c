// A BodySink that writes every call down as one line, so that two runs can be compared as lists.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/body/body_sink.h"

namespace weir::rules::body::test {

inline const char* flag_name(MultipartFlag flag) {
  switch (flag) {
    case MultipartFlag::BoundaryQuoted: return "BoundaryQuoted";
    case MultipartFlag::BoundaryWhitespace: return "BoundaryWhitespace";
    case MultipartFlag::DataBefore: return "DataBefore";
    case MultipartFlag::DataAfter: return "DataAfter";
    case MultipartFlag::HeaderFolding: return "HeaderFolding";
    case MultipartFlag::LfLine: return "LfLine";
    case MultipartFlag::CrlfLfLines: return "CrlfLfLines";
    case MultipartFlag::MissingSemicolon: return "MissingSemicolon";
    case MultipartFlag::InvalidQuoting: return "InvalidQuoting";
    case MultipartFlag::InvalidPart: return "InvalidPart";
    case MultipartFlag::InvalidHeaderFolding: return "InvalidHeaderFolding";
    case MultipartFlag::FileLimitExceeded: return "FileLimitExceeded";
    case MultipartFlag::UnmatchedBoundary: return "UnmatchedBoundary";
  }
  return "?";
}

class Recorder : public BodySink {
 public:
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  std::vector<std::string> calls;
  Pairs arguments;
  std::vector<std::string> errors;
  std::uint32_t stop_after = UINT32_MAX;
  std::uint64_t bytes = 0;  // handed to us

  bool on_argument(std::string_view name, std::string_view value) override {
    bytes += name.size() + value.size();
    note("arg", name, value);
    if (arguments.size() >= stop_after) return false;
    arguments.emplace_back(name, value);
    return true;
  }
  void on_file(std::string_view name, std::string_view filename, std::string_view content,
               std::uint64_t size) override {
    note("file", name, filename);
    note("content", content, std::to_string(size));
  }
  void on_part_header(std::string_view part, std::string_view line) override {
    note("header", part, line);
  }
  void on_multipart_flag(MultipartFlag flag) override { note("flag", flag_name(flag)); }
  void on_part_name(std::string_view name, std::string_view filename) override {
    note("part", name, filename);
  }
  void on_xml_text(std::string_view text) override {
    bytes += text.size();
    note("text", text);
  }
  void on_xml_attribute(std::string_view value) override {
    bytes += value.size();
    note("attribute", value);
  }
  void on_urlencoded_error() override { note("urlencoded error"); }
  void on_error(std::string_view message) override {
    errors.emplace_back(message);
    note("error", message);
  }

  [[nodiscard]] bool has(std::string_view call) const {
    for (const auto& c : calls) {
      if (c == call) return true;
    }
    return false;
  }
  [[nodiscard]] std::string error() const { return errors.empty() ? "" : errors.front(); }

 private:
  void note(std::string_view what) { calls.emplace_back(what); }
  void note(std::string_view what, std::string_view a) {
    calls.push_back(std::string(what) + " [" + std::string(a) + "]");
  }
  void note(std::string_view what, std::string_view a, std::string_view b) {
    calls.push_back(std::string(what) + " [" + std::string(a) + "] [" + std::string(b) + "]");
  }
};

// Runs `parse(feed)` - which feeds the pieces and finishes - for the whole text, for every way to cut it in
// two (or, beyond `two_cuts` bytes, some of them) and byte by byte; returns the calls of the first run.
// `check(expected, got, how)` is called for each further run.
template <class Parse, class Check>
Recorder every_cut(std::string_view text, const Parse& parse, const Check& check,
                   std::size_t two_cuts = 300) {
  Recorder whole;
  parse(std::vector<std::string_view>{text}, whole);
  const std::size_t step = text.size() <= two_cuts ? 1 : text.size() / two_cuts + 1;
  for (std::size_t cut = 0; cut <= text.size(); cut += step) {
    Recorder got;
    parse(std::vector<std::string_view>{text.substr(0, cut), text.substr(cut)}, got);
    check(whole, got, "cut at " + std::to_string(cut));
  }
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  Recorder got;
  parse(bytes, got);
  check(whole, got, "byte by byte");
  return whole;
}

}  // namespace weir::rules::body::test
