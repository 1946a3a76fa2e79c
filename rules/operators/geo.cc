#include "rules/operators/geo.h"

#include <maxminddb.h>

#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

namespace weir::rules {

namespace {

std::string_view text_at(MMDB_entry_s& entry, const char* const* path) {
  MMDB_entry_data_s data{};
  if (MMDB_aget_value(&entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
      data.type != MMDB_DATA_TYPE_UTF8_STRING) {
    return {};
  }
  return {data.utf8_string, data.data_size};
}

bool number_at(MMDB_entry_s& entry, const char* const* path, double& out) {
  MMDB_entry_data_s data{};
  if (MMDB_aget_value(&entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
      data.type != MMDB_DATA_TYPE_DOUBLE) {
    return false;
  }
  out = data.double_value;
  return true;
}

class MaxMind final : public GeoDatabase {
 public:
  MaxMind() = default;
  ~MaxMind() override {
    if (open_) MMDB_close(&db_);
  }

  Result<void> open(const std::string& path) {
    const int status = MMDB_open(path.c_str(), MMDB_MODE_MMAP, &db_);
    if (status != MMDB_SUCCESS) {
      return fail("the geographical database '" + path +
                  "' cannot be used: " + MMDB_strerror(status));
    }
    open_ = true;
    return {};
  }

  bool lookup(const IpAddress& address, GeoRecord& out) const override {
    sockaddr_storage storage{};
    if (address.version == 4) {
      auto* in = reinterpret_cast<sockaddr_in*>(&storage);
      in->sin_family = AF_INET;
      std::memcpy(&in->sin_addr, address.bytes.data(), 4);
    } else if (address.version == 6) {
      auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
      in->sin6_family = AF_INET6;
      std::memcpy(&in->sin6_addr, address.bytes.data(), 16);
    } else {
      return false;
    }
    int status = MMDB_SUCCESS;
    MMDB_lookup_result_s result =
        MMDB_lookup_sockaddr(&db_, reinterpret_cast<const sockaddr*>(&storage), &status);
    if (status != MMDB_SUCCESS || !result.found_entry) return false;
    fill(result.entry, out);
    return true;
  }

 private:
  static void fill(MMDB_entry_s& entry, GeoRecord& out) {
    static constexpr const char* kCode[] = {"country", "iso_code", nullptr};
    static constexpr const char* kName[] = {"country", "names", "en", nullptr};
    static constexpr const char* kContinent[] = {"continent", "code", nullptr};
    static constexpr const char* kRegion[] = {"subdivisions", "0", "iso_code", nullptr};
    static constexpr const char* kCity[] = {"city", "names", "en", nullptr};
    static constexpr const char* kPostal[] = {"postal", "code", nullptr};
    static constexpr const char* kLatitude[] = {"location", "latitude", nullptr};
    static constexpr const char* kLongitude[] = {"location", "longitude", nullptr};
    out = {};
    out.country_code = text_at(entry, kCode);
    out.country_name = text_at(entry, kName);
    out.country_continent = text_at(entry, kContinent);
    out.region = text_at(entry, kRegion);
    out.city = text_at(entry, kCity);
    out.postal_code = text_at(entry, kPostal);
    out.has_location =
        number_at(entry, kLatitude, out.latitude) && number_at(entry, kLongitude, out.longitude);
  }

  MMDB_s db_{};
  bool open_ = false;
};

}  // namespace

Result<std::unique_ptr<GeoDatabase>> open_geo_database(const std::string& path) {
  auto database = std::make_unique<MaxMind>();
  if (auto opened = database->open(path); !opened) return fail(opened.error().message);
  return std::unique_ptr<GeoDatabase>(std::move(database));
}

}  // namespace weir::rules
