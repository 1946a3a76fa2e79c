// Where an address is: the interface behind @geoLookup and the GEO collection, and its
// implementation over MaxMind DB files (SecGeoLookupDb).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/base/ip_address.h"
#include "engine/result.h"

namespace weir::rules {

// What GEO holds after a lookup. Views into the database; empty where it has nothing to say.
struct GeoRecord {
  std::string_view country_code;       // ISO 3166-1 alpha-2
  std::string_view country_name;       // in English
  std::string_view country_continent;  // two letters
  std::string_view region;             // ISO 3166-2 part after the country
  std::string_view city;               // in English
  std::string_view postal_code;
  double latitude = 0;
  double longitude = 0;
  bool has_location = false;
};

// Immutable; shared by threads; must outlive the records it filled.
class GeoDatabase {
 public:
  virtual ~GeoDatabase() = default;
  // False: the address is not in the database.
  [[nodiscard]] virtual bool lookup(const IpAddress& address, GeoRecord& out) const = 0;
};

// Opens a MaxMind DB file (GeoLite2, DB-IP and the like), mapped into memory.
Result<std::unique_ptr<GeoDatabase>> open_geo_database(const std::string& path);

}  // namespace weir::rules
