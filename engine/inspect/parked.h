// ParkedSession: what is kept of a connection between its requests, while a Session waits for somebody else. Most
// connections are idle most of the time, so this, and the Flow, is what a connection costs, until it is packed
// (engine/flow/dormant.h) and this with it.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/base/ip_address.h"
#include "engine/base/pool.h"
#include "engine/flow/flow.h"
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

// What is kept of Flow::parked while the connection is packed (flow::StreamSink::on_rest): mostly all that it stands for,
// and its place is given back; else its number. The low flow::Dormant::kKeptBits bits.
[[nodiscard]] std::uint64_t put_by(const flow::Flow& flow, ParkedSessions& all);
// Flow::parked again. REQUIRES: the flow's positions are those of then. There is always room.
[[nodiscard]] std::uint32_t take_back(const flow::Flow& flow, std::uint64_t kept, ParkedSessions& all);

}  // namespace weir::inspect
