// What the tests of large transfers share, which a firewall beside the inspector lets by as far as they are released.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/unit/inspect/rig.h"

namespace weir::inspect::test {

inline const std::string kAttack = get("/?x=attack");
inline const std::string kAttackEnd = "attack HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\n\r\n";
inline const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

inline std::string noise(std::size_t length, unsigned seed = 1) {
  std::minstd_rand random(seed);
  std::string out(length, '\0');
  for (char& c : out) c = static_cast<char>(random() >> 8U);
  return out;
}

inline std::string answer(const std::string& body, const std::string& type = "application/octet-stream") {
  return "HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The header section of an upload, `more`: further fields.
inline std::string head(std::size_t length, const std::string& more = "") {
  return "POST /up HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\nContent-Type: application/octet-stream\r\n" + more +
         "Content-Length: " + std::to_string(length) + "\r\n\r\n";
}
inline std::string upload(const std::string& body, const std::string& more = "") { return head(body.size(), more) + body; }

struct Transfer : Rig {
  explicit Transfer(const RigOptions& options, bool firewalled = true) : Rig(options) { firewall.present = firewalled; }
  // The client asks, the server answers, all arrives.
  void exchange(const std::string& request, const std::string& response, Duration time = seconds(20)) {
    client.write(request);
    run(milliseconds(100));
    server.write(response);
    run(time);
  }
  void send(const std::string& bytes, Duration time = seconds(20)) {
    client.write(bytes);
    run(time);
  }
  // Both ends forget without a word, and connect again on the same ports, later.
  void begin_again(RigOptions fresh) {
    fresh.client.ts_start += 1'000'000;
    fresh.server.ts_start += 1'000'000;
    client = TcpPeer(fresh.client);
    server = TcpPeer(fresh.server);
    open();
  }
  [[nodiscard]] const InspectorCounters& counters() const { return judge.inspector.counters(); }
};

inline void expect_refused(Rig& rig) {
  EXPECT_THAT(rig.client.received, ::testing::HasSubstr("HTTP/1.1 403 "));
  EXPECT_TRUE(rig.client.eof);
  EXPECT_TRUE(rig.server.reset);
  EXPECT_THAT(rig.server.received, ::testing::Not(::testing::HasSubstr(kAttackEnd)));
  EXPECT_THAT(rig.client.complaints, ::testing::IsEmpty());
  EXPECT_THAT(rig.server.complaints, ::testing::IsEmpty());
}
// The same, and the page was read to its end by an orderly close, the reset had the exact number.
inline void expect_refused_exactly(Rig& rig) {
  expect_refused(rig);
  EXPECT_FALSE(rig.client.reset);
  EXPECT_EQ(rig.server.challenges, 0) << "the reset must have the exact number";
}

}  // namespace weir::inspect::test
