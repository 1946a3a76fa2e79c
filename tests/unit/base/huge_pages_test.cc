// The heap on huge pages: each test in a process of its own, since it is about the process.
#include "engine/base/huge_pages.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace weir::base {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Whether the kernel was asked for huge pages at `address`: "hg" among the mapping's flags.
bool asked_for(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) here = from <= at && at < to;
    if (here && line.rfind("VmFlags:", 0) == 0) return line.find(" hg") != std::string::npos;
  }
  return false;
}

std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::strtoul(line.c_str() + 6, nullptr, 10);
  }
  return 0;
}

// What `check` returns, run in a child: 0 is good, the rest says which of its conditions failed.
template <class Check>
int in_a_child(Check check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Sanitizers bring a malloc() of their own.
class HeapOnHugePages : public testing::Test {
 protected:
  void SetUp() override {
    const auto piece = std::make_unique<char[]>(1000);
    const auto* const end = static_cast<const char*>(::sbrk(0));
    if (piece.get() > end || end - piece.get() > static_cast<std::ptrdiff_t>(1024 * kMiB)) GTEST_SKIP() << "no heap of glibc's";
  }
};

TEST_F(HeapOnHugePages, WhatIsAllocatedNextLiesThere) {
  EXPECT_EQ(in_a_child([] {
              const auto* before = static_cast<const char*>(::sbrk(0));
              heap_on_huge_pages(8 * kMiB);
              const auto* after = static_cast<const char*>(::sbrk(0));
              if (after - before < static_cast<std::ptrdiff_t>(8 * kMiB)) return 1;
              // Behind the first huge page that begins there.
              std::vector<char*> pieces;
              for (int i = 0; i < 40; ++i) pieces.push_back(static_cast<char*>(std::malloc(100'000)));  // NOLINT
              const char* last = pieces.back();
              if (last < before || last >= after) return 2;
              if (!asked_for(last)) return 3;
              return ::sbrk(0) == after ? 0 : 4;  // nothing more was needed
            }),
            0);
}

TEST_F(HeapOnHugePages, GrowsAgainThoughPiecesInsideAreFree) {
  EXPECT_EQ(in_a_child([] {
              heap_on_huge_pages(4 * kMiB);
              std::vector<void*> pieces;
              for (int i = 0; i < 60; ++i) pieces.push_back(std::malloc(60'000));  // NOLINT
              for (std::size_t i = 0; i < pieces.size(); i += 2) std::free(pieces[i]);  // NOLINT
              const auto* before = static_cast<const char*>(::sbrk(0));
              heap_on_huge_pages(4 * kMiB);
              const auto* after = static_cast<const char*>(::sbrk(0));
              if (after - before < static_cast<std::ptrdiff_t>(4 * kMiB)) return 1;
              // The last whole one: what is behind it is not on any.
              return asked_for(after - reinterpret_cast<std::uintptr_t>(after) % kHugePage - 1) ? 0 : 2;
            }),
            0);
}

TEST_F(HeapOnHugePages, GrowsOnceWhereNothingWasAllocated) {
  EXPECT_EQ(in_a_child([] {
              heap_on_huge_pages(40 * kMiB);  // more than malloc() has in its heap in one piece
              const auto* before = static_cast<const char*>(::sbrk(0));
              heap_on_huge_pages(16 * kMiB);
              if (::sbrk(0) != before) return 1;
              heap_on_huge_pages(64 * kMiB);
              const auto* after = static_cast<const char*>(::sbrk(0));
              return after - before <= static_cast<std::ptrdiff_t>(120 * kMiB) ? 0 : 2;
            }),
            0);
}

TEST_F(HeapOnHugePages, TakesNoMemoryThatIsNotTouched) {
  EXPECT_EQ(in_a_child([] {
              const std::size_t before = resident_kib();
              heap_on_huge_pages(64 * kMiB);
              return resident_kib() < before + 3 * 1024 ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace weir::base
