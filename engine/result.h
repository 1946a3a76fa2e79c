// Result<T, E>: a value or an error, with the shape of std::expected (which neither g++ 12 in C++20
// mode nor clang 14 has). A Result is never silently dropped.
//
//   Result<int> parse(std::string_view);
//   if (auto r = parse("7"); r) use(*r); else report(r.error());
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace weir {

// A plain sentence for people, without line break and without full stop.
struct Error {
  std::string message;
};

template <class E>
class Unexpected {
 public:
  explicit Unexpected(E error) : error_(std::move(error)) {}
  [[nodiscard]] E& error() { return error_; }

 private:
  E error_;
};

template <class E>
Unexpected(E) -> Unexpected<E>;

[[nodiscard]] inline Unexpected<Error> fail(std::string message) {
  return Unexpected<Error>(Error{std::move(message)});
}

template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}                  // NOLINT
  Result(Unexpected<E> error) : state_(std::in_place_index<1>, std::move(error.error())) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // REQUIRES: has_value().
  [[nodiscard]] T& value() {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !has_value().
  [[nodiscard]] E& error() {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] const E& error() const {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, E> state_;
};

// Result<void>: success, or an error.
template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(Unexpected<E> error) : error_(std::move(error.error())), failed_(true) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return !failed_; }
  explicit operator bool() const { return !failed_; }
  [[nodiscard]] const E& error() const {
    assert(failed_);
    return error_;
  }

 private:
  E error_{};
  bool failed_ = false;
};

}  // namespace weir
