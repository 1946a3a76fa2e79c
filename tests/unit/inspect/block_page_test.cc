// The HTTP response of Weir's own: head, template, ranges.
#include "engine/inspect/block_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <string>

namespace weir::inspect {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

PageFacts facts(std::uint16_t status = 403, const std::string& id = "abc123-7") {
  PageFacts f;
  f.status = status;
  f.id_length = static_cast<std::uint8_t>(id.size());
  std::copy(id.begin(), id.end(), f.id.begin());
  return f;
}

std::string head(const BlockPage& page, PageFacts& f, const std::string& location = "",
                 Timestamp now = {0}) {
  std::array<char, BlockPage::kMostHead> out;
  const std::size_t n = page.write_head(out, f, location, now);
  EXPECT_LE(n, out.size());
  return {out.data(), n};
}

std::string body(const BlockPage& page, const PageFacts& f, std::size_t from = 0, std::size_t most = 100'000) {
  std::vector<std::uint8_t> out(most);
  const std::size_t n = page.copy_body(out, from, f);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n)};
}

TEST(BlockPage, ItsOwnPageShowsTheTransaction) {
  const BlockPage page(BlockOptions{});
  PageFacts f = facts();
  EXPECT_THAT(body(page, f), HasSubstr("abc123-7"));
  EXPECT_THAT(body(page, f), Not(HasSubstr("{{")));
  EXPECT_EQ(body(page, f).size(), page.body_length(f));
  EXPECT_THAT(head(page, f), StartsWith("HTTP/1.1 403 Forbidden\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
  EXPECT_THAT(head(page, f), EndsWith("\r\nConnection: close\r\n\r\n"));
}

TEST(BlockPage, EveryRangeOfATemplateIsTheSameAsTheWhole) {
  BlockOptions o;
  o.page = "{{status}}a{{transaction_id}}{{transaction_id}}bc{{status}}{{ no }";
  const BlockPage page(o);
  const PageFacts f = facts(406, "x-1");
  const std::string whole = "406ax-1x-1bc406{{ no }";
  EXPECT_EQ(body(page, f), whole);
  for (std::size_t from = 0; from <= whole.size(); ++from) {
    for (std::size_t most = 1; most <= whole.size(); ++most) {
      ASSERT_EQ(body(page, f, from, most), whole.substr(from, most)) << from << '+' << most;
    }
  }
}

TEST(BlockPage, WhatCannotBeUsedIsSaidAndReplaced) {
  BlockOptions o;
  o.page = "hello {{url}}";
  ASSERT_FALSE(BlockPage::check(o));
  EXPECT_EQ(BlockPage::check(o).error().message,
            "the page has {{url}}; only {{transaction_id}} and {{status}} are known");
  EXPECT_THAT(body(BlockPage(o), facts()), HasSubstr("<html"));
  o.page = std::string(BlockPage::kMostPage + 1, 'x');
  EXPECT_FALSE(BlockPage::check(o));
  o.page = std::string(BlockPage::kMostPage, 'x');
  EXPECT_TRUE(BlockPage::check(o));
  o.content_type = "text/html\r\nX: y";
  EXPECT_FALSE(BlockPage::check(o));
  PageFacts f = facts();
  EXPECT_THAT(head(BlockPage(o), f), Not(HasSubstr("X: y")));
  o.page = "a {{ that nothing\ncloses }} b";
  o.content_type = "text/plain";
  EXPECT_TRUE(BlockPage::check(o));
}

TEST(BlockPage, AHeadRequestGetsTheLengthOnly) {
  const BlockPage page(BlockOptions{});
  PageFacts f = facts();
  const std::string with_body = head(page, f);
  f.head_only = true;
  EXPECT_EQ(head(page, f), with_body);
  EXPECT_EQ(page.body_length(f), 0U);
}

TEST(BlockPage, StatusesThatNoPageCanHaveBecome403) {
  const BlockPage page(BlockOptions{});
  for (const int status : {0, 100, 101, 199, 204, 205, 304, 600, 999, 302}) {
    PageFacts f = facts(static_cast<std::uint16_t>(status));
    EXPECT_THAT(head(page, f), StartsWith("HTTP/1.1 403 ")) << status;
    EXPECT_EQ(f.status, 403);
  }
  PageFacts f = facts(418);
  EXPECT_THAT(head(page, f), StartsWith("HTTP/1.1 418 Refused\r\n"));
}

TEST(BlockPage, ALocationCannotBreakOutOfItsLine) {
  const BlockPage page(BlockOptions{});
  PageFacts f = facts(302);
  EXPECT_THAT(head(page, f, "https://e.example/?a=b&c=\r\nSet-Cookie: x=1\r\n\r\n<\x80>"),
              HasSubstr("\r\nLocation: https://e.example/?a=b&c=%0D%0ASet-Cookie:%20x=1%0D%0A%0D%0A%3C%80%3E\r\n"));
  // All that fits is sent; what does not is left out, and then it is no redirect.
  f = facts(302);
  EXPECT_THAT(head(page, f, std::string(BlockPage::kMostLocation, 'a')), HasSubstr("Location: aaa"));
  f = facts(302);
  EXPECT_THAT(head(page, f, std::string(BlockPage::kMostLocation + 1, 'a')), StartsWith("HTTP/1.1 403 "));
  f = facts(302);
  EXPECT_THAT(head(page, f, std::string(BlockPage::kMostLocation, ' ')), StartsWith("HTTP/1.1 403 "));
  f = facts(403);
  EXPECT_THAT(head(page, f, "https://e.example/"), Not(HasSubstr("Location")));
}

TEST(BlockPage, DatesAreThoseOfTheCLibrary) {
  const BlockPage page(BlockOptions{});
  for (std::int64_t second = 0; second < 9'000'000'000; second += 7'654'321) {
    const std::time_t t = second;
    std::tm utc{};
    gmtime_r(&t, &utc);
    std::array<char, 64> text{};
    std::strftime(text.data(), text.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
    PageFacts f = facts();
    ASSERT_THAT(head(page, f, "", {second * 1'000'000'000}), HasSubstr(text.data()));
  }
}

}  // namespace
}  // namespace weir::inspect
