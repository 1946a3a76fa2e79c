#include "crs/ftw_request.h"

#include <string>

#include <gtest/gtest.h>

namespace weir::crs {
namespace {

std::string built(const FtwInput& input) {
  auto bytes = build_request(input);
  return bytes ? *bytes : "ERROR: " + bytes.error().message;
}

TEST(FtwRequest, Defaults) {
  EXPECT_EQ(built({}), "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
}

TEST(FtwRequest, HeadersComeAsTheyStand) {
  FtwInput input;
  input.method = "OPTIONS";
  input.uri = "/a?b=c d";
  input.version = "HTTP/1.0";
  input.headers = {{"Host", "localhost"}, {"x-empty", ""}, {"User-Agent", "weir"}};
  EXPECT_EQ(built(input),
            "OPTIONS /a?b=c d HTTP/1.0\r\nHost: localhost\r\nx-empty: \r\nUser-Agent: weir\r\n"
            "Connection: close\r\n\r\n");
  input.autocomplete_headers = false;
  EXPECT_EQ(
      built(input),
      "OPTIONS /a?b=c d HTTP/1.0\r\nHost: localhost\r\nx-empty: \r\nUser-Agent: weir\r\n\r\n");
}

TEST(FtwRequest, StandardHeadersAreAddedOnce) {
  FtwInput input;
  input.headers = {{"connection", "keep-alive"}, {"CONTENT-LENGTH", "9"}, {"content-type", "x/y"}};
  input.data = "abc";
  EXPECT_EQ(built(input),
            "GET / HTTP/1.1\r\nconnection: keep-alive\r\nCONTENT-LENGTH: 9\r\ncontent-type: x/y\r\n"
            "\r\nabc");
}

TEST(FtwRequest, FormDataIsTypedEncodedAndMeasured) {
  FtwInput input;
  input.method = "POST";
  input.data = "a=<b>&c d";
  EXPECT_EQ(built(input),
            "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            "Connection: close\r\nContent-Length: 13\r\n\r\na=%3Cb%3E&c+d");
  input.autocomplete_headers = false;
  EXPECT_EQ(built(input), "POST / HTTP/1.1\r\n\r\na=<b>&c d");
}

TEST(FtwRequest, OnlyTheExactFormTypeIsEncoded) {
  for (const auto& [type, body] :
       {std::pair{"application/x-www-form-urlencoded", "a=%3C"},
        std::pair{"Application/X-WWW-Form-Urlencoded", "a=%3C"},
        std::pair{"application/x-www-form-urlencoded; charset=utf-8", "a=<"},
        std::pair{"application/json", "a=<"}}) {
    FtwInput input;
    input.headers = {{"Content-Type", type}};
    input.data = "a=<";
    const std::string bytes = built(input);
    EXPECT_EQ(bytes.substr(bytes.find("\r\n\r\n") + 4), body) << type;
  }
}

TEST(FtwRequest, MethodsWithBodyGetALength) {
  const auto has_length = [](const char* method) {
    FtwInput input;
    input.method = method;
    return built(input).find("Content-Length: 0\r\n") != std::string::npos;
  };
  for (const char* method : {"POST", "POSTX", "PUT", "XPUTX", "PATCH", "DELETE", "XDELETE"}) {
    EXPECT_TRUE(has_length(method)) << method;
  }
  for (const char* method : {"GET", "HEAD", "XPOST", "DELETEX", "OPTIONS", ""}) {
    EXPECT_FALSE(has_length(method)) << method;
  }
}

TEST(FtwRequest, FtwSendsNoLengthOfNothing) {
  FtwInput input;
  input.method = "POST";
  EXPECT_NE(built(input).find("Content-Length: 0"), std::string::npos);
  input.for_ftw = true;
  EXPECT_EQ(built(input).find("Content-Length"), std::string::npos);
  input.data = "a=b";
  EXPECT_NE(built(input).find("Content-Length: 3"), std::string::npos);
}

TEST(FtwRequest, MultipartLineEnds) {
  FtwInput input;
  input.method = "POST";
  input.headers = {{"Content-Type", "Multipart/Form-Data; boundary=x"}};
  input.data = "--x\nA: b\n\nc\r\n--x--\n";
  const std::string bytes = built(input);
  EXPECT_NE(bytes.find("Content-Length: 24\r\n"), std::string::npos) << bytes;
  EXPECT_EQ(bytes.substr(bytes.find("\r\n\r\n") + 4), "--x\r\nA: b\r\n\r\nc\r\r\n--x--\r\n");
  input.for_ftw = true;  // only those that lack it
  const std::string old = built(input);
  EXPECT_EQ(old.substr(old.find("\r\n\r\n") + 4), "--x\r\nA: b\r\n\r\nc\r\n--x--\r\n");
  input.for_ftw = false;
  input.autocomplete_headers = false;  // also then
  EXPECT_NE(built(input).find("--x\r\nA: b"), std::string::npos);
  input.data = "--x\r\n";
  input.data_is_lines = true;  // joined with CR LF already
  const std::string lines = built(input);
  EXPECT_EQ(lines.substr(lines.find("\r\n\r\n") + 4), "--x\r\n");
}

FtwInput with(std::optional<std::string> FtwInput::*field, const char* text) {
  FtwInput input;
  input.*field = text;
  return input;
}

TEST(FtwRequest, WholeRequests) {
  EXPECT_EQ(built(with(&FtwInput::encoded_request, "R0VUIC8gSFRUUC8x\r\nLjANCg0K\n")),
            "GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(built(with(&FtwInput::encoded_request, "not base64!")),
            "ERROR: encoded_request is no base64");
  EXPECT_EQ(built(with(&FtwInput::raw_request, "GET /\n")), "GET /\n");
  const std::string bytes = built(with(&FtwInput::encoded_data, "AAEC/w=="));
  EXPECT_EQ(bytes.substr(bytes.find("\r\n\r\n") + 4), "%00%01%02%FF");
  EXPECT_EQ(built(with(&FtwInput::encoded_data, "?")), "ERROR: encoded_data is no base64");
}

TEST(FtwRequest, EncodeForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"a", "a"},
      {"a=b", "a=b"},
      {"a=b&c=d", "a=b&c=d"},
      {"a=b=c", "a=b%3Dc"},
      {"a=b&", "a=b"},  // go-ftw loses the last ampersand
      {"&a", "&a"},
      {"&&", "&"},
      {"=", "="},
      {"a b=c/d", "a+b=c%2Fd"},
      {"-_.~azAZ09", "-_.~azAZ09"},
      {"\xc3\xa4=\n", "%C3%A4=%0A"},
      {"a=%3C<", "a=%3C<"},  // un-escaping would change it
      {"a=b+c<", "a=b+c<"},
      {"a=100%<", "a=100%<"},  // un-escaping would fail
  };
  for (const auto& [data, expected] : cases)
    EXPECT_EQ(encode_form(data), expected) << data;
}

TEST(FtwTemplate, Expansion) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"plain } text {", "plain } text {"},
      {"a{{ \"x\" }}b", "axb"},
      {"{{ \"1\" | repeat 5 }}", "11111"},
      {"{{repeat 3 \"ab\"}}", "ababab"},
      {"{{ \"ab\" | repeat 2 | upper }}", "ABAB"},
      {"{{ \"AB\" | lower | b64enc }}", "YWI="},
      {"{{ b64dec \"YWI=\" }}", "ab"},
      {"{{ \"a\\n\\\"\\x41\" }}", "a\n\"A"},
      {"{{ `a\\n` }}", "a\\n"},
      {"{{ 12 }}", "12"},
      {"{{ repeat 0 \"x\" }}", ""},
      {"a {{- \"b\" -}} c", "abc"},
      {"a{{/* comment */}}b", "ab"},
      {"{{\"a\"}}{{\"b\"}}", "ab"},
  };
  for (const auto& [text, expected] : cases) {
    auto out = expand_template(text);
    ASSERT_TRUE(out) << text << ": " << out.error().message;
    EXPECT_EQ(*out, expected) << text;
  }
  for (const char* text :
       {"{{", "{{ }}", "{{ foo }}", "{{ .x }}", "{{ \"a }}", "{{ \"a\" | }}", "{{ | repeat 3 }}",
        "{{ repeat }}", "{{ repeat \"a\" 3 }}", "{{ repeat 99999999 \"abc\" }}", "{{ 1a }}",
        "{{ \"a\" \"b\" }}", "{{ b64dec \"*\" }}", "{{constructor.constructor('alert(1)')()}}",
        "{{ \"\\q\" }}", "{{ `a }}"}) {
    EXPECT_FALSE(expand_template(text)) << text;
  }
}

TEST(FtwTemplate, BigBody) {
  FtwInput input;
  input.method = "POST";
  input.headers = {{"Content-Type", "multipart/form-data; boundary=x"}};
  input.data = "{{ \"1\" | repeat 64200 }}\n";
  EXPECT_NE(built(input).find("Content-Length: 64202\r\n"), std::string::npos);
}

TEST(FtwTemplate, WorkAndOutputAreBounded) {
  EXPECT_EQ(*expand_template("a{{ \"\" | repeat 99999999 }}b"), "ab");
  EXPECT_FALSE(expand_template("{{ \"x\" | repeat 99999999 }}"));
  std::string growing = "{{ \"x\" | repeat 16000000";
  for (int i = 0; i < 50; ++i) growing += " | b64enc";  // would be 1,700,000 times as long
  EXPECT_FALSE(expand_template(growing + " }}"));
}

}  // namespace
}  // namespace weir::crs
