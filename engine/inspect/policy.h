// Failure policies: what is done about each FailureCause, in one place. The rest of engine/inspect says what
// happened; here it is looked up what the operator wants then, counted, and told.
//
// Where a policy is not an action on the packet in hand it is a setting of the part that meets the cause:
// flow::FlowOptions (midstream, asymmetric, unseen) and http::ParserOptions (what the parser refuses).
#pragma once

#include <optional>
#include <string_view>

#include "engine/failure.h"
#include "engine/flow/options.h"
#include "engine/flow/verdict.h"
#include "engine/http/options.h"
#include "engine/inspect/context.h"
#include "engine/net/fragment.h"

namespace weir::inspect {

// Settings.
void set_policies(flow::FlowOptions& flow, const InspectorOptions& options);
// Without what sites tolerate.
[[nodiscard]] http::ParserOptions parser_options(const InspectorOptions& options);

// Which cause it is; nullopt: it is the normaliser's work, not a failure.
[[nodiscard]] std::optional<FailureCause> cause_of(flow::DropReason reason);
[[nodiscard]] std::optional<FailureCause> cause_of(http::Violation violation);
[[nodiscard]] std::optional<FailureCause> cause_of(net::FragmentLoss loss);
// Says that the bytes are no HTTP/1 at all; makes no transaction.
[[nodiscard]] bool means_no_http(http::Violation violation);

// What is done with the bytes that follow what was let by. The larger, the less is known of them.
enum class Rest : std::uint8_t {
  Unsaid,
  Read,      // as most servers would
  Searched,  // for something that looks like a start line
  Unread,
};

// More about a failure, for its event.
struct Circumstances {
  bool refuses = true;  // false: in a mode that refuses nothing because of HTTP, so that it passes
  Rest rest = Rest::Unsaid;
};

// The action, counted; told as an event (once for a flow and cause, and again when less of the rest is read; without a
// flow once a second and cause).
FailureAction fire(Context& context, FailureCause cause, flow::Flow* flow, const Circumstances& how = {});
// The same where the action was a setting: `done` is what was done.
void fired(Context& context, FailureCause cause, FailureAction done, flow::Flow* flow);
// The two halves of that.
void count(Context& context, FailureCause cause, FailureAction done);
void tell(Context& context, FailureCause cause, FailureAction done, flow::Flow* flow, const Circumstances& how = {});
// It is about a request or response, not about packets: the mode has a say in it.
[[nodiscard]] bool about_http(FailureCause cause);

// Failures on demand (InspectorOptions::force): true for every n-th packet.
class ForcedFailure {
 public:
  explicit ForcedFailure(const InspectorOptions& options)
      : cause_(options.force), every_(options.force_every) {}
  [[nodiscard]] std::optional<FailureCause> next() {
    if (!cause_ || every_ == 0 || ++count_ % every_ != 0) return std::nullopt;
    return cause_;
  }

 private:
  std::optional<FailureCause> cause_;
  std::uint64_t every_;
  std::uint64_t count_ = 0;
};

}  // namespace weir::inspect
