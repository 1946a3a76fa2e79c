// Exchange: what the inspector keeps of one HTTP request and its response while it is under way, with the
// rules' Transaction. Pooled: after warm-up a transaction takes nothing from the heap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/http/sink.h"
#include "engine/http/violation.h"
#include "engine/inspect/client_address.h"
#include "engine/packet.h"
#include "rules/store.h"
#include "rules/transaction.h"

namespace weir::inspect {

class Session;
class Sites;        // engine/inspect/sites.h
struct SitePolicy;

// A text that may be absent; keeps its memory when it is emptied.
struct Text {
  std::string value;
  bool present = false;

  void set(std::string_view text) {
    value.assign(text);
    present = true;
  }
  void clear() {
    value.clear();
    present = false;
  }
};

// Texts in a row. Keeps its memory when it is emptied.
class Words {
 public:
  void add(std::string_view word) {
    bytes_.append(word);
    lengths_.push_back(static_cast<std::uint32_t>(word.size()));
  }
  void clear() {
    bytes_.clear();
    lengths_.clear();
  }
  [[nodiscard]] std::size_t memory() const {
    return bytes_.capacity() + lengths_.capacity() * sizeof(std::uint32_t);
  }
  // From the first to the last.
  class Reader {
   public:
    explicit Reader(const Words& words) : words_(words), rest_(words.bytes_) {}
    [[nodiscard]] std::size_t left() const { return words_.lengths_.size() - at_; }
    std::string_view next() {
      const std::string_view word = rest_.substr(0, words_.lengths_[at_++]);
      rest_.remove_prefix(word.size());
      return word;
    }

   private:
    const Words& words_;
    std::string_view rest_;
    std::size_t at_ = 0;
  };

 private:
  std::string bytes_;
  std::vector<std::uint32_t> lengths_;
};

// The parts of a response that came before the request was complete, in order: they wait for phase 2.
struct EarlyResponse {
  Words words;  // version, reason, then name and value of each field
  std::string body;
  bool status_line = false;
  bool headers_done = false;
  bool overflow = false;  // more body than is kept

  void clear() {
    words.clear();
    body.clear();
    status_line = headers_done = overflow = false;
  }
};

struct Exchange {
  Exchange(rules::Scratch& scratch, rules::CollectionStore* store) : tx(scratch, store) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // What comes of one message.
  struct Message {
    bool begun = false;
    bool headers_done = false;  // and told to the rules
    bool done = false;          // no more of it follows
    http::MessageEnd end = http::MessageEnd::Complete;
    http::MessageLengths lengths;
  };

  void start(Session* owner, http::ExchangeId number);
  void add(http::Violation violation);
  // Bytes that it holds, itself included; what it keeps for the next one as well.
  [[nodiscard]] std::size_t memory() const;

  http::ExchangeId id = 0;
  Session* session = nullptr;
  Message request, response;
  bool judged = false;       // tx was begun, or will be: see waiting
  // The rules have not been told of the request yet: which ones it is judged by (or for whom it comes) is known
  // at the end of its header section only, which is kept in `head` until then.
  bool waiting = false;
  Words head;                // name and value of each field
  std::shared_ptr<const Sites> sites;  // keeps `policy`
  const SitePolicy* policy = nullptr;  // by which it is judged; null: not known (yet)
  // By side: what the policy may tolerate, while it is not known.
  std::array<http::ViolationSet, 2> undecided{};
  bool body_judged = false;  // phase 2 has run
  bool response_judged = false;  // phase 4 has run
  bool late_trailer = false;  // trailer fields came after it, in another packet than the last chunk
  bool stopped = false;      // block mode: refused, nothing more is judged
  bool truncated = false;    // a gap, a limit
  Client client;           // whom the rules take for the client
  Timestamp time;          // of the request line
  std::uint64_t last_packet = 0;  // the packet that brought its latest part
  std::uint16_t status = 0;
  std::uint16_t refused = 0;  // inline: with which status for a violation (in mode detect: it would be); 0: not
  Text method, url, protocol, hostname, user_agent, content_type;
  EarlyResponse early;
  http::ViolationSet violation_set;
  std::vector<http::Violation> violations;  // in order of first appearance
  rules::Transaction tx;

  [[nodiscard]] std::size_t growth() const;  // changes when memory() has grown
  // Of the pool: memory() and growth() when it last asked, and neighbours in order of last activity.
  std::size_t held = 0;
  std::size_t grown = 0;
  Exchange* older = nullptr;
  Exchange* newer = nullptr;
};

// Hands out exchanges, at most `limit` at a time.
class ExchangePool {
 public:
  ExchangePool(std::size_t limit, rules::CollectionStore* store);
  ExchangePool(const ExchangePool&) = delete;
  ExchangePool& operator=(const ExchangePool&) = delete;
  ~ExchangePool();

  // Null if `limit` are in use: finish idlest() first.
  Exchange* take();
  void give_back(Exchange* exchange);
  // It has just been heard of.
  void touch(Exchange* exchange);
  [[nodiscard]] Exchange* idlest() const { return oldest_; }
  [[nodiscard]] std::size_t in_use() const { return in_use_; }
  // It may hold more, or less, than before.
  void account(Exchange& exchange);
  // Of all, also of those that wait to be taken.
  [[nodiscard]] std::uint64_t memory() const { return memory_; }
  // Gives the memory of one that is not in use back; false: there is none.
  bool drop_free();

 private:
  void unlink(Exchange* exchange);
  void link_newest(Exchange* exchange);

  std::size_t limit_;
  rules::CollectionStore* store_;
  rules::Scratch scratch_;
  static constexpr std::size_t kKept = std::size_t{1} << 20U;  // what held more is not kept for the next

  std::vector<std::unique_ptr<Exchange>> free_;
  Exchange* oldest_ = nullptr;
  Exchange* newest_ = nullptr;
  std::size_t in_use_ = 0;
  std::uint64_t memory_ = 0;
};

}  // namespace weir::inspect
