#include "tests/unit/http/oracle.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace weir::http::test {
namespace {

const std::string kTokenChars =
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool all_of(const std::string& text, const std::string& chars) {
  return text.find_first_not_of(chars) == std::string::npos;
}
bool token(const std::string& text) {
  return !text.empty() && all_of(text, kTokenChars);
}
bool digits(const std::string& text) {
  return !text.empty() && all_of(text, "0123456789");
}

std::string lower(std::string text) {
  for (char& c : text)
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

std::string strip(const std::string& text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == std::string::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == by) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// uri-host [ ":" port ] as Weir takes it.
bool host_port(const std::string& text, bool port_required) {
  std::string host = text;
  std::string port;
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (!all_of(port, "0123456789") || port.size() > 5) return false;
  if (port_required && port.empty()) return false;
  if (!host.empty() && host[0] == '[') {
    return host.size() >= 4 && host.back() == ']' &&
           all_of(host.substr(1, host.size() - 2), "0123456789abcdefABCDEF:.");
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string("-._~").find(c) != std::string::npos;
  });
}

// pchar / "/" / "?" and the rest of what RFC 3986 lets stand unescaped in a path and query.
bool uri_chars(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) {
                       return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                              std::string("-._~:/?[]@!$&'()*+,;=%").find(c) != std::string::npos;
                     }) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool absolute_form(const std::string& target, std::string& authority) {
  const std::size_t at = target.find("://");
  if (at == std::string::npos || at == 0) return false;
  const std::string scheme = target.substr(0, at);
  if (std::isalpha(static_cast<unsigned char>(scheme[0])) == 0) return false;
  if (!all_of(lower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+-.")) return false;
  authority = target.substr(at + 3);
  authority = authority.substr(0, authority.find_first_of("/?"));
  return !authority.empty() && host_port(authority, false);
}

bool request_line(const std::string& line, std::string& method, std::string& version,
                  std::string& authority) {
  const std::vector<std::string> parts = split(line, ' ');
  if (parts.size() != 3 || !token(parts[0])) return false;
  method = parts[0];
  version = parts[2];
  const std::string& target = parts[1];
  if (version != "HTTP/1.0" && version != "HTTP/1.1") return false;
  if (!uri_chars(target)) return false;
  if (method == "CONNECT") {
    authority = target;
    return host_port(target, true) && target.find(':') != 0;
  }
  if (target == "*") return method == "OPTIONS";
  if (!target.empty() && target[0] == '/') return true;
  return absolute_form(target, authority);
}

bool status_line(const std::string& line, int& status, std::string& version) {
  if (line.size() < 12 || (line.substr(0, 9) != "HTTP/1.1 " && line.substr(0, 9) != "HTTP/1.0 ")) {
    return false;
  }
  version = line.substr(0, 8);
  const std::string code = line.substr(9, 3);
  if (!digits(code) || (line.size() > 12 && line[12] != ' ')) return false;
  status = std::stoi(code);
  for (const char c : line.substr(12)) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\t') || u == 0x7f) return false;
  }
  return status >= 100 && status <= 599;
}

bool field_line(const std::string& line, Fields& fields) {
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos || !token(line.substr(0, colon))) return false;
  const std::string value = strip(line.substr(colon + 1));
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\t') || u == 0x7f) return false;
  }
  fields.emplace_back(line.substr(0, colon), value);
  return true;
}

std::vector<std::string> values(const Fields& fields, const std::string& name) {
  std::vector<std::string> out;
  for (const auto& [n, v] : fields) {
    if (lower(n) == name) out.push_back(v);
  }
  return out;
}

std::vector<std::string> elements(const Fields& fields, const std::string& name) {
  std::vector<std::string> out;
  for (const std::string& value : values(fields, name)) {
    for (const std::string& part : split(value, ','))
      out.push_back(lower(strip(part)));
  }
  return out;
}

bool lookalike(const std::string& name) {
  std::string letters;
  for (const char c : lower(name)) {
    if (c >= 'a' && c <= 'z') letters += c;
  }
  const std::string l = lower(name);
  return (letters == "contentlength" && l != "content-length") ||
         (letters == "transferencoding" && l != "transfer-encoding");
}

// A line up to CRLF. Partial: there is no LF yet. Invalid: it ends in LF alone, or CR stands inside
// it.
OracleStatus take_line(const std::string& text, std::size_t& at, std::string& line) {
  const std::size_t lf = text.find('\n', at);
  if (lf == std::string::npos) return OracleStatus::Partial;
  if (lf == at || text[lf - 1] != '\r') return OracleStatus::Invalid;
  line = text.substr(at, lf - 1 - at);
  at = lf + 1;
  if (line.find('\r') == std::string::npos) return OracleStatus::Complete;
  return at == text.size() ? OracleStatus::Partial : OracleStatus::Invalid;
}

OracleStatus take_fields(const std::string& text, std::size_t& at, Fields& fields) {
  while (true) {
    std::string line;
    const OracleStatus status = take_line(text, at, line);
    if (status != OracleStatus::Complete) return status;
    if (line.empty()) return OracleStatus::Complete;
    // A parser may wait for the next octet, which could continue the line, before it judges it.
    if (!field_line(line, fields)) {
      return at == text.size() ? OracleStatus::Partial : OracleStatus::Invalid;
    }
  }
}

const std::set<std::string> kNotInTrailer{"transfer-encoding",
                                          "content-length",
                                          "host",
                                          "connection",
                                          "upgrade",
                                          "expect",
                                          "te",
                                          "trailer",
                                          "keep-alive",
                                          "content-encoding",
                                          "content-type",
                                          "content-range",
                                          "range",
                                          "authorization",
                                          "cookie",
                                          "set-cookie",
                                          "cache-control",
                                          "max-forwards",
                                          "location",
                                          "pragma",
                                          "www-authenticate",
                                          "if-match",
                                          "if-none-match",
                                          "if-modified-since",
                                          "proxy-authorization",
                                          "x-forwarded-for"};

enum class Kind { None, Length, Chunked, Close };

// RFC 9112 6.3. False: the fields are not allowed.
bool framing(const Fields& fields, const std::string& version, bool request, Kind& kind,
             std::size_t& length) {
  const std::vector<std::string> te = elements(fields, "transfer-encoding");
  const std::vector<std::string> cl = values(fields, "content-length");
  kind = request ? Kind::None : Kind::Close;
  if (!te.empty()) {
    if (te != std::vector<std::string>{"chunked"} || !cl.empty() || version == "HTTP/1.0")
      return false;
    kind = Kind::Chunked;
    return true;
  }
  if (cl.empty()) return true;
  if (cl.size() > 1 || !digits(cl[0]) || cl[0].size() > 18) return false;
  length = std::stoull(cl[0]);
  kind = length > 0 ? Kind::Length : Kind::None;
  return true;
}

OracleStatus take_body(const std::string& text, std::size_t& at, Kind kind, std::size_t length,
                       bool closed, OracleMessage& m, OracleResult& result) {
  switch (kind) {
    case Kind::None:
      return OracleStatus::Complete;
    case Kind::Length:
      if (text.size() - at < length) return OracleStatus::Partial;
      m.body = text.substr(at, length);
      at += length;
      return OracleStatus::Complete;
    case Kind::Close:
      if (!closed) return OracleStatus::Partial;
      m.body = text.substr(at);
      at = text.size();
      return OracleStatus::Complete;
    case Kind::Chunked:
      break;
  }
  const OracleChunks chunks = parse_chunks(text.substr(at));
  result.extensions = result.extensions || chunks.extensions;
  if (chunks.status != OracleStatus::Complete) return chunks.status;
  m.body = chunks.body;
  at += chunks.used;
  const OracleStatus trailers = take_fields(text, at, m.trailers);
  if (trailers != OracleStatus::Complete) return trailers;
  for (const auto& [name, value] : m.trailers) {
    if (kNotInTrailer.count(lower(name)) != 0 || lookalike(name)) return OracleStatus::Invalid;
  }
  return OracleStatus::Complete;
}

bool fields_allowed(const Fields& fields) {
  for (const auto& [name, value] : fields) {
    if (lookalike(name)) return false;
  }
  for (const std::string& option : elements(fields, "connection")) {
    if (option == "host" || option == "content-length" || option == "transfer-encoding")
      return false;
  }
  return true;
}

bool same_host(std::string a, std::string b) {
  const auto bare = [](std::string& text) {
    text = lower(text);
    for (const std::string port : {":80", ":443", ":"}) {
      if (text.size() > port.size() && text.substr(text.size() - port.size()) == port) {
        text.resize(text.size() - port.size());
        return;
      }
    }
  };
  bare(a);
  bare(b);
  return a == b;
}

OracleStatus take_request(const std::string& text, std::size_t& at, OracleResult& result) {
  OracleMessage m;
  OracleStatus status = take_line(text, at, m.first_line);
  if (status != OracleStatus::Complete) return status;
  std::string method;
  std::string version;
  std::string authority;
  if (!request_line(m.first_line, method, version, authority)) return OracleStatus::Invalid;
  status = take_fields(text, at, m.fields);
  if (status != OracleStatus::Complete) return status;
  const std::vector<std::string> hosts = values(m.fields, "host");
  if (hosts.size() > 1 || (hosts.empty() && version == "HTTP/1.1")) return OracleStatus::Invalid;
  if (!hosts.empty() && !host_port(hosts[0], false)) return OracleStatus::Invalid;
  if (!hosts.empty() && !authority.empty() && !same_host(authority, hosts[0])) {
    return OracleStatus::Invalid;
  }
  if (!fields_allowed(m.fields)) return OracleStatus::Invalid;
  Kind kind = Kind::None;
  std::size_t length = 0;
  if (!framing(m.fields, version, true, kind, length)) return OracleStatus::Invalid;
  if (kind != Kind::None && (method == "CONNECT" || method == "TRACE"))
    return OracleStatus::Invalid;
  for (const std::string& coding : elements(m.fields, "content-encoding")) {
    if (!coding.empty() && coding != "identity") result.coded = true;
  }
  status = take_body(text, at, kind, length, false, m, result);
  if (status == OracleStatus::Complete) result.messages.push_back(std::move(m));
  return status;
}

OracleStatus take_response(const std::string& text, std::size_t& at, const std::string& method,
                           bool closed, OracleResult& result, int& code) {
  OracleMessage m;
  OracleStatus status = take_line(text, at, m.first_line);
  if (status != OracleStatus::Complete) return status;
  std::string version;
  if (!status_line(m.first_line, code, version)) return OracleStatus::Invalid;
  if (m.first_line.size() == 13) m.first_line.pop_back();  // an empty reason
  status = take_fields(text, at, m.fields);
  if (status != OracleStatus::Complete) return status;
  if (!fields_allowed(m.fields)) return OracleStatus::Invalid;
  const bool framed =
      !values(m.fields, "content-length").empty() || !values(m.fields, "transfer-encoding").empty();
  Kind kind = Kind::None;
  std::size_t length = 0;
  if (!framing(m.fields, version, false, kind, length)) return OracleStatus::Invalid;
  if (code < 200 || code == 204) {
    if (framed) return OracleStatus::Invalid;
    kind = Kind::None;
  }
  if (code == 304 || method == "HEAD") kind = Kind::None;
  for (const std::string& coding : elements(m.fields, "content-encoding")) {
    if (!coding.empty() && coding != "identity" && kind != Kind::None) result.coded = true;
  }
  status = take_body(text, at, kind, length, closed, m, result);
  if (status == OracleStatus::Complete && code >= 200) result.messages.push_back(std::move(m));
  return status;
}

// Empty lines before a message are for a parser to remark on, once a message follows.
bool begins_with_line_end(const std::string& text, std::size_t at) {
  return text[at] == '\r' || text[at] == '\n';
}

bool extension(const std::string& text) {
  // *( ";" token [ "=" ( token / quoted-string ) ] )
  std::size_t i = 0;
  const auto take_token = [&] {
    const std::size_t from = i;
    while (i < text.size() && kTokenChars.find(text[i]) != std::string::npos)
      ++i;
    return i > from;
  };
  while (i < text.size()) {
    if (text[i++] != ';' || !take_token()) return false;
    if (i == text.size() || text[i] != '=') continue;
    ++i;
    if (i < text.size() && text[i] == '"') {
      ++i;
      while (i < text.size() && text[i] != '"') {
        if (text[i] == '\\') ++i;
        if (i == text.size()) return false;
        const auto u = static_cast<unsigned char>(text[i]);
        if ((u < 0x20 && u != '\t') || u == 0x7f) return false;
        ++i;
      }
      if (i == text.size()) return false;
      ++i;
    } else if (!take_token()) {
      return false;
    }
  }
  return text.size() <= 257;
}

}  // namespace

OracleChunks parse_chunks(const std::string& text) {
  OracleChunks out;
  std::size_t at = 0;
  while (true) {
    std::string line;
    out.status = take_line(text, at, line);
    if (out.status != OracleStatus::Complete) return out;
    const std::size_t end = std::min(line.find(';'), line.size());
    const std::string size = line.substr(0, end);
    out.status = OracleStatus::Invalid;
    if (size.empty() || size.size() > 16 || !all_of(size, "0123456789abcdefABCDEF")) return out;
    const unsigned long long n = std::stoull(size, nullptr, 16);
    if (n > 0x7fffffffffffffffULL || !extension(line.substr(end))) return out;
    out.extensions = out.extensions || end < line.size();
    if (n == 0) {
      out.used = at;
      out.status = OracleStatus::Complete;
      return out;
    }
    const std::size_t have =
        static_cast<std::size_t>(std::min<unsigned long long>(n, text.size() - at));
    out.body += text.substr(at, have);
    at += have;
    if (have < n || text.size() - at < 2) {
      // The octets after the data, as far as they are there, must be the beginning of CRLF.
      const bool wrong = have == n && at < text.size() && text[at] != '\r';
      out.status = wrong ? OracleStatus::Invalid : OracleStatus::Partial;
      return out;
    }
    if (text.substr(at, 2) != "\r\n") return out;
    at += 2;
  }
}

OracleResult parse_requests(std::string text) {
  OracleResult result;
  std::size_t at = 0;
  while (at < text.size() && result.status == OracleStatus::Complete) {
    result.status =
        begins_with_line_end(text, at) ? OracleStatus::Partial : take_request(text, at, result);
  }
  return result;
}

OracleResult parse_responses(std::string text, const std::vector<std::string>& methods,
                             bool closed) {
  OracleResult result;
  std::size_t at = 0;
  while (at < text.size() && result.status == OracleStatus::Complete) {
    if (begins_with_line_end(text, at)) {
      result.status = OracleStatus::Partial;
      break;
    }
    const std::size_t i = result.messages.size();
    int code = 0;
    result.status =
        take_response(text, at, i < methods.size() ? methods[i] : "GET", closed, result, code);
    if (code == 101) result.status = OracleStatus::Partial;  // what follows is not its matter
  }
  return result;
}

}  // namespace weir::http::test
