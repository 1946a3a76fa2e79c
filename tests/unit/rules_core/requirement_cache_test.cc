// The cache of what patterns require: it answers as the analysis does, whatever its files hold.
#include "rules/requirement_cache.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "rules/cache_file.h"

namespace weir::rules {
namespace {

namespace fs = std::filesystem;

class NoFiles final : public OperatorFiles {
 public:
  Result<std::string> read(std::string_view) override { return fail("there are no files"); }
};

class Operators {
 public:
  Operators& add(std::string_view name, std::string_view argument) {
    NoFiles files;
    auto made = make_operator({.name = name, .argument = argument}, files);
    EXPECT_TRUE(made) << argument;
    if (made) owned_.push_back(std::move(*made));
    return *this;
  }
  [[nodiscard]] std::vector<const Operator*> list() const {
    std::vector<const Operator*> out;
    for (const auto& op : owned_) out.push_back(op.get());
    return out;
  }

 private:
  std::vector<std::unique_ptr<Operator>> owned_;
};

Operators various() {
  Operators ops;
  ops.add("rx", "(?i)union\\s+select").add("contains", "passwd").add("pm", "alpha beta gamma d");
  ops.add("rx", "\\$\\{jndi:").add("eq", "0").add("detectsqli", "").add("rx", "^(?:a|bc|\\bword\\b)x+$");
  return ops;
}

// In a form that shows every field.
std::string shown(const std::vector<Requirement>& requirements) { return encode(requirements); }

std::vector<Requirement> direct(const Operators& ops) {
  std::vector<Requirement> out;
  for (const Operator* op : ops.list()) out.push_back(requirement_of(*op));
  return out;
}

class RequirementCache : public ::testing::Test {
 protected:
  void SetUp() override {
    place_ = fs::temp_directory_path() / ("weir-requirements-" + std::to_string(::getpid()));
    fs::create_directory(place_);
  }
  void TearDown() override { fs::remove_all(place_); }

  [[nodiscard]] std::vector<fs::path> files() const {
    return {fs::directory_iterator(place_), fs::directory_iterator()};
  }
  static std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const fs::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  fs::path place_;
};

TEST_F(RequirementCache, AnswersAsTheAnalysisDoes) {
  const Operators ops = various();
  const std::string expected = shown(direct(ops));
  EXPECT_EQ(shown(requirements_of(ops.list(), "")), expected);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(shown(requirements_of(ops.list(), place_.string())), expected);
  ASSERT_EQ(files().size(), 1U);
  EXPECT_EQ(shown(requirements_of(ops.list(), place_.string())), expected);
  EXPECT_EQ(files().size(), 1U);
}

// What it answers does come from the file: a well-formed file that says something else is believed.
TEST_F(RequirementCache, ReadsTheFile) {
  Operators ops;
  ops.add("rx", "(?i)union\\s+select");
  (void)requirements_of(ops.list(), place_.string());
  ASSERT_EQ(files().size(), 1U);
  const fs::path file = files().front();
  const std::string name = file.stem().string();
  Digest key{};
  const std::string hex = name.substr(name.find('-') + 1);
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  Requirement other;
  other.least = 77;
  write_cache({"requirements", 1}, place_.string(), key, encode({other}));
  EXPECT_EQ(requirements_of(ops.list(), place_.string()).front().least, 77U);
}

TEST_F(RequirementCache, KeepsRuleSetsApart) {
  const std::pair<const char*, const char*> sets[] = {
      {"rx", "abc"}, {"rx", "(?i)abc"}, {"rx", "abd"}, {"pm", "abc"}, {"pm", "abc abd"}, {"pm", "abcabd"}};
  std::size_t expected = 0;
  for (const auto& [name, argument] : sets) {
    Operators ops;
    ops.add(name, argument);
    (void)requirements_of(ops.list(), place_.string());
    EXPECT_EQ(files().size(), ++expected) << name << ' ' << argument;
  }
}

TEST_F(RequirementCache, DamageIsNoticed) {
  const Operators ops = various();
  const std::string expected = shown(direct(ops));
  (void)requirements_of(ops.list(), place_.string());
  ASSERT_EQ(files().size(), 1U);
  const fs::path file = files().front();
  const std::string whole = read(file);
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    write(file, bad);
    ASSERT_EQ(shown(requirements_of(ops.list(), place_.string())), expected) << "flipped at " << at;
    ASSERT_EQ(read(file), whole) << "not made anew";
    write(file, std::string_view(whole).substr(0, at));
    ASSERT_EQ(shown(requirements_of(ops.list(), place_.string())), expected) << "cut at " << at;
    ASSERT_EQ(read(file), whole) << "not made anew";
  }
}

TEST(DecodeRequirements, TakesOnlyWhatIsWhole) {
  const std::vector<Requirement> made = direct(various());
  const std::string content = encode(made);
  const auto back = decode_requirements(content, made.size());
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), content);
  EXPECT_FALSE(decode_requirements(content, made.size() - 1));
  EXPECT_FALSE(decode_requirements(content, made.size() + 1));
  EXPECT_FALSE(decode_requirements(content + '\0', made.size()));
  for (std::size_t length = 0; length < content.size(); ++length) {
    EXPECT_FALSE(decode_requirements(std::string_view(content).substr(0, length), made.size())) << length;
  }
  // Every change of a byte: refused, or read as something that encodes to the same bytes.
  for (std::size_t at = 0; at < content.size(); ++at) {
    for (const int to : {0, 1, 0x7f, 0xff}) {
      std::string changed = content;
      changed[at] = static_cast<char>(to);
      const auto read = decode_requirements(changed, made.size());
      if (read) {
        EXPECT_EQ(encode(*read), changed) << at;
      }
    }
  }
}

}  // namespace
}  // namespace weir::rules
