// Variables of the request line, the headers and the query (traps 26, 27, 31).

#include <algorithm>

#include "rules/variables.h"

namespace weir::rules {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool unreserved(int c) {  // RFC 3986 section 2.3
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int escaped_byte(std::string_view s, std::size_t i) {
  if (s[i] != '%' || i + 2 >= s.size()) return -1;
  const int high = hex_digit(s[i + 1]);
  const int low = hex_digit(s[i + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Apache's order (httpd 2.4.49 and later): unreserved characters are decoded first, so that %2e%2e is
// seen; then slashes are merged and dot segments removed; then the rest is decoded, once.
std::string_view normalise_path(std::string_view raw, char* out) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const int b = escaped_byte(raw, i);
    if (b >= 0 && unreserved(b)) {
      out[n++] = static_cast<char>(b);
      i += 2;
    } else {
      out[n++] = raw[i];
    }
  }
  const std::size_t size = n;
  n = 0;
  for (std::size_t i = 0; i < size;) {
    if (out[i] == '/') {
      while (i + 1 < size && out[i + 1] == '/') ++i;
      std::size_t end = i + 1;
      while (end < size && out[end] != '/') ++end;
      const std::string_view segment(out + i + 1, end - i - 1);
      if (segment == ".") {
        i = end;
        if (i == size) out[n++] = '/';
        continue;
      }
      if (segment == "..") {
        while (n > 0 && out[n - 1] != '/') --n;
        if (n > 0) --n;
        i = end;
        if (i == size) out[n++] = '/';
        continue;
      }
    }
    out[n++] = out[i++];
  }
  const std::size_t normal = n;
  n = 0;
  for (std::size_t i = 0; i < normal; ++i) {
    const int b = escaped_byte({out, normal}, i);
    if (b >= 0 && !unreserved(b)) {  // those were decoded above; %%34%31 must not become 'A'
      out[n++] = static_cast<char>(b);
      i += 2;
    } else {
      out[n++] = out[i];
    }
  }
  return {out, n};
}

// libmodsecurity: every escape decoded once, nothing else changed.
std::string_view decode_all(std::string_view raw, char* out) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const int b = escaped_byte(raw, i);
    out[n++] = b >= 0 ? static_cast<char>(b) : raw[i];
    if (b >= 0) i += 2;
  }
  return {out, n};
}

std::string_view header(TransactionState& tx, std::string_view name) {
  for (const Entry& e : tx.request.headers) {
    if (fold_equal(e.name.text, name)) return e.value.text;
  }
  return {};
}

std::string_view host_name(TransactionState& tx) {
  std::string_view host = header(tx, "host");
  if (!host.empty() && host.front() == '[') return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

std::string_view request_uri(TransactionState& tx) {
  const RequestData& r = tx.request;
  if (!r.has_query) return r.path;
  if (!tx.program->v3()) return tx.join({r.path, "?", r.query});
  char* out = tx.arena.allocate(r.query.size() + 1);
  return tx.join({r.path, "?", out == nullptr ? r.query : decode_all(r.query, out)});
}

std::string_view full_request(TransactionState& tx) {
  std::string& s = tx.scratch.text;
  s.assign(tx.request.line);
  s += "\n\n";
  for (const Entry& e : tx.request.headers) {
    s.append(e.name.text).append(": ").append(e.value.text).append("\n");
  }
  s += "\n";
  s += tx.request.body;
  return tx.arena.copy(s);
}

// The user of `Authorization: Basic`; base64 as far as it goes.
std::string_view basic_user(TransactionState& tx) {
  const std::string_view value = header(tx, "authorization");
  if (!fold_starts_with(value, "basic ")) return {};
  const Transformed plain =
      apply(Transform::Base64Decode, value.substr(6), tx.arena, nullptr);
  return plain.value.substr(0, plain.value.find(':'));
}

}  // namespace

void parse_request_target(TransactionState& tx) {
  RequestData& r = tx.request;
  std::string_view t = r.target;
  r.query = {};
  r.has_query = false;
  if (const std::size_t hash = t.find('#'); hash != std::string_view::npos) t = t.substr(0, hash);
  if (!t.empty() && t.front() != '/') {  // absolute form: scheme://authority/path
    const std::size_t scheme = t.find("://");
    const bool absolute = scheme != std::string_view::npos &&
                          std::all_of(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(scheme),
                                      [](char c) { return unreserved(c) || c == '+'; });
    if (absolute) {
      t.remove_prefix(scheme + 3);
      const std::size_t slash = t.find_first_of("/?");
      t = slash == std::string_view::npos ? std::string_view("/") : t.substr(slash);
    }
  }
  if (const std::size_t q = t.find('?'); q != std::string_view::npos) {
    r.query = t.substr(q + 1);
    r.has_query = true;
    t = t.substr(0, q);
  }
  r.raw_path = t.empty() && r.has_query ? std::string_view("/") : t;
  r.path = r.raw_path;
}

void normalise_request_path(TransactionState& tx) {
  RequestData& r = tx.request;
  char* out = r.raw_path.empty() ? nullptr : tx.arena.allocate(r.raw_path.size() + 1);
  if (out == nullptr) return;
  r.path = tx.program->v3() ? decode_all(r.raw_path, out) : normalise_path(r.raw_path, out);
  for (const Variable v : {Variable::REQUEST_URI, Variable::REQUEST_FILENAME,
                           Variable::REQUEST_BASENAME, Variable::PATH_INFO}) {
    tx.scalar_ready[static_cast<std::size_t>(v)] = false;
  }
}

bool request_list(TransactionState& tx, Variable v, ListView& out) {
  RequestData& r = tx.request;
  const auto all = [&](std::vector<Entry>& list, bool names) {
    out = {list.data(), list.size(), names};
    return true;
  };
  switch (v) {
    case Variable::ARGS: return all(r.args, false);
    case Variable::ARGS_NAMES: return all(r.args, true);
    case Variable::ARGS_GET:
    case Variable::ARGS_GET_NAMES:
      out = {r.args.data(), r.query_args, v == Variable::ARGS_GET_NAMES};
      return true;
    case Variable::ARGS_POST:
    case Variable::ARGS_POST_NAMES:
      out = {r.args.data() + r.query_args, r.args.size() - r.query_args,
             v == Variable::ARGS_POST_NAMES};
      return true;
    case Variable::REQUEST_HEADERS: return all(r.headers, false);
    case Variable::REQUEST_HEADERS_NAMES: return all(r.headers, true);
    case Variable::REQUEST_COOKIES: return all(r.cookies, false);
    case Variable::REQUEST_COOKIES_NAMES: return all(r.cookies, true);
    default: return false;
  }
}

std::optional<std::string_view> request_scalar(TransactionState& tx, Variable v) {
  RequestData& r = tx.request;
  switch (v) {
    case Variable::REQUEST_METHOD: return r.method;
    case Variable::REQUEST_PROTOCOL: return r.protocol;
    case Variable::REQUEST_LINE: return r.line;
    case Variable::REQUEST_URI_RAW: return r.target;
    case Variable::REQUEST_URI: return request_uri(tx);
    case Variable::REQUEST_FILENAME: return r.path;
    case Variable::PATH_INFO: return r.path;
    case Variable::REQUEST_BASENAME: {
      // The last component; both kinds of slashes count (ModSecurity's file_basename).
      const std::size_t slash = r.path.find_last_of("/\\");
      return slash == std::string_view::npos ? r.path : r.path.substr(slash + 1);
    }
    case Variable::QUERY_STRING:
      if (!r.has_query) return std::nullopt;
      return r.query;
    case Variable::REQUEST_BODY:
      if (!r.body_done || !r.body_visible) return std::nullopt;
      return std::string_view(r.body);
    case Variable::FULL_REQUEST:
      if (!r.body_done) return std::nullopt;
      return full_request(tx);
    case Variable::UNIQUE_ID: return tx.unique_id;
    case Variable::REMOTE_ADDR:
    case Variable::REMOTE_HOST:
    case Variable::USERAGENT_IP: return tx.client_text;
    case Variable::REMOTE_PORT: return tx.number(tx.peers.client_port);
    case Variable::SERVER_ADDR: return tx.server_text;
    case Variable::SERVER_PORT: return tx.number(tx.peers.server_port);
    case Variable::SERVER_NAME: return host_name(tx);
    case Variable::WEBAPPID: return std::string_view(tx.settings().web_app_id);
    case Variable::MODSEC_BUILD: return std::string_view("020907100");
    case Variable::AUTH_TYPE: {
      const std::string_view value = header(tx, "authorization");
      const std::string_view scheme = value.substr(0, value.find(' '));
      if (scheme.empty()) return std::nullopt;
      return scheme;
    }
    case Variable::REMOTE_USER: {
      const std::string_view user = basic_user(tx);
      if (user.empty()) return std::nullopt;
      return user;
    }
    default: return std::nullopt;
  }
}

}  // namespace weir::rules
