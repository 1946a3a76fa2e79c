// ParkedSession: what is kept of a connection between its requests, while a Session waits for somebody else. Most
// connections are idle most of the time, so this, and the Flow, is what a connection costs.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/base/ip_address.h"
#include "engine/base/pool.h"
#include "engine/http/parser.h"

namespace weir::inspect {

struct ParkedSession {
  http::IdleConnection http;
  std::uint32_t before = 0;             // Session::before_
  std::uint32_t transactions = 0;
  std::uint32_t client = base::kNone;   // of ParkedSessions::clients
  bool untouched : 1 = false;   // no byte of it came yet
  bool midstream : 1 = false;   // then: its beginning was not seen
  bool over : 1 = false;        // neither side is read any more
  bool spoke_http : 1 = false;
  bool alerted : 1 = false;
  bool tunnel : 1 = false;
  bool tls : 1 = false;         // Session::unplaced() has the violations of these names
  bool http2 : 1 = false;
  bool not_http : 1 = false;
};
static_assert(sizeof(ParkedSession) <= 40 && std::is_trivially_destructible_v<ParkedSession>);

// Who the PROXY protocol says the client is.
struct ProxiedClient {
  IpAddress address;
  std::uint16_t port = 0;
};

// Those of all connections of an Inspector; there is room for every one of them.
struct ParkedSessions {
  ParkedSessions(std::uint32_t connections, bool proxied) : sessions(connections), clients(proxied ? connections : 0) {}

  void release(std::uint32_t index) {
    if (const std::uint32_t client = sessions[index].client; client != base::kNone) clients.release(client);
    sessions.release(index);
  }

  base::Pool<ParkedSession> sessions;
  base::Pool<ProxiedClient> clients;
};

}  // namespace weir::inspect
