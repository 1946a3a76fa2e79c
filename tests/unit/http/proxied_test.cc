// PROXY protocol headers, X-Forwarded-For and Forwarded: what is one, what is not, and that no cut matters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/http/forwarded.h"
#include "engine/http/proxy_protocol.h"

namespace weir::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string v2(int command, int family, const std::string& rest, int length = -1) {
  const int n = length < 0 ? static_cast<int>(rest.size()) : length;
  return kSignature + static_cast<char>(command) + static_cast<char>(family) + static_cast<char>(n >> 8) +
         static_cast<char>(n & 255) + rest;
}
const std::string kAddresses4("\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x00\x50", 12);  // 192.0.2.1:12345, 198.51.100.2:80
const std::string kAddresses6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x07" +
                                std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x08" + std::string("\x30\x39\x00\x50", 4);
const std::string kTlvs("\x04\x00\x03xyz\x01\x00\x02h2", 11);

std::string described(const ProxyParse& p) {
  switch (p.state) {
    case ProxyState::More: return "more";
    case ProxyState::None: return "none";
    case ProxyState::Bad: return "bad";
    case ProxyState::Done: break;
  }
  std::string out = "v" + std::to_string(p.header.version) + " " + std::to_string(p.header.length);
  if (!p.header.told) return out + " -";
  return out + " " + p.header.client.to_string() + " " + std::to_string(p.header.client_port) + " " +
         p.header.server.to_string() + " " + std::to_string(p.header.server_port);
}

struct Case {
  std::string bytes, wanted;
};

std::vector<Case> cases() {
  const std::string most = "PROXY UNKNOWN ";
  return {
      // version 1
      {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 80\r\n", "v1 44 192.0.2.1 12345 198.51.100.2 80"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "v1 56 255.255.255.255 65535 255.255.255.255 65535"},
      {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "v1 32 0.0.0.0 0 0.0.0.0 0"},
      {"PROXY TCP6 2001:db8::7 2001:db8::8 1 2\r\n", "v1 40 2001:db8::7 1 2001:db8::8 2"},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
       "v1 104 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"},
      {"PROXY UNKNOWN\r\n", "v1 15 -"},
      {"PROXY UNKNOWN ffff::1 whatever  65536 x\r\n", "v1 41 -"},
      {most + std::string(107 - most.size() - 2, 'x') + "\r\n", "v1 107 -"},
      {most + std::string(108 - most.size() - 2, 'x') + "\r\n", "bad"},
      {most + std::string(200, 'x'), "bad"},
      {most + std::string(106 - most.size(), 'x'), "more"},
      {most + std::string(106 - most.size(), 'x') + "\r", "bad"},
      {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 80\n", "bad"},
      {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 80 \r\n", "bad"},
      {"PROXY TCP4  192.0.2.1 198.51.100.2 12345 80\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 198.51.100.2 012345 80\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 198.51.100.2 -1 80\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 80 1\r\n", "bad"},
      {"PROXY TCP4 192.0.2.01 198.51.100.2 12345 80\r\n", "bad"},
      {"PROXY TCP4 192.0.2 198.51.100.2 12345 80\r\n", "bad"},
      {"PROXY TCP4 2001:db8::7 2001:db8::8 1 2\r\n", "bad"},
      {"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", "bad"},
      {"PROXY TCP6 ::1%lo ::1 1 2\r\n", "bad"},
      {"PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n", "bad"},
      {"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", "bad"},
      {std::string("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n", 40), "bad"},
      {"PROXY TCP4\t192.0.2.1 198.51.100.2 1 2\r\n", "bad"},
      {"PROXY UNKNOWN \r x\r\n", "bad"},
      {"PROXY UNKNOWNX\r\n", "bad"},
      {"PROXY \r\n", "bad"},
      {"PROXY \n", "bad"},
      {"PROXY /path HTTP/1.1\r\n", "bad"},
      {"PROXY\r\n", "none"},
      {"proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "none"},
      {" PROXY TCP4 ", "none"},
      // version 2
      {v2(0x21, 0x11, kAddresses4), "v2 28 192.0.2.1 12345 198.51.100.2 80"},
      {v2(0x21, 0x11, kAddresses4 + kTlvs), "v2 39 192.0.2.1 12345 198.51.100.2 80"},
      {v2(0x21, 0x21, kAddresses6), "v2 52 2001:db8::7 12345 2001:db8::8 80"},
      {v2(0x21, 0x21, kAddresses6 + std::string(5000, 't')), "v2 5052 2001:db8::7 12345 2001:db8::8 80"},
      {v2(0x21, 0x12, kAddresses4), "v2 28 -"},                         // datagrams
      {v2(0x21, 0x31, std::string(216, 'u')), "v2 232 -"},              // UNIX
      {v2(0x21, 0x31, std::string(215, 'u')), "bad"},
      {v2(0x21, 0x00, ""), "v2 16 -"},                                  // UNSPEC
      {v2(0x21, 0x00, kTlvs), "v2 27 -"},
      {v2(0x20, 0x00, ""), "v2 16 -"},                                  // LOCAL
      {v2(0x20, 0x11, kAddresses4), "v2 28 -"},
      {v2(0x20, 0xff, "x"), "v2 17 -"},                                 // its family is to be ignored
      {v2(0x21, 0x11, kAddresses4.substr(1)), "bad"},                   // shorter than its addresses
      {v2(0x21, 0x11, kAddresses4, 0), "bad"},
      {v2(0x21, 0x21, kAddresses4), "bad"},
      {v2(0x21, 0x11, kAddresses4, 65535), "v2 65551 192.0.2.1 12345 198.51.100.2 80"},  // the rest is to come
      {v2(0x21, 0x10, kAddresses4), "bad"},
      {v2(0x21, 0x13, kAddresses4), "bad"},
      {v2(0x21, 0x41, kAddresses4), "bad"},
      {v2(0x22, 0x11, kAddresses4), "bad"},
      {v2(0x11, 0x11, kAddresses4), "bad"},                             // version 1 in binary
      {v2(0x31, 0x11, kAddresses4), "bad"},
      {kSignature + "\x21", "more"},
      {kSignature + "\x01", "bad"},
      {kSignature, "more"},
      {kSignature.substr(0, 11) + "x", "none"},
      {"\r\n\r\nGET / HTTP/1.1\r\n", "none"},
      {"", "more"},
      {"GET / HTTP/1.1\r\n", "none"},
      {"P", "more"},
      {"PRI * HTTP/2.0", "none"},
  };
}

TEST(ProxyHeader, WhatIsOneAndWhatIsNot) {
  for (const Case& c : cases()) EXPECT_EQ(described(parse_proxy_header(c.bytes)), c.wanted) << c.bytes;
}

// In every cut in two, and byte by byte, with something behind it: the same header, and not a byte more.
TEST(ProxyHeader, NoCutMatters) {
  const std::string behind = "GET / HTTP/1.1\r\n\r\n";
  for (const Case& c : cases()) {
    if (c.wanted[0] != 'v' && c.wanted != "bad") continue;
    const ProxyParse whole = parse_proxy_header(c.bytes);
    const bool complete = whole.state != ProxyState::Done || whole.header.length <= c.bytes.size();
    const std::string bytes = c.bytes + (complete ? behind : std::string(70'000, 't'));
    const std::size_t step = bytes.size() > 500 ? 97 : 1;
    for (std::size_t cut = 0; cut <= bytes.size(); cut += step) {
      ProxyReader reader;
      std::size_t used = 0, sum = 0;
      ProxyState state = reader.feed(std::string_view(bytes).substr(0, cut), used);
      sum += used;
      if (state == ProxyState::More) {
        ASSERT_EQ(used, cut) << c.bytes;
        state = reader.feed(std::string_view(bytes).substr(cut), used);
        sum += used;
      }
      ASSERT_EQ(state, whole.state) << c.bytes << " at " << cut;
      if (state != ProxyState::Done) continue;
      ASSERT_EQ(described({state, reader.header()}), c.wanted);
      ASSERT_EQ(sum, whole.header.length) << c.bytes << " at " << cut;
    }
    ProxyReader reader;
    std::size_t used = 0, sum = 0;
    ProxyState state = ProxyState::More;
    for (std::size_t at = 0; at < bytes.size() && state == ProxyState::More; ++at) {
      state = reader.feed(std::string_view(bytes).substr(at, 1), used);
      sum += used;
    }
    ASSERT_EQ(state, whole.state) << c.bytes;
    if (state == ProxyState::Done) {
      EXPECT_EQ(sum, whole.header.length);
    }
  }
}

// Truncated anywhere it is never taken for whole.
TEST(ProxyHeader, APartIsNotTheWhole) {
  for (const Case& c : cases()) {
    if (c.wanted[0] != 'v') continue;
    const std::size_t length = parse_proxy_header(c.bytes).header.length;
    for (std::size_t n = 0; n < std::min(length, c.bytes.size()); ++n) {
      ProxyReader reader;
      std::size_t used = 0;
      ASSERT_EQ(reader.feed(std::string_view(c.bytes).substr(0, n), used), ProxyState::More) << c.bytes << " of " << n;
    }
  }
}

TEST(ProxyHeader, WhatWasHeldIsGivenBack) {
  const std::string request = "PROPFIND / HTTP/1.1\r\n\r\n";
  for (std::size_t cut = 0; cut < request.size(); ++cut) {
    ProxyReader reader;
    std::size_t used = 0;
    ProxyState state = reader.feed(std::string_view(request).substr(0, cut), used);
    if (cut < 4) {
      ASSERT_EQ(state, ProxyState::More);
      EXPECT_FALSE(reader.committed());
      state = reader.feed(std::string_view(request).substr(cut), used);
      EXPECT_EQ(reader.held(), request.substr(0, cut));
    }
    EXPECT_EQ(state, ProxyState::None);
    EXPECT_EQ(used, 0U);
  }
}

// --- header fields ---

std::vector<std::string> nodes(ForwardedField field, const std::string& value) {
  std::vector<std::string> out;
  ForwardedElements elements(field, value);
  ForwardedNode node;
  while (elements.next(node)) {
    switch (node.kind) {
      case ForwardedNode::Kind::Address:
        out.push_back(node.address.to_string() + (node.port != 0 ? " " + std::to_string(node.port) : ""));
        break;
      case ForwardedNode::Kind::Hidden: out.emplace_back("hidden"); break;
      case ForwardedNode::Kind::Bad: out.emplace_back("bad"); break;
    }
  }
  return out;
}
std::vector<std::string> xff(const std::string& value) { return nodes(ForwardedField::XForwardedFor, value); }
std::vector<std::string> forwarded(const std::string& value) { return nodes(ForwardedField::Forwarded, value); }

TEST(XForwardedFor, FromTheRight) {
  EXPECT_THAT(xff("192.0.2.1"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(xff("192.0.2.1, 2001:db8::1 ,\t192.0.2.3:4711,[2001:db8::2],[2001:DB8::3]:80"),
              ElementsAre("2001:db8::3 80", "2001:db8::2", "192.0.2.3 4711", "2001:db8::1", "192.0.2.1"));
  EXPECT_THAT(xff(""), ElementsAre("bad"));
  EXPECT_THAT(xff(",192.0.2.1,"), ElementsAre("bad", "192.0.2.1", "bad"));
  EXPECT_THAT(xff("::ffff:192.0.2.1"), ElementsAre("::ffff:192.0.2.1"));
  for (const char* wrong : {"unknown", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:080", "192.0.2.1 192.0.2.2",
                            "[192.0.2.1]", "[2001:db8::1", "[2001:db8::1]x", "2001:db8::1]:80", "[]", "[]:1", ":1", "192.0.2.256",
                            "0x7f.1", "1", "\"192.0.2.1\"", "for=192.0.2.1", "::1%eth0", "192.0.2.1;"}) {
    EXPECT_THAT(xff(wrong), ElementsAre("bad")) << wrong;
  }
  EXPECT_THAT(xff(std::string("192.0.2.1\0", 10)), ElementsAre("bad"));
}

TEST(Forwarded, FromTheRight) {
  EXPECT_THAT(forwarded("for=192.0.2.60;proto=http;by=203.0.113.43, For=\"[2001:db8:cafe::17]:4711\""),
              ElementsAre("2001:db8:cafe::17 4711", "192.0.2.60"));
  EXPECT_THAT(forwarded("for=192.0.2.43, FOR=unknown,for=_hidden, for=\"_gaz:1\",proto=https;host=\"a,b;c\""),
              ElementsAre("hidden", "hidden", "hidden", "hidden", "192.0.2.43"));
  EXPECT_THAT(forwarded("for=\"192.0.2.1:80\" ; proto=http"), ElementsAre("192.0.2.1 80"));
  EXPECT_THAT(forwarded("host=\"\\\"\";for=192.0.2.1, for=192.0.2.2"), ElementsAre("192.0.2.2", "192.0.2.1"));
  for (const char* wrong : {"", "for", "for=", "for=192.0.2.1:80", "for=[2001:db8::1]", "for=\"2001:db8::1\"", "for=192.0.2.1;for=192.0.2.2",
                            "for=192.0.2.1;", ";for=192.0.2.1", "for =192.0.2.1", "for= 192.0.2.1", "for=\"192.0.2.1", "for=192.0.2.1\"",
                            "for=192.0.2.1 proto=http", "192.0.2.1", "for=\"192.0.2.1\"x", "for=\"\\192.0.2.1\"", "for=\"\"", "for=\"\\"}) {
    EXPECT_THAT(forwarded(wrong), ElementsAre("bad")) << wrong;
  }
}

// Whatever a client writes: what a proxy appended to it is read as it was meant.
TEST(Forwarded, WhatStandsBeforeChangesNothing) {
  for (const char* evil : {"for=1.2.3.4", "\"", "for=\"", "for=1.2.3.4;x=\"", "x=\"\\", "x=\"\\\\", "\\", ",", "\",\"", "for=\"1.2.3.4, for=\"",
                           ";;;", "for=1.2.3.4, host=\"a"}) {
    for (const char* appended : {"for=192.0.2.7", "for=\"[2001:db8::7]:1\"", "for=\"192.0.2.7:9\";host=\"a, b\";proto=http"}) {
      const std::vector<std::string> all = forwarded(std::string(evil) + ", " + appended);
      ASSERT_FALSE(all.empty());
      EXPECT_EQ(all[0], forwarded(appended)[0]) << evil << " | " << appended;
    }
  }
  for (const char* evil : {"1.2.3.4", "\"", "[", ",,,", "x"}) EXPECT_EQ(xff(std::string(evil) + ", 192.0.2.7")[0], "192.0.2.7");
}

}  // namespace
}  // namespace weir::http
