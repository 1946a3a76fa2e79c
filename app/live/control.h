// The operator's way to a running `weir run`: a socket in the file system that takes one request and gives one answer,
// both text. Only its owner (root) may connect; whoever reaches it can switch inspection off, so it is not on the network,
// where what runs beside Weir could be talked into reaching it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "app/live/mailbox.h"
#include "engine/packet.h"
#include "engine/result.h"

namespace weir::app {

// With one answer, at most.
inline constexpr std::size_t kMostDescriptors = 64;

struct Answer {
  std::string text;
  std::vector<int> descriptors{};  // of which the peer gets its own
  bool keep = false;               // the peer may ask again; it notices when this process lets go of it
};

class Control {
 public:
  // What an earlier Weir left at `path` is replaced; one that still listens is an error.
  static Result<Control> listen(const std::string& path);
  Control(Control&& other) noexcept;
  Control& operator=(Control&&) = delete;
  // Takes the socket out of the file system, in the process that made it.
  ~Control();

  // Answers what has come by now; never waits.
  void serve(const std::function<Answer(std::string_view request)>& answer);
  // Readable when somebody connects. Requests of those who are slow are found at the next serve().
  [[nodiscard]] int descriptor() const { return listener_.get(); }
  // Another one may listen at the path; who is connected stays so.
  void withdraw();
  // In a process that was forked: the socket stays the other's.
  void let_go();

 private:
  Control(Descriptor listener, std::string path);

  Descriptor listener_;
  std::vector<Descriptor> peers_;  // that have said nothing yet
  std::string path_;
  pid_t owner_;
};

// Not valid: nobody listens at `path`.
[[nodiscard]] Result<Descriptor> connect_to(const std::string& path);
// Sends `request` to the Weir that listens at `path` and gives its answer.
[[nodiscard]] Result<std::string> ask(const std::string& path, std::string_view request, Duration wait);

}  // namespace weir::app
