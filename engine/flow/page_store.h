// PageStore: the bytes of all directions, in pages from one bounded pool.
//
// A direction's bytes are addressed by stream offset. A page holds 1 KiB at an aligned offset, with one
// bit for each byte present; a directory names 64 neighbouring pages. So overlaps are judged byte by byte,
// one-byte segments cost no more than their page, and no input makes a search long: directories are
// few (a direction's bytes / 64 KiB when dense). Both kinds of block are counted in the one cap.
//
// Offsets are >= 0. Not thread-safe; one owner.
// Tested by tests/unit/flow/page_store_test.cc against a map of bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/base/pool.h"
#include "engine/packet.h"

namespace weir::flow {

inline constexpr std::uint32_t kPageBytes = 1024;
inline constexpr std::uint32_t kDirectoryPages = 64;

struct Page {
  std::array<std::uint64_t, kPageBytes / 64> present{};
  std::array<std::uint8_t, kPageBytes> bytes;
};

struct PageDirectory {
  std::int64_t first = 0;  // number of the first page, a multiple of kDirectoryPages
  std::uint32_t next = base::kNone;
  std::uint32_t used = 0;
  std::array<std::uint32_t, kDirectoryPages> pages;
};

// One direction's pages; eight bytes when there are none.
struct PageList {
  std::uint32_t head = base::kNone;  // directories in order of offset
  std::uint32_t pages = 0;
};

class PageStore {
 public:
  explicit PageStore(std::uint64_t bytes);

  // Makes room for [from, to). false, and nothing changed, when the pool is exhausted.
  [[nodiscard]] bool reserve(PageList& list, std::int64_t from, std::int64_t to);
  // How many pages [from, to) lacks.
  [[nodiscard]] std::uint32_t missing_pages(const PageList& list, std::int64_t from,
                                            std::int64_t to) const;

  // Does any byte that is present differ from `bytes` at the same offset?
  [[nodiscard]] bool differs(const PageList& list, std::int64_t offset, Bytes bytes) const;

  // reserve() and write_absent() at once. REQUIRES: nothing from `offset` on is present.
  bool append(PageList& list, std::int64_t offset, Bytes bytes);

  // REQUIRES: reserved. Write what is absent, or everything; return how many bytes were absent before.
  std::uint32_t write_absent(PageList& list, std::int64_t offset, Bytes bytes);
  std::uint32_t write_over(PageList& list, std::int64_t offset, Bytes bytes);

  // The bytes present from `offset` on, as far as they lie in one page without a hole; may be empty.
  [[nodiscard]] Bytes run_at(const PageList& list, std::int64_t offset) const;
  // The first offset >= `from` that is present, or -1.
  [[nodiscard]] std::int64_t next_present(const PageList& list, std::int64_t from) const;

  // Gives back the pages that lie wholly below `offset`.
  void release_below(PageList& list, std::int64_t offset);
  void release_all(PageList& list);

  // Less than one part in so many is left of pages or directories.
  [[nodiscard]] bool scarce(std::uint32_t part) const {
    const auto beyond = [part](const auto& pool) { return pool.size() > pool.capacity() - pool.capacity() / part; };
    return beyond(pages_) || beyond(directories_);
  }
  [[nodiscard]] std::uint32_t pages_used() const { return pages_.size(); }
  [[nodiscard]] std::uint32_t pages_peak() const { return pages_.peak(); }
  [[nodiscard]] std::uint32_t pages_most() const { return pages_.capacity(); }
  [[nodiscard]] std::uint64_t memory() const {
    return std::uint64_t{pages_.capacity()} * sizeof(Page) +
           std::uint64_t{directories_.capacity()} * sizeof(PageDirectory);
  }

 private:
  [[nodiscard]] const Page* find(const PageList& list, std::int64_t number) const;
  [[nodiscard]] Page* find(PageList& list, std::int64_t number);
  // The page of that number, made if it is not there; null: there is no room for it.
  [[nodiscard]] Page* obtain(PageList& list, std::int64_t number);
  void drop_empty(PageList& list, std::int64_t from_page, std::int64_t to_page);
  template <bool kOver>
  std::uint32_t write(PageList& list, std::int64_t offset, Bytes bytes);

  base::Pool<Page> pages_;
  base::Pool<PageDirectory> directories_;
};

}  // namespace weir::flow
