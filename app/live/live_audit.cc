#include "app/live/live_audit.h"

#include <array>
#include <cstring>

namespace weir::app {
namespace {

using Length = std::uint32_t;

}  // namespace

void pack(const AuditEntry& entry, std::string& out) {
  const std::array<Length, 2> lengths{static_cast<Length>(entry.path.size()), static_cast<Length>(entry.file.size())};
  out.assign(reinterpret_cast<const char*>(lengths.data()), sizeof lengths);
  out += entry.path;
  out += entry.file;
  out += entry.log;
}

bool unpack(std::string_view item, AuditEntry& entry) {
  std::array<Length, 2> lengths{};
  if (item.size() < sizeof lengths) return false;
  std::memcpy(lengths.data(), item.data(), sizeof lengths);
  item.remove_prefix(sizeof lengths);
  if (lengths[0] > item.size() || lengths[1] > item.size() - lengths[0]) return false;
  entry.path = item.substr(0, lengths[0]);
  entry.file = item.substr(lengths[0], lengths[1]);
  entry.log = item.substr(lengths[0] + lengths[1]);
  return true;
}

void LiveAudit::on_finished(rules::Transaction& transaction, const Event& event) {
  entry_.log.clear();
  entry_.path.clear();
  entry_.file.clear();
  if (!formatter_.format(transaction, event, entry_)) return;
  pack(entry_, item_);
  feed_.put(item_);
}

}  // namespace weir::app
