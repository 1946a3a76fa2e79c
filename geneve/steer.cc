#include "geneve/steer.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/socket.h>

#include "engine/net/wire.h"

namespace weir::geneve {
namespace {

// Memory words of the program.
enum : std::uint32_t { kInnerAt = 0, kHash = 1, kWord = 2 };

// Offsets in the payload of UDP.
constexpr std::uint32_t kGeneveProtocol = 2;
constexpr std::uint32_t kVxlanEtherType = 8 + 12;
constexpr std::uint32_t kVxlanInner = 8 + 14;

class Assembler {
 public:
  void op(unsigned code, std::uint32_t k = 0) {
    program_.push_back({static_cast<std::uint16_t>(code), 0, 0, k});
  }
  // Returns where to set the targets.
  std::size_t jump(unsigned condition, std::uint32_t k) {
    op(BPF_JMP | condition | BPF_K, k);
    return program_.size() - 1;
  }
  void if_true_here(std::size_t at) { program_[at].jt = distance(at); }
  void if_false_here(std::size_t at) { program_[at].jf = distance(at); }

  void load_word(std::uint32_t at) { op(BPF_LD | BPF_W | BPF_IND, at); }  // relative to X
  void load_half(std::uint32_t at) { op(BPF_LD | BPF_H | BPF_IND, at); }
  void load_byte(std::uint32_t at) { op(BPF_LD | BPF_B | BPF_IND, at); }
  void store(std::uint32_t word) { op(BPF_ST, word); }
  void recall(std::uint32_t word) { op(BPF_LD | BPF_MEM, word); }
  void recall_x(std::uint32_t word) { op(BPF_LDX | BPF_MEM, word); }
  void alu(unsigned operation, std::uint32_t k) { op(BPF_ALU | operation | BPF_K, k); }
  void alu_x(unsigned operation) { op(BPF_ALU | operation | BPF_X); }
  void to_x() { op(BPF_MISC | BPF_TAX); }

  std::vector<sock_filter> take() { return std::move(program_); }

 private:
  [[nodiscard]] std::uint8_t distance(std::size_t at) const {
    return static_cast<std::uint8_t>(program_.size() - at - 1);
  }
  std::vector<sock_filter> program_;
};

// A = XOR of `words` words at `at`, relative to the inner packet.
void fold(Assembler& a, std::uint32_t at, std::uint32_t words) {
  a.recall_x(kInnerAt);
  a.load_word(at);
  for (std::uint32_t i = 1; i < words; ++i) {
    a.store(kWord);
    a.recall_x(kInnerAt);
    a.load_word(at + i * 4);
    a.recall_x(kWord);
    a.alu_x(BPF_XOR);
  }
}

// Adds what the ports at X contribute.
void add_ports(Assembler& a, const SteerKey& key) {
  a.load_half(0);
  a.store(kWord);
  a.load_half(2);
  a.recall_x(kWord);
  a.alu_x(BPF_XOR);
  a.alu(BPF_MUL, key.ports);
  a.recall_x(kHash);
  a.alu_x(BPF_ADD);
  a.store(kHash);
}

void answer(Assembler& a, std::uint32_t workers) {
  a.recall(kHash);
  a.alu(BPF_RSH, 16);
  a.alu(BPF_MOD, workers);
  a.op(BPF_RET | BPF_A);
}

void ipv4(Assembler& a, std::uint32_t workers, const SteerKey& key) {
  fold(a, 12, 2);
  a.alu(BPF_MUL, key.addresses);
  a.store(kHash);
  a.recall_x(kInnerAt);
  a.load_byte(9);
  const std::size_t tcp = a.jump(BPF_JEQ, net::kTcp);
  a.if_true_here(tcp);
  a.load_half(6);
  const std::size_t fragment = a.jump(BPF_JSET, 0x3fff);
  a.if_false_here(fragment);
  a.load_byte(0);
  a.alu(BPF_AND, 0x0f);
  a.alu(BPF_LSH, 2);
  a.alu_x(BPF_ADD);
  a.to_x();
  add_ports(a, key);
  a.if_false_here(tcp);
  a.if_true_here(fragment);
  answer(a, workers);
}

void ipv6(Assembler& a, std::uint32_t workers, const SteerKey& key) {
  fold(a, 8, 8);
  a.alu(BPF_MUL, key.addresses);
  a.store(kHash);
  a.recall_x(kInnerAt);
  a.load_byte(6);
  const std::size_t tcp = a.jump(BPF_JEQ, net::kTcp);
  a.if_true_here(tcp);
  a.recall(kInnerAt);
  a.alu(BPF_ADD, 40);
  a.to_x();
  add_ports(a, key);
  a.if_false_here(tcp);
  answer(a, workers);
}

}  // namespace

std::vector<sock_filter> steering_program(Tunnel tunnel, std::uint32_t workers,
                                          const SteerKey& key) {
  Assembler a;
  if (tunnel == Tunnel::Geneve) {
    a.op(BPF_LD | BPF_B | BPF_ABS, 0);
    a.alu(BPF_AND, 0x3f);
    a.alu(BPF_LSH, 2);
    a.alu(BPF_ADD, 8);
  } else {
    a.op(BPF_LD | BPF_IMM, kVxlanInner);
  }
  a.store(kInnerAt);
  a.op(BPF_LD | BPF_H | BPF_ABS, tunnel == Tunnel::Geneve ? kGeneveProtocol : kVxlanEtherType);
  const std::size_t four = a.jump(BPF_JEQ, net::kEtherIpv4);
  a.if_true_here(four);
  ipv4(a, workers, key);
  a.if_false_here(four);
  const std::size_t six = a.jump(BPF_JEQ, net::kEtherIpv6);
  a.if_true_here(six);
  ipv6(a, workers, key);
  a.if_false_here(six);
  a.op(BPF_RET | BPF_K, 0);
  return a.take();
}

Result<void> attach_steering(int socket, Tunnel tunnel, std::uint32_t workers,
                             const SteerKey& key) {
  std::vector<sock_filter> program = steering_program(tunnel, workers, key);
  sock_fprog attached{static_cast<std::uint16_t>(program.size()), program.data()};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof attached) != 0) {
    return fail("the kernel refuses the program that spreads packets over workers: " +
                std::string(std::strerror(errno)));
  }
  return {};
}

}  // namespace weir::geneve
