#include "engine/flow/page_store.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

namespace weir::flow {
namespace {

using base::kNone;

constexpr std::int64_t page_number(std::int64_t offset) { return offset / kPageBytes; }

// The words of `present` that hold the bits [from, to) of a page, of the first and the last only some bits.
// REQUIRES: from < to.
struct Words {
  Words(std::uint32_t from, std::uint32_t to)
      : first(from / 64), last((to - 1) / 64), head(~0ULL << (from % 64)), tail(~0ULL >> (63 - (to - 1) % 64)) {
    if (first == last) head = tail = head & tail;
  }
  std::uint32_t first, last;
  std::uint64_t head, tail;  // masks of those two; alike if they are one
};

enum class Coverage : std::uint8_t { None, Some, All };

// How much of [from, to) is present. Almost always none or all, which need no look at single bytes.
Coverage coverage(const Page& page, std::uint32_t from, std::uint32_t to) {
  const Words words(from, to);
  const std::uint64_t* const bits = page.present.data();
  std::uint64_t any = (bits[words.first] & words.head) | (bits[words.last] & words.tail);
  std::uint64_t all = (bits[words.first] | ~words.head) & (bits[words.last] | ~words.tail);
  for (std::uint32_t w = words.first + 1; w < words.last; ++w) {
    any |= bits[w];
    all &= bits[w];
  }
  return any == 0 ? Coverage::None : all == ~0ULL ? Coverage::All : Coverage::Some;
}

// REQUIRES: from < to.
void mark_present(Page& page, std::uint32_t from, std::uint32_t to) {
  const Words words(from, to);
  std::uint64_t* const present = page.present.data();
  present[words.first] |= words.head;
  for (std::uint32_t w = words.first + 1; w < words.last; ++w) present[w] = ~0ULL;
  present[words.last] |= words.tail;
}

bool is_present(const Page& page, std::uint32_t at) {
  return (page.present[at / 64] >> (at % 64) & 1U) != 0;
}

// The first present byte at or after `from`, or kPageBytes.
std::uint32_t find_present(const Page& page, std::uint32_t from) {
  std::uint64_t mask = ~0ULL << (from % 64);
  for (std::uint32_t word = from / 64; word < page.present.size(); ++word) {
    if (const std::uint64_t bits = page.present[word] & mask; bits != 0) {
      return word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
    }
    mask = ~0ULL;
  }
  return kPageBytes;
}

std::uint32_t find_absent(const Page& page, std::uint32_t from) {
  std::uint64_t mask = ~0ULL << (from % 64);
  for (std::uint32_t word = from / 64; word < page.present.size(); ++word) {
    if (const std::uint64_t bits = ~page.present[word] & mask; bits != 0) {
      return word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
    }
    mask = ~0ULL;
  }
  return kPageBytes;
}

std::uint32_t most_pages(std::uint64_t bytes) {
  // The worst case, a directory for each page, still fits the cap.
  const std::uint64_t n = bytes / (sizeof(Page) + sizeof(PageDirectory));
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(n, 4, kNone - 1));
}

}  // namespace

PageStore::PageStore(std::uint64_t bytes)
    : pages_(most_pages(bytes)), directories_(most_pages(bytes)) {}

const Page* PageStore::find(const PageList& list, std::int64_t number) const {
  for (std::uint32_t d = list.head; d != kNone;) {
    const PageDirectory& directory = directories_[d];
    if (number < directory.first) return nullptr;
    if (number < directory.first + kDirectoryPages) {
      const std::uint32_t page = directory.pages[static_cast<std::size_t>(number - directory.first)];
      return page == kNone ? nullptr : &pages_[page];
    }
    d = directory.next;
  }
  return nullptr;
}

Page* PageStore::find(PageList& list, std::int64_t number) {
  return const_cast<Page*>(std::as_const(*this).find(list, number));
}

Page* PageStore::obtain(PageList& list, std::int64_t number) {
  std::uint32_t* link = &list.head;
  while (*link != kNone && number >= directories_[*link].first + kDirectoryPages) {
    link = &directories_[*link].next;
  }
  if (*link == kNone || number < directories_[*link].first) {
    if (pages_.full()) return nullptr;
    const std::uint32_t fresh = directories_.allocate();
    if (fresh == kNone) return nullptr;
    PageDirectory& directory = directories_[fresh];
    directory.first = number / kDirectoryPages * kDirectoryPages;
    directory.next = *link;
    directory.pages.fill(kNone);
    *link = fresh;
  }
  PageDirectory& directory = directories_[*link];
  std::uint32_t& slot = directory.pages[static_cast<std::size_t>(number - directory.first)];
  if (slot != kNone) return &pages_[slot];
  slot = pages_.allocate();
  if (slot == kNone) return nullptr;
  ++directory.used;
  ++list.pages;
  return &pages_[slot];
}

bool PageStore::reserve(PageList& list, std::int64_t from, std::int64_t to) {
  for (std::int64_t n = page_number(from); n * kPageBytes < to; ++n) {
    if (obtain(list, n) == nullptr) {
      drop_empty(list, page_number(from), n);
      return false;
    }
  }
  return true;
}

bool PageStore::append(PageList& list, std::int64_t offset, Bytes bytes) {
  const std::size_t most = bytes.size() / kPageBytes + 2;  // pages, and directories, that may be needed
  if (pages_.capacity() - pages_.size() < most || directories_.capacity() - directories_.size() < most) {
    if (!reserve(list, offset, offset + static_cast<std::int64_t>(bytes.size()))) return false;
    write_absent(list, offset, bytes);
    return true;
  }
  while (!bytes.empty()) {
    const auto from = static_cast<std::uint32_t>(offset % kPageBytes);
    const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), kPageBytes - from));
    Page& page = *obtain(list, page_number(offset));
    assert(find_present(page, from) == kPageBytes);
    std::memcpy(page.bytes.data() + from, bytes.data(), n);
    mark_present(page, from, from + n);
    offset += n;
    bytes = bytes.subspan(n);
  }
  return true;
}

void PageStore::drop_empty(PageList& list, std::int64_t from_page, std::int64_t to_page) {
  std::uint32_t* link = &list.head;
  while (*link != kNone) {
    PageDirectory& directory = directories_[*link];
    for (std::uint32_t i = 0; i < kDirectoryPages; ++i) {
      const std::int64_t number = directory.first + i;
      const std::uint32_t page = directory.pages[i];
      if (page == kNone || number < from_page || number > to_page) continue;
      if (find_present(pages_[page], 0) != kPageBytes) continue;
      pages_.release(page);
      directory.pages[i] = kNone;
      --directory.used;
      --list.pages;
    }
    if (directory.used == 0) {
      const std::uint32_t empty = *link;
      *link = directory.next;
      directories_.release(empty);
    } else {
      link = &directory.next;
    }
  }
}

std::uint32_t PageStore::missing_pages(const PageList& list, std::int64_t from,
                                       std::int64_t to) const {
  std::uint32_t n = 0;
  for (std::int64_t number = page_number(from); number * kPageBytes < to; ++number) {
    if (find(list, number) == nullptr) ++n;
  }
  return n;
}

bool PageStore::differs(const PageList& list, std::int64_t offset, Bytes bytes) const {
  if (list.pages == 0) return false;
  while (!bytes.empty()) {
    const auto from = static_cast<std::uint32_t>(offset % kPageBytes);
    const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), kPageBytes - from));
    if (const Page* page = find(list, page_number(offset)); page != nullptr) {
      const Coverage held = coverage(*page, from, from + n);
      if (held == Coverage::All) {
        if (std::memcmp(page->bytes.data() + from, bytes.data(), n) != 0) return true;
      } else if (held == Coverage::Some) {
        for (std::uint32_t i = 0; i < n; ++i) {
          if (is_present(*page, from + i) && page->bytes[from + i] != bytes[i]) return true;
        }
      }
    }
    offset += n;
    bytes = bytes.subspan(n);
  }
  return false;
}

template <bool kOver>
std::uint32_t PageStore::write(PageList& list, std::int64_t offset, Bytes bytes) {
  std::uint32_t fresh = 0;
  while (!bytes.empty()) {
    const auto from = static_cast<std::uint32_t>(offset % kPageBytes);
    const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), kPageBytes - from));
    Page* page = find(list, page_number(offset));
    assert(page != nullptr);
    const Coverage held = coverage(*page, from, from + n);
    if (held == Coverage::None) {
      fresh += n;
      std::memcpy(page->bytes.data() + from, bytes.data(), n);
    } else if (held == Coverage::Some) {
      for (std::uint32_t i = 0; i < n; ++i) {
        const bool absent = !is_present(*page, from + i);
        fresh += absent ? 1 : 0;
        if (kOver || absent) page->bytes[from + i] = bytes[i];
      }
    } else if (kOver) {
      std::memcpy(page->bytes.data() + from, bytes.data(), n);
    }
    mark_present(*page, from, from + n);
    offset += n;
    bytes = bytes.subspan(n);
  }
  return fresh;
}

std::uint32_t PageStore::write_absent(PageList& list, std::int64_t offset, Bytes bytes) {
  return write<false>(list, offset, bytes);
}

std::uint32_t PageStore::write_over(PageList& list, std::int64_t offset, Bytes bytes) {
  return write<true>(list, offset, bytes);
}

Bytes PageStore::run_at(const PageList& list, std::int64_t offset) const {
  const Page* page = find(list, page_number(offset));
  if (page == nullptr) return {};
  const auto from = static_cast<std::uint32_t>(offset % kPageBytes);
  const std::uint32_t to = find_absent(*page, from);
  return Bytes(page->bytes).subspan(from, to - from);
}

std::int64_t PageStore::next_present(const PageList& list, std::int64_t from) const {
  for (std::uint32_t d = list.head; d != kNone; d = directories_[d].next) {
    const PageDirectory& directory = directories_[d];
    const std::int64_t skip = page_number(from) - directory.first;
    if (skip >= kDirectoryPages) continue;
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(skip, 0)); i < kDirectoryPages; ++i) {
      if (directory.pages[i] == kNone) continue;
      const std::int64_t start = (directory.first + static_cast<std::int64_t>(i)) * kPageBytes;
      const auto at = static_cast<std::uint32_t>(std::max<std::int64_t>(from - start, 0));
      const std::uint32_t hit = find_present(pages_[directory.pages[i]], at);
      if (hit != kPageBytes) return start + hit;
    }
  }
  return -1;
}

void PageStore::release_below(PageList& list, std::int64_t offset) {
  const std::int64_t keep = page_number(offset);  // the first page to keep
  while (list.head != kNone) {
    PageDirectory& directory = directories_[list.head];
    if (directory.first >= keep) return;
    const auto end = static_cast<std::size_t>(
        std::min<std::int64_t>(keep - directory.first, kDirectoryPages));
    for (std::size_t i = 0; i < end && directory.used != 0; ++i) {
      if (directory.pages[i] == kNone) continue;
      pages_.release(directory.pages[i]);
      directory.pages[i] = kNone;
      --directory.used;
      --list.pages;
    }
    if (directory.used != 0) return;
    const std::uint32_t empty = list.head;
    list.head = directory.next;
    directories_.release(empty);
  }
}

void PageStore::release_all(PageList& list) {
  while (list.head != kNone) {
    PageDirectory& directory = directories_[list.head];
    for (std::size_t i = 0; i < kDirectoryPages && directory.used != 0; ++i) {
      if (directory.pages[i] == kNone) continue;
      pages_.release(directory.pages[i]);
      --directory.used;
    }
    const std::uint32_t empty = list.head;
    list.head = directory.next;
    directories_.release(empty);
  }
  list.pages = 0;
}

}  // namespace weir::flow
