#include "capture/pcap_file.h"

#include <algorithm>
#include <cassert>

namespace weir::capture {
namespace {

constexpr std::size_t kFirstSlots = 256;
constexpr std::uint32_t kNoSlot = 0xffffffffU;

std::string file_name(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

Result<std::unique_ptr<CaptureReader>> open_path(const std::string& path) {
  auto source = ByteSource::open(path);
  if (!source) return fail(source.error().message);
  return open_capture(file_name(path), std::move(*source));
}

}  // namespace

PcapFilePort::PcapFilePort(PcapFileOptions options)
    : options_(std::move(options)), filter_(options_.filter) {
  options_.most_unsettled = std::max(options_.most_unsettled, 1U);
  if (options_.settled_at_once) return;
  slots_.resize(std::min<std::size_t>(kFirstSlots, options_.most_unsettled));
  for (std::size_t i = slots_.size(); i > 0; --i) {
    free_.push_back(static_cast<std::uint32_t>(i - 1));
  }
}

Result<std::unique_ptr<PcapFilePort>> PcapFilePort::open(PcapFileOptions options) {
  if (options.files.empty()) return fail("no capture file was named");
  if (std::count(options.files.begin(), options.files.end(), "-") > 1) {
    return fail("standard input (\"-\") can be read only once");
  }
  std::unique_ptr<PcapFilePort> port(new PcapFilePort(std::move(options)));
  std::string mistakes;
  const auto add = [&mistakes](const Result<void>& result) {
    if (result) return;
    if (!mistakes.empty()) mistakes += "; ";
    mistakes += result.error().message;
  };
  if (auto checked = port->filter_.check(dlt_of(LinkType::RawIp)); !checked) {
    // Some expressions need a link layer ("ether host …").
    if (!port->filter_.check(dlt_of(LinkType::Ethernet))) add(checked);
  }
  if (mistakes.empty()) {
    for (const std::string& file : port->options_.files)
      add(port->examine(file));
  }
  if (!mistakes.empty()) return fail(mistakes);
  return port;
}

Result<void> PcapFilePort::examine(const std::string& file) {
  // What is wrong with a pipe is told when its turn comes. Standard input is opened now and kept.
  if (ByteSource::is_pipe(file)) return {};
  auto source = ByteSource::open(file);
  if (!source) return fail(source.error().message);
  bytes_total_ += (*source)->size();
  auto reader = open_capture(file_name(file), std::move(*source));
  if (!reader) return fail(reader.error().message);
  if (file == "-") {
    standard_input_ = std::move(*reader);
    return {};
  }
  CaptureRecord record;
  const ReadResult first = (*reader)->next(record);
  if (first == ReadResult::Packet) return filter_.check(record.link.dlt);
  if ((*reader)->skipped() != 0) return fail(file_name(file) + ": " + (*reader)->skipped_text());
  return {};
}

std::string_view PcapFilePort::label(std::size_t file) const {
  const std::string& path = options_.files[file];
  return path == "-" ? std::string_view("standard input") : std::string_view(path);
}

bool PcapFilePort::next_file() {
  while (next_ < options_.files.size()) {
    const std::string& path = options_.files[next_++];
    file_packets_ = 0;
    if (path == "-" && standard_input_ != nullptr) {
      reader_ = std::move(standard_input_);
      return true;
    }
    auto reader = open_path(path);
    if (reader) {
      reader_ = std::move(*reader);
      return true;
    }
    damage_.push_back(reader.error().message);
  }
  return false;
}

void PcapFilePort::finish_file(std::string_view why) {
  const std::string name(label(next_ - 1));
  if (!why.empty()) {
    damage_.push_back(name + ": packet " + std::to_string(file_packets_ + 1) + ": " +
                      std::string(why));
  }
  if (reader_->skipped() != 0) damage_.push_back(name + ": " + reader_->skipped_text());
  bytes_done_ += reader_->source().taken();
  finished_ = std::move(reader_);
}

Result<Received> PcapFilePort::receive(std::span<Packet> out, Duration wait) {
  Received received;
  finished_.reset();
  while (received.count < out.size()) {
    if (reader_ == nullptr && !next_file()) {
      received.ended = received.count == 0;
      return received;
    }
    if (!reader_->source().ready(received.count == 0 ? wait : Duration{0})) return received;
    if (options_.settled_at_once) {
      if (received.count != 0 && !reader_->next_is_at_hand()) return received;
    } else if (free_.empty() && slots_.size() >= options_.most_unsettled) {
      if (received.count != 0) return received;
      return fail("more than " + std::to_string(options_.most_unsettled) +
                  " packets wait for their verdict");
    }
    CaptureRecord record;
    switch (reader_->next(record)) {
      case ReadResult::End:
        finish_file({});
        continue;
      case ReadResult::Damaged: {
        ++stats_.errors;
        const std::string why = reader_->damage();
        finish_file(why);
        continue;
      }
      case ReadResult::Packet:
        break;
    }
    const auto passes = filter_.passes(record.link.dlt, record.bytes, record.wire_length);
    if (!passes) {
      ++stats_.errors;
      finish_file(passes.error().message);
      continue;
    }
    ++number_;
    ++file_packets_;
    if (*passes) deliver(record, out[received.count++]);
  }
  return received;
}

Bytes PcapFilePort::keep(Bytes bytes, std::uint32_t& index) {
  if (free_.empty()) {
    // Growing moves the vectors, not what they hold: views of packets stay valid.
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.used = true;
  slot.bytes.assign(bytes.begin(), bytes.end());
  return slot.bytes;
}

void PcapFilePort::deliver(const CaptureRecord& record, Packet& packet) {
  std::uint32_t index = kNoSlot;
  packet = Packet{};
  packet.bytes = options_.settled_at_once ? record.bytes : keep(record.bytes, index);
  packet.wire_length = record.wire_length;
  packet.link = record.link.link;
  packet.checksum = options_.checksum;
  packet.time = record.time;
  packet.number = number_;
  packet.token = std::uint64_t{next_ - 1} << 32 | index;
  ++stats_.packets;
  stats_.bytes += record.bytes.size();
}

void PcapFilePort::settle(const Packet& packet, Fate fate) {
  const auto index = static_cast<std::uint32_t>(packet.token);
  assert(index == kNoSlot || (index < slots_.size() && slots_[index].used));
  if (fate == Fate::Forward) {
    ++stats_.forwarded;
    if (options_.forwarded != nullptr) {
      const bool written = static_cast<bool>(
          options_.forwarded->write(packet.link, packet.time, packet.bytes, packet.wire_length));
      if (!written) ++stats_.errors;
    }
  } else {
    ++stats_.discarded;
  }
  if (index == kNoSlot) return;
  slots_[index].used = false;
  free_.push_back(index);
}

void PcapFilePort::replace(const Packet& packet, Bytes bytes) {
  Packet instead = packet;
  instead.bytes = bytes;
  instead.wire_length = static_cast<std::uint32_t>(bytes.size());
  settle(instead, Fate::Forward);
}

Result<void> PcapFilePort::inject(const Packet& like, Towards towards, Bytes frame) {
  static_cast<void>(towards);  // a file has one direction
  ++stats_.injected;
  if (options_.forwarded == nullptr) return {};
  auto written = options_.forwarded->write(like.link, like.time, frame);
  if (!written) ++stats_.errors;
  return written;
}

std::string_view PcapFilePort::file_of(const Packet& packet) const {
  const std::size_t file = packet.token >> 32;
  return file < options_.files.size() ? label(file) : std::string_view();
}

std::uint64_t PcapFilePort::bytes_read() const {
  return bytes_done_ + (reader_ != nullptr ? reader_->source().taken() : 0);
}

}  // namespace weir::capture
