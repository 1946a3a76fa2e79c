#include "rules/operators/sqli_reader.h"

namespace weir::rules::operators::sqli {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::size_t Reader::after_letters_of_blocks(std::size_t at, std::size_t& dot) {
  constexpr std::size_t kNone = ~std::size_t{0};
  dot = kNone;
  while (at < value_.size()) {
    if (at - letters_at_ >= letters_count_) look(at);  // also where a word was too long, and is read once more
    const std::size_t from = at - letters_at_;
    const std::uint64_t dots = letters_.dots >> from;
    if (dots != 0 && dot == kNone) dot = at + static_cast<std::size_t>(std::countr_zero(dots));
    at += static_cast<std::size_t>(std::countr_one(letters_.words >> from));
    if (at - letters_at_ < letters_count_) break;
  }
  dot = std::min(dot, at);
  return at;
}

bool Reader::next(Token& token) {
  while (at_ < value_.size()) {
    const char c = value_[at_];
    switch (byte_of(c).begins) {
      case Kind::Space: ++at_; continue;
      case Kind::Word: return word(token);
      case Kind::Number: return number(token);
      case Kind::Sign: return take(token, TokenType::Operator, 1, c == '+' || c == '~' ? SqlWord::kUnary : 0);
      case Kind::Signs: return signs(token);
      case Kind::Dash:
        return at(at_ + 1) == '-' ? give_up() : take(token, TokenType::Operator, 1, SqlWord::kUnary);
      case Kind::Slash: return at(at_ + 1) == '*' ? give_up() : take(token, TokenType::Operator, 1);
      case Kind::Comma: return take(token, TokenType::Comma, 1);
      case Kind::Semicolon: return take(token, TokenType::Semicolon, 1);
      case Kind::Open: return take(token, TokenType::Open, 1);
      case Kind::Close: return take(token, TokenType::Close, 1);
      case Kind::Unknown: return take(token, TokenType::Unknown, 1);
      case Kind::At: return variable(token);
      case Kind::Other: return give_up();
    }
  }
  return false;
}

bool Reader::take(Token& token, TokenType type, std::size_t length, SqlWord::Marks marks) {
  const std::size_t kept = std::min(length, SqlWord::kLongest);
  token = {value_.data() + at_, type, static_cast<std::uint8_t>(kept), marks};
  at_ += length;
  return true;
}

// A keyword in front of a dot is a word, whatever follows.
bool Reader::word(Token& token) {
  const std::size_t begin = at_;
  std::size_t dot = 0;
  std::size_t end = after_letters(begin, dot);
  while (end < value_.size() && byte_of(value_[end]).in_word) ++end;
  if (end < value_.size() && byte_of(value_[end]).odd) return give_up();
  const std::size_t last = std::min(end, begin + SqlWord::kLongest);
  for (std::size_t i = dot; i < last; ++i) {
    if (value_[i] != '.') continue;
    const SqlWord* const before = words_.find(value_.substr(begin, i - begin));
    if (before != nullptr && before->type != TokenType::None && before->type != TokenType::Bare) {
      return take(token, before->type, i - begin, before->marks);
    }
  }
  const SqlWord* const found = words_.find(value_.substr(begin, end - begin));
  if (found == nullptr) return take(token, TokenType::Bare, end - begin);
  return take(token, found->is_keyword() ? found->type : TokenType::Bare, end - begin, found->marks);
}

std::size_t Reader::after_digits(std::size_t at, std::string_view digits) const {
  while (at < value_.size() && digits.find(value_[at]) != std::string_view::npos) ++at;
  return at;
}

// An exponent without digits makes a word of the number.
std::size_t Reader::after_exponent(std::size_t at, bool& is_number) const {
  if (this->at(at) != 'e' && this->at(at) != 'E') return at;
  ++at;
  if (this->at(at) == '+' || this->at(at) == '-') ++at;
  const std::size_t digits = at;
  while (is_digit(this->at(at))) ++at;
  is_number = at != digits;
  return at;
}

bool Reader::number(Token& token) {
  if (value_[at_] == '0') {
    const char base = at(at_ + 1);
    using std::string_view_literals::operator""sv;
    // libinjection takes NUL for a digit here.
    const std::string_view digits = base == 'x' || base == 'X'   ? "0123456789ABCDEFabcdef\0"sv
                                    : base == 'b' || base == 'B' ? "01\0"sv
                                                                 : ""sv;
    if (!digits.empty()) {
      const std::size_t end = after_digits(at_ + 2, digits);
      return take(token, end == at_ + 2 ? TokenType::Bare : TokenType::Number, end - at_);
    }
  }
  std::size_t end = at_;
  while (is_digit(at(end))) ++end;
  if (at(end) == '.') {
    ++end;
    while (is_digit(at(end))) ++end;
    if (end - at_ == 1) return take(token, TokenType::Dot, 1);
  }
  bool is_number = true;
  end = after_exponent(end, is_number);
  // A suffix of Oracle's.
  const char suffix = at(end);
  if (suffix == 'd' || suffix == 'D' || suffix == 'f' || suffix == 'F') {
    const char after = at(end + 1);
    constexpr std::string_view kEnds{" \t\n\v\f\r\xa0\0;uU", 11};
    if (kEnds.find(after) != std::string_view::npos) ++end;  // at() gives NUL at the end
  }
  return take(token, is_number ? TokenType::Number : TokenType::Bare, end - at_);
}

bool Reader::signs(Token& token) {
  const char c = value_[at_];
  const SqlWord::Marks alone = c == '!' ? SqlWord::kUnary : 0;
  if (at_ + 1 == value_.size()) return take(token, TokenType::Operator, 1, alone);
  const std::string_view three = value_.substr(at_, 3);
  if (three == "<=>") return take(token, TokenType::Operator, 3);
  const char second = value_[at_ + 1];
  const TokenType type = words_.signs(c, second);
  if (type != TokenType::None) {
    const SqlWord::Marks marks = c == '!' && second == '!'   ? SqlWord::kUnary
                               : c == ':' && second == ':' ? SqlWord::kCast
                                                           : 0;
    return take(token, type, 2, marks);
  }
  return take(token, c == ':' ? TokenType::Colon : TokenType::Operator, 1, alone);
}

bool Reader::variable(Token& token) {
  ++at_;
  if (at(at_) == '@') ++at_;
  std::size_t end = at_;
  while (end < value_.size() && byte_of(value_[end]).in_word) ++end;
  if (end < value_.size()) {
    // Brackets and the like are part of a variable's name.
    const char c = value_[end];
    constexpr std::string_view kOdd{"[]{}\xa0'\"\\", 8};
    if (byte_of(c).odd || kOdd.find(c) != std::string_view::npos) return give_up();
  }
  return take(token, TokenType::Variable, end - at_);
}

}  // namespace weir::rules::operators::sqli
