// Cost for each byte of every transformation and of the operators that search, on plain and on
// hostile values of 64 KiB and 1 MiB. Linear work shows as equal figures; a ratio above kTolerated
// is reported and makes the exit status 1. A program rather than a test: its figures are a
// machine's mood, too.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "rules/transforms/transform.h"
#include "test_context.h"

using namespace weir::rules;

namespace {

constexpr double kTolerated = 5;
constexpr std::size_t kSmall = std::size_t{64} << 10;
constexpr std::size_t kLarge = std::size_t{1} << 20;

std::string filled(const std::string& unit, std::size_t size) {
  std::string s;
  while (s.size() < size)
    s += unit;
  return s;
}

// Nanoseconds of processor time for each byte; the best of a few runs.
template <class Run>
double cost(std::size_t bytes, Run run) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const std::clock_t start = std::clock();
    std::size_t runs = 0;
    std::clock_t took = 0;
    do {
      run();
      ++runs;
      took = std::clock() - start;
    } while (took < CLOCKS_PER_SEC / 2000);
    best = std::min(
        best, 1e9 / CLOCKS_PER_SEC * static_cast<double>(took) / static_cast<double>(runs * bytes));
  }
  return best;
}

struct Worst {
  double small = 0, large = 0;
  std::string unit;
};

template <class Measure>
bool report(const std::string& name, const std::vector<std::string>& units, Measure measure) {
  Worst slowest, steepest;
  for (const std::string& unit : units) {
    const double small = measure(filled(unit, kSmall));
    const double large = measure(filled(unit, kLarge));
    if (large > slowest.large) slowest = {small, large, unit};
    if (steepest.small == 0 || large / small > steepest.large / steepest.small) {
      steepest = {small, large, unit};
    }
  }
  const double ratio = steepest.large / steepest.small;
  // What costs a fraction of a nanosecond is bound by caches.
  const bool bad = ratio > kTolerated && steepest.large > 2;
  std::printf("%-22s slowest %8.2f ns/byte on \"%s\"; steepest x%.1f on \"%s\"%s\n", name.c_str(),
              slowest.large, slowest.unit.c_str(), ratio, steepest.unit.c_str(),
              bad ? "  <-- not linear" : "");
  return !bad;
}

}  // namespace

int main() {
  const std::vector<std::string> units = {
      "plain text ", "x",     "../",  "/",     "/*",    "*/",  "<!--",    "--",   "#",
      "&#",          "&a",    "&lt;", "&#9",   "\\",    "\\7", "\\u0041", "%",    "%u",
      "%41",         "+",     "0x4",  "0x41 ", " ",     "\t ", "=",       "QUJD", "\xf0",
      "\xc3\xa9",    "a/../", "./",   "\\..",  "A",     "'",   "\"",      "1",    "$a",
      "q'(",         "[",     "`",    "<a ",   "<a x=", "=`",  "select ", "(",    "{",
      "<",           "on=",   "@@",   "u&'",   ";"};
  bool linear = true;
  for (unsigned i = 0; i <= static_cast<unsigned>(Transform::Utf8ToUnicode); ++i) {
    const auto t = static_cast<Transform>(i);
    weir::base::Arena arena(SIZE_MAX, 8 * kLarge);  // its page faults are not to be measured
    static_cast<void>(arena.copy(filled("x", 4 * kLarge)));
    linear = report(std::string(transform_name(t)), units,
                    [&](const std::string& in) {
                      return cost(in.size(), [&] {
                        arena.reset();
                        static_cast<void>(apply(t, in, arena, nullptr));
                      });
                    }) &&
             linear;
  }
  const std::pair<const char*, const char*> operators[] = {
      {"detectsqli", ""},
      {"detectxss", ""},
      {"pm", "aaaaaaab xxxxxxxy ../../../a select/* /*/*/*/*a &lt;&lt;&"},
      {"containsword", "/ / / / /a"},
      {"contains", "1111111112"},
      {"validateutf8encoding", ""},
      {"validateurlencoding", ""},
      {"validatebyterange", "0-255"},
      {"verifycc", "\\d{13,16}"},
      {"rxglobal", "(\\w+)"}};
  for (const auto& [name, argument] : operators) {
    TestOperator op(name, argument);
    linear = report(std::string("@") + name, units,
                    [&](const std::string& in) {
                      return cost(in.size(), [&] { static_cast<void>(op.matches(in)); });
                    }) &&
             linear;
  }
  return linear ? 0 : 1;
}
