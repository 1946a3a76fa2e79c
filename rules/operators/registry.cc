// All operators, one line for each, sorted by name.
#include <algorithm>
#include <array>

#include "rules/operators/factories.h"

namespace weir::rules {

namespace {

using operators::Made;

struct Known {
  std::string_view name;
  Made (*make)(const OperatorSpec&, OperatorFiles&);
};

constexpr std::array kKnown = {
    Known{"beginswith", operators::make_begins_with},
    Known{"contains", operators::make_contains},
    Known{"containsword", operators::make_contains_word},
    Known{"detectsqli", operators::make_detect_sqli},
    Known{"detectxss", operators::make_detect_xss},
    Known{"endswith", operators::make_ends_with},
    Known{"eq", operators::make_eq},
    Known{"ge", operators::make_ge},
    Known{"geolookup", operators::make_geo_lookup},
    Known{"gt", operators::make_gt},
    Known{"ipmatch", operators::make_ip_match},
    Known{"ipmatchf", operators::make_ip_match_from_file},
    Known{"ipmatchfromfile", operators::make_ip_match_from_file},
    Known{"le", operators::make_le},
    Known{"lt", operators::make_lt},
    Known{"nomatch", operators::make_no_match},
    Known{"pm", operators::make_pm},
    Known{"pmf", operators::make_pm_from_file},
    Known{"pmfromfile", operators::make_pm_from_file},
    Known{"rbl", operators::make_rbl},
    Known{"restpath", operators::make_restpath},
    Known{"rx", operators::make_rx},
    Known{"rxglobal", operators::make_rx_global},
    Known{"streq", operators::make_streq},
    Known{"strmatch", operators::make_strmatch},
    Known{"unconditionalmatch", operators::make_unconditional_match},
    Known{"validatebyterange", operators::make_validate_byte_range},
    Known{"validatenid", operators::make_validate_nid},
    Known{"validateurlencoding", operators::make_validate_url_encoding},
    Known{"validateutf8encoding", operators::make_validate_utf8_encoding},
    Known{"verifycc", operators::make_verify_cc},
    Known{"verifycpf", operators::make_verify_cpf},
    Known{"verifyssn", operators::make_verify_ssn},
    Known{"verifysvnr", operators::make_verify_svnr},
    Known{"within", operators::make_within},
};

struct LeftOut {
  std::string_view name;
  std::string_view reason;
};

constexpr std::array kLeftOut = {
    LeftOut{"fuzzyhash", "it needs ssdeep's library and hashes whole bodies on the data path"},
    LeftOut{"gsblookup", "the Google Safe Browsing database that it reads no longer exists"},
    LeftOut{"inspectfile",
            "it runs a program for each upload; nothing is executed on the data path"},
    LeftOut{"ipmatchfromdataset", "SecDataset is Coraza's own; use @ipMatchFromFile"},
    LeftOut{"pmfromdataset", "SecDataset is Coraza's own; use @pmFromFile"},
    LeftOut{"rsub", "it rewrites the traffic; Weir forwards what it judged, or nothing"},
    LeftOut{"validatedtd",
            "it needs a validating XML parser and files that a request can make it read"},
    LeftOut{"validatehash", "it belongs to SecHashEngine, which rewrites responses"},
    LeftOut{"validateschema",
            "it needs a validating XML parser; Weir's reads text and attributes only"},
};

const Known* find_known(std::string_view lower_name) {
  const auto at = std::lower_bound(kKnown.begin(), kKnown.end(), lower_name,
                                   [](const Known& k, std::string_view n) { return k.name < n; });
  return at != kKnown.end() && at->name == lower_name ? at : nullptr;
}

}  // namespace

Result<std::unique_ptr<Operator>> make_operator(const OperatorSpec& spec, OperatorFiles& files) {
  if (const Known* known = find_known(spec.name)) return known->make(spec, files);
  if (const std::string_view reason = operator_left_out(spec.name); !reason.empty()) {
    return fail("@" + std::string(spec.name) + " is not supported: " + std::string(reason));
  }
  return fail("there is no operator @" + std::string(spec.name));
}

bool operator_exists(std::string_view lower_name) {
  return find_known(lower_name) != nullptr;
}

std::string_view operator_left_out(std::string_view lower_name) {
  for (const LeftOut& l : kLeftOut) {
    if (l.name == lower_name) return l.reason;
  }
  return {};
}

const std::vector<std::string_view>& operator_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const Known& k : kKnown)
      all.push_back(k.name);
    return all;
  }();
  return names;
}

namespace operators {

namespace {
bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
}  // namespace

Result<std::string> read_files(std::string_view names, OperatorFiles& files) {
  std::string all;
  bool any = false;
  for (std::size_t i = 0; i < names.size();) {
    if (is_blank(names[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < names.size() && !is_blank(names[end]))
      ++end;
    const std::string_view name = names.substr(i, end - i);
    i = end;
    if (name.find("://") != std::string_view::npos) {
      return fail("'" + std::string(name) + "' is a URL; only files are read");
    }
    auto content = files.read(name);
    if (!content) return fail(content.error().message);
    all += *content;
    if (!all.empty() && all.back() != '\n') all.push_back('\n');
    any = true;
  }
  if (!any) return fail("a file name is missing");
  return all;
}

}  // namespace operators

}  // namespace weir::rules
