// A certificate for the HTTPS health check where the operator names none: made at start, signed by
// itself, never stored. Load balancers do not verify it.
#pragma once

#include <string>

#include "engine/result.h"

namespace weir::app {

struct Certificate {
  std::string certificate;  // PEM
  std::string key;
};

[[nodiscard]] Result<Certificate> make_certificate();
[[nodiscard]] Result<Certificate> read_certificate(const std::string& certificate_file,
                                                   const std::string& key_file);

}  // namespace weir::app
