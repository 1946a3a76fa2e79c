#include "app/health/server.h"

#include <microhttpd.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "app/health/certificate.h"

namespace weir::app {
namespace {

constexpr unsigned kMostConnections = 128;
constexpr unsigned kSeconds = 5;        // of a connection that says nothing
constexpr std::size_t kMemory = 4'096;  // of a connection: a request line and a few headers
constexpr int kTickMilliseconds = static_cast<int>(HealthMonitor::kTick / 1'000'000);
constexpr const char* kPriorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

bool from_here(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info == nullptr || info->client_addr->sa_family != AF_INET) return false;
  sockaddr_in name{};
  std::memcpy(&name, info->client_addr, sizeof name);
  return ntohl(name.sin_addr.s_addr) >> 24 == 127;
}

MHD_Result answer(MHD_Connection* connection, unsigned status, std::string_view body) {
  MHD_Response* response = MHD_create_response_from_buffer(
      body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_PERSISTENT);  // bodies are literals
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  const MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

MHD_Result drain(MHD_Connection* connection, const HealthMonitor& monitor,
                 std::string_view method) {
  if (method == MHD_HTTP_METHOD_POST || method == MHD_HTTP_METHOD_DELETE) {
    if (!from_here(connection))
      return answer(connection, MHD_HTTP_FORBIDDEN, "{\"error\":\"only from this machine\"}\n");
    monitor.drain(method == MHD_HTTP_METHOD_POST);
  } else if (method != MHD_HTTP_METHOD_GET) {
    return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "{\"error\":\"method\"}\n");
  }
  return answer(connection, MHD_HTTP_OK,
                monitor.draining() ? "{\"draining\":true}\n" : "{\"draining\":false}\n");
}

MHD_Result on_request(void* context, MHD_Connection* connection, const char* url,
                      const char* method, const char*, const char*, std::size_t* body,
                      void** state) {
  static int begun;
  if (*state == nullptr) {  // the headers are there; the request may not be
    *state = &begun;
    return MHD_YES;
  }
  if (*body != 0) {  // nothing is done with a body
    *body = 0;
    return MHD_YES;
  }
  const auto& monitor = *static_cast<const HealthMonitor*>(context);
  const std::string_view path = url;
  const std::int64_t now = monotonic_ns();
  if (path == "/drain") return drain(connection, monitor, method);
  const bool live = path == "/livez" || path == "/healthz";
  if (!live && path != "/readyz")
    return answer(connection, MHD_HTTP_NOT_FOUND, "{\"error\":\"no such check\"}\n");
  if (std::string_view(method) != MHD_HTTP_METHOD_GET &&
      std::string_view(method) != MHD_HTTP_METHOD_HEAD) {
    return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "{\"error\":\"method\"}\n");
  }
  if (live ? monitor.alive(now) : monitor.ready(now)) {
    return answer(connection, MHD_HTTP_OK,
                  monitor.bypass() ? "{\"status\":\"ok\",\"bypass\":true}\n"
                                   : "{\"status\":\"ok\"}\n");
  }
  const char* why = !monitor.alive(now)  ? "{\"status\":\"no packets pass\"}\n"
                    : monitor.draining() ? "{\"status\":\"draining\"}\n"
                                         : "{\"status\":\"not ready\"}\n";
  return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, why);
}

}  // namespace

Result<std::unique_ptr<HealthServer>> HealthServer::start(const HealthOptions& options,
                                                          HealthMonitor& monitor) {
  std::unique_ptr<HealthServer> server(new HealthServer(options, monitor));
  if (options.https_port != 0) {
    auto certificate = options.certificate_file.empty()
                           ? make_certificate()
                           : read_certificate(options.certificate_file, options.key_file);
    if (!certificate) return Unexpected(Error{certificate.error()});
    server->certificate_ = certificate->certificate;
    server->key_ = certificate->key;
  }
  auto result = server->listen_http(options.http_port, false, server->http_);
  if (result) result = server->listen_http(options.https_port, true, server->https_);
  if (!result) return Unexpected(Error{result.error()});
  if (options.tcp_port != 0) {  // a mistake is better told now than when Weir becomes ready
    auto probe = server->listening(options.tcp_port);
    if (!probe) return Unexpected(Error{probe.error()});
    ::close(*probe);
  }
  server->thread_ = std::thread([s = server.get()] { s->run(); });
  return server;
}

HealthServer::~HealthServer() {
  stop_.store(true);
  if (thread_.joinable()) thread_.join();
  if (http_ != nullptr) MHD_stop_daemon(http_);
  if (https_ != nullptr) MHD_stop_daemon(https_);
}

Result<int> HealthServer::listening(std::uint16_t port) const {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (options_.address.version == 4) std::memcpy(&name.sin_addr, options_.address.bytes.data(), 4);
  if (::bind(s, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
      ::listen(s, 128) == 0)
    return s;
  const int error = errno;
  ::close(s);
  return fail("health checks cannot listen on TCP port " + std::to_string(port) + ": " +
              std::strerror(error));
}

Result<void> HealthServer::listen_http(std::uint16_t port, bool tls, MHD_Daemon*& daemon) {
  if (port == 0) return {};
  auto socket = listening(port);
  if (!socket) return Unexpected(Error{socket.error()});
  const unsigned flags =
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | (tls ? unsigned{MHD_USE_TLS} : 0U);
  daemon = MHD_start_daemon(
      flags, port, nullptr, nullptr, &on_request, monitor_, MHD_OPTION_LISTEN_SOCKET, *socket,
      MHD_OPTION_CONNECTION_LIMIT, kMostConnections, MHD_OPTION_CONNECTION_TIMEOUT, kSeconds,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMemory, tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END,
      certificate_.c_str(), MHD_OPTION_HTTPS_MEM_KEY, key_.c_str(), MHD_OPTION_HTTPS_PRIORITIES,
      kPriorities, MHD_OPTION_END);
  if (daemon != nullptr) return {};
  ::close(*socket);
  return fail(std::string("health checks over ") + (tls ? "HTTPS" : "HTTP") +
              " could not be started" +
              (tls ? ": is the certificate a PEM file, and the key its key?" : ""));
}

void HealthServer::run() {
  int listener = -1;
  std::int64_t next = 0;
  while (!stop_.load()) {
    const std::int64_t now = monotonic_ns();
    if (now >= next) {
      monitor_->tick(now);
      next = now + HealthMonitor::kTick;
    }
    if (options_.tcp_port != 0) serve_tcp(listener);
    pollfd p{listener, POLLIN, 0};
    ::poll(&p, 1, kTickMilliseconds / 5);
  }
  if (listener >= 0) ::close(listener);
}

// A bare TCP check knows only "accepts" and "refuses": the listener is there while Weir is ready.
void HealthServer::serve_tcp(int& listener) {
  const bool ready = monitor_->ready(monotonic_ns());
  if (!ready && listener >= 0) {
    ::close(listener);
    listener = -1;
  } else if (ready && listener < 0) {
    if (auto opened = listening(options_.tcp_port)) listener = *opened;
  }
  for (int i = 0; listener >= 0 && i < 256; ++i) {
    const int s = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (s < 0) break;
    ::close(s);
  }
}

}  // namespace weir::app
