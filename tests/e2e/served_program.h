#pragma once
// A `tandem serve` as a child process, and one request to it.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/api/support/raw_client.h"
#include "tests/e2e/program.h"

namespace tandem {

// The port of the ready line, 0 when it did not come.
inline uint16_t PortOf(Program& program, const std::string& scheme = "http") {
  if (!program.WaitForOutput("ready on " + scheme + "://127.0.0.1:")) return 0;
  program.WaitForOutput("\n");
  const size_t colon = program.text().find("127.0.0.1:") + 10;
  return static_cast<uint16_t>(std::stoi(program.text().substr(colon)));
}

inline RawResponse Complete(uint16_t port, const nlohmann::json& body,
                            const std::string& path = "/v1/completions") {
  RawClient client(port);
  const std::string text = body.dump();
  client.Send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
              std::to_string(text.size()) + "\r\n\r\n" + text);
  return client.ReadResponse();
}

}  // namespace tandem
