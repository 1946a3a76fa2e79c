// In steady state a request takes nothing from the heap: stock CRS, every kind of body, at the lowest and
// the highest paranoia level, values that have been seen before and values that have not.

#include <filesystem>

#include "tests/support/allocations.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

std::vector<Source> crs3(int level) {
  const std::string setup = "/etc/modsecurity/crs/crs-setup.conf";
  const std::string rules = "/usr/share/modsecurity-crs/rules";
  if (!std::filesystem::exists(setup) || !std::filesystem::exists(rules)) return {};
  return {Source::memory(
      "base.conf",
      "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\nSecResponseBodyAccess On\nInclude " + setup +
          "\nSecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=" + std::to_string(level) +
          "\"\nSecRule REQUEST_HEADERS:Content-Type \"@contains json\" "
          "\"id:900001,phase:1,nolog,pass,ctl:requestBodyProcessor=JSON\"\nInclude " +
          rules + "/*.conf\n")};
}

// Five requests; `round` makes values that no round before had.
std::vector<Request> requests(int round) {
  const std::string n = std::to_string(100000 + round);
  std::vector<Request> out;
  out.push_back(get("/shop/item" + n + "?page=" + n + "&q=red+shoes+" + n));
  out.back()
      .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
      .header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
      .header("Cookie", "session=4tPefULMj1eoR2Q3" + n + "; theme=dark")
      .header("Referer", "https://www.shop.example/way/" + n);
  out.push_back(form("name=Ada+Lovelace&mail=ada" + n + "@example.com&text=A+sentence+of+some+words%2C+" + n));
  std::string json = "{\"user\":{\"name\":\"Grace " + n + "\",\"ok\":true},\"items\":[";
  for (int i = 0; i < 40; ++i) json += "{\"id\":" + n + std::to_string(i) + ",\"what\":\"house and garden\"},";
  out.push_back(post("application/json", json + "null]}"));
  out.push_back(post("multipart/form-data; boundary=b",
                     "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a" + n +
                         ".txt\"\r\nContent-Type: text/plain\r\n\r\nHello " + n + "\r\n--b--\r\n"));
  out.push_back(get("/?id=" + n + "'+or+1%3D1+union+select+null--+&x=%3Cscript%3Ealert(" + n + ")%3C/script%3E"));
  for (Request& r : out) r.response_body = "<html><body>Hello " + n + "</body></html>";
  return out;
}

TEST(Allocation, NoneForARequestInSteadyState) {
  for (const int level : {1, 4}) {
    const auto sources = crs3(level);
    if (sources.empty()) GTEST_SKIP() << "CRS 3 is not installed";
    Waf waf(sources, {});
    LOADED(waf);
    const Timestamp now{1'700'000'000'000'000'000};
    constexpr int kWarm = 30;
    std::vector<std::vector<Request>> rounds;
    for (int i = 0; i < kWarm + 5; ++i) rounds.push_back(requests(i));
    std::size_t matches = 0;
    for (int i = 0; i < kWarm + 5; ++i) {
      for (std::size_t k = 0; k < rounds[static_cast<std::size_t>(i)].size(); ++k) {
        const Request& r = rounds[static_cast<std::size_t>(i)][k];
        const std::size_t before = test::allocations();
        waf.begin(now);
        waf.feed(r, now);
        if (i >= kWarm) {
          EXPECT_EQ(test::allocations(), before) << "request " << k << " of round " << i << " at level " << level;
        }
        matches += waf.transaction().matches().size();
      }
    }
    EXPECT_GT(matches, 500U);
    EXPECT_GT(test::allocations(), 1000U);  // they are counted
  }
}

}  // namespace
}  // namespace weir::rules::testing
