// One aligned line for each transaction that matched a rule (or was refused), for people. What comes from
// the network is escaped: no byte of it can move the cursor or change colours.
#pragma once

#include <string>
#include <string_view>

#include "app/formats/format.h"

namespace weir::app {

class TextFormat final : public Format {
 public:
  explicit TextFormat(bool colored) : colored_(colored) {}
  void append(const Event& event, const EventSource& source, std::string& out) override;
  // The line above the first one.
  [[nodiscard]] std::string heading() const;

 private:
  void append_http(const Event& event, std::string& out);
  void append_drop(const Event& event, std::string& out);

  bool colored_;
  std::string cell_;  // reused
};

// Printable ASCII and valid printable UTF-8 as they are, everything else as \xNN. At most `limit`
// characters; what is cut off is shown as an ellipsis.
void append_printable(std::string& out, std::string_view text, std::size_t limit = SIZE_MAX);

}  // namespace weir::app
