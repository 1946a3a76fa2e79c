#include "app/live/audit_writer.h"

#include <utility>

#include "app/live/live_audit.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

constexpr int kIdle = 200;  // ms
constexpr std::size_t kLongestPath = 200;
// Of one ring before the others have their turn.
constexpr int kTurn = 64;

bool digits(std::string_view text, std::size_t from, std::size_t n) {
  return text.size() >= from + n && text.substr(from, n).find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

bool is_audit_path(std::string_view path) {
  constexpr std::size_t kDay = 8, kMinute = 13, kSecond = 15;
  constexpr std::size_t kMinuteAt = kDay + 1, kNameAt = kMinuteAt + kMinute + 1;
  if (path.size() > kLongestPath || path.size() <= kNameAt + kSecond + 1) return false;
  const bool places = path[kDay] == '/' && path[kMinuteAt + kDay] == '-' && path[kNameAt - 1] == '/' &&
                      path[kNameAt + kDay] == '-' && path[kNameAt + kSecond] == '-';
  if (!places || !digits(path, 0, kDay) || !digits(path, kMinuteAt, kDay) || !digits(path, kMinuteAt + kDay + 1, 4) ||
      !digits(path, kNameAt, kDay) || !digits(path, kNameAt + kDay + 1, 6)) {
    return false;
  }
  return path.substr(kNameAt).find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@") ==
         std::string_view::npos;
}

Result<std::unique_ptr<AuditWriter>> AuditWriter::open(AuditPlaces places) {
  const bool concurrent = !places.directory.empty();
  auto files = AuditFiles::open(std::move(places));
  if (!files) return fail("audit: " + files.error().message);
  auto bell = Bell::make();
  if (!bell) return fail(bell.error().message);
  return std::unique_ptr<AuditWriter>(new AuditWriter(std::move(*files), std::move(*bell), concurrent));
}

AuditWriter::~AuditWriter() { stop(); }

void AuditWriter::start(std::vector<EventRing*> rings) {
  rings_ = std::move(rings);
  thread_ = std::thread([this] { run(); });
}

void AuditWriter::reopen() {
  reopening_.store(true, std::memory_order_release);
  bell_.ring();
}

void AuditWriter::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  bell_.ring();
  thread_.join();
}

void AuditWriter::write(std::string_view item) {
  AuditEntry entry;
  if (!unpack(item, entry) || entry.path.empty() == concurrent_ || (concurrent_ && !is_audit_path(entry.path))) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(doubted_, true)) complain("audit: a worker made an entry that is none; it is not written");
    return;
  }
  Result<void> result;
  if (concurrent_) {
    if (const auto stored = files_->store(entry.path, entry.file); !stored) result = Unexpected(stored.error());
  }
  if (result) result = files_->append(entry.log);
  if (result) {
    written_.fetch_add(1, std::memory_order_relaxed);
    if (std::exchange(failing_, false)) complain("audit: entries can be written again");
    return;
  }
  lost_.fetch_add(1, std::memory_order_relaxed);
  if (!std::exchange(failing_, true)) complain("audit: " + result.error().message + "; entries are lost until it can be written");
}

// Each ring in turn, so that a loud worker does not silence the others. False: there was nothing.
bool AuditWriter::write_round() {
  bool any = false;
  std::string item;
  for (EventRing* ring : rings_) {
    for (int i = 0; i < kTurn && ring->next(item); ++i) {
      write(item);
      any = true;
    }
  }
  return any;
}

void AuditWriter::run() {
  for (;;) {
    if (reopening_.exchange(false, std::memory_order_acq_rel)) {
      if (const Result<void> opened = files_->reopen(); !opened) complain("audit: " + opened.error().message);
    }
    // Read before the rings: what was put in before the end is written.
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (write_round()) continue;
    if (stopping) return;
    bell_.wait(kIdle);
  }
}

}  // namespace weir::app
