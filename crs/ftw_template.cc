// A small part of Go's text/template with sprig's functions, for the data of CRS tests.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crs/ftw_request.h"
#include "engine/base/base64.h"

namespace weir::crs {

namespace {

constexpr std::size_t kMostOutput = std::size_t{16} << 20;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  return trim_right(text);
}

struct Token {
  enum class Kind { Name, Text, Number, Pipe } kind;
  std::string text;
};

// The tokens between {{ and }}; nullopt if there is anything else.
class Tokens {
 public:
  static std::optional<std::vector<Token>> of(std::string_view text) {
    Tokens tokens(text);
    while (tokens.at_ < text.size()) {
      if (!tokens.next()) return std::nullopt;
    }
    return std::move(tokens.out_);
  }

 private:
  explicit Tokens(std::string_view text) : text_(text) {}

  bool next() {
    const char c = text_[at_];
    if (is_space(c)) {
      ++at_;
      return true;
    }
    if (c == '|') {
      out_.push_back({Token::Kind::Pipe, "|"});
      ++at_;
      return true;
    }
    if (c == '"') return quoted();
    if (c == '`') return raw();
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_])))
      ++at_;
    if (at_ == begin) return false;
    std::string word(text_.substr(begin, at_ - begin));
    const bool number = word.find_first_not_of("0123456789") == std::string::npos;
    if (is_digit(word.front()) != number) return false;
    out_.push_back({number ? Token::Kind::Number : Token::Kind::Name, std::move(word)});
    return true;
  }

  bool quoted() {
    std::string value;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        value.push_back(text_[at_]);
        continue;
      }
      if (++at_ >= text_.size() || !escape(value)) return false;
    }
    if (at_ >= text_.size()) return false;
    ++at_;
    out_.push_back({Token::Kind::Text, std::move(value)});
    return true;
  }

  bool escape(std::string& value) {
    constexpr std::string_view kFrom = "abfnrtv\\\"";
    constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\\"";
    if (const std::size_t i = kFrom.find(text_[at_]); i != std::string_view::npos) {
      value.push_back(kTo[i]);
      return true;
    }
    if (text_[at_] != 'x' || at_ + 2 >= text_.size()) return false;
    const int high = hex(text_[at_ + 1]);
    const int low = hex(text_[at_ + 2]);
    if (high < 0 || low < 0) return false;
    value.push_back(static_cast<char>(high * 16 + low));
    at_ += 2;
    return true;
  }

  bool raw() {
    const std::size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) return false;
    out_.push_back({Token::Kind::Text, std::string(text_.substr(at_ + 1, end - at_ - 1))});
    at_ = end + 1;
    return true;
  }

  static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }
  static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Token> out_;
};

Result<std::string> repeat(const std::vector<Token>& arguments) {
  if (arguments.size() != 2 || arguments[0].kind != Token::Kind::Number ||
      arguments[0].text.size() > 8) {
    return fail("repeat wants a number and a text");
  }
  const std::size_t times = std::stoul(arguments[0].text);
  const std::string& piece = arguments[1].text;
  if (times * piece.size() > kMostOutput) return fail("the template's output is too long");
  std::string out;
  if (piece.empty()) return out;  // however often
  out.reserve(times * piece.size());
  for (std::size_t i = 0; i < times; ++i)
    out += piece;
  return out;
}

Result<std::string> call(const std::string& name, const std::vector<Token>& arguments) {
  if (name == "repeat") return repeat(arguments);
  if (arguments.size() != 1) return fail("the template function " + name + " wants one argument");
  std::string value = arguments[0].text;
  if (name == "upper" || name == "lower") {
    const char from = name == "upper" ? 'a' : 'A';
    for (char& c : value) {
      if (c >= from && c <= from + 25) c = static_cast<char>(c ^ 0x20);
    }
    return value;
  }
  if (name == "b64enc") return base::encode_base64(value);
  if (name == "b64dec") {
    auto decoded = base::decode_base64(value);
    return decoded ? Result<std::string>(std::move(*decoded)) : fail("b64dec got no base64");
  }
  return fail("the template function " + name + " is not known");
}

// A pipeline: each step's result is the last argument of the next one.
Result<std::string> evaluate(std::string_view text) {
  const auto tokens = Tokens::of(text);
  if (!tokens || tokens->empty())
    return fail("cannot read the template {{" + std::string(text) + "}}");
  std::optional<Token> carried;
  std::size_t at = 0;
  while (at <= tokens->size()) {
    std::vector<Token> step;
    while (at < tokens->size() && (*tokens)[at].kind != Token::Kind::Pipe)
      step.push_back((*tokens)[at++]);
    ++at;
    if (step.empty())
      return fail("a step is missing in the template {{" + std::string(text) + "}}");
    if (step.front().kind != Token::Kind::Name) {
      if (step.size() != 1 || carried) return fail("only functions take arguments in a template");
      carried = step.front();
      continue;
    }
    const std::string name = step.front().text;
    step.erase(step.begin());
    if (carried) step.push_back(*carried);
    auto result = call(name, step);
    if (!result) return result;
    // Every step, since base64 grows at each.
    if (result->size() > kMostOutput) return fail("the template's output is too long");
    carried = Token{Token::Kind::Text, std::move(*result)};
  }
  return carried->text;
}

}  // namespace

Result<std::string> expand_template(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  bool trim_next = false;
  for (;;) {
    const std::size_t open = text.find("{{", at);
    std::string_view literal = text.substr(at, open == std::string_view::npos ? open : open - at);
    if (trim_next) {
      while (!literal.empty() && is_space(literal.front()))
        literal.remove_prefix(1);
    }
    if (open == std::string_view::npos) return out.append(literal);
    const std::size_t close = text.find("}}", open);
    if (close == std::string_view::npos) return fail("a template is not closed with }}");
    std::string_view inside = text.substr(open + 2, close - open - 2);
    at = close + 2;
    if (inside.size() >= 2 && inside.front() == '-' && is_space(inside[1])) {
      literal = trim_right(literal);
      inside.remove_prefix(1);
    }
    trim_next = inside.size() >= 2 && inside.back() == '-' && is_space(inside[inside.size() - 2]);
    if (trim_next) inside.remove_suffix(1);
    out.append(literal);
    inside = trim(inside);
    const bool comment = inside.size() >= 4 && inside.substr(0, 2) == "/*" &&
                         inside.substr(inside.size() - 2) == "*/";
    if (comment) continue;
    auto value = evaluate(inside);
    if (!value) return value;
    if (out.size() + value->size() > kMostOutput) return fail("the template's output is too long");
    out += *value;
  }
}

}  // namespace weir::crs
