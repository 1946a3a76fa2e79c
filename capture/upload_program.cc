#include "capture/upload_program.h"

#include <netinet/in.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>
#include <variant>

#include "engine/net/decode.h"

namespace weir::capture {
namespace {

constexpr std::size_t kTcpHeader = 20;
constexpr std::uint8_t kSyn = 0x02, kPsh = 0x08, kAck = 0x10, kEce = 0x40;
// TCP options as all stacks write them (RFC 7323 appendix A; RFC 2018 3): aligned by two NOPs in front.
constexpr std::uint32_t kStamps = 0x0101080a;  // timestamps, 10 octets
constexpr std::uint32_t kStampsLength = 12;
constexpr std::uint32_t kSack = 0x01010500;    // SACK: the last octet is its length

// The program's places on its stack, from its end down.
constexpr std::int16_t kKeyAt = -40;
constexpr std::int16_t kOtherAt = -80;    // the other direction's key
constexpr std::int16_t kHeaderAt = -120;  // of IP, then of TCP
constexpr std::int16_t key(std::size_t member) { return static_cast<std::int16_t>(kKeyAt + static_cast<std::int16_t>(member)); }
constexpr std::int16_t other(std::size_t member) { return static_cast<std::int16_t>(kOtherAt + static_cast<std::int16_t>(member)); }
constexpr std::int16_t header(int at) { return static_cast<std::int16_t>(kHeaderAt + at); }

// Instructions by name; jumps go to labels, and forward only.
class Assembler {
 public:
  enum Label { Out, Yes, V6, Tcp, Syn, Bare, Sack, Fine, Now, kLabels };

  void load(std::uint8_t size, std::uint8_t to, std::uint8_t from, std::int16_t at) { add(BPF_LDX | BPF_MEM | size, to, from, at, 0); }
  void store(std::uint8_t size, std::uint8_t to, std::int16_t at, std::uint8_t from) { add(BPF_STX | BPF_MEM | size, to, from, at, 0); }
  void zero(std::int16_t at) { add(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, at, 0); }
  void move(std::uint8_t to, std::uint8_t from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void set(std::uint8_t to, std::int32_t value) { add(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }
  void alu(std::uint8_t operation, std::uint8_t to, std::int32_t value) { add(BPF_ALU64 | operation | BPF_K, to, 0, 0, value); }
  void alu_by(std::uint8_t operation, std::uint8_t to, std::uint8_t from) { add(BPF_ALU64 | operation | BPF_X, to, from, 0, 0); }
  // Modulo 2^32.
  void subtract32(std::uint8_t to, std::uint8_t from) { add(BPF_ALU | BPF_SUB | BPF_X, to, from, 0, 0); }
  void big_endian(std::uint8_t to, std::int32_t bits) { add(BPF_ALU | BPF_END | BPF_TO_BE, to, 0, 0, bits); }
  void jump(std::uint8_t condition, std::uint8_t left, std::int32_t right, Label label) { to(label), add(BPF_JMP | condition | BPF_K, left, 0, 0, right); }
  void jump_by(std::uint8_t condition, std::uint8_t left, std::uint8_t right, Label label) { to(label), add(BPF_JMP | condition | BPF_X, left, right, 0, 0); }
  void go(Label label) { to(label), add(BPF_JMP | BPF_JA, 0, 0, 0, 0); }
  void call(std::int32_t helper) { add(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
  void map(std::uint8_t into, int descriptor) {
    add(BPF_LD | BPF_DW | BPF_IMM, into, BPF_PSEUDO_MAP_FD, 0, descriptor);
    add(0, 0, 0, 0, 0);
  }
  void leave(std::int32_t value) {
    set(BPF_REG_0, value);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }
  void here(Label label) { places_[label] = code_.size(); }

  // The header's bytes from R8 on.
  void load_bytes(std::int32_t length) {
    move(BPF_REG_1, BPF_REG_6);
    move(BPF_REG_2, BPF_REG_8);
    move(BPF_REG_3, BPF_REG_10);
    alu(BPF_ADD, BPF_REG_3, kHeaderAt);
    set(BPF_REG_4, length);
    call(BPF_FUNC_skb_load_bytes);
    jump(BPF_JNE, BPF_REG_0, 0, Out);
  }
  void with_map(int descriptor, std::int16_t key_at, std::int32_t helper) {
    map(BPF_REG_1, descriptor);
    move(BPF_REG_2, BPF_REG_10);
    alu(BPF_ADD, BPF_REG_2, key_at);
    call(helper);
  }

  std::vector<bpf_insn> finish() {
    for (const auto& [at, label] : jumps_) {
      assert(places_[label] > at);
      code_[at].off = static_cast<std::int16_t>(places_[label] - at - 1);
    }
    return std::move(code_);
  }

 private:
  void to(Label label) { jumps_.emplace_back(code_.size(), label); }
  void add(unsigned operation, std::uint8_t to, std::uint8_t from, std::int16_t at, std::int32_t value) {
    bpf_insn one{};
    one.code = static_cast<std::uint8_t>(operation);
    one.dst_reg = to & 0xfU;
    one.src_reg = from & 0xfU;
    one.off = at;
    one.imm = value;
    code_.push_back(one);
  }

  std::vector<bpf_insn> code_;
  std::vector<std::pair<std::size_t, Label>> jumps_;
  std::array<std::size_t, kLabels> places_{};
};

// R6 the packet, R7 its length, R8 where TCP begins, R9 not 0 if its IP header alone says that it is to be seen.
void read_ip4(Assembler& a) {
  a.load(BPF_B, BPF_REG_1, BPF_REG_10, header(9));
  a.jump(BPF_JNE, BPF_REG_1, IPPROTO_TCP, Assembler::Out);
  a.load(BPF_B, BPF_REG_8, BPF_REG_10, header(0));
  a.move(BPF_REG_9, BPF_REG_8);
  a.alu(BPF_XOR, BPF_REG_9, 0x45);  // options
  a.alu(BPF_AND, BPF_REG_8, 0x0f);
  a.alu(BPF_LSH, BPF_REG_8, 2);
  a.load(BPF_H, BPF_REG_1, BPF_REG_10, header(6));
  a.big_endian(BPF_REG_1, 16);
  a.move(BPF_REG_2, BPF_REG_1);
  a.alu(BPF_AND, BPF_REG_2, 0x1fff);
  a.jump(BPF_JNE, BPF_REG_2, 0, Assembler::Out);  // not the first fragment
  a.alu(BPF_AND, BPF_REG_1, 0xa000);              // reserved flag, more fragments
  a.alu_by(BPF_OR, BPF_REG_9, BPF_REG_1);
  a.load(BPF_H, BPF_REG_1, BPF_REG_10, header(2));
  a.big_endian(BPF_REG_1, 16);
  a.alu_by(BPF_XOR, BPF_REG_1, BPF_REG_7);
  a.alu_by(BPF_OR, BPF_REG_9, BPF_REG_1);
  a.load(BPF_W, BPF_REG_1, BPF_REG_10, header(12));
  a.store(BPF_W, BPF_REG_10, key(offsetof(UploadKey, source)), BPF_REG_1);
  a.load(BPF_W, BPF_REG_1, BPF_REG_10, header(16));
  a.store(BPF_W, BPF_REG_10, key(offsetof(UploadKey, destination)), BPF_REG_1);
  a.set(BPF_REG_1, 4);
  a.store(BPF_W, BPF_REG_10, key(offsetof(UploadKey, version)), BPF_REG_1);
  a.go(Assembler::Tcp);
}

void read_ip6(Assembler& a) {
  a.set(BPF_REG_8, 0);
  a.load_bytes(40);
  a.load(BPF_B, BPF_REG_1, BPF_REG_10, header(6));
  a.jump(BPF_JNE, BPF_REG_1, IPPROTO_TCP, Assembler::Out);  // nor with an extension header
  a.load(BPF_H, BPF_REG_9, BPF_REG_10, header(4));
  a.big_endian(BPF_REG_9, 16);
  a.alu(BPF_ADD, BPF_REG_9, 40);
  a.alu_by(BPF_XOR, BPF_REG_9, BPF_REG_7);
  for (int i = 0; i < 32; i += 8) {
    a.load(BPF_DW, BPF_REG_1, BPF_REG_10, header(8 + i));
    a.store(BPF_DW, BPF_REG_10, key(offsetof(UploadKey, source) + static_cast<std::size_t>(i)), BPF_REG_1);
  }
  a.set(BPF_REG_1, 6);
  a.store(BPF_W, BPF_REG_10, key(offsetof(UploadKey, version)), BPF_REG_1);
  a.set(BPF_REG_8, 40);
}

// R9: the payload's length, R8 where TCP begins still. Everything but flags is as it must be.
void read_tcp(Assembler& a) {
  a.load_bytes(kTcpHeader);
  a.load(BPF_W, BPF_REG_1, BPF_REG_10, header(0));
  a.store(BPF_W, BPF_REG_10, key(offsetof(UploadKey, source_port)), BPF_REG_1);
  a.load(BPF_B, BPF_REG_1, BPF_REG_10, header(13));
  a.alu(BPF_AND, BPF_REG_1, kSyn);
  a.jump(BPF_JNE, BPF_REG_1, 0, Assembler::Syn);
  a.jump(BPF_JNE, BPF_REG_9, 0, Assembler::Out);
  a.load(BPF_H, BPF_REG_1, BPF_REG_10, header(18));
  a.jump(BPF_JNE, BPF_REG_1, 0, Assembler::Out);  // an urgent pointer
  a.load(BPF_B, BPF_REG_1, BPF_REG_10, header(12));
  a.move(BPF_REG_2, BPF_REG_1);
  a.alu(BPF_AND, BPF_REG_2, 0x0f);
  a.jump(BPF_JNE, BPF_REG_2, 0, Assembler::Out);  // reserved bits
  a.alu(BPF_RSH, BPF_REG_1, 4);
  a.jump(BPF_JLT, BPF_REG_1, 5, Assembler::Out);
  a.alu(BPF_LSH, BPF_REG_1, 2);
  a.move(BPF_REG_9, BPF_REG_7);
  a.alu_by(BPF_SUB, BPF_REG_9, BPF_REG_8);
  a.alu_by(BPF_SUB, BPF_REG_9, BPF_REG_1);
  a.jump(BPF_JSLT, BPF_REG_9, 0, Assembler::Out);
}

// Of the number in the header at `number`: `distance` is that from the range's beginning, R1 the range's length. It is
// within, or not let by. R7: the range.
void measure(Assembler& a, int number, std::uint8_t distance) {
  a.load(BPF_W, distance, BPF_REG_10, header(number));
  a.big_endian(distance, 32);
  a.load(BPF_W, BPF_REG_2, BPF_REG_7, offsetof(UploadRange, first));
  a.load(BPF_W, BPF_REG_1, BPF_REG_7, offsetof(UploadRange, end));
  a.subtract32(BPF_REG_1, BPF_REG_2);
  a.subtract32(distance, BPF_REG_2);
  a.jump(BPF_JGT, BPF_REG_1, kMostReleased, Assembler::Out);
  a.jump_by(BPF_JGE, distance, BPF_REG_1, Assembler::Out);
}

void flags_but(Assembler& a, std::uint8_t may_be) {
  a.load(BPF_B, BPF_REG_1, BPF_REG_10, header(13));
  a.alu(BPF_AND, BPF_REG_1, static_cast<std::uint8_t>(~may_be));
  a.jump(BPF_JNE, BPF_REG_1, kAck, Assembler::Out);
}

void look_up(Assembler& a, int map) {
  a.with_map(map, kKeyAt, BPF_FUNC_map_lookup_elem);
  a.jump(BPF_JEQ, BPF_REG_0, 0, Assembler::Out);
  a.move(BPF_REG_7, BPF_REG_0);
  a.load(BPF_W, BPF_REG_1, BPF_REG_7, offsetof(UploadRange, acks));
  a.jump(BPF_JEQ, BPF_REG_9, 0, Assembler::Bare);
  a.jump(BPF_JNE, BPF_REG_1, 0, Assembler::Out);
  flags_but(a, kPsh);
  measure(a, 4, BPF_REG_8);
  a.alu_by(BPF_SUB, BPF_REG_1, BPF_REG_8);
  a.jump_by(BPF_JGT, BPF_REG_9, BPF_REG_1, Assembler::Out);
  a.go(Assembler::Yes);
}

// R9: options that are still to be looked at, in octets. The next four of them, from `at` on in the header: R1.
void next_option(Assembler& a, std::int32_t at) {
  a.alu(BPF_ADD, BPF_REG_8, at);
  a.load_bytes(4);
  a.load(BPF_W, BPF_REG_1, BPF_REG_10, header(0));
  a.big_endian(BPF_REG_1, 32);
}

void judge_bare(Assembler& a) {
  a.here(Assembler::Bare);
  a.jump(BPF_JNE, BPF_REG_1, 1, Assembler::Out);
  flags_but(a, kEce);
  a.load(BPF_W, BPF_REG_1, BPF_REG_10, header(4));
  a.big_endian(BPF_REG_1, 32);
  a.load(BPF_W, BPF_REG_2, BPF_REG_7, offsetof(UploadRange, seq));
  a.jump_by(BPF_JNE, BPF_REG_1, BPF_REG_2, Assembler::Out);
  a.load(BPF_B, BPF_REG_9, BPF_REG_10, header(12));
  a.alu(BPF_RSH, BPF_REG_9, 4);
  a.alu(BPF_LSH, BPF_REG_9, 2);
  a.alu(BPF_SUB, BPF_REG_9, kTcpHeader);
  measure(a, 8, BPF_REG_3);
  a.alu(BPF_RSH, BPF_REG_3, kAckPartBits);
  a.store(BPF_DW, BPF_REG_10, other(0), BPF_REG_3);
  a.jump(BPF_JEQ, BPF_REG_9, 0, Assembler::Fine);
  next_option(a, kTcpHeader);
  a.jump(BPF_JNE, BPF_REG_1, kStamps, Assembler::Sack);
  a.alu(BPF_SUB, BPF_REG_9, kStampsLength);
  a.jump(BPF_JSLT, BPF_REG_9, 0, Assembler::Out);
  a.jump(BPF_JEQ, BPF_REG_9, 0, Assembler::Fine);
  next_option(a, kStampsLength);
  a.here(Assembler::Sack);  // two NOPs, two octets, and one block or more of eight
  a.jump(BPF_JLT, BPF_REG_9, 12, Assembler::Out);
  a.move(BPF_REG_2, BPF_REG_9);
  a.alu(BPF_AND, BPF_REG_2, 7);
  a.jump(BPF_JNE, BPF_REG_2, 4, Assembler::Out);
  a.alu(BPF_SUB, BPF_REG_9, 2);
  a.alu(BPF_OR, BPF_REG_9, kSack);
  a.jump_by(BPF_JNE, BPF_REG_1, BPF_REG_9, Assembler::Out);
  a.here(Assembler::Fine);
  a.call(BPF_FUNC_ktime_get_ns);
  a.alu(BPF_RSH, BPF_REG_0, kAckTickBits);
  a.load(BPF_DW, BPF_REG_8, BPF_REG_10, other(0));
  a.load(BPF_W, BPF_REG_1, BPF_REG_7, offsetof(UploadRange, part));
  a.load(BPF_W, BPF_REG_2, BPF_REG_7, offsetof(UploadRange, tick));
  a.jump_by(BPF_JNE, BPF_REG_1, BPF_REG_8, Assembler::Now);
  a.jump_by(BPF_JEQ, BPF_REG_0, BPF_REG_2, Assembler::Yes);
  a.here(Assembler::Now);  // two processors at once: one more comes by, or one less
  a.store(BPF_W, BPF_REG_7, offsetof(UploadRange, part), BPF_REG_8);
  a.store(BPF_W, BPF_REG_7, offsetof(UploadRange, tick), BPF_REG_0);
  a.go(Assembler::Out);
}

void take_out(Assembler& a, int map) {
  a.here(Assembler::Syn);
  for (std::size_t i = 0; i < 16; i += 8) {
    a.load(BPF_DW, BPF_REG_1, BPF_REG_10, key(offsetof(UploadKey, source) + i));
    a.store(BPF_DW, BPF_REG_10, other(offsetof(UploadKey, destination) + i), BPF_REG_1);
    a.load(BPF_DW, BPF_REG_1, BPF_REG_10, key(offsetof(UploadKey, destination) + i));
    a.store(BPF_DW, BPF_REG_10, other(offsetof(UploadKey, source) + i), BPF_REG_1);
  }
  a.load(BPF_H, BPF_REG_1, BPF_REG_10, key(offsetof(UploadKey, source_port)));
  a.store(BPF_H, BPF_REG_10, other(offsetof(UploadKey, destination_port)), BPF_REG_1);
  a.load(BPF_H, BPF_REG_1, BPF_REG_10, key(offsetof(UploadKey, destination_port)));
  a.store(BPF_H, BPF_REG_10, other(offsetof(UploadKey, source_port)), BPF_REG_1);
  a.load(BPF_W, BPF_REG_1, BPF_REG_10, key(offsetof(UploadKey, version)));
  a.store(BPF_W, BPF_REG_10, other(offsetof(UploadKey, version)), BPF_REG_1);
  a.with_map(map, kKeyAt, BPF_FUNC_map_delete_elem);
  a.with_map(map, kOtherAt, BPF_FUNC_map_delete_elem);
}

std::uint32_t be16(Bytes b, std::size_t at) { return static_cast<std::uint32_t>(b[at] << 8U | b[at + 1]); }
std::uint32_t be32(Bytes b, std::size_t at) { return be16(b, at) << 16U | be16(b, at + 2); }

}  // namespace

UploadKey reversed(const UploadKey& key) {
  UploadKey out = key;
  std::swap(out.source, out.destination);
  std::swap(out.source_port, out.destination_port);
  return out;
}

std::vector<bpf_insn> upload_program(int map) {
  Assembler a;
  a.move(BPF_REG_6, BPF_REG_1);
  a.load(BPF_W, BPF_REG_7, BPF_REG_6, offsetof(__sk_buff, len));
  for (std::int16_t at = kHeaderAt; at < 0; at = static_cast<std::int16_t>(at + 8)) a.zero(at);
  a.set(BPF_REG_8, 0);
  a.load_bytes(20);
  a.load(BPF_B, BPF_REG_1, BPF_REG_10, header(0));
  a.alu(BPF_RSH, BPF_REG_1, 4);
  a.jump(BPF_JEQ, BPF_REG_1, 6, Assembler::V6);
  a.jump(BPF_JNE, BPF_REG_1, 4, Assembler::Out);
  read_ip4(a);
  a.here(Assembler::V6);
  read_ip6(a);
  a.here(Assembler::Tcp);
  read_tcp(a);
  look_up(a, map);
  judge_bare(a);
  take_out(a, map);
  a.here(Assembler::Out);
  a.leave(0);
  a.here(Assembler::Yes);
  a.leave(1);
  return a.finish();
}

std::optional<UploadPacket> upload_packet(Bytes bytes) {
  Packet packet;
  packet.bytes = bytes;
  packet.wire_length = static_cast<std::uint32_t>(bytes.size());
  packet.link = LinkType::RawIp;
  packet.checksum = ChecksumState::NotFilled;
  const net::Decoded decoded = net::decode(packet, {});
  const auto* datagram = std::get_if<net::Datagram>(&decoded);
  if (datagram == nullptr || datagram->protocol != IPPROTO_TCP || datagram->payload.size() < 14) return std::nullopt;
  UploadPacket out;
  out.key.version = datagram->source.version;
  out.key.source = datagram->source.bytes;
  out.key.destination = datagram->destination.bytes;
  std::copy_n(datagram->payload.begin(), 2, out.key.source_port.begin());
  std::copy_n(datagram->payload.begin() + 2, 2, out.key.destination_port.begin());
  out.syn = (datagram->payload[13] & kSyn) != 0;
  return out;
}

bool may_be_syn(Bytes packet) noexcept {
  if (packet.size() < 20) return true;
  const std::size_t version = packet[0] >> 4U;
  const std::size_t at = version == 4 ? (packet[0] & 0xfU) * 4U : 40;
  const bool plain = version == 4 ? packet[9] == IPPROTO_TCP : version == 6 && packet[6] == IPPROTO_TCP;
  return !plain || packet.size() < at + 14 || (packet[at + 13] & kSyn) != 0;
}

namespace {

// As all stacks write them: none, timestamps, SACK, or both in this order.
bool usual_options(Bytes options) {
  if (options.size() >= kStampsLength && be32(options, 0) == kStamps) options = options.subspan(kStampsLength);
  if (options.empty()) return true;
  return options.size() >= 12 && options.size() % 8 == 4 && be32(options, 0) == (kSack | (options.size() - 2));
}

std::optional<std::uint32_t> within(const UploadRange& range, std::uint32_t number) {
  const std::uint32_t length = range.end - range.first, at = number - range.first;
  if (length > kMostReleased || at >= length) return std::nullopt;
  return at;
}

bool passes_bare(Bytes tcp, std::uint64_t now, UploadRange& range) {
  const std::optional<std::uint32_t> at = within(range, be32(tcp, 8));
  if (range.acks != 1 || (tcp[13] & ~unsigned{kEce}) != kAck || be32(tcp, 4) != range.seq || !at) return false;
  if (!usual_options(tcp.subspan(kTcpHeader))) return false;
  const std::uint32_t part = *at >> kAckPartBits;
  const auto tick = static_cast<std::uint32_t>(now >> kAckTickBits);
  const bool passes = part == range.part && tick == range.tick;
  range.part = part;
  range.tick = tick;
  return passes;
}

bool passes_data(Bytes tcp, std::size_t length, const UploadRange& range) {
  const std::optional<std::uint32_t> at = within(range, be32(tcp, 4));
  return range.acks == 0 && (tcp[13] & ~unsigned{kPsh}) == kAck && at && length <= range.end - range.first - *at;
}

}  // namespace

bool passes_unseen(Bytes packet, std::uint64_t now, const std::function<UploadRange*(const UploadKey&)>& find,
                   const std::function<void(const UploadKey&)>& remove) {
  if (packet.size() < 20) return false;
  UploadKey k;
  std::size_t at = 40;
  bool odd = false;
  k.version = packet[0] >> 4U;
  if (k.version == 4) {
    at = (packet[0] & 0xfU) * 4U;
    if (packet[9] != IPPROTO_TCP || (be16(packet, 6) & 0x1fffU) != 0) return false;
    odd = at != 20 || (be16(packet, 6) & 0xa000U) != 0 || be16(packet, 2) != packet.size();
    std::copy_n(packet.begin() + 12, 4, k.source.begin());
    std::copy_n(packet.begin() + 16, 4, k.destination.begin());
  } else if (k.version == 6) {
    if (packet.size() < 40 || packet[6] != IPPROTO_TCP) return false;
    odd = be16(packet, 4) + 40 != packet.size();
    std::copy_n(packet.begin() + 8, 16, k.source.begin());
    std::copy_n(packet.begin() + 24, 16, k.destination.begin());
  } else {
    return false;
  }
  if (packet.size() < at + kTcpHeader) return false;
  const Bytes tcp = packet.subspan(at);
  std::copy_n(tcp.begin(), 2, k.source_port.begin());
  std::copy_n(tcp.begin() + 2, 2, k.destination_port.begin());
  if ((tcp[13] & kSyn) != 0) {
    remove(k);
    remove(reversed(k));
    return false;
  }
  const std::size_t before = (tcp[12] >> 4U) * std::size_t{4};
  if (odd || be16(tcp, 18) != 0 || (tcp[12] & 0xfU) != 0 || before < kTcpHeader || before > tcp.size()) return false;
  UploadRange* range = find(k);
  if (range == nullptr) return false;
  return before == tcp.size() ? passes_bare(tcp, now, *range) : passes_data(tcp, tcp.size() - before, *range);
}

}  // namespace weir::capture
