#include "app/config/yaml.h"

#include <sstream>
#include <utility>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#endif
#include <yaml-cpp/yaml.h>
// Not part of yaml.h: events instead of a tree that has lost duplicates and places.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/parser.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include "engine/base/utf8.h"

namespace weir::app::yaml {
namespace {

constexpr std::size_t kMostNodes = 100'000;
constexpr std::size_t kLongestExcerpt = 200;

Place place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

// Thrown through yaml-cpp to stop it; never leaves parse().
struct Stop {};

class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view text, const std::string& file, rules::Diagnostics& out)
      : text_(text), file_(file), out_(out) {}

  void complain(Place at, std::string code, std::string message) {
    failed_ = true;
    rules::Diagnostic d;
    d.file = file_;
    d.line = at.line;
    d.column = at.column;
    d.code = std::move(code);
    d.message = std::move(message);
    const std::string_view line = line_of(text_, at.line);
    if (line.size() <= kLongestExcerpt) d.excerpt = line;
    out_.push_back(std::move(d));
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override { static_cast<void>(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    put(make(Kind::Empty, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    static_cast<void>(anchor);
    complain(place_of(mark), "yaml-alias", "aliases (*name) are not taken: write the value out");
    put(make(Kind::Empty, mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    Node node = make(Kind::Scalar, mark);
    node.text = value;
    node.quoted = tag == "!";
    put(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    begin(Kind::List, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    begin(Kind::Map, mark, tag, anchor, style);
  }
  void OnMapEnd() override { end(); }

 private:
  // A list or map that is being read; `key` is of the entry whose value comes next.
  struct Open {
    Node node;
    bool has_key = false;
    std::string key;
    Place key_at;
  };

  Node make(Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kMostNodes) {
      complain(place_of(mark), "yaml-size", "the file has more than 100,000 values");
      throw Stop{};
    }
    Node node;
    node.kind = kind;
    node.at = place_of(mark);
    return node;
  }
  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) complain(place_of(mark), "yaml-anchor", "anchors (&name) are not taken");
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      complain(place_of(mark), "yaml-tag", "tags (!name) are not taken");
    }
  }
  void begin(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
             YAML::EmitterStyle::value style) {
    static_cast<void>(style);
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() >= kDeepest) {
      complain(place_of(mark), "yaml-depth", "nested too deeply");
      throw Stop{};
    }
    open_.push_back({make(kind, mark), false, {}, {}});
  }
  void end() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    put(std::move(node));
  }
  void put(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& into = open_.back();
    if (into.node.kind == Kind::List) {
      into.node.items.push_back(std::move(node));
    } else if (into.has_key) {
      into.node.entries.push_back({std::move(into.key), into.key_at, std::move(node)});
      into.has_key = false;
    } else {
      if (node.kind != Kind::Scalar) complain(node.at, "yaml-key", "a key must be a word");
      into.has_key = true;
      into.key = std::move(node.text);
      into.key_at = node.at;
    }
  }

  std::string_view text_;
  const std::string& file_;
  rules::Diagnostics& out_;
  std::vector<Open> open_;
  Node root_;
  std::size_t nodes_ = 0;
  bool failed_ = false;
};

// The first byte that is no UTF-8, or a control byte that has no place in a text.
bool readable(std::string_view text, Builder& builder) {
  std::uint32_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    ++number;
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (!base::is_valid_utf8(line)) {
      builder.complain({number, 1}, "not-utf-8", "the line is not UTF-8");
      return false;
    }
    for (std::size_t i = 0; i < line.size(); ++i) {
      const auto c = static_cast<unsigned char>(line[i]);
      if ((c < 0x20 && c != '\t' && !(c == '\r' && i + 1 == line.size())) || c == 0x7f) {
        builder.complain({number, static_cast<std::uint32_t>(i + 1)}, "control-character",
                         "a control character");
        return false;
      }
    }
    at = end + 1;
  }
  return true;
}

}  // namespace

std::string_view line_of(std::string_view text, std::uint32_t number) {
  for (std::uint32_t line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::Empty: return "nothing";
    case Kind::Scalar: return "a single value";
    case Kind::List: return "a list";
    case Kind::Map: return "a section";
  }
  return "nothing";
}

Document parse(std::string_view text, const std::string& file, rules::Diagnostics& diagnostics) {
  Builder builder(text, file, diagnostics);
  Document document;
  if (text.size() > kMostBytes) {
    builder.complain({}, "yaml-size", "the file is larger than 1 MiB");
    return document;
  }
  if (!readable(text, builder)) return document;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder) && !builder.failed()) {
      document.root = builder.take();
      Builder second(text, file, diagnostics);
      if (parser.HandleNextDocument(second)) {
        builder.complain(second.take().at, "yaml-documents", "a second document (---) is not taken");
      }
    }
  } catch (const Stop&) {
    return document;
  } catch (const YAML::Exception& error) {
    builder.complain(place_of(error.mark), "yaml-syntax", error.msg);
  }
  document.whole = !builder.failed();
  return document;
}

}  // namespace weir::app::yaml
