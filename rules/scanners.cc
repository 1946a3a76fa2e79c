#include "rules/scanners.h"

#include <algorithm>
#include <utility>

#include "rules/cached_scanner.h"
#include "rules/program.h"

namespace weir::rules {

void Scanners::prepare(HsScratch& scratch) const {
  for (const auto& unit : units) {
    if (unit != nullptr) (void)unit->database->prepare(scratch);
  }
}

ScannerSet::ScannerSet(const Program& program, std::string directory)
    : program_(program), directory_(std::move(directory)) {
  const auto& units = program.prefilter.units;
  next_.units.resize(units.size());
  settled_.resize(units.size());
  const bool possible = hs_available();
  for (std::size_t i = 0; i < units.size(); ++i) {
    settled_[i] = !possible || units[i].to_scan.empty();
    if (!settled_[i]) ++stats_.wanted;
  }
}

std::vector<HsPattern> ScannerSet::patterns_of(const ScanUnit& unit) const {
  std::vector<HsPattern> patterns;
  patterns.reserve(unit.to_scan.size());
  for (const std::uint32_t bit : unit.to_scan) {
    const Regex& regex = *program_.links[unit.patterns[bit]].op->regex();
    patterns.push_back({regex.pattern(), regex.options().caseless, regex.options().multiline});
  }
  return patterns;
}

bool ScannerSet::take(std::size_t index, CachedDatabase made) {
  {
    const std::lock_guard lock(counting_);
    const std::size_t most = this->most();
    if (stats_.bytes > most || made.database->bytes() > most - stats_.bytes) {
      ++stats_.left_out;
      return false;
    }
  }
  const ScanUnit& unit = program_.prefilter.units[index];
  auto scanner = std::make_shared<UnitScanner>();
  scanner->scanned.assign(unit.words(), 0);
  scanner->bits = unit.to_scan;
  std::size_t patterns = 0;
  for (std::size_t i = 0; i < made.how.size(); ++i) {
    std::uint32_t& bit = scanner->bits[i];
    if (made.how[i] == HsDatabase::Compiled::How::Left) {
      bit = UnitScanner::kLeft;
    } else {
      scanner->scanned[bit / 64] |= std::uint64_t{1} << (bit % 64);
      ++patterns;
    }
  }
  scanner->database = std::move(made.database);
  {
    const std::lock_guard lock(counting_);
    ++stats_.ready;
    if (made.from_cache) ++stats_.restored;
    stats_.patterns += patterns;
    stats_.bytes += scanner->database->bytes();
  }
  next_.units[index] = std::move(scanner);
  return true;
}

void ScannerSet::limit(std::size_t bytes) {
  const std::lock_guard lock(making_);
  most_.store(bytes, std::memory_order_relaxed);
  bool any = false;
  for (std::size_t i = next_.units.size(); i-- > 0;) {
    if (next_.units[i] == nullptr) continue;
    const std::lock_guard count(counting_);
    if (stats_.bytes <= bytes) break;
    const UnitScanner& gone = *next_.units[i];
    stats_.bytes -= gone.database->bytes();
    stats_.patterns -= static_cast<std::size_t>(std::count_if(gone.bits.begin(), gone.bits.end(), [](std::uint32_t bit) { return bit != UnitScanner::kLeft; }));
    --stats_.ready;
    stats_.restored = std::min(stats_.restored, stats_.ready);
    ++stats_.left_out;
    next_.units[i] = nullptr;
    any = true;
  }
  if (!any) return;
  current_.store(nullptr, std::memory_order_release);
  published_.clear();
  publish();
}

void ScannerSet::publish() {
  published_.push_back(std::make_unique<const Scanners>(next_));
  current_.store(published_.back().get(), std::memory_order_release);
}

void ScannerSet::restore() {
  if (directory_.empty()) return;
  const std::lock_guard lock(making_);
  bool any = false;
  for (std::size_t i = 0; i < settled_.size(); ++i) {
    if (settled_[i]) continue;
    CachedDatabase made = restore_cached(patterns_of(program_.prefilter.units[i]), directory_);
    if (made.database == nullptr) continue;
    settled_[i] = true;
    any = take(i, std::move(made)) || any;
  }
  if (any) publish();
}

void ScannerSet::warm() const {
  for (const Link& link : program_.links) {
    const Regex* regex = link.op == nullptr ? nullptr : link.op->regex();
    if (regex != nullptr) regex->warm();
  }
}

bool ScannerSet::compile(const std::atomic<bool>* stop) {
  const std::lock_guard lock(making_);
  warm();  // first: it is what serves until the databases are there, and takes milliseconds
  for (std::size_t i = 0; i < settled_.size(); ++i) {
    if (settled_[i]) continue;
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) return false;
    CachedDatabase made = compile_cached(patterns_of(program_.prefilter.units[i]), directory_);
    settled_[i] = true;
    if (made.database == nullptr) {  // no pattern of it can be scanned for
      const std::lock_guard count(counting_);
      --stats_.wanted;
      continue;
    }
    if (take(i, std::move(made))) publish();
  }
  return true;
}

ScannerStats ScannerSet::stats() const {
  const std::lock_guard lock(counting_);
  return stats_;
}

}  // namespace weir::rules
