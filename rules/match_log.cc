#include "rules/match_log.h"

#include <algorithm>

namespace weir::rules {

void MatchLog::clear() {
  runs_.clear();
  own_.clear();
  size_ = 0;
  logged_ = audited_ = listed_ = false;
}

void MatchLog::add(const Match& match) {
  if (runs_.empty() || runs_.back().foregone != nullptr) runs_.emplace_back();
  ++runs_.back().count;
  own_.push_back(match);
  ++size_;
  logged_ = logged_ || match.log;
  audited_ = audited_ || match.audit;
  listed_ = false;
}

void MatchLog::add(const Foregone& foregone) {
  if (foregone.matches.empty()) return;
  runs_.push_back({foregone.matches.data(), foregone.of_client, foregone.matches.size()});
  size_ += foregone.matches.size();
  logged_ = logged_ || foregone.logged;
  audited_ = audited_ || foregone.audited;
  listed_ = false;
}

void MatchLog::truncate(std::size_t size) {
  while (size_ > size) {
    Run& last = runs_.back();
    const std::size_t n = std::min(last.count, size_ - size);
    if (last.foregone == nullptr) own_.resize(own_.size() - n);
    last.count -= n;
    size_ -= n;
    if (last.count == 0) runs_.pop_back();
  }
  listed_ = false;
}

std::span<const Match> MatchLog::all(std::string_view client) const {
  if (own_.size() == size_) return own_;
  if (listed_) return list_;
  list_.clear();
  list_.reserve(size_);
  auto own = own_.begin();
  for (const Run& run : runs_) {
    for (std::size_t i = 0; i < run.count; ++i) {
      list_.push_back(run.foregone == nullptr ? *own++ : run.foregone[i]);
      if (run.foregone != nullptr && run.of_client[i] != 0) list_.back().value = client;
    }
  }
  listed_ = true;
  return list_;
}

}  // namespace weir::rules
