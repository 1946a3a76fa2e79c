#include "rules/body/multipart.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "rules/body/message.h"

namespace weir::rules::body {
namespace {

constexpr std::size_t kKeepBytes = 256 * 1024;  // capacity that buffers keep from body to body

void recycle(std::string& s) {
  if (s.capacity() > kKeepBytes) std::string().swap(s);
  s.clear();
}

std::string_view without_line_end(std::string_view line) {
  if (!line.empty() && line.back() == '\n') {
    line.remove_suffix(1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  }
  return line;
}

bool contains(std::string_view text, std::string_view what) {
  // memmem() is linear even for boundaries of dashes in bodies of dashes; string_view::find is not.
  return memmem(text.data(), text.size(), what.data(), what.size()) != nullptr;
}

}  // namespace

bool MultipartProcessor::begin(std::string_view content_type, const BodyLimits& limits,
                               BodySink& sink, const MultipartOptions& options) {
  limits_ = limits;
  options_ = options;
  sink_ = &sink;
  raised_ = {};
  failed_ = seen_bytes_ = crlf_seen_ = lf_seen_ = false;
  line_.clear();
  line_.reserve(kLineBytes);
  at_line_start_ = true;
  after_bare_lf_ = content_started_ = is_file_ = false;
  last_byte_ = 0;
  where_ = Where::Preamble;
  boundaries_ = files_ = parts_ = arguments_ = 0;
  held_ = Ending::None;
  recycle(header_text_);
  recycle(content_);
  fields_.clear();
  disposition_.clear();
  size_ = no_files_length_ = work_ = 0;

  const Boundary boundary = parse_boundary(content_type);
  for (const auto flag : {MultipartFlag::BoundaryQuoted, MultipartFlag::BoundaryWhitespace,
                          MultipartFlag::MissingSemicolon}) {
    if (boundary.flags.has(flag)) raise(flag);
  }
  if (boundary.error != nullptr) {
    failed_ = true;
    sink_->on_error(std::string("Multipart parsing error (init): ") + boundary.error);
    return false;
  }
  delimiter_.assign("--").append(boundary.text);
  return true;
}

bool MultipartProcessor::fail(std::string message) {
  failed_ = true;
  sink_->on_error("Multipart parsing error: Multipart: " + std::move(message));
  return false;
}

void MultipartProcessor::raise(MultipartFlag flag) {
  if (raised_.has(flag)) return;
  raised_.add(flag);
  sink_->on_multipart_flag(flag);
}

void MultipartProcessor::note_line_end(bool crlf) {
  (crlf ? crlf_seen_ : lf_seen_) = true;
  if (!crlf) raise(MultipartFlag::LfLine);
  if (crlf_seen_ && lf_seen_) raise(MultipartFlag::CrlfLfLines);
}

bool MultipartProcessor::feed(std::string_view in) {
  if (failed_) return false;
  if (!in.empty()) seen_bytes_ = true;
  work_ += in.size();
  while (!in.empty()) {
    if (where_ == Where::Epilogue) {
      raise(MultipartFlag::DataAfter);
      return true;
    }
    const std::size_t room = kLineBytes - line_.size();
    const std::size_t look = std::min(room, in.size());
    const void* const lf = std::memchr(in.data(), '\n', look);
    std::size_t take = look;
    if (lf != nullptr) {
      take = static_cast<std::size_t>(static_cast<const char*>(lf) - in.data()) + 1;
    }
    // A CR is never the last byte of a full buffer, so that no CRLF is cut in two.
    const bool defer = lf == nullptr && take == room && in[take - 1] == '\r';
    if (defer) --take;
    line_.append(in.substr(0, take));
    in.remove_prefix(take);
    if (lf != nullptr || defer || line_.size() == kLineBytes) {
      // What fills the buffer exactly counts as cut even if it ends in LF: no line is that long.
      if (!flush(defer || line_.size() == kLineBytes)) return false;
    }
  }
  return true;
}

bool MultipartProcessor::flush(bool cut) {
  const std::string_view line = line_;
  if (!take_line(cut, line)) return false;
  if (!line.empty()) {
    const bool ends = line.back() == '\n';
    const char before = line.size() >= 2 ? line[line.size() - 2] : last_byte_;
    at_line_start_ = ends;
    after_bare_lf_ = ends && before != '\r';
    last_byte_ = line.back();
  }
  line_.clear();
  return true;
}

bool MultipartProcessor::take_line(bool cut, std::string_view line) {
  bool consumed = false;
  if (at_line_start_ && !looks_like_boundary(line, consumed)) return false;
  if (consumed) return true;
  switch (where_) {
    case Where::Preamble:
    case Where::Epilogue:  // never: feed() stops there
      raise(MultipartFlag::DataBefore);
      return true;
    case Where::Headers:
      if (cut) {
        return fail("Part header line over " + std::to_string(kLineBytes) + " bytes long");
      }
      return take_header(line);
    case Where::Content:
      take_content(line);
      return true;
  }
  return true;
}

// False: an error was reported. `consumed`: the line was a boundary.
bool MultipartProcessor::looks_like_boundary(std::string_view line, bool& consumed) {
  work_ += line.size();
  if (line.size() > 3 && line.substr(0, 2) == "--") {
    return line.substr(0, delimiter_.size()) == delimiter_ ? matched_boundary(line, consumed)
                                                           : mismatched_boundary(line);
  }
  if (contains(line, delimiter_)) raise(MultipartFlag::UnmatchedBoundary);
  return true;
}

bool MultipartProcessor::matched_boundary(std::string_view line, bool& consumed) {
  if (after_bare_lf_) note_line_end(false);
  if (!content_started_ && boundaries_ > 0) {
    // A boundary where content should begin: servers disagree on what the part is.
    raise(MultipartFlag::InvalidPart);
    return true;
  }
  std::string_view rest = line.substr(delimiter_.size());
  const bool final = rest.substr(0, 2) == "--";
  if (final) rest.remove_prefix(2);
  if (rest != "\r\n" && rest != "\n") return fail("Invalid boundary: " + printable(line));
  note_line_end(rest.size() == 2);
  if (!end_part()) return false;
  ++boundaries_;
  consumed = true;
  if (final) {
    where_ = Where::Epilogue;
    return true;
  }
  return start_part();
}

bool MultipartProcessor::mismatched_boundary(std::string_view line) {
  const std::string_view boundary = std::string_view(delimiter_).substr(2);
  std::string_view rest = line.substr(2);
  if (raised_.has(MultipartFlag::BoundaryQuoted) && rest.front() == '"' &&
      rest.substr(1, boundary.size()) == boundary) {
    return fail("Invalid boundary (quotes).");
  }
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  if (rest.size() < line.size() - 2 && rest.substr(0, boundary.size()) == boundary) {
    return fail("Invalid boundary (whitespace).");
  }
  raise(MultipartFlag::UnmatchedBoundary);
  return true;
}

bool MultipartProcessor::start_part() {
  if (++parts_ > limits_.parts) return fail("Too many parts.");
  where_ = Where::Headers;
  content_started_ = false;
  held_ = Ending::None;
  header_text_.clear();
  fields_.clear();
  disposition_.clear();
  is_file_ = false;
  content_.clear();
  size_ = 0;
  return true;
}

// Reports the part that was being built, if there is one.
bool MultipartProcessor::end_part() {
  if (where_ != Where::Headers && where_ != Where::Content) return true;
  if (where_ == Where::Headers) {
    report_headers({});
    return true;
  }
  if (is_file_) {
    sink_->on_file(disposition_.name, disposition_.filename, content_, size_);
    return true;
  }
  if (arguments_++ >= limits_.arguments || !sink_->on_argument(disposition_.name, content_)) {
    failed_ = true;
    sink_->on_error(kArgumentsLimitMessage);
    return false;
  }
  return true;
}

const MultipartProcessor::Field* MultipartProcessor::find_field(std::string_view name) const {
  for (const Field& f : fields_) {
    if (equal_ignoring_case(std::string_view(header_text_).substr(f.line, f.name_size), name)) {
      return &f;
    }
  }
  return nullptr;
}

bool MultipartProcessor::take_header(std::string_view line) {
  if (line.find('\0') != std::string_view::npos) return fail("Nul byte in part headers.");
  no_files_length_ += line.size();
  note_line_end(line.size() > 1 && line[line.size() - 2] == '\r');
  if (line == "\r\n" || line == "\n") return end_headers();
  if (header_text_.size() + line.size() > limits_.part_header_bytes) {
    return fail("Part headers too long.");
  }
  return is_space(line.front()) ? fold_header(line) : new_header(line);
}

bool MultipartProcessor::new_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return fail("Invalid part header (colon missing): " + printable(line) + ".");
  }
  if (colon == 0) return fail("Invalid part header (header name missing).");
  if (fields_.size() >= limits_.part_headers) return fail("Too many part headers.");
  const std::string_view name = line.substr(0, colon);
  work_ += fields_.size();
  if (find_field(name) != nullptr) return fail("Duplicate part header: " + printable(name) + ".");

  const std::string_view text = without_line_end(line);
  std::size_t value = colon + 1;
  while (value < text.size() && (text[value] == ' ' || text[value] == '\t')) ++value;
  Field field{};
  field.line = header_text_.size();
  field.name_size = colon;
  field.value = field.line + value;
  header_text_ += text;
  field.end = header_text_.size();
  fields_.push_back(field);

  const bool odd_name = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x21U || static_cast<unsigned char>(c) > 0x7EU;
  });
  if (odd_name && options_.refuse_invalid_header_names) {
    report_headers({});
    return fail("Invalid part header (contains invalid character).");
  }
  return true;
}

bool MultipartProcessor::fold_header(std::string_view line) {
  raise(MultipartFlag::HeaderFolding);
  std::string_view more = line;
  while (!more.empty() && is_space(more.front())) {
    if (more.front() != ' ' && more.front() != '\t') raise(MultipartFlag::InvalidHeaderFolding);
    more.remove_prefix(1);
  }
  if (fields_.empty()) return fail("Invalid part header (folding error).");
  Field& field = fields_.back();
  if (!field.folded) {
    // A folded field is reported as "Name: value more", whatever blanks it was written with.
    const std::string value = header_text_.substr(field.value);
    header_text_.resize(field.line + field.name_size);
    header_text_ += ": ";
    field.value = header_text_.size();
    header_text_ += value;
    field.folded = true;
  }
  header_text_ += ' ';
  header_text_ += without_line_end(more);
  field.end = header_text_.size();
  if (field.end - field.value > kLineBytes) return fail("Part header too long.");
  return true;
}

void MultipartProcessor::report_headers(std::string_view part) {
  const std::string_view text = header_text_;
  for (const Field& f : fields_) sink_->on_part_header(part, text.substr(f.line, f.end - f.line));
}

bool MultipartProcessor::end_headers() {
  const Field* const field = find_field("Content-Disposition");
  if (field == nullptr) {
    report_headers({});
    return fail("Part missing Content-Disposition header.");
  }
  const std::string_view value =
      std::string_view(header_text_).substr(field->value, field->end - field->value);
  parse_content_disposition(value, disposition_);
  if (disposition_.invalid_quoting) raise(MultipartFlag::InvalidQuoting);
  if (disposition_.has_name || disposition_.has_filename) {
    sink_->on_part_name(disposition_.name, disposition_.filename);
  }
  report_headers(disposition_.name);
  if (disposition_.code < 0) {
    return fail("Invalid Content-Disposition header (" + std::to_string(disposition_.code) +
                "): " + printable(value) + ".");
  }
  if (!disposition_.has_name) return fail("Content-Disposition header missing name field.");
  is_file_ = disposition_.has_filename;
  // Servers that search for "filename=" would not see the filename that was found here.
  if (is_file_ && value.find("filename=") == std::string_view::npos) {
    return fail("Invalid Content-Disposition header (filename).");
  }
  if (is_file_ && ++files_ > limits_.files) raise(MultipartFlag::FileLimitExceeded);
  where_ = Where::Content;
  return true;
}

void MultipartProcessor::append_content(std::string_view bytes) {
  size_ += bytes.size();
  if (!is_file_) {
    no_files_length_ += bytes.size();
    content_ += bytes;
  } else if (files_ <= limits_.files && content_.size() < limits_.file_content) {
    content_ += bytes.substr(0, limits_.file_content - content_.size());
  }
}

void MultipartProcessor::take_content(std::string_view line) {
  content_started_ = true;
  // The line end in front of a boundary belongs to the boundary: hold it back until the next line.
  if (held_ != Ending::None) append_content(held_ == Ending::CrLf ? "\r\n" : "\n");
  held_ = Ending::None;
  const std::string_view text = without_line_end(line);
  append_content(text);
  if (text.size() < line.size()) held_ = line.size() - text.size() == 2 ? Ending::CrLf : Ending::Lf;
}

bool MultipartProcessor::finish(bool truncated) {
  if (failed_) return false;
  if (!seen_bytes_ || where_ == Where::Epilogue) return true;
  const bool complete = boundaries_ > 0 && at_line_start_ &&
                        line_.size() == delimiter_.size() + 2 &&
                        std::string_view(line_).substr(0, delimiter_.size()) == delimiter_ &&
                        std::string_view(line_).substr(delimiter_.size()) == "--";
  if (complete) {
    // The final boundary needs no line end behind it.
    if (after_bare_lf_) note_line_end(false);
    if (!content_started_) raise(MultipartFlag::InvalidPart);
    if (!end_part()) return false;
    where_ = Where::Epilogue;
    return true;
  }
  // What there is of the last part is shown to the rules before the verdict on the body's form.
  if (where_ == Where::Content) {
    if (!line_.empty()) take_content(line_);
    if (!end_part()) return false;
  } else if (where_ == Where::Headers) {
    report_headers({});
  }
  if (truncated) return true;
  return fail(boundaries_ > 0 ? "Final boundary missing." : "No boundaries found in payload.");
}

}  // namespace weir::rules::body
