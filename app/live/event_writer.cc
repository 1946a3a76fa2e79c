#include "app/live/event_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "app/live/clock.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

constexpr std::size_t kMostPending = std::size_t{1} << 20U;
constexpr std::size_t kMostOwn = std::size_t{1} << 20U;
constexpr int kIdle = 200;   // ms
constexpr int kRetry = 500;  // ms
constexpr std::int64_t kStopWithin = seconds(5).ns;

std::string error_text(int number) { return std::generic_category().message(number); }

}  // namespace

EventWriter::EventWriter(const Options& options, Bell bell) : bell_(std::move(bell)) {
  if (!options.file.empty()) {
    Target& target = targets_.emplace_back();
    target.name = target.path = options.file;
  }
  if (options.standard_output) {
    Target& target = targets_.emplace_back();
    target.name = "standard output";
    target.descriptor = STDOUT_FILENO;
  }
}

Result<std::unique_ptr<EventWriter>> EventWriter::open(const Options& options) {
  auto bell = Bell::make();
  if (!bell) return fail(bell.error().message);
  std::unique_ptr<EventWriter> writer(new EventWriter(options, std::move(*bell)));
  for (Target& target : writer->targets_) {
    if (target.path.empty()) continue;
    if (const Result<void> opened = writer->open_file(target); !opened) return fail(opened.error().message);
  }
  return writer;
}

Result<void> EventWriter::open_file(Target& target) {
  const int descriptor = ::open(target.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
  if (descriptor < 0) return fail("events.file: cannot write " + target.path + ": " + error_text(errno));
  target.own = Descriptor(descriptor);
  target.descriptor = descriptor;
  return {};
}

EventWriter::~EventWriter() { stop(); }

void EventWriter::start(std::vector<EventRing*> rings) {
  rings_ = std::move(rings);
  thread_ = std::thread([this] { run(); });
}

bool EventWriter::put(std::string_view line) {
  {
    const std::lock_guard lock(mutex_);
    if (own_.size() + line.size() > kMostOwn) {
      lost_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    own_ += line;
  }
  bell_.ring();
  return true;
}

void EventWriter::reopen() {
  reopening_.store(true, std::memory_order_release);
  bell_.ring();
}

void EventWriter::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  bell_.ring();
  thread_.join();
}

// Each ring in turn, so that a loud worker does not silence the others.
bool EventWriter::fill() {
  {
    const std::lock_guard lock(mutex_);
    pending_ += own_;
    own_.clear();
  }
  for (EventRing* ring : rings_) {
    if (pending_.size() >= kMostPending) break;
    ring->take(pending_, std::min(kMostPending, pending_.size() + kMostPending / rings_.size() + 1));
  }
  return !pending_.empty();
}

bool EventWriter::write_to(Target& target) {
  while (!target.gone && target.done < pending_.size()) {
    const ssize_t n = ::write(target.descriptor, pending_.data() + target.done, pending_.size() - target.done);
    if (n >= 0) {
      target.done += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) {
      target.gone = true;
      complain("events: nobody reads " + target.name + " any more");
      break;
    }
    if (!target.failing) {
      complain("events: cannot write " + target.name + ": " + error_text(errno) + "; records are lost until it can be written");
    }
    target.failing = true;
    return false;
  }
  if (target.failing && !target.gone) complain("events: " + target.name + " can be written again");
  target.failing = false;
  return true;
}

bool EventWriter::write_all() {
  bool all = true;
  for (Target& target : targets_) all = write_to(target) && all;
  if (!all) return false;
  pending_.clear();
  for (Target& target : targets_) target.done = 0;
  return true;
}

// A line that is given up half written is taken back: the file ends with a whole one, and the next Weir begins with
// another.
void EventWriter::cut_back(const Target& target) const {
  if (target.path.empty() || target.done == 0) return;
  const std::size_t line = pending_.rfind('\n', target.done - 1);
  const std::size_t begun = target.done - (line == std::string::npos ? 0 : line + 1);
  struct stat file {};
  if (begun == 0 || ::fstat(target.descriptor, &file) != 0 || !S_ISREG(file.st_mode)) return;
  const off_t whole = file.st_size - static_cast<off_t>(begun);
  if (whole >= 0 && ::ftruncate(target.descriptor, whole) != 0) {
    complain("events: " + target.name + " ends inside a record: " + error_text(errno));
  }
}

void EventWriter::run() {
  std::int64_t stop_at = 0;
  for (;;) {
    if (reopening_.exchange(false, std::memory_order_acq_rel)) {
      for (Target& target : targets_) {
        if (target.path.empty()) continue;
        // What was begun in the old file is not continued in the new one, but said again from its start.
        const std::size_t line = pending_.rfind('\n', target.done == 0 ? 0 : target.done - 1);
        if (target.done > 0) target.done = line == std::string::npos ? 0 : line + 1;
        if (const Result<void> opened = open_file(target); !opened) complain(opened.error().message);
      }
    }
    const bool stopping = stopping_.load(std::memory_order_acquire);
    const std::int64_t now = monotonic_now();
    if (stopping && stop_at == 0) stop_at = now + kStopWithin;
    const bool any = !pending_.empty() || fill();
    if (any && !write_all()) {
      if (stopping && now >= stop_at) {
        for (const Target& target : targets_) cut_back(target);
        return;
      }
      bell_.wait(stopping ? kIdle / 4 : kRetry);
    } else if (!any) {
      if (stopping) return;
      bell_.wait(kIdle);
    }
  }
}

}  // namespace weir::app
