// XML 1.0, incrementally, with expat. Whatever way the body is cut into pieces, the calls are the same.
//
// What the rules see (as ModSecurity 2.9.7 through libxml2's XPath):
//   XML:/*     on_xml_text(), once, at the end: all text inside the root element as one value, CDATA
//              included, comments and processing instructions not, references resolved, in UTF-8;
//   XML://@*   on_xml_attribute() for each attribute value, in document order; namespace declarations
//              (xmlns, xmlns:…) are no attributes;
//   with XmlArguments::On or OnlyArgs (SecParseXmlIntoArgs of 2.9.9): on_argument() for each run of text
//              directly inside an element, "xml.root.child" = text; elements without children also when
//              it is empty. Names are without namespace prefix. OnlyArgs leaves on_xml_text() out.
//
// Refused, before anything is expanded or loaded: an internal DTD subset (so no entity can be declared,
// which rules out XXE and every expansion bomb), references to undeclared entities, encodings other than
// UTF-8, UTF-16, ISO-8859-1 and US-ASCII. Nothing external is ever loaded.
//
// Memory: the text of the document and expat's longest token. Time: linear; pieces are gathered before
// expat sees them, since it scans an unfinished token again with every piece (CVE-2023-52425). One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "rules/body/body_sink.h"

namespace weir::rules::body {

enum class XmlArguments : std::uint8_t { Off, On, OnlyArgs };

class XmlProcessor {
 public:
  XmlProcessor();
  ~XmlProcessor();
  XmlProcessor(const XmlProcessor&) = delete;
  XmlProcessor& operator=(const XmlProcessor&) = delete;

  // `sink` must live until finish(). False: out of memory (reported).
  bool begin(const BodyLimits& limits, BodySink& sink, XmlArguments arguments = XmlArguments::Off);
  // False once an error was reported; further bytes are ignored. (An error may come up to one gathered
  // piece, or with finish(), after the byte that causes it.)
  bool feed(std::string_view bytes);
  // The body has ended. `truncated`: more bytes exist but are withheld, so an unfinished document is no
  // error. An empty body is no error and has no text. The text is reported even after an error, as far as
  // it was read.
  bool finish(bool truncated = false);

  [[nodiscard]] bool failed() const;
  // Bytes that expat looked at, elements, attributes and bytes handed out.
  [[nodiscard]] std::uint64_t work() const;
  // Bytes from the heap, those that expat takes included.
  [[nodiscard]] std::size_t memory() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir::rules::body
