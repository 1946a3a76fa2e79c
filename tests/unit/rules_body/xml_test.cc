#include "rules/body/xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/unit/rules_body/recorder.h"

namespace weir::rules::body::test {
namespace {

using Pairs = Recorder::Pairs;
using std::string_literals::operator""s;
using testing::HasSubstr;

struct Parser {
  XmlArguments arguments = XmlArguments::Off;
  BodyLimits limits = {};
  bool truncated = false;
  std::uint64_t* work = nullptr;

  void operator()(const std::vector<std::string_view>& pieces, Recorder& sink) const {
    XmlProcessor xml;
    xml.begin(limits, sink, arguments);
    for (const auto piece : pieces) xml.feed(piece);
    const bool ok = xml.finish(truncated);
    EXPECT_EQ(ok, sink.errors.empty());
    EXPECT_LE(sink.errors.size(), 1U);
    if (work != nullptr) *work = xml.work();
  }
};

void same(const Recorder& expected, const Recorder& got, const std::string& how) {
  ASSERT_EQ(got.calls, expected.calls) << how;
}

Recorder parse(std::string_view text, const Parser& run = {}) { return every_cut(text, run, same, 200); }

Recorder parse_once(std::string_view text, const Parser& run = {}) {
  Recorder sink;
  run({text}, sink);
  return sink;
}

using Calls = std::vector<std::string>;

TEST(Xml, TextAndAttributes) {
  const std::vector<std::pair<std::string, Calls>> cases = {
      {"<a>t1 <b>t2</b><![CDATA[cd]]></a>", {"text [t1 t2cd]"}},
      {"<a>t<!-- c -->u<?p i?>v</a>", {"text [tuv]"}},
      {"<a/>", {"text []"}},
      {"<a x='1' y=\"2\"><b z='3'/></a>",
       {"attribute [1]", "attribute [2]", "attribute [3]", "text []"}},
      {"<a xmlns='urn:x' xmlns:p='urn:y' p:q='v'>t</a>", {"attribute [v]", "text [t]"}},
      {"<p:a>undeclared prefix</p:a>", {"text [undeclared prefix]"}},
      {"<a>&lt;script&gt;&amp;&quot;&apos;&#65;&#x42;</a>", {"text [<script>&\"'AB]"}},
      {"<a b='&#60;&#x3c;&lt;'/>", {"attribute [<<<]", "text []"}},
      {"<a><![CDATA[<script>]]>x<![CDATA[]]></a>", {"text [<script>x]"}},
      {"<a>un<!-- -->ion sel<![CDATA[ect]]></a>", {"text [union select]"}},
      {"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>", {"text [\u00e9]"}},
      {"<?xml version='1.0' encoding='UTF-8'?><a>\u20AC</a>", {"text [\u20AC]"}},
      {"\xEF\xBB\xBF<a>bom</a>", {"text [bom]"}},
      {"\xFE\xFF\0<\0a\0>\0x\0<\0/\0a\0>"s, {"text [x]"}},
      {"\xFF\xFE<\0a\0>\0x\0<\0/\0a\0>\0"s, {"text [x]"}},
      {"\0<\0a\0>\0x\0<\0/\0a\0>"s, {"text [x]"}},
      {"<a>\r\nx\ry\n</a>", {"text [\nx\ny\n]"}},
      {"<!DOCTYPE html><a>t</a>", {"text [t]"}},
      {"<!DOCTYPE a PUBLIC \"p\" \"http://x.test/a.dtd\"><a>t</a>", {"text [t]"}},
      {"<!-- before --><a>t</a><!-- after -->\n", {"text [t]"}},
  };
  for (const auto& [text, calls] : cases) EXPECT_EQ(parse(text).calls, calls) << text;
}

TEST(Xml, Errors) {
  const std::vector<std::string> cases = {
      " ",
      "x",
      "<a>",
      "<a></b>",
      "<a><b></a></b>",
      "<a>t",
      "<a/><b/>",
      "<a/>x",
      "<a x=1/>",
      "<a x='1' x='2'/>",
      "<a>&undeclared;</a>",
      "<a>\x01</a>",
      "<a>\0</a>"s,
      "<a>\xFF</a>",
      "<a>\xC0\xAF</a>",
      "<a>&#0;</a>",
      "<a>]]></a>",
      "<a><</a>",
      "<a>&</a>",
      " <?xml version='1.0'?><a/>",
      "<?xml version='1.0' encoding='UTF-7'?><a>+ADw-</a>",
      "<?xml version='1.0' encoding='IBM037'?><a/>",
      "<?xml version='1.0' encoding='Shift_JIS'?><a/>",
      "<?xml version='1.0' encoding='UTF-16'?><a/>",
      "\x4C\x6F\xA7\x94\x93",  // EBCDIC
  };
  for (const std::string& text : cases) {
    const Recorder got = parse(text);
    ASSERT_EQ(got.errors.size(), 1U) << text;
    EXPECT_THAT(got.error(), testing::StartsWith("XML parsing error: XML: Failed parsing document"));
  }
}

TEST(Xml, InternalSubsetIsRefused) {
  const std::vector<std::string> cases = {
      "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
      "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
      "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://x.test/'> %p;]><a/>",
      "<!DOCTYPE a [<!ATTLIST a x CDATA 'default'>]><a/>",
      "<!DOCTYPE a []><a/>",
      "<!DOCTYPE a SYSTEM 'x' [ ]><a/>",
      // XXE in UTF-16.
      "\xFE\xFF\0<\0!\0D\0O\0C\0T\0Y\0P\0E\0 \0a\0 \0[\0]\0>\0<\0a\0/\0>"s,
  };
  for (const std::string& text : cases) {
    const Recorder got = parse(text);
    EXPECT_THAT(got.error(), HasSubstr("internal DTD subset is not allowed")) << text;
    EXPECT_EQ(got.calls.size(), 1U) << text;
  }
}

TEST(Xml, EntityOfAnExternalDtdIsRefused) {
  EXPECT_THAT(parse("<!DOCTYPE a SYSTEM 'http://x.test/a.dtd'><a>&x;</a>").error(),
              HasSubstr("undefined entity"));
  EXPECT_FALSE(parse("<!DOCTYPE a SYSTEM 'http://x.test/a.dtd'><a b='&x;'/>").errors.empty());
  EXPECT_EQ(parse("<!DOCTYPE a SYSTEM 'a.dtd'><a b='&lt;&gt;&amp;&quot;&apos;&#65;'>&lt;</a>").calls,
            (Calls{"attribute [<>&\"'A]", "text [<]"}));
}

TEST(Xml, EntityBombCostsNothing) {
  std::string bomb = "<!DOCTYPE a [<!ENTITY e0 '" + std::string(12'000, 'x') + "'>";
  for (int i = 1; i < 100; ++i) {
    bomb += "<!ENTITY e" + std::to_string(i) + " '";
    for (int k = 0; k < 10; ++k) bomb += "&e" + std::to_string(i - 1) + ";";
    bomb += "'>";
  }
  bomb += "]><a>&e99;</a>";
  ASSERT_LT(bomb.size(), 27'000U);
  std::uint64_t work = 0;
  Parser run;
  run.work = &work;
  const Recorder got = parse_once(bomb, run);
  EXPECT_THAT(got.error(), HasSubstr("internal DTD subset"));
  EXPECT_LT(work, 2 * bomb.size());
  EXPECT_EQ(got.bytes, 0U);
}

TEST(Xml, Limits) {
  BodyLimits limits;
  limits.xml_depth = 3;
  limits.xml_nodes = 6;
  const Parser run{XmlArguments::Off, limits};
  EXPECT_EQ(parse("<a><a><a/></a></a>", run).error(), "");
  EXPECT_THAT(parse("<a><a><a><a/></a></a></a>", run).error(), HasSubstr("nested too deeply"));
  EXPECT_EQ(parse("<a><b/><b/><b x='1' y='2'/></a>", run).error(), "");
  EXPECT_THAT(parse("<a><b/><b/><b/><b x='1' y='2'/></a>", run).error(), HasSubstr("too many nodes"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_THAT(parse_once(deep).error(), HasSubstr("nested too deeply"));
}

TEST(Xml, IntoArguments) {
  const std::string text =
      "<root x='at'><child>v1</child><child><leaf/></child> <n:p>a<b>c</b>d</n:p></root>";
  const Pairs expected = {{"xml.root.child", "v1"}, {"xml.root.child.leaf", ""},
                          {"xml.root.p", "a"},      {"xml.root.p.b", "c"},
                          {"xml.root.p", "d"}};
  const Recorder on = parse(text, {XmlArguments::On});
  EXPECT_EQ(on.arguments, expected);
  EXPECT_TRUE(on.has("text [v1 acd]"));
  EXPECT_TRUE(on.has("attribute [at]"));
  const Recorder only = parse(text, {XmlArguments::OnlyArgs});
  EXPECT_EQ(only.arguments, expected);
  EXPECT_TRUE(only.has("attribute [at]"));
  for (const auto& call : only.calls) EXPECT_NE(call.substr(0, 4), "text");
  EXPECT_TRUE(parse(text).arguments.empty());
  // A comment or CDATA does not split a value.
  EXPECT_EQ(parse("<a>un<!-- x -->i<![CDATA[on]]></a>", {XmlArguments::On}).arguments,
            (Pairs{{"xml.a", "union"}}));
}

TEST(Xml, ArgumentLimitAndNames) {
  std::string text = "<a>";
  for (int i = 0; i < 1001; ++i) text += "<b>x</b>";
  const Recorder got = parse_once(text + "</a>", {XmlArguments::On});
  EXPECT_EQ(got.error(), "SecArgumentsLimit exceeded");
  EXPECT_EQ(got.arguments.size(), 1000U);

  BodyLimits limits;
  limits.arguments = 1'000'000;
  std::uint64_t work = 0;
  std::string cheap = "<" + std::string(4000, 'n') + ">";
  for (int i = 0; i < 15'000; ++i) cheap += "<b/>";
  const Recorder many = parse_once(cheap, {XmlArguments::On, limits, false, &work});
  EXPECT_THAT(many.error(), HasSubstr("names of elements are too long"));
  EXPECT_LT(work, 12 * cheap.size() + 600'000);
}

TEST(Xml, EmptyAndTruncated) {
  EXPECT_TRUE(parse("").calls.empty());
  Parser run;
  run.truncated = true;
  EXPECT_EQ(parse("<a x='1'>some text<b>more", run).calls,
            (Calls{"attribute [1]", "text [some textmore]"}));
  run.arguments = XmlArguments::OnlyArgs;
  EXPECT_EQ(parse("<a>some text<b>more", run).arguments,
            (Pairs{{"xml.a", "some text"}, {"xml.a.b", "more"}}));
}

TEST(Xml, TextBeforeAnErrorIsReported) {
  const Recorder got = parse("<a>attack</a><a>");
  EXPECT_EQ(got.errors.size(), 1U);
  EXPECT_TRUE(got.has("text [attack]"));
}

// A token of a megabyte in single bytes: expat alone would go over it a million times.
TEST(Xml, SmallPiecesOfALongTokenCostLittle) {
  for (const std::string& text :
       {"<a x='" + std::string(1'000'000, 'v') + "'/>", "<a><!--" + std::string(1'000'000, 'c') + "--></a>",
        "<" + std::string(1'000'000, 'n') + "/>", "<a>" + std::string(1'000'000, 't') + "</a>"}) {
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i < text.size(); ++i) pieces.push_back(std::string_view(text).substr(i, 1));
    std::uint64_t work = 0;
    Parser run;
    run.work = &work;
    Recorder sink;
    run(pieces, sink);
    EXPECT_EQ(sink.error(), "");
    EXPECT_LT(work, 8 * text.size()) << text.substr(0, 8);
  }
}

// Names that no element had before are what expat keeps of a document.
TEST(Xml, WhatTheParserTakesIsCountedAndGivenBack) {
  XmlProcessor xml;
  Recorder sink;
  xml.begin({}, sink);
  const std::size_t before = xml.memory();
  EXPECT_GT(before, 1'000U) << "the parser itself";
  std::string text = "<r>";
  for (int i = 0; i < 20'000; ++i) text += "<n" + std::to_string(i) + "/>";
  xml.feed(text);
  EXPECT_GT(xml.memory(), before + 1'000'000U);
  EXPECT_TRUE(xml.feed("</r>"));
  EXPECT_TRUE(xml.finish());
  EXPECT_LT(xml.memory(), 600'000U) << "no more than buffers that are kept";
  xml.begin({}, sink);
  EXPECT_TRUE(xml.feed("<a>again</a>"));
  EXPECT_TRUE(xml.finish());
  EXPECT_LE(xml.memory(), before + 600'000U);
}

TEST(Xml, ProcessorIsReusable) {
  XmlProcessor xml;
  for (int i = 0; i < 3; ++i) {
    Recorder bad, good;
    xml.begin({}, bad);
    xml.feed("<a><b");
    EXPECT_FALSE(xml.finish());
    xml.begin({}, good);
    xml.feed("<a>t</a>");
    EXPECT_TRUE(xml.finish());
    EXPECT_EQ(good.calls, (Calls{"text [t]"}));
  }
}

}  // namespace
}  // namespace weir::rules::body::test
