// Words between the supervisor and one worker, over a socket pair that keeps messages whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "engine/result.h"

namespace weir::app {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  void reset();
  // Whoever takes it closes it.
  [[nodiscard]] int release() { return std::exchange(number_, -1); }
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool valid() const { return number_ >= 0; }

 private:
  int number_;
};

enum class Word : std::uint8_t {
  // To a worker.
  Prepare,   // load this configuration aside; its text is behind the descriptor
  Change,    // to the configuration that was prepared
  Forget,    // what was prepared
  Scanners,  // the cache has databases that were not there before
  Stop,      // settle what is held, finish what is under way, leave
  // From a worker.
  Prepared,
  Failed,  // `text` says why
};

struct Message {
  Word word = Word::Stop;
  std::uint32_t generation = 0;
  std::string text;       // at most kMostText bytes
  Descriptor attachment;  // Prepare
};
inline constexpr std::size_t kMostText = 8'192;

class Mailbox {
 public:
  static Result<std::pair<Mailbox, Mailbox>> pair();
  explicit Mailbox(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

  // Never waits. False: the other side is gone, or does not read.
  bool send(const Message& message) const;
  // Never waits. Nothing: there is no message; gone() says whether there will be one.
  std::optional<Message> receive();
  [[nodiscard]] bool gone() const { return gone_; }
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  void close() { descriptor_.reset(); }

 private:
  Descriptor descriptor_;
  bool gone_ = false;
};

}  // namespace weir::app
