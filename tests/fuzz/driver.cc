// Stands in for libFuzzer in ordinary builds: runs LLVMFuzzerTestOneInput over every seed file and then
// over a fixed number of mutations of them. Deterministic: the same binary and seeds do the same.
//
//   some_fuzz [--runs N] [SEED_FILE_OR_DIRECTORY]…
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

Input read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void mutate(Input& input, const std::vector<Input>& seeds, std::mt19937_64& random) {
  const auto below = [&random](std::size_t n) { return n == 0 ? 0 : random() % n; };
  for (auto steps = 1 + below(6); steps > 0; --steps) {
    const std::size_t at = below(input.size() + 1);
    const auto where = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(6)) {
      case 0:
        if (at < input.size()) input[at] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:
        if (at < input.size()) input[at] = static_cast<std::uint8_t>(random());
        break;
      case 2:
        input.insert(where, 1 + below(8), static_cast<std::uint8_t>(random()));
        break;
      case 3: {
        const std::size_t n = std::min<std::size_t>(below(16), input.size() - at);
        input.erase(where, where + static_cast<std::ptrdiff_t>(n));
        break;
      }
      case 4: {  // splice in a piece of another seed
        const Input& other = seeds[below(seeds.size())];
        const std::size_t from = below(other.size());
        const std::size_t n = std::min<std::size_t>(below(64), other.size() - from);
        input.insert(where, other.begin() + static_cast<std::ptrdiff_t>(from),
                     other.begin() + static_cast<std::ptrdiff_t>(from + n));
        break;
      }
      default: {  // repeat a piece
        const std::size_t n = std::min<std::size_t>(1 + below(32), input.size() - at);
        const Input piece(where, where + static_cast<std::ptrdiff_t>(n));
        input.insert(where, piece.begin(), piece.end());
        break;
      }
    }
  }
  if (input.size() > 65536) input.resize(65536);
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t runs = 2000;
  std::vector<Input> seeds{{}};
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--runs" && i + 1 < argc) {
      runs = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::filesystem::is_directory(arg)) {
      std::vector<std::filesystem::path> files;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(arg)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
      std::sort(files.begin(), files.end());
      for (const auto& file : files) seeds.push_back(read(file));
    } else {
      seeds.push_back(read(arg));
    }
  }
  for (const Input& seed : seeds) LLVMFuzzerTestOneInput(seed.data(), seed.size());
  std::mt19937_64 random(20260101);
  for (std::size_t i = 0; i < runs; ++i) {
    Input input = seeds[random() % seeds.size()];
    mutate(input, seeds, random);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu seeds, %zu mutations\n", seeds.size(), runs);
  return 0;
}
