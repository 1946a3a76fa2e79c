#include "rules/body/xml.h"

#include <expat.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "rules/body/message.h"

namespace weir::rules::body {
namespace {

constexpr std::size_t kKeepBytes = 256 * 1024;  // capacity that buffers keep from body to body
constexpr std::size_t kPiece = 4096;
constexpr std::size_t kLargestPiece = std::size_t{1} << 30U;  // expat takes an int
constexpr std::uint64_t kNameAllowance = 256 * 1024;
constexpr std::uint64_t kNameFactor = 8;

void recycle(std::string& s) {
  if (s.capacity() > kKeepBytes) std::string().swap(s);
  s.clear();
}

bool is_namespace_declaration(std::string_view name) {
  return name == "xmlns" || name.substr(0, 6) == "xmlns:";
}

bool is_blank(std::string_view s) { return std::all_of(s.begin(), s.end(), is_space); }

// What expat takes is counted for the processor that has it at work: its memory suite is told no owner.
thread_local std::size_t* taken_by_expat = nullptr;

void* counted(void* memory) {
  if (memory != nullptr) *taken_by_expat += ::malloc_usable_size(memory);
  return memory;
}
void uncount(void* memory) {
  if (memory != nullptr) *taken_by_expat -= ::malloc_usable_size(memory);
}
const XML_Memory_Handling_Suite kCounting{
    [](std::size_t size) { return counted(std::malloc(size)); },
    [](void* memory, std::size_t size) -> void* {
      const std::size_t before = memory == nullptr ? 0 : ::malloc_usable_size(memory);
      void* moved = std::realloc(memory, size);
      if (moved == nullptr) return nullptr;
      *taken_by_expat -= before;
      return counted(moved);
    },
    [](void* memory) {
      uncount(memory);
      std::free(memory);
    }};

class Counting {
 public:
  explicit Counting(std::size_t& taken) : before_(std::exchange(taken_by_expat, &taken)) {}
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
  ~Counting() { taken_by_expat = before_; }

 private:
  std::size_t* before_;
};

}  // namespace

struct XmlProcessor::State {
  ~State() { drop_parser(); }
  void drop_parser() {
    const Counting counting(taken);
    if (parser != nullptr) XML_ParserFree(parser);
    parser = nullptr;
  }

  XML_Parser parser = nullptr;
  std::size_t taken = 0;  // by expat
  BodyLimits limits;
  BodySink* sink = nullptr;
  XmlArguments arguments = XmlArguments::Off;
  bool failed = false;
  bool reported = false;         // the text was
  std::string pending;           // gathered, not yet parsed
  std::uint64_t parsed = 0;      // bytes given to expat
  std::uint64_t work = 0;
  std::uint32_t nodes = 0, argument_count = 0;
  std::uint32_t depth = 0;
  std::string text;
  std::string path;              // "xml.root.child"
  std::vector<std::size_t> path_lengths;
  std::string own_text;          // text since the last tag, for arguments
  bool leaf = false;             // the innermost open element has had no child
  bool external_dtd = false;     // declared; it is never loaded
  std::uint64_t name_bytes = 0;

  void fail(std::string message) {
    if (failed) return;
    failed = true;
    XML_StopParser(parser, XML_FALSE);
    sink->on_error(std::move(message));
  }
  void fail_document(const std::string& why) {
    fail("XML parsing error: XML: Failed parsing document (" + why + ", line " +
         std::to_string(XML_GetCurrentLineNumber(parser)) + ").");
  }
  bool count_node() {
    ++work;
    if (++nodes <= limits.xml_nodes) return true;
    fail_document("too many nodes");
    return false;
  }

  [[nodiscard]] bool tag_has_undefined_entity() const;
  void open_element(std::string_view name, const char** attributes);
  void close_element();
  void add_text(std::string_view more);
  void report_argument(bool even_empty);
  void report_text();
  bool parse(bool last);
};

// expat reports a skipped entity in text, but not in an attribute's value: there it vanishes silently.
// So where an external DTD could have declared entities, the start tag is searched as it was written.
bool XmlProcessor::State::tag_has_undefined_entity() const {
  int offset = 0, size = 0;
  const char* const buffer = XML_GetInputContext(parser, &offset, &size);
  const int count = XML_GetCurrentByteCount(parser);
  if (buffer == nullptr || offset < 0 || count < 0 || count > size - offset) return true;
  std::string tag(buffer + offset, static_cast<std::size_t>(count));
  tag.erase(std::remove(tag.begin(), tag.end(), '\0'), tag.end());  // UTF-16
  for (std::size_t at = tag.find('&'); at != std::string::npos; at = tag.find('&', at + 1)) {
    const std::string_view name = std::string_view(tag).substr(at + 1, 5);
    bool known = name.substr(0, 1) == "#";
    for (const std::string_view k : {"lt;", "gt;", "amp;", "quot;", "apos;"}) {
      known = known || name.substr(0, k.size()) == k;
    }
    if (!known) return true;
  }
  return false;
}

void XmlProcessor::State::open_element(std::string_view name, const char** attributes) {
  if (failed || !count_node()) return;
  if (++depth > limits.xml_depth) return fail_document("nested too deeply");
  if (arguments != XmlArguments::Off) {
    report_argument(false);
    if (failed) return;
    const std::size_t colon = name.rfind(':');
    const std::string_view local = colon == std::string_view::npos ? name : name.substr(colon + 1);
    path_lengths.push_back(path.size());
    // A path beyond the limit is an error when it is to be handed out, not here.
    path += '.';
    path += local.substr(0, limits.name_bytes + 1);
    leaf = true;
    work += local.size();
  }
  if (external_dtd && *attributes != nullptr) {
    work += static_cast<std::uint64_t>(std::max(0, XML_GetCurrentByteCount(parser)));
    if (tag_has_undefined_entity()) return fail_document("undefined entity");
  }
  for (; *attributes != nullptr; attributes += 2) {
    if (!count_node()) return;
    if (is_namespace_declaration(attributes[0])) continue;
    const std::string_view value = attributes[1];
    work += value.size();
    sink->on_xml_attribute(value);
  }
}

void XmlProcessor::State::close_element() {
  if (failed) return;
  --depth;
  if (arguments == XmlArguments::Off) return;
  report_argument(leaf);
  leaf = false;
  path.resize(path_lengths.back());
  path_lengths.pop_back();
}

void XmlProcessor::State::add_text(std::string_view more) {
  if (failed) return;
  work += more.size();
  if (arguments != XmlArguments::OnlyArgs) text += more;
  if (arguments != XmlArguments::Off) own_text += more;
}

void XmlProcessor::State::report_argument(bool even_empty) {
  if (!even_empty && is_blank(own_text)) {
    own_text.clear();
    return;
  }
  name_bytes += path.size();
  if (path.size() > limits.name_bytes || name_bytes > kNameAllowance + kNameFactor * parsed) {
    return fail_document("names of elements are too long");
  }
  work += path.size() + own_text.size();
  if (argument_count++ >= limits.arguments || !sink->on_argument(path, own_text)) {
    return fail(std::string(kArgumentsLimitMessage));
  }
  own_text.clear();
}

void XmlProcessor::State::report_text() {
  if (reported || nodes == 0 || arguments == XmlArguments::OnlyArgs) return;
  reported = true;
  sink->on_xml_text(text);
}

// Gives what is pending to expat.
bool XmlProcessor::State::parse(bool last) {
  const Counting counting(taken);
  std::string_view in = pending;
  do {
    const std::string_view piece = in.substr(0, kLargestPiece);
    in.remove_prefix(piece.size());
    // expat goes over the unfinished token again, if there is one.
    const XML_Index start = XML_GetCurrentByteIndex(parser);
    const std::uint64_t from = start < 0 ? 0 : static_cast<std::uint64_t>(start);
    if (parsed > from) work += parsed - from;
    work += piece.size();
    parsed += piece.size();
    const XML_Status status = XML_Parse(parser, piece.data(), static_cast<int>(piece.size()),
                                        last && in.empty() ? XML_TRUE : XML_FALSE);
    if (status != XML_STATUS_OK && !failed) {
      fail_document(XML_ErrorString(XML_GetErrorCode(parser)));
    }
  } while (!failed && !in.empty());
  recycle(pending);
  return !failed;
}

namespace {

// expat's callbacks. The state is a private type of the processor, so it is reached through templates'
// deduction in attach().
template <class S>
S& state_of(void* data) {
  return *static_cast<S*>(data);
}

template <class S>
void attach(S& state) {
  XML_Parser p = state.parser;
  XML_SetUserData(p, &state);
  XML_SetElementHandler(
      p,
      [](void* data, const XML_Char* name, const XML_Char** attributes) {
        state_of<S>(data).open_element(name, attributes);
      },
      [](void* data, const XML_Char*) { state_of<S>(data).close_element(); });
  XML_SetCharacterDataHandler(p, [](void* data, const XML_Char* text, int length) {
    state_of<S>(data).add_text({text, static_cast<std::size_t>(length)});
  });
  XML_SetStartDoctypeDeclHandler(
      p, [](void* data, const XML_Char*, const XML_Char* system_id, const XML_Char* public_id,
            int internal_subset) {
        S& s = state_of<S>(data);
        s.external_dtd = system_id != nullptr || public_id != nullptr;
        if (internal_subset != 0) s.fail_document("internal DTD subset is not allowed");
      });
  // Called for references to entities that an external DTD would have declared.
  XML_SetSkippedEntityHandler(p, [](void* data, const XML_Char*, int) {
    state_of<S>(data).fail_document("undefined entity");
  });
  XML_SetParamEntityParsing(p, XML_PARAM_ENTITY_PARSING_NEVER);
}

}  // namespace

XmlProcessor::XmlProcessor() : state_(std::make_unique<State>()) {}
XmlProcessor::~XmlProcessor() = default;

bool XmlProcessor::begin(const BodyLimits& limits, BodySink& sink, XmlArguments arguments) {
  State& s = *state_;
  s.limits = limits;
  s.sink = &sink;
  s.arguments = arguments;
  s.failed = s.reported = s.leaf = s.external_dtd = false;
  s.parsed = s.work = s.name_bytes = 0;
  s.nodes = s.depth = s.argument_count = 0;
  recycle(s.pending);
  recycle(s.text);
  recycle(s.own_text);
  s.path = "xml";
  s.path_lengths.clear();
  if (s.taken > kKeepBytes) s.drop_parser();
  const Counting counting(s.taken);
  if (s.parser == nullptr || XML_ParserReset(s.parser, nullptr) == XML_FALSE) {
    s.drop_parser();
    s.parser = XML_ParserCreate_MM(nullptr, &kCounting, nullptr);
  }
  if (s.parser == nullptr) {
    s.failed = true;
    sink.on_error("XML parsing error: XML: Failed to create parsing context.");
    return false;
  }
  attach(s);
  return true;
}

bool XmlProcessor::feed(std::string_view bytes) {
  State& s = *state_;
  if (s.failed) return false;
  s.pending += bytes;
  // As much again as expat holds back unparsed: each byte of a long token is then scanned a bounded number
  // of times on average, however small the pieces are.
  const XML_Index start = XML_GetCurrentByteIndex(s.parser);
  const std::uint64_t done = start < 0 ? 0 : static_cast<std::uint64_t>(start);
  const std::uint64_t held = s.parsed > done ? s.parsed - done : 0;
  if (s.pending.size() < std::max<std::uint64_t>(kPiece, held)) return true;
  return s.parse(false);
}

bool XmlProcessor::finish(bool truncated) {
  State& s = *state_;
  const bool empty = s.parsed == 0 && s.pending.empty();
  if (!s.failed && !empty && !(truncated && s.pending.empty())) s.parse(!truncated);
  if (!s.failed && truncated && s.arguments != XmlArguments::Off) s.report_argument(false);
  s.report_text();
  if (s.taken > kKeepBytes) s.drop_parser();  // it keeps what it ever took
  return !s.failed;
}

bool XmlProcessor::failed() const { return state_->failed; }
std::size_t XmlProcessor::memory() const {
  const State& s = *state_;
  return sizeof(State) + s.pending.capacity() + s.text.capacity() + s.path.capacity() + s.own_text.capacity() +
         s.path_lengths.capacity() * sizeof(std::size_t) + s.taken;
}

std::uint64_t XmlProcessor::work() const { return state_->work; }

}  // namespace weir::rules::body
