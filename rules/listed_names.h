// Chains that ask of every member of a collection whether its name is on a list, as CRS' 920450 does for the request's
// headers:
//
//   SecRule REQUEST_HEADERS_NAMES "@rx ^.*$" "…,capture,t:lowercase,setvar:'tx.own_%{tx.0}=/%{tx.0}/',chain"
//     SecRule TX:/^own_/ "@within %{tx.list}" "…"
//
// For each name that captures, makes a variable and compares it with the list: 53,000 of the 505,000 instructions of a
// request under CRS 4.28 at paranoia level 1. Where no name can be on the list nothing comes of it but what was captured
// last and MATCHED_VAR; so that is put in place, and the variables, which only the chain reads, are left out.
//
// Invariants: no rule can tell. Where a name may be on the list, where one could be read by another selector of TX, and where
// targets were removed, the chain is run as any other. Held to by
// tests/unit/rules_core/listed_names_test.cc and differential_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/names.h"

namespace weir::rules {

class Macro;
class Program;
struct Rule;
struct TransactionState;

struct ListedNames {
  std::uint32_t rule = 0;        // the chain's head
  Variable variable{};           // whose names are asked for
  std::uint16_t chain = 0;       // none, or lowercase
  std::uint8_t groups = 1;       // that the pattern captures, all of them the name
  char mark = '/';               // around a name in the list
  const Macro* list = nullptr;   // null: the operator's argument as it is
  std::array<bool, 256> odd{};   // a name with one of these bytes is not answered for
};

// Finds such chains; only where nothing else reads their variables.
void find_listed_names(Program& program);

// What a worker keeps of a list: which names can be on it, roughly.
class NameList {
 public:
  // Of a list that is none of ours there is nothing to be kept: false.
  bool use(std::string_view list, char mark);
  // False: it is not there, whatever its case.
  [[nodiscard]] bool may_contain(std::string_view name) const;

 private:
  static constexpr std::size_t kLongest = 4096;
  std::string list_;
  char mark_ = '\0';
  std::uint64_t shapes_ = 0;  // bits: lengths and edges of names that are there
  std::vector<std::string_view> names_;  // views of list_
};

// Is the rule such a chain, of which no name is on its list? Then all that it does has been done.
bool none_is_listed(TransactionState& tx, const Rule& rule);

}  // namespace weir::rules
