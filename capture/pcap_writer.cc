#include "capture/pcap_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <pcap/pcap.h>

#include "capture/link_type.h"

namespace weir::capture {
namespace {

constexpr int kSnaplen = 262144;  // what readers accept

}  // namespace

// `stream` belongs to `dumper` once there is one.
struct PcapWriter::Files {
  FILE* stream = nullptr;
  pcap_t* shape = nullptr;
  pcap_dumper_t* dumper = nullptr;

  Files() = default;
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  ~Files() {
    if (dumper != nullptr) {
      pcap_dump_close(dumper);
    } else if (stream != nullptr) {
      std::fclose(stream);
    }
    if (shape != nullptr) pcap_close(shape);
  }
};

Result<std::unique_ptr<PcapWriter>> PcapWriter::open(const std::string& path) {
  const int descriptor = path == "-"
                             ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                             : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (descriptor < 0) return fail("cannot write " + path + ": " + std::strerror(errno));
  auto files = std::make_unique<Files>();
  files->stream = ::fdopen(descriptor, "wb");
  if (files->stream == nullptr) {
    const int error = errno;
    ::close(descriptor);
    return fail("cannot write " + path + ": " + std::strerror(error));
  }
  return std::unique_ptr<PcapWriter>(new PcapWriter(path, std::move(files)));
}

PcapWriter::PcapWriter(std::string path, std::unique_ptr<Files> files)
    : path_(std::move(path)), files_(std::move(files)) {}

PcapWriter::~PcapWriter() {
  static_cast<void>(close());
}

Result<void> PcapWriter::failed(int error) {
  if (error_.empty()) {
    error_ = "cannot write " + path_ + ": " + (error == 0 ? "output error" : std::strerror(error));
  }
  return fail(error_);
}

Result<void> PcapWriter::begin(LinkType link) {
  link_ = link;
  files_->shape =
      pcap_open_dead_with_tstamp_precision(dlt_of(link), kSnaplen, PCAP_TSTAMP_PRECISION_NANO);
  if (files_->shape == nullptr) return failed(ENOMEM);
  errno = 0;
  files_->dumper = pcap_dump_fopen(files_->shape, files_->stream);
  if (files_->dumper == nullptr) {
    files_->stream = nullptr;  // libpcap closes it when it fails
    return failed(errno);
  }
  return {};
}

Result<void> PcapWriter::write(LinkType link, Timestamp time, Bytes bytes,
                               std::uint32_t wire_length) {
  if (!error_.empty()) return fail(error_);
  if (files_ == nullptr) return fail("cannot write " + path_ + ": it is closed");
  if (files_->dumper == nullptr) {
    if (auto begun = begin(link); !begun) return begun;
  } else if (link != link_) {
    // Not final: packets of the file's own type can still be written.
    return fail("cannot write " + path_ + ": its packets have another link type");
  }
  pcap_pkthdr header{};
  header.ts.tv_sec = time.ns / 1'000'000'000;
  header.ts.tv_usec = time.ns % 1'000'000'000;
  header.caplen = static_cast<bpf_u_int32>(std::min<std::size_t>(bytes.size(), kSnaplen));
  header.len = std::max(wire_length, static_cast<std::uint32_t>(bytes.size()));
  errno = 0;
  pcap_dump(reinterpret_cast<u_char*>(files_->dumper), &header, bytes.data());
  if (std::ferror(files_->stream) != 0) return failed(errno);
  ++packets_;
  return {};
}

Result<void> PcapWriter::flush() {
  if (!error_.empty()) return fail(error_);
  if (files_ == nullptr) return {};
  errno = 0;
  if (std::fflush(files_->stream) != 0) return failed(errno);
  return {};
}

Result<void> PcapWriter::close() {
  if (files_ == nullptr) return error_.empty() ? Result<void>() : Result<void>(fail(error_));
  Result<void> last;
  if (error_.empty() && files_->dumper == nullptr) last = begin(LinkType::Ethernet);
  if (last) last = flush();
  files_.reset();
  return last;
}

}  // namespace weir::capture
