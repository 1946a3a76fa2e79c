#include "app/explain/request.h"

namespace weir::app {

std::string request_bytes(std::string_view text) {
  if (text.find('\r') != std::string_view::npos) return std::string(text);
  const std::size_t end = text.find("\n\n");
  std::string_view head = text.substr(0, end);
  const std::string_view body = end == std::string_view::npos ? std::string_view() : text.substr(end + 2);
  while (!head.empty() && head.back() == '\n') head.remove_suffix(1);
  std::string out;
  for (const char c : head) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out.append("\r\n\r\n").append(body);
}

}  // namespace weir::app
