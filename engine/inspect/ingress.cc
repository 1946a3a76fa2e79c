#include "engine/inspect/ingress.h"

#include <variant>

#include "engine/flow/key.h"
#include "engine/inspect/policy.h"

namespace weir::inspect {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint32_t kOffloadHosts = 65'536;

constexpr int kNesting = 4;  // reassembled datagrams within each other

}  // namespace

Ingress::Ingress(const InspectorOptions& options)
    : inline_(options.stance == Stance::Inline),
      detect_offload_(options.detect_offload),
      no_room_(options.failures.action(FailureCause::FragmentMemory)),
      offload_(kOffloadHosts, {options.table_k0, options.table_k1}),
      fragments_(options.fragment_limits,
                 inline_ ? net::FragmentPolicy::Strict : net::FragmentPolicy::Linux,
                 {options.table_k0, options.table_k1}) {}

Ingress::Result Ingress::refused(DropReason reason, std::string_view detail,
                                 std::optional<FailureCause> cause) const {
  Result result;
  if (inline_) {
    result.verdict.kind = VerdictKind::Drop;
    result.verdict.reason = reason;
    result.verdict.detail = detail;
  }
  result.held = held_;
  result.cause = cause;
  return result;
}

bool Ingress::lost(std::span<const net::LostPacket> packets, InspectorCounters& counters) {
  bool room = false;
  counters.fragments_lost += packets.size();
  for (const net::LostPacket& one : packets) {
    const std::optional<FailureCause> cause = cause_of(one.cause);
    if (cause && inline_) ++counters.failures[static_cast<std::size_t>(*cause)][static_cast<std::size_t>(no_room_)];
    room = room || cause.has_value();
    const bool pass = cause && no_room_ == FailureAction::Pass;
    held_.push_back({one.packet.token, one.packet.number, pass ? Fate::Forward : Fate::Drop});
  }
  return room;
}

std::span<const HeldFate> Ingress::on_time(Timestamp now, InspectorCounters& counters) noexcept {
  held_.clear();
  if (inline_) lost(fragments_.expire(now), counters);
  return held_;
}

Ingress::Result Ingress::on_packet(const Packet& packet, InspectorCounters& counters) noexcept {
  ++counters.packets;
  counters.bytes += packet.wire_length;
  held_.clear();
  net::decode(packet, decoding_, decoded_);
  for (int depth = 0; depth < kNesting; ++depth) {
    if (std::holds_alternative<net::NonIp>(decoded_)) {
      ++counters.not_tcp;
      return {nullptr, {}, nullptr, held_};
    }
    if (const auto* malformed = std::get_if<net::Malformed>(&decoded_)) {
      ++(malformed->reason == net::Anomaly::CapturedTooShort ? counters.snapped : counters.malformed);
      return refused(DropReason::Malformed, net::name(malformed->reason), FailureCause::MalformedPacket);
    }
    const auto& whole = std::get<net::Datagram>(decoded_);
    if (!whole.fragment.present) return datagram(whole, counters);

    ++counters.fragments;
    const net::Defragmented put = fragments_.add(whole, packet.token);
    const bool room = lost(put.lost, counters);
    switch (put.kind) {
      case net::Defragmented::Kind::Held: {
        Result result{nullptr, {}, nullptr, held_};
        if (inline_) result.verdict.kind = VerdictKind::Hold;
        result.made_room = room && inline_;
        return result;
      }
      case net::Defragmented::Kind::Duplicate:
        return refused(DropReason::Fragment, "duplicate-fragment");
      case net::Defragmented::Kind::Dropped:
        ++counters.fragments_lost;
        return refused(DropReason::Fragment, net::name(put.cause), cause_of(put.cause));
      case net::Defragmented::Kind::Complete: break;
    }
    for (const net::HeldPacket& part : put.packets) {
      if (part.number != packet.number) held_.push_back({part.token, part.number, Fate::Forward});
    }
    decoded_ = net::decode_reassembled(put.datagram, decoding_);
  }
  ++counters.malformed;
  return refused(DropReason::Malformed, net::name(net::Anomaly::TooManyLayers),
                 FailureCause::MalformedPacket);
}

Ingress::Result Ingress::datagram(const net::Datagram& datagram, InspectorCounters& counters) {
  if (datagram.protocol != kTcp) {
    ++counters.not_tcp;
    return {nullptr, {}, nullptr, held_};
  }
  net::parse_tcp(datagram, parsed_);
  if (!parsed_.ok()) {
    ++(parsed_.malformed == net::Anomaly::CapturedTooShort ? counters.snapped : counters.malformed);
    return refused(DropReason::Malformed, net::name(parsed_.malformed), FailureCause::MalformedPacket);
  }
  if (detect_offload_) {
    const std::uint64_t before = offload_.accepted();
    net::judge_offload(parsed_, offload_);
    counters.offloaded_checksum += offload_.accepted() - before;
  }
  if (parsed_.dropped_by_host() || (inline_ && parsed_.suspicious())) {
    ++counters.malformed;
    return refused(DropReason::Malformed, net::name(parsed_.anomalies.gravest()));
  }
  if (parsed_.segment.missing > 0) ++counters.snapped;
  return {&parsed_.segment, {}, &datagram, held_};
}

std::uint64_t connection_hash(const net::TcpSegment& segment) {
  return flow::hash_key(flow::make_key(segment, true).key, 0, 0);
}

}  // namespace weir::inspect
