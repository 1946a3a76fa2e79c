// Answers health checks on listeners of their own, apart from the data path and from its threads:
//
//   GET /livez     200 while every worker echoes packets, else 503
//   GET /readyz    200 while Weir wants traffic (a load balancer asks this), else 503. Both say where
//                  the operator has switched inspection off: packets pass, so that is healthy
//   GET /drain     whether it is draining
//   POST /drain    begins to; DELETE /drain ends it. Only from this machine (loopback), else 403
//
// over HTTP and HTTPS (TLS 1.2 and 1.3; some load balancers speak no 1.3, some nothing older), and
// a bare TCP port that accepts connections while Weir is ready and refuses them while it is not.
// Requests are limited in size, time and number; answers are fixed. Starts threads of its own:
// construct it after the last fork().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "app/health/monitor.h"
#include "engine/base/ip_address.h"
#include "engine/result.h"

struct MHD_Daemon;

namespace weir::app {

struct HealthOptions {
  IpAddress address;            // to listen on; none: every IPv4 address
  std::uint16_t http_port = 0;  // 0: not
  std::uint16_t https_port = 0;
  std::uint16_t tcp_port = 0;
  std::string certificate_file;  // PEM; empty: one is made, signed by itself
  std::string key_file;
};

class HealthServer {
 public:
  // `monitor` must outlive it; its tick() is called from here.
  static Result<std::unique_ptr<HealthServer>> start(const HealthOptions& options,
                                                     HealthMonitor& monitor);
  HealthServer(const HealthServer&) = delete;
  HealthServer& operator=(const HealthServer&) = delete;
  ~HealthServer();

  [[nodiscard]] HealthMonitor& monitor() const { return *monitor_; }

 private:
  HealthServer(const HealthOptions& options, HealthMonitor& monitor)
      : options_(options), monitor_(&monitor) {}
  Result<void> listen_http(std::uint16_t port, bool tls, MHD_Daemon*& daemon);
  // A bound and listening socket, or an error.
  [[nodiscard]] Result<int> listening(std::uint16_t port) const;
  void run();
  void serve_tcp(int& listener);

  HealthOptions options_;
  HealthMonitor* monitor_;
  MHD_Daemon* http_ = nullptr;
  MHD_Daemon* https_ = nullptr;
  std::string certificate_;
  std::string key_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace weir::app
