// DirectConnection: the bytes of one connection at a time straight into a Session, without packets:
// for the CRS regression suite and `weir explain`. From the HTTP parser on, everything is what an
// Inspector has, so a verdict found here is the verdict on the wire.
//
//   DirectConnection connection(options, sink, rules);
//   connection.open(now, {});
//   connection.send(http::Side::Request, "GET / HTTP/1.1\r\n…");
//   connection.send(http::Side::Response, "HTTP/1.1 200 OK\r\n…");
//   connection.close();       // the sink has got an event for every transaction
#pragma once

#include <memory>
#include <string_view>

#include "engine/event.h"
#include "engine/inspect/context.h"
#include "engine/inspect/options.h"
#include "engine/inspect/session.h"
#include "rules/ruleset.h"
#include "rules/store.h"

namespace weir::inspect {

class DirectConnection {
 public:
  // As for an Inspector: `sink` and `store` must outlive it; `store` may be null.
  DirectConnection(const InspectorOptions& options, EventSink& sink,
                   std::shared_ptr<const rules::RuleSet> rules,
                   rules::CollectionStore* store = nullptr);
  DirectConnection(const DirectConnection&) = delete;
  DirectConnection& operator=(const DirectConnection&) = delete;

  // A new connection. REQUIRES: the one before was closed.
  void open(Timestamp now, const SessionOrigin& origin);
  // False: inline, what was sent is refused (see refusal()); nothing more is looked at.
  bool send(http::Side side, std::string_view bytes);
  // The sender of this side has nothing more to say (FIN).
  bool end(http::Side side);
  // Both sides are over; every transaction is finished and told.
  void close();

  // Inline: why the connection was refused; DropReason::None if it was not. Valid until open().
  [[nodiscard]] const Refusal& refusal() const { return session_.refusal(); }
  void trace(const Tracing& tracing) { context_.tracing = tracing; }

 private:
  bool after(http::Side side, const http::Progress& progress);

  Context context_;
  Session session_;
  bool open_ = false;
};

}  // namespace weir::inspect
