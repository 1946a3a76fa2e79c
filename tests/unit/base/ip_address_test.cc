#include "engine/base/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace weir {
namespace {

std::string by_the_library(const std::array<std::uint8_t, 4>& bytes) {
  std::array<char, INET_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET, bytes.data(), text.data(), text.size());
}

TEST(IpAddress, EveryOctetIsWrittenAsTheLibraryWritesIt) {
  for (std::size_t place = 0; place < 4; ++place) {
    for (unsigned octet = 0; octet < 256; ++octet) {
      for (const std::uint8_t others : {0, 7, 42, 255}) {
        std::array<std::uint8_t, 4> bytes{others, others, others, others};
        bytes[place] = static_cast<std::uint8_t>(octet);
        const IpAddress address = IpAddress::v4(bytes);
        ASSERT_EQ(address.to_string(), by_the_library(bytes));
        ASSERT_EQ(IpAddress::parse(address.to_string()), address);
      }
    }
  }
}

TEST(IpAddress, SixIsWrittenAsRfc5952HasIt) {
  for (const char* text : {"::", "::1", "2001:db8::1", "2001:db8:0:1:1:1:1:1", "::ffff:192.0.2.1",
                           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
  EXPECT_EQ(IpAddress{}.to_string(), "");
}

TEST(IpAddress, WhatIsNoAddressIsNotRead) {
  for (const std::string& text : std::vector<std::string>{
           "", " 1.2.3.4", "1.2.3.4 ", "1.2.3", "1.2.3.256", "1.2.3.4.5", "1.2.3.04", "fe80::1%eth0", ":::",
           std::string("1.2.3.4\0", 8), std::string(47, '1'), std::string(5000, ':')}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

}  // namespace
}  // namespace weir
