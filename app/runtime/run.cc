#include "app/runtime/run.h"

#include <utility>

namespace weir::app {
namespace {

// Packets after which a single worker hands its lines over.
constexpr std::uint64_t kDeliverAfter = 4096;

}  // namespace

Run::Run(unsigned workers, const inspect::InspectorOptions& options,
         std::shared_ptr<const inspect::Sites> sites, const Workers::MakeFormat& make_format,
         LineSink line, const RunExtras& extras)
    : inline_(options.stance == inspect::Stance::Inline),
      kept_(extras.store),
      audit_(extras.audit_output),
      workers_(inline_ ? 1 : workers, options, std::move(sites), kept_ != nullptr ? kept_ : &memory_,
               make_format, [this](std::span<const WorkerOutput> outputs) { deliver(outputs); }, extras.audit,
               extras.profile_clock),
      line_(std::move(line)),
      ingress_(options),
      files_(std::make_shared<FileMap>()) {}

void Run::begin_file(const std::string& name) {
  // Workers may be reading the old map: it stays as it is.
  if (workers_.count() > 1) workers_.submit();
  before_ = last_;
  auto files = std::make_shared<FileMap>(*files_);
  files->add(name, before_);
  files_ = std::move(files);
  if (workers_.count() == 1) workers_.files(files_);
}

void Run::packets(std::span<const Packet> packets, PacketPort& port) {
  port_ = &port;
  for (const Packet& packet : packets) {
    Packet numbered = packet;
    numbered.number = last_ = before_ + packet.number;
    now_ = packet.time;
    if (inline_) {
      inspect_inline(numbered, port);
    } else if (workers_.count() == 1) {
      inspect_here(numbered, port);
    } else {
      inspect_elsewhere(numbered, port);
    }
  }
}

void Run::inspect_here(const Packet& packet, PacketPort& port) {
  workers_.at(packet.number);
  const inspect::Ingress::Result in = ingress_.on_packet(packet, ingress_counters_);
  if (in.segment != nullptr) {
    workers_.inspector().on_segment(*in.segment);
  } else {
    (void)workers_.inspector().on_time(packet.time);
  }
  port.settle(packet, Fate::Forward);
  if (last_ - delivered_ >= kDeliverAfter) workers_.deliver_now();
}

void Run::inspect_elsewhere(const Packet& packet, PacketPort& port) {
  const inspect::Ingress::Result in = ingress_.on_packet(packet, ingress_counters_);
  Batch& batch = workers_.filling();
  if (batch.empty()) batch.files = files_;
  if (in.segment != nullptr) {
    const auto worker = static_cast<unsigned>(inspect::connection_hash(*in.segment) % workers_.count());
    batch.add(packet.time, packet.number, *in.segment, worker);
  } else {
    batch.add(packet.time, packet.number);
  }
  port.settle(packet, Fate::Forward);
  if (batch.full()) workers_.submit();
}

void Run::deliver(std::span<const WorkerOutput> outputs) {
  delivered_ = last_;
  transactions_ = 0;
  for (const WorkerOutput& output : outputs) transactions_ += output.transactions;
  if (kept_ != nullptr) {
    if (const Result<void> synced = kept_->sync(now_); !synced && store_trouble_.empty()) {
      store_trouble_ = synced.error().message;
    }
  }
  if (audit_ != nullptr) {
    drain_audit(outputs, [this](const AuditCollector::Entry& entry) { audit_->write(entry); });
  }
  drain_lines(outputs, line_);
}

void Run::inspect_inline(const Packet& packet, PacketPort& port) {
  workers_.at(packet.number);
  const inspect::Verdict time = workers_.inspector().on_time(packet.time);
  settle_held(time.held, port);
  inject(time.inject, port);
  const inspect::Verdict verdict = workers_.inspector().on_packet(packet);
  settle_held(verdict.held, port);
  inspect::tell_release(port, packet, verdict);
  switch (verdict.kind) {
    case inspect::VerdictKind::Forward: port.settle(packet, Fate::Forward); break;
    case inspect::VerdictKind::Drop: port.settle(packet, Fate::Drop); break;
    case inspect::VerdictKind::Hold: held_.emplace(packet.number, packet); break;
    case inspect::VerdictKind::Replace: port.replace(packet, verdict.replacement); break;
  }
  inject(verdict.inject, port);
  // Disks are slow: not for every packet.
  if (kept_ == nullptr || last_ - delivered_ >= kDeliverAfter) workers_.deliver_now();
}

void Run::settle_held(std::span<const inspect::HeldFate> fates, PacketPort& port) {
  for (const inspect::HeldFate& fate : fates) {
    const auto found = held_.find(fate.number);
    if (found == held_.end()) continue;
    port.settle(found->second, fate.fate);
    held_.erase(found);
  }
}

void Run::inject(std::span<const inspect::Injection> frames, PacketPort& port) {
  // A frame that cannot be written is counted by the port; the engine repeats what must arrive.
  for (const inspect::Injection& one : frames) (void)port.inject(one.like, one.towards, one.frame);
}

void Run::end_file() {
  // A fragment whose datagram is not complete when its capture ends never gets on.
  for (const auto& [number, packet] : held_) {
    if (port_ != nullptr) port_->settle(packet, Fate::Drop);
  }
  held_.clear();
  port_ = nullptr;
}

void Run::end_of_input() { workers_.end_of_input(last_, files_); }

inspect::InspectorCounters Run::counters() const {
  inspect::InspectorCounters sum = workers_.counters();
  sum += ingress_counters_;
  return sum;
}

}  // namespace weir::app
