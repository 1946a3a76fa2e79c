#include "engine/flow/half_open.h"

#include <algorithm>
#include <optional>

namespace weir::flow {
namespace {

using base::kNone;

SynRecord record_of(const net::TcpSegment& s) {
  SynRecord r;
  r.seq = s.seq;
  r.window = s.window;
  r.ttl = s.ttl;
  if (s.options.mss) r.mss = *s.options.mss;
  if (s.options.window_scale) r.scale = *s.options.window_scale;
  if (s.options.timestamps) {
    r.timestamp = s.options.timestamps->value;
    r.has_timestamp = true;
  }
  return r;
}

}  // namespace

std::uint32_t HalfOpenStore::create(const FlowKey& key, Timestamp start) {
  const std::uint32_t index = records_.allocate();
  if (index == kNone) return kNone;
  const std::optional<CompactKey> compact = keys_->add(key);
  if (!compact) {
    records_.release(index);
    return kNone;
  }
  HalfOpen& h = records_[index];
  h.key = *compact;
  h.start = start;
  h.previous = last_;
  (last_ == kNone ? first_ : records_[last_].next) = index;
  last_ = index;
  return index;
}

void HalfOpenStore::release(std::uint32_t index) {
  HalfOpen& h = records_[index];
  if (h.extra != kNone) {
    pages_->release_all(extras_[h.extra].data);
    extras_.release(h.extra);
  }
  keys_->remove(h.key);
  (h.previous == kNone ? first_ : records_[h.previous].next) = h.next;
  (h.next == kNone ? last_ : records_[h.next].previous) = h.previous;
  records_.release(index);
}

HandshakeExtra* HalfOpenStore::extra(HalfOpen& h) {
  if (h.extra == kNone) h.extra = extras_.allocate();
  return h.extra == kNone ? nullptr : &extras_[h.extra];
}

Recorded HalfOpenStore::add_syn(HalfOpen& h, const net::TcpSegment& s) {
  if (h.client_side == 0 && s.came_by != s.leaves_by) h.client_side = s.came_by;
  if (!h.has_syn) {
    h.syn = record_of(s);
    h.has_syn = 1;
    return Recorded::New;
  }
  if (syn_with(h, s.seq) != nullptr) return Recorded::Known;
  HandshakeExtra* e = extra(h);
  if (e == nullptr || e->syn_count == HandshakeExtra::kSyns) return Recorded::Full;
  e->syns[e->syn_count++] = record_of(s);
  return Recorded::New;
}

Recorded HalfOpenStore::add_synack(HalfOpen& h, const net::TcpSegment& s) {
  const auto same = [&s](const SynAckRecord& r) { return r.syn.seq == s.seq && r.ack == s.ack; };
  if (!h.has_synack) {
    h.synack = {record_of(s), s.ack};
    h.has_synack = 1;
    return Recorded::New;
  }
  if (same(h.synack)) return Recorded::Known;
  HandshakeExtra* e = extra(h);
  if (e == nullptr) return Recorded::Full;
  for (std::size_t i = 0; i < e->synack_count; ++i) {
    if (same(e->synacks[i])) return Recorded::Known;
  }
  if (e->synack_count == HandshakeExtra::kSynAcks) return Recorded::Full;
  e->synacks[e->synack_count++] = {record_of(s), s.ack};
  return Recorded::New;
}

void HalfOpenStore::keep_data(HalfOpen& h, const net::TcpSegment& s) {
  HandshakeExtra* e = extra(h);
  if (e == nullptr || e->data_length != 0 || s.payload.empty()) return;
  const auto length = static_cast<std::int64_t>(s.payload.size());
  if (s.payload.size() > HandshakeExtra::kMostData || !pages_->reserve(e->data, 0, length)) return;
  pages_->write_absent(e->data, 0, s.payload);
  e->data_seq = s.seq;
  e->data_length = static_cast<std::uint32_t>(length);
}

const SynRecord* HalfOpenStore::syn_with(const HalfOpen& h, std::uint32_t seq) const {
  if (h.has_syn && h.syn.seq == seq) return &h.syn;
  if (h.extra == kNone) return nullptr;
  const HandshakeExtra& e = extras_[h.extra];
  for (std::size_t i = 0; i < e.syn_count; ++i) {
    if (e.syns[i].seq == seq) return &e.syns[i];
  }
  return nullptr;
}

const SynRecord* HalfOpenStore::syn_acked_by(const HalfOpen& h, std::uint32_t ack) const {
  if (const SynRecord* syn = syn_with(h, ack - 1); syn != nullptr) return syn;
  const HandshakeExtra* e = data_acked_by(h, ack);
  return e == nullptr ? nullptr : syn_with(h, e->data_seq);
}

const SynAckRecord* HalfOpenStore::synack_acked_by(const HalfOpen& h, std::uint32_t ack) const {
  if (h.has_synack && h.synack.syn.seq + 1 == ack) return &h.synack;
  if (h.extra == kNone) return nullptr;
  const HandshakeExtra& e = extras_[h.extra];
  for (std::size_t i = 0; i < e.synack_count; ++i) {
    if (e.synacks[i].syn.seq + 1 == ack) return &e.synacks[i];
  }
  return nullptr;
}

std::size_t HalfOpenStore::copy_data(
    const HalfOpen& h, std::uint32_t ack,
    std::span<std::uint8_t, HandshakeExtra::kMostData> out) const {
  const HandshakeExtra* e = data_acked_by(h, ack);
  std::size_t length = 0;
  while (e != nullptr && length < e->data_length) {
    const Bytes run = pages_->run_at(e->data, static_cast<std::int64_t>(length));
    std::copy(run.begin(), run.end(), out.begin() + static_cast<std::ptrdiff_t>(length));
    length += run.size();
  }
  return length;
}

const HandshakeExtra* HalfOpenStore::data_acked_by(const HalfOpen& h, std::uint32_t ack) const {
  if (h.extra == kNone) return nullptr;
  const HandshakeExtra& e = extras_[h.extra];
  return e.data_length != 0 && e.data_seq + 1 + e.data_length == ack ? &e : nullptr;
}

}  // namespace weir::flow
