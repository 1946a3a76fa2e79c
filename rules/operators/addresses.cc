// @ipMatch, @ipMatchFromFile, @geoLookup, @rbl.
#include <algorithm>
#include <vector>

#include "rules/operators/factories.h"
#include "rules/operators/geo.h"

namespace weir::rules::operators {

namespace {

// Prefixes as sorted, disjoint ranges of addresses, so that a long list costs a binary search.
class AddressSet {
 public:
  void add(const IpPrefix& prefix) {
    IpAddress first = prefix.address;
    IpAddress last = prefix.address;
    for (std::size_t bit = prefix.length; bit < first.size() * 8; ++bit) {
      const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
      first.bytes[bit / 8] = static_cast<std::uint8_t>(first.bytes[bit / 8] & ~mask);
      last.bytes[bit / 8] = static_cast<std::uint8_t>(last.bytes[bit / 8] | mask);
    }
    ranges_.push_back({first, last});
  }

  void finish() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return before(a.first, b.first); });
    std::vector<Range> merged;
    for (const Range& r : ranges_) {
      if (!merged.empty() && merged.back().last.version == r.first.version &&
          !before(merged.back().last, r.first)) {
        if (before(merged.back().last, r.last)) merged.back().last = r.last;
      } else {
        merged.push_back(r);
      }
    }
    ranges_ = std::move(merged);
  }

  [[nodiscard]] bool contains(const IpAddress& a) const {
    auto at =
        std::upper_bound(ranges_.begin(), ranges_.end(), a,
                         [](const IpAddress& x, const Range& r) { return before(x, r.first); });
    if (at == ranges_.begin()) return false;
    --at;
    return at->last.version == a.version && !before(at->last, a);
  }

 private:
  struct Range {
    IpAddress first, last;
  };
  static bool before(const IpAddress& a, const IpAddress& b) {
    return a.version != b.version ? a.version < b.version : a.bytes < b.bytes;
  }
  std::vector<Range> ranges_;
};

std::string_view trimmed(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!s.empty() && blank(s.front()))
    s.remove_prefix(1);
  while (!s.empty() && blank(s.back()))
    s.remove_suffix(1);
  return s;
}

class IpMatch final : public Operator {
 public:
  explicit IpMatch(AddressSet set) : set_(std::move(set)) {}
  bool match(std::string_view value, OperatorContext&) const override {
    const auto address = IpAddress::parse(value);
    if (!address) return false;
    // ::ffff:a.b.c.d also counts as a.b.c.d (as IpPrefix::contains has it).
    const std::optional<IpAddress> v4 = address->mapped_v4();
    return set_.contains(*address) || (v4 && set_.contains(*v4));
  }

 private:
  AddressSet set_;
};

Result<void> add_prefix(std::string_view text, AddressSet& set) {
  const auto prefix = IpPrefix::parse(text);
  if (!prefix) return fail("'" + std::string(text) + "' is neither an address nor a network");
  set.add(*prefix);
  return {};
}

class GeoLookup final : public Operator {
 public:
  bool match(std::string_view value, OperatorContext& context) const override {
    if (context.geo == nullptr) return false;
    const auto address = IpAddress::parse(value);  // host names are not looked up: no DNS here
    if (!address) return false;
    GeoRecord record;
    if (!context.geo->lookup(*address, record)) return false;
    if (context.geo_record != nullptr) *context.geo_record = record;
    return true;
  }
};

class Rbl final : public Operator {
 public:
  bool match(std::string_view, OperatorContext&) const override { return false; }
  std::string_view warning() const override {
    return "@rbl never matches: a DNS query per request has no place in front of traffic; use "
           "@ipMatchFromFile with a list that is fetched aside";
  }
};

}  // namespace

Made make_ip_match(const OperatorSpec& spec, OperatorFiles&) {
  AddressSet set;
  std::string_view rest = spec.argument;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = trimmed(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    if (item.empty()) continue;
    if (auto added = add_prefix(item, set); !added) return fail(added.error().message);
  }
  set.finish();
  return std::unique_ptr<Operator>(new IpMatch(std::move(set)));
}

// One address or network a line; `#` begins a comment.
Made make_ip_match_from_file(const OperatorSpec& spec, OperatorFiles& files) {
  auto contents = read_files(spec.argument, files);
  if (!contents) return fail(contents.error().message);
  AddressSet set;
  std::string_view rest = *contents;
  std::size_t number = 0;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    ++number;
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    if (auto added = add_prefix(line, set); !added) {
      return fail(added.error().message + " in line " + std::to_string(number));
    }
  }
  set.finish();
  return std::unique_ptr<Operator>(new IpMatch(std::move(set)));
}

Made make_geo_lookup(const OperatorSpec&, OperatorFiles&) {
  return std::unique_ptr<Operator>(new GeoLookup());
}

Made make_rbl(const OperatorSpec&, OperatorFiles&) {
  return std::unique_ptr<Operator>(new Rbl());
}

}  // namespace weir::rules::operators
