#include "rules/operators/sqli_filter.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "rules/operators/sqli_reader.h"
#include "rules/operators/sqli_words.h"

namespace weir::rules::operators {

namespace {

using sqli::Reader;
using sqli::Token;

// Puts tokens together until a fingerprint is left, exactly as libinjection does.
class Folding {
 public:
  Folding(const Reader& reader, const SqlWords& words) : reader_(reader), words_(words) {}

  // How many tokens there are in the end.
  std::size_t run();
  [[nodiscard]] const Token& token(std::size_t i) const { return tokens_[i]; }
  // Is it left to libinjection?
  [[nodiscard]] bool gave_up() const { return gave_up_ || reader_.gave_up(); }
  // What was not looked at.
  [[nodiscard]] std::string_view rest() const { return reader_.rest(); }

 private:
  static constexpr std::size_t kMost = 5;  // in a fingerprint; one more is looked at
  bool plain_words();
  bool plain_word(std::string_view word, std::size_t dot);
  bool begin();
  void read(std::size_t wanted);
  bool begins_anew();
  bool fold_two();
  bool fold_three();
  bool merge(Token& a, const Token& b);
  bool from_start(std::size_t fewer);
  bool without_second();
  bool give_up();

  Reader reader_;
  const SqlWords& words_;
  std::array<Token, kMost + 2> tokens_{};
  std::size_t count_ = 0;  // tokens read and not put together
  std::size_t left_ = 0;   // those in front, with which nothing more is to be done
  bool more_ = true;       // in the value
  bool gave_up_ = false;
};

// Words one after another with which nothing is to be done. True if the fingerprint is known from them.
bool Folding::plain_words() {
  while (count_ <= kMost) {
    std::size_t dot = 0;
    const std::string_view word = reader_.plain_word(dot);
    if (word.empty() || !plain_word(word, dot)) break;
    reader_.take_plain_word(word);
    ++count_;
  }
  // Where fold_two() would be now.
  left_ = count_ < 2 ? 0 : count_ - 2;
  return count_ > kMost || reader_.at_end();
}

// Makes the next token of `word`, if nothing is to be done with it and the one before.
bool Folding::plain_word(std::string_view word, std::size_t dot) {
  constexpr std::uint32_t kNothingDone = types(TokenType::None, TokenType::Bare, TokenType::Keyword, TokenType::Function,
                                               TokenType::Expression, TokenType::Union, TokenType::Group,
                                               TokenType::Tsql, TokenType::Variable, TokenType::Number);
  constexpr SqlWord::Marks kOfPhrases = SqlWord::kBegins | SqlWord::kGoesOn;
  Token& t = tokens_[count_];
  t = {word.data(), TokenType::Bare, static_cast<std::uint8_t>(std::min(word.size(), SqlWord::kLongest)), 0};
  const SqlWord* const found = words_.find(word.substr(0, dot));
  if (found == nullptr) return true;
  // With dots it is a name; in front of them a keyword would be a word.
  if (dot < word.size()) return !found->is_keyword() && (found->marks & SqlWord::kDots) == 0;
  if (!(types(found->type) & kNothingDone) || (found->marks & ~kOfPhrases) != 0) return false;
  if ((found->marks & SqlWord::kGoesOn) != 0 && count_ > 0 && tokens_[count_ - 1].marked(SqlWord::kBegins)) return false;
  if (found->is_keyword()) t.type = found->type;
  t.marks = found->marks;
  return true;
}

// What stands at the beginning and says nothing.
bool Folding::begin() {
  Token& t = tokens_[0];
  while (true) {
    if (!reader_.next(t)) return false;
    if (!t.is(types(TokenType::Open, TokenType::SqlType)) && !t.unary()) break;
  }
  count_ = 1;
  return true;
}

// Until there are `wanted` tokens that something is to be done with.
void Folding::read(std::size_t wanted) {
  while (more_ && count_ <= kMost && count_ - left_ < wanted) {
    more_ = reader_.next(tokens_[count_]);
    if (more_) ++count_;
  }
}

std::size_t Folding::run() {
  if (plain_words()) return std::min(count_, kMost);
  if (count_ == 0 && !begin()) return 0;
  while (true) {
    if (count_ >= kMost && begins_anew()) {
      left_ = 0;
      count_ = count_ > kMost ? 2 : 1;
    }
    if (!more_ || left_ >= kMost) {
      left_ = count_;
      break;
    }
    read(2);
    if (count_ - left_ < 2) {
      left_ = count_;
      continue;
    }
    if (fold_two()) continue;
    read(3);
    if (count_ - left_ < 3) {
      left_ = count_;
      continue;
    }
    if (fold_three()) continue;
    ++left_;
  }
  return std::min(left_, kMost);
}

// Calculations with parentheses are as good as their first number.
bool Folding::begins_anew() {
  const auto are = [this](std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d, std::uint32_t e) {
    return tokens_[0].is(a) && tokens_[1].is(b) && tokens_[2].is(c) && tokens_[3].is(d) && tokens_[4].is(e);
  };
  constexpr std::uint32_t kNumber = types(TokenType::Number);
  constexpr std::uint32_t kBare = types(TokenType::Bare);
  constexpr std::uint32_t kOperator = types(TokenType::Operator);
  constexpr std::uint32_t kComma = types(TokenType::Comma);
  constexpr std::uint32_t kOpen = types(TokenType::Open);
  constexpr std::uint32_t kClose = types(TokenType::Close);
  if (!tokens_[0].is(kNumber | kBare)) return false;
  if (!are(kNumber, kOperator | kComma, kOpen, kNumber, kClose) &&
      !are(kBare, kOperator, kOpen, kBare | kNumber, kClose) && !are(kNumber, kClose, kComma, kOpen, kNumber) &&
      !are(kBare, kClose, kOperator, kOpen, kBare)) {
    return false;
  }
  if (count_ > kMost) tokens_[1] = tokens_[kMost];
  return true;
}

// All that is left is to be looked at once more, less so many tokens.
bool Folding::from_start(std::size_t fewer) {
  count_ -= fewer;
  left_ = 0;
  return true;
}

bool Folding::give_up() {
  gave_up_ = true;
  more_ = false;
  return true;
}

bool Folding::without_second() {
  tokens_[left_ + 1] = tokens_[left_ + 2];
  return from_start(1);
}

// Two words that are a phrase together.
bool Folding::merge(Token& a, const Token& b) {
  constexpr std::uint32_t kWords = types(TokenType::Keyword, TokenType::Bare, TokenType::Operator, TokenType::Union,
                                         TokenType::Function, TokenType::Expression, TokenType::Tsql, TokenType::SqlType);
  if (!a.is(kWords) || !b.is(kWords | types(TokenType::Logic))) return false;
  const std::size_t length = std::size_t{a.length} + 1 + b.length;
  if (length > SqlWord::kLongest) return false;
  std::array<char, SqlWord::kLongest + 1> both{};
  std::memcpy(both.data(), a.text, a.length);
  both[a.length] = ' ';
  std::memcpy(both.data() + a.length + 1, b.text, b.length);
  const SqlWord* const phrase = words_.find({both.data(), length});
  if (phrase == nullptr || phrase->type == TokenType::None) return false;
  a = {phrase->text.data(), phrase->type, static_cast<std::uint8_t>(length), phrase->marks};
  --count_;
  if (left_ > 0) --left_;
  return true;
}

// What the next two tokens are together. True if there is something to be done from the start.
bool Folding::fold_two() {
  Token& a = tokens_[left_];
  const Token& b = tokens_[left_ + 1];
  if (a.is(types(TokenType::Operator, TokenType::Logic)) && (b.unary() || b.type == TokenType::SqlType)) {
    return from_start(1);
  }
  if (a.type == TokenType::Open && b.unary()) {
    --count_;
    if (left_ > 0) --left_;
    return true;
  }
  if (a.marked(SqlWord::kBegins) && b.marked(SqlWord::kGoesOn) && merge(a, b)) return true;
  switch (a.type) {
    case TokenType::Semicolon:
      if (b.type == TokenType::Semicolon) {
        --count_;
        return true;
      }
      return b.type == TokenType::Function && give_up();  // IF is told from functions that begin so
    case TokenType::Collate: return b.type == TokenType::Bare && give_up();  // a name with '_' becomes a type
    case TokenType::Bare:
    case TokenType::Variable:
      if (b.type != TokenType::Open) break;
      if (a.marked(SqlWord::kNames)) {
        a.type = TokenType::Function;
        return true;
      }
      return a.type == TokenType::Variable && give_up();  // @user is such a name too
    case TokenType::Keyword:
      if (a.marked(SqlWord::kIn)) {
        a.type = b.type == TokenType::Open ? TokenType::Operator : TokenType::Bare;
        return true;
      }
      break;
    case TokenType::Operator:
      if (a.marked(SqlWord::kLike) && b.type == TokenType::Open) a.type = TokenType::Function;
      break;
    case TokenType::SqlType:
      if (b.is(types(TokenType::Bare, TokenType::Number, TokenType::SqlType, TokenType::Open, TokenType::Function,
                     TokenType::Variable))) {
        a = b;
        return from_start(1);
      }
      break;
    case TokenType::Open:
    case TokenType::Close:
      if (b.type == a.type) return from_start(1);
      break;
    default: break;
  }
  return false;
}

// The same of the next three.
bool Folding::fold_three() {
  constexpr std::uint32_t kNames = types(TokenType::Bare, TokenType::Number);
  constexpr std::uint32_t kValues = kNames | types(TokenType::Variable);
  Token& a = tokens_[left_];
  const Token& b = tokens_[left_ + 1];
  const Token& c = tokens_[left_ + 2];
  switch (a.type) {
    case TokenType::Bare:
    case TokenType::Number:
    case TokenType::Variable:
      if (b.type == TokenType::Operator) {
        if (c.is(a.type == TokenType::Variable ? kValues : kNames)) return from_start(2);
        if (b.marked(SqlWord::kCast) && c.type == TokenType::SqlType) return from_start(2);
      }
      if (b.type == TokenType::Comma && c.is(kValues)) return from_start(2);
      if (a.type == TokenType::Bare && b.type == TokenType::Dot && c.type == TokenType::Bare) return from_start(2);
      break;
    case TokenType::Operator:
      if (b.type != TokenType::Open && c.type == TokenType::Operator) return from_start(2);
      break;
    case TokenType::Logic:
      if (c.type == TokenType::Logic) return from_start(2);
      break;
    case TokenType::Keyword:
    case TokenType::Expression:
    case TokenType::Group:
      if (b.unary() && c.is(kValues | types(TokenType::Function))) return without_second();
      if (b.unary() && c.type == TokenType::Open && a.type != TokenType::Keyword) return without_second();
      if (a.type == TokenType::Expression && b.type == TokenType::Dot && c.type == TokenType::Bare) {
        return without_second();
      }
      break;
    case TokenType::Comma:
      if (!b.unary()) break;
      if (c.is(types(TokenType::Open, TokenType::Function))) return without_second();
      if (c.is(kValues)) {
        tokens_[left_ + 1] = c;
        return from_start(3);
      }
      break;
    case TokenType::Function:
      if (a.marked(SqlWord::kUser) && b.type == TokenType::Open && c.type != TokenType::Close) a.type = TokenType::Bare;
      break;
    default: break;
  }
  return false;
}

bool has_quotes(std::string_view text) {
  return text.find('\'') != std::string_view::npos || text.find('"') != std::string_view::npos;
}

}  // namespace

bool may_be_sqli(std::string_view value) {
  const SqlWords& words = SqlWords::instance();
  const Reader reader(value, words);
  if (reader.is_one_word()) return false;
  Folding folding(reader, words);
  const std::size_t count = folding.run();
  if (folding.gave_up()) return true;
  if (count > 1) {  // one token alone is no fingerprint
    std::uint32_t packed = 0;
    for (std::size_t i = 0; i < count; ++i) packed = SqlWords::packed(packed, folding.token(i).type);
    if (words.is_fingerprint(packed)) return true;
  }
  // Quotes that were read are given up at.
  const std::string_view rest = folding.rest();
  return !rest.empty() && has_quotes(rest);
}

std::optional<std::string> sqli_fingerprint(std::string_view value) {
  const SqlWords& words = SqlWords::instance();
  Folding folding(Reader(value, words), words);
  const std::size_t count = folding.run();
  if (folding.gave_up()) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += kTokenLetters[static_cast<std::size_t>(folding.token(i).type)];
  return out;
}

}  // namespace weir::rules::operators
