#pragma once
// Replicas of `tandem serve` with the default model and a key, as docker/ runs them, and how to ask
// one of them directly. Loopback and free ports only; all end with the object.

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/e2e/program.h"
#include "tests/e2e/served_program.h"
#include "tests/repo/source_tree.h"
#include "tests/support/temporary_directory.h"

namespace tandem {

inline const std::filesystem::path kDocker = TANDEM_SOURCE_DIR "/docker";
inline const std::string kReplicaKey = "kangaroo";

// Where the program is; empty: not installed.
inline std::string FindProgram(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/"}) {
    if (std::filesystem::exists(folder + name)) return folder + name;
  }
  return "";
}

// For programs that cannot choose one themselves. Free a moment ago.
inline uint16_t FreePort() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

inline std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

inline constexpr std::chrono::seconds kPatience{60};  // only what hangs needs it

// True once `condition` holds.
template <typename Condition>
bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// One request and what came of it; `headers` are whole lines.
class Ask {
 public:
  Ask(uint16_t port, const std::string& head, const std::string& headers = "",
      const std::string& body = "")
      : client_(port) {
    client_.WaitAtMost(kPatience);
    const std::string length =
        body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n";
    client_.Send(head + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + kReplicaKey +
                 "\r\n" + headers + length + "\r\n" + body);
  }
  RawClient& client() { return client_; }
  RawResponse Answer() { return client_.ReadResponse(); }

 private:
  RawClient client_;
};

inline Ask AskFor(uint16_t port, const nlohmann::json& body, const std::string& headers = "") {
  return {port, "POST /v1/completions", headers, body.dump()};
}

// The value of a metric without labels; -1 when it is not there.
inline double MetricIn(const std::string& text, const std::string& name) {
  const size_t at = ("\n" + text).find("\n" + name + " ");
  return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size()));
}

// Its model is named as it is, so that each answer tells who made it.
class Replica {
 public:
  explicit Replica(std::string name, const std::vector<std::string>& more = {})
      : name_(std::move(name)), program_(Command(name_, more)), port_(PortOf(program_)) {}

  const std::string& name() const { return name_; }
  uint16_t port() const { return port_; }  // 0: it did not start
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  Program& program() { return program_; }
  std::string Metrics() const { return Ask(port_, "GET /metrics").Answer().body; }
  double Metric(const std::string& metric) const { return MetricIn(Metrics(), metric); }

 private:
  static std::vector<std::string> Command(const std::string& name,
                                          const std::vector<std::string>& more) {
    std::vector<std::string> command = {TANDEM_BUILD_DIR "/bin/tandem",
                                        "serve",
                                        "--port=0",
                                        "--threads=1",
                                        "--kv-cache-memory=32MiB",
                                        "--log-level=warning",
                                        "--served-model-name=" + name,
                                        "--api-key=" + kReplicaKey};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  std::string name_;
  Program program_;
  uint16_t port_;
};

}  // namespace tandem
