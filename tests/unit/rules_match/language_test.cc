// The language tests of ModSecurity and Coraza (secrules-language-tests), where WEIR_SECRULES_TESTS
// names a checkout of them.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "rules/transforms/transform.h"
#include "test_context.h"

namespace weir::rules {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The files write bytes as the text \xHH or \uHHHH, besides JSON's own escapes.
std::string to_bytes(const std::string& s) {
  std::string out;
  for (std::size_t i = 0; i < s.size();) {
    const std::size_t digits = s.compare(i, 2, "\\x") == 0   ? 2
                               : s.compare(i, 2, "\\u") == 0 ? 4
                                                             : 0;
    const std::string hex = digits == 0 ? "" : s.substr(i + 2, digits);
    if (digits != 0 && hex.size() == digits &&
        std::all_of(hex.begin(), hex.end(),
                    [](unsigned char c) { return std::isxdigit(c) != 0; })) {
      out.push_back(static_cast<char>(std::stoul(hex, nullptr, 16) & 0xff));
      i += 2 + digits;
    } else {
      out.push_back(s[i++]);
    }
  }
  return out;
}

std::string printable(const std::string& s) {
  std::ostringstream out;
  for (const char ch : s) {
    const auto c = static_cast<unsigned char>(ch);
    if (c >= 32 && c < 127) {
      out << ch;
    } else {
      out << "\\x" << std::hex << (c >> 4) << (c & 15) << std::dec;
    }
  }
  return out.str();
}

const char* folder() {
  return std::getenv("WEIR_SECRULES_TESTS");
}

std::vector<fs::path> json_files(const fs::path& in) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(in)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string text_of(const nlohmann::json& test, const char* key) {
  return test.contains(key) ? test[key].get<std::string>() : std::string();
}

// Cases where the JSON files differ from ModSecurity 2's own tests, which they were made from; Weir
// keeps to the latter.
std::optional<std::string> amended(const std::string& name, const std::string& in) {
  // `\\0` of the original became a backslash and a NUL byte; so the blank after it is no longer
  // swallowed.
  if (name == "cssDecode" && in.find("ff5e") != std::string::npos) {
    return "test\\x0a\\x0b\\x0fnrtv?'\"\\x00\\x12#4EV!~\\x00  string";
  }
  // The backslash of an escape without meaning goes.
  if (name == "escapeSeqDecode" && in == "\\8\\9\\666\\xag\\xga\\0123")
    return "89\\xb6xagxga\\x0a3";
  return std::nullopt;
}

TEST(LanguageTests, Transformations) {
  if (folder() == nullptr) GTEST_SKIP() << "WEIR_SECRULES_TESTS is not set";
  std::size_t cases = 0, left_out = 0;
  for (const fs::path& file : json_files(fs::path(folder()) / "transformations")) {
    for (const auto& test : nlohmann::json::parse(read_file(file))) {
      std::string name = text_of(test, "name");
      if (name == "cmd_line") name = "cmdLine";
      const auto transform = find_transform(name);
      if (!transform) {
        ADD_FAILURE() << "there is no transformation " << name;
        ++left_out;
        continue;
      }
      ++cases;
      const std::string in = to_bytes(text_of(test, "input"));
      base::Arena arena;
      const Transformed out = apply(*transform, in, arena, nullptr);
      const std::string want =
          amended(name, in).value_or(printable(to_bytes(text_of(test, "output"))));
      EXPECT_EQ(printable(std::string(out.value)), want) << name << " of " << printable(in);
    }
  }
  std::cout << "language tests, transformations: " << cases << " run, " << left_out
            << " of transformations that are not there\n";
  EXPECT_GT(cases, 300U);
}

TEST(LanguageTests, Operators) {
  if (folder() == nullptr) GTEST_SKIP() << "WEIR_SECRULES_TESTS is not set";
  std::size_t cases = 0, left_out = 0;
  for (const fs::path& file : json_files(fs::path(folder()) / "operators")) {
    for (const auto& test : nlohmann::json::parse(read_file(file))) {
      std::string name = text_of(test, "name");
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return static_cast<char>(std::tolower(c)); });
      const std::string param = to_bytes(text_of(test, "param"));
      std::string in = to_bytes(text_of(test, "input"));
      if (const auto nul = in.find("\\0"); nul != std::string::npos) {
        in.replace(nul, 2, 1, '\0');  // Perl's escape, left over from ModSecurity 2's tests
      }
      TestFiles files;
      if (name == "pmfromfile") {
        files.contents[param] =
            read_file(fs::path(folder()) / "operators" / "op" / fs::path(param).filename());
      }
      if (name == "geolookup" || (name == "pmfromfile" && param.find("://") != std::string::npos)) {
        ++left_out;  // needs a database or the net
        continue;
      }
      TestOperator op(files, name, param);
      if (op.op == nullptr) {
        // Arguments that make no sense are refused at load; ModSecurity reads "xxx" as byte 0, and
        // lets addresses that are none never match.
        EXPECT_TRUE(test["ret"].get<int>() == 0 || (name == "validatebyterange" && param == "xxx"))
            << name << " " << param << ": " << op.error;
        ++left_out;
        continue;
      }
      ++cases;
      const Evaluation e = op.run(in);
      EXPECT_EQ(e.matched, test["ret"].get<int>() == 1)
          << "@" << name << " " << printable(param) << " on " << printable(in);
    }
  }
  std::cout << "language tests, operators: " << cases << " run, " << left_out << " left out\n";
  EXPECT_GT(cases, 3500U);
}

}  // namespace
}  // namespace weir::rules
