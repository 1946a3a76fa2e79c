#include "capture/link_type.h"

#include <pcap/pcap.h>

namespace weir::capture {

std::optional<FileLink> file_link(int number) {
  switch (number) {
    case 0:
      return FileLink{LinkType::Null, DLT_NULL};
    case 1:
      return FileLink{LinkType::Ethernet, DLT_EN10MB};
    case 9:
      return FileLink{LinkType::Ppp, DLT_PPP};
    case 50:
      return FileLink{LinkType::Ppp, DLT_PPP_SERIAL};
    case 12:   // DLT_RAW of most systems
    case 14:   // of OpenBSD
    case 101:  // LINKTYPE_RAW
      return FileLink{LinkType::RawIp, DLT_RAW};
    case 228:
      return FileLink{LinkType::RawIp, DLT_IPV4};
    case 229:
      return FileLink{LinkType::RawIp, DLT_IPV6};
    case 108:
      return FileLink{LinkType::Loop, DLT_LOOP};
    case 113:
      return FileLink{LinkType::LinuxSll, DLT_LINUX_SLL};
    case 276:
      return FileLink{LinkType::LinuxSll2, DLT_LINUX_SLL2};
    default:
      return std::nullopt;
  }
}

std::string describe_link(int number) {
  std::string text = "link type " + std::to_string(number);
  if (const char* name = pcap_datalink_val_to_name(number); name != nullptr) {
    text += std::string(" (") + name + ")";
  }
  return text;
}

int dlt_of(LinkType link) {
  switch (link) {
    case LinkType::Ethernet:
      return DLT_EN10MB;
    case LinkType::LinuxSll:
      return DLT_LINUX_SLL;
    case LinkType::LinuxSll2:
      return DLT_LINUX_SLL2;
    case LinkType::RawIp:
      return DLT_RAW;
    case LinkType::Null:
      return DLT_NULL;
    case LinkType::Loop:
      return DLT_LOOP;
    case LinkType::Ppp:
      return DLT_PPP;
  }
  return DLT_EN10MB;
}

}  // namespace weir::capture
