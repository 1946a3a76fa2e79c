#include "engine/http/content.h"

#include <zlib.h>

#include <random>
#include <string>
#include <vector>

#include <brotli/encode.h>
#include <gtest/gtest.h>

namespace weir::http {
namespace {

// window: 31 gzip, 15 zlib, -15 raw deflate.
std::string deflated(const std::string& text, int window, int level = 6) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string gzip(const std::string& text, int level = 6) {
  return deflated(text, 31, level);
}

std::string brotli(const std::string& text) {
  std::size_t size = BrotliEncoderMaxCompressedSize(text.size()) + 64;
  std::string out(size, '\0');
  EXPECT_TRUE(BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, text.size(),
                                    reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                                    reinterpret_cast<std::uint8_t*>(out.data())));
  out.resize(size);
  return out;
}

struct Sink final : ContentSink {
  void on_decoded(std::string_view bytes) override { text.append(bytes); }
  void on_content_violation(Violation v) override { names += std::string(name(v)) + " "; }
  std::string text;
  std::string names;
};

struct Decoded {
  std::string text;
  std::string violations;
};

Decoded decode(DecoderPool& pool, const std::vector<std::string>& codings, std::string_view body,
               std::size_t piece = 1 << 20, ContentLimits limits = {}) {
  CodingList list;
  for (const std::string& coding : codings)
    list.add(coding);
  ContentDecoder decoder(pool);
  Sink sink;
  if (!decoder.start(list, limits, sink)) return {std::string(body), sink.names};
  while (!body.empty()) {
    decoder.feed(body.substr(0, piece), sink);
    body.remove_prefix(std::min(piece, body.size()));
  }
  decoder.finish(true, sink);
  return {sink.text, sink.names};
}

std::string prose(std::size_t size) {
  std::mt19937 random(1);
  std::string out;
  while (out.size() < size)
    out += "word" + std::to_string(random() % 1000) + ' ';
  out.resize(size);
  return out;
}

std::string noise(std::size_t size) {
  std::mt19937 random(2);
  std::string out;
  while (out.size() < size)
    out += static_cast<char>(random());
  return out;
}

TEST(ContentDecoder, UndoesWhatTheLibrariesDo) {
  DecoderPool pool;
  for (const std::size_t size : {0U, 1U, 2U, 100U, 1023U, 1024U, 1025U, 16384U, 70000U, 300000U}) {
    for (const std::string& text : {prose(size), noise(size)}) {
      const struct {
        std::vector<std::string> codings;
        std::string body;
      } cases[] = {
          {{"gzip"}, gzip(text)},
          {{"X-GZIP"}, gzip(text, 0)},
          {{"deflate"}, deflated(text, 15)},
          {{"br"}, brotli(text)},
          {{"gzip", "br"}, brotli(gzip(text))},
          {{"br", "deflate"}, deflated(brotli(text), 15)},
          {{"identity", "gzip"}, gzip(text)},
      };
      for (const auto& c : cases) {
        for (const std::size_t piece : {1U, 7U, 1000U, 1024U, 1U << 20U}) {
          if (piece == 1 && size > 20000) continue;
          const Decoded found = decode(pool, c.codings, c.body, piece);
          ASSERT_EQ(found.text, text) << c.codings[0] << " size " << size << " piece " << piece;
          ASSERT_EQ(found.violations, "");
        }
      }
    }
  }
  EXPECT_EQ(decode(pool, {"deflate"}, deflated(prose(5000), -15)).text, prose(5000)) << "raw";
}

TEST(ContentDecoder, TakesManyMembers) {
  DecoderPool pool;
  std::string body;
  std::string text;
  for (int i = 0; i < 500; ++i) {
    body += gzip(std::to_string(i));
    text += std::to_string(i);
  }
  for (const std::size_t piece : {1U, 3U, 1024U, 1U << 20U}) {
    const Decoded found = decode(pool, {"gzip"}, body, piece);
    EXPECT_EQ(found.text, text);
    EXPECT_EQ(found.violations, "");
  }
}

TEST(ContentDecoder, StopsBombs) {
  DecoderPool pool;
  ContentLimits limits;
  limits.max_output = 1 << 20;
  const std::string zeros(8 << 20, '\0');
  for (const auto& [coding, body] : std::vector<std::pair<std::string, std::string>>{
           {"gzip", gzip(zeros, 9)}, {"deflate", deflated(zeros, 15, 9)}, {"br", brotli(zeros)}}) {
    const Decoded found = decode(pool, {coding}, body, 100, limits);
    EXPECT_LE(found.text.size(), limits.max_output) << coding;
    EXPECT_EQ(found.violations, "content-coding-bomb ") << coding;
  }
  // By ratio alone.
  limits = {};
  limits.max_ratio = 100;
  EXPECT_EQ(decode(pool, {"gzip"}, gzip(zeros, 9), 100, limits).violations, "content-coding-bomb ");
  // A bomb inside a harmless looking outer layer: the inner result is small, the middle is not.
  const std::string inside = gzip(gzip(zeros + zeros, 9), 9);
  const Decoded nested = decode(pool, {"gzip", "gzip"}, inside);
  EXPECT_EQ(nested.violations, "content-coding-bomb ");
  EXPECT_LT(nested.text.size(), 2U << 20);
  // Much, but not too much.
  EXPECT_EQ(decode(pool, {"gzip"}, gzip(prose(3 << 20))).violations, "");
}

// Whatever is done to a coded body, no octet of the result depends on how it was cut.
TEST(ContentDecoder, DamageIsSeenAlikeInEveryCut) {
  DecoderPool pool;
  std::mt19937 random(3);
  int flagged = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string text = round % 3 == 0 ? noise(random() % 3000) : prose(random() % 6000);
    const std::string codings[] = {"gzip", "deflate", "br"};
    const std::string coding = codings[random() % 3];
    std::string body =
        coding == "gzip" ? gzip(text) : (coding == "br" ? brotli(text) : deflated(text, 15));
    std::vector<std::string> list{coding};
    if (round % 5 == 0) {
      body = gzip(body);
      list.emplace_back("gzip");
    }
    switch (random() % 4) {
      case 0:
        body[random() % body.size()] = static_cast<char>(random());
        break;
      case 1:
        body.resize(random() % body.size());
        break;
      case 2:
        body += noise(random() % 2000);
        break;
      default:
        body.insert(random() % body.size(), "x");
        break;
    }
    ContentLimits limits;
    limits.max_output = 5000;
    const Decoded whole = decode(pool, list, body, 1 << 20, limits);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1 + random() % 3000}}) {
      const Decoded cut = decode(pool, list, body, piece, limits);
      ASSERT_EQ(whole.text, cut.text) << "round " << round << " piece " << piece;
      ASSERT_EQ(whole.violations, cut.violations) << "round " << round << " piece " << piece;
    }
    if (!whole.violations.empty()) ++flagged;
    // Brotli has no check value: a flaw may give another text.
    if (coding != "br" && !body.empty() && whole.violations.empty() && whole.text != text) {
      ADD_FAILURE() << "another text without a word, round " << round << " " << coding;
    }
  }
  EXPECT_GT(flagged, 2000);
}

TEST(ContentDecoder, ShowsWhatItCannotDecode) {
  DecoderPool pool;
  for (const std::string coding : {"gzip", "deflate", "br"}) {
    const Decoded found = decode(pool, {coding}, "id=1' or 1=1 -- and more of the same");
    EXPECT_EQ(found.text, "id=1' or 1=1 -- and more of the same") << coding;
    EXPECT_EQ(found.violations, "content-coding-mislabelled ") << coding;
  }
  EXPECT_EQ(decode(pool, {"lzma"}, "abc").text, "abc");
  EXPECT_EQ(decode(pool, {"lzma"}, "abc").violations, "content-coding-unknown ");
}

TEST(DecoderPool, BoundsMemoryAndTellsOfIt) {
  for (const std::string coding : {"gzip", "br"}) {
    DecoderPool pool(20000);
    const std::string body = coding == "gzip" ? gzip(prose(100000)) : brotli(prose(100000));
    const Decoded found = decode(pool, {coding}, body);
    EXPECT_EQ(found.violations, "content-coding-memory ") << coding;
    EXPECT_LE(pool.bytes_in_use(), 20000U);
  }
}

TEST(DecoderPool, ReusesItsStates) {
  DecoderPool pool;
  const std::string body = gzip(prose(10000));
  (void)decode(pool, {"gzip"}, body);
  const std::size_t after_one = pool.bytes_in_use();
  EXPECT_GT(after_one, 0U) << "zlib's state is kept";
  for (int i = 0; i < 100; ++i)
    (void)decode(pool, {"gzip"}, body);
  EXPECT_EQ(pool.bytes_in_use(), after_one);
  for (int i = 0; i < 10; ++i)
    (void)decode(pool, {"br"}, brotli(prose(10000)));
  EXPECT_EQ(pool.bytes_in_use(), after_one) << "brotli's are given back";
}

TEST(CodingList, KnowsItsCapacity) {
  CodingList list;
  for (int i = 0; i < 4; ++i)
    list.add("gzip");
  EXPECT_FALSE(list.overflow());
  list.add("identity");
  list.add("");
  EXPECT_FALSE(list.overflow());
  list.add("br");
  EXPECT_TRUE(list.overflow());
  CodingList other;
  other.add("br");
  other.append(list);
  EXPECT_TRUE(other.overflow());
  EXPECT_EQ(other[0], Coding::Brotli);
}

}  // namespace
}  // namespace weir::http
