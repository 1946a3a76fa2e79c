#include "app/config/schema_release.h"

namespace weir::app {

std::vector<Field> release_fields() {
  return {
      {"release", Section{}, "",
       "What is let go without coming by Weir, because nobody would look at it (docs/decisions/release.md). NFQUEUE: mostly by "
       "connection mark, with the rules of `packaging/firewall`; behind a gateway load balancer the port echoes it by itself."},
      {"release.unread", FlagField{[](Draft& d, bool on) { d.config.release.unread = on; }}, "true",
       "Connections that are not read: TLS, tunnels that the server agreed to, ports that are not in `ports`, what a policy "
       "under `failures` lets by. They come back with the next SYN."},
      {"release.responses", FlagField{[](Draft& d, bool on) { d.config.release.responses = on; }}, "false",
       "The rest of a response body of known length, or up to the end of its connection, that no rule looks at (not of "
       "`SecResponseBodyMimeType`, or beyond `SecResponseBodyLimit`), where more than 256 KiB are to come. Requests are always "
       "read; the next one, or the end of the body, brings the server's packets back. Phase 4 comes before the rest, not after it. "
       "NFQUEUE: with the rules of `weir-firewall uploads` most of the client's acknowledgements go by, too."},
      {"release.requests", FlagField{[](Draft& d, bool on) { d.config.release.requests = on; }}, "false",
       "The rest of a request body of known length that no rule looks at (`SecRequestBodyAccess Off`, a site of mode `off`, or "
       "beyond `SecRequestBodyLimit` with `ProcessPartial`), where more than 256 KiB are to come, byte for byte: what comes "
       "behind is read. Phase 2 comes before the rest, not after it. NFQUEUE: by an eBPF program, with the rules of "
       "`weir-firewall uploads`; CAP_BPF is needed. Without either nothing of uploads is released."},
      {"release.off_sites", FlagField{[](Draft& d, bool on) { d.config.release.off_sites = on; }}, "false",
       "Connections that address and port alone give to a site of mode `off` (or to everything, if that is off) are not read "
       "at all: no records, no refusal of ambiguous framing. They stay so over a reload."},
  };
}

}  // namespace weir::app
