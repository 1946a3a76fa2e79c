#include "engine/inspect/outbox.h"

#include <algorithm>

namespace weir::inspect {

Like Like::of(const Packet& packet) {
  Like like;
  like.domain = packet.domain;
  like.number = packet.number;
  like.token = packet.token;
  like.link = packet.link;
  const std::size_t n = std::min(packet.envelope.size(), kMostEnvelope);
  like.envelope_length = static_cast<std::uint8_t>(n);
  std::copy_n(packet.envelope.begin(), n, like.envelope.begin());
  return like;
}

Outbox::Outbox(const BlockOptions& options)
    : slots_(kMostFrames),
      rate_(std::max<std::int64_t>(options.frames_per_second, 1)),
      credit_ns_(seconds(1).ns) {
  frames_.reserve(kMostFrames);
}

void Outbox::begin(Timestamp now) {
  frames_.clear();
  if (now > credited_) {
    const std::int64_t passed = std::min(now.ns - credited_.ns, seconds(1).ns);
    credit_ns_ = std::min(credit_ns_ + passed, seconds(1).ns);
    credited_ = now;
  }
}

bool Outbox::add(const Like& like, Towards towards, const net::Route& route,
                 const net::TcpFrame& frame) {
  if (full()) return false;
  const std::int64_t price = seconds(1).ns / rate_;
  if (credit_ns_ < price) {
    ++limited_;
    return false;
  }
  Slot& slot = slots_[frames_.size()];
  net::TcpFrame numbered = frame;
  numbered.ip_id = ip_id_++;
  const std::size_t length = net::build_on(slot.bytes, route, numbered);
  if (length == 0) return false;
  credit_ns_ -= price;
  slot.like = like;
  Injection injection;
  injection.towards = towards;
  injection.frame = Bytes(slot.bytes).first(length);
  injection.like.link = like.link;
  injection.like.domain = like.domain;
  injection.like.number = like.number;
  injection.like.token = like.token;
  injection.like.time = credited_;
  injection.like.envelope = Bytes(slot.like.envelope).first(like.envelope_length);
  frames_.push_back(injection);
  ++made_;
  return true;
}

}  // namespace weir::inspect
