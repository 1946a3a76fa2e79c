// Link types of capture files: the numbers of the LINKTYPE registry and libpcap's DLT values, which
// differ in places, to the words of engine/packet.h and back.
#pragma once

#include <optional>
#include <string>

#include "engine/packet.h"

namespace weir::capture {

struct FileLink {
  LinkType link = LinkType::Ethernet;
  int dlt = 1;  // what libpcap's filter compiler wants
};

// `number`: of a pcapng interface, or what pcap_datalink() answers.
[[nodiscard]] std::optional<FileLink> file_link(int number);
// "link type 105 (IEEE802_11)"; without a name where libpcap knows none
[[nodiscard]] std::string describe_link(int number);
[[nodiscard]] int dlt_of(LinkType link);

}  // namespace weir::capture
