#include "tests/bench/connections_bench.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include "api/http/descriptors.h"
#include "api/http/server.h"
#include "kernels/core/error.h"
#include "tests/api/support/certificate.h"
#include "tests/api/support/ok_handler.h"
#include "tests/api/support/raw_client.h"
#include "tests/api/support/tls_client.h"
#include "tests/bench/fork_pipes.h"
#include "tests/support/temporary_directory.h"

namespace tandem {

namespace {

constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

std::unique_ptr<RawClient> Open(const ConnectionsBenchOptions& options, uint16_t port) {
  if (!options.tls) return std::make_unique<RawClient>(port);
  auto client = std::make_unique<TlsClient>(port);
  return client->Handshake() ? std::move(client) : nullptr;
}

bool Ask(RawClient& client) { return client.Send(kRequest) && client.ReadResponse().status == 200; }

// The child: one connection that comes and goes, then all of them. True when each was served.
bool RunClients(const ConnectionsBenchOptions& options, Pipe& from_server, Pipe& to_server) {
  const auto port = from_server.Take<uint16_t>();
  auto first = Open(options, port);
  if (!first || !Ask(*first)) return false;
  first.reset();
  to_server.Give('1');
  from_server.Take<char>();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int64_t i = 0; i < options.num_connections; ++i) {
    clients.push_back(Open(options, port));
    if (!clients.back() || !clients.back()->connected()) return false;
    if (!options.silent && !Ask(*clients.back())) return false;
  }
  auto last = Open(options, port);  // accepted after all others
  if (!last || !Ask(*last)) return false;
  to_server.Give('2');
  from_server.Take<char>();
  return true;
}

double ResidentBytes() {
  int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

std::shared_ptr<const TlsContext> MakeTls() {
  const TemporaryDirectory folder;
  const PemPair pair = MakeCertificate();
  return std::make_shared<TlsContext>(
      TlsFiles{folder.Write("cert.pem", pair.certificate), folder.Write("key.pem", pair.key), ""});
}

// The parent's side, once the child is there.
void Measure(const ConnectionsBenchOptions& options, Pipe& to_client, Pipe& from_client) {
  HttpLimits limits;
  limits.max_connections = static_cast<size_t>(options.num_connections) + 8;
  OkHandler handler;
  HttpServer server({}, limits, handler, options.tls ? MakeTls() : nullptr);
  to_client.Give(server.port());
  from_client.Take<char>();
  const double before = ResidentBytes();
  to_client.Give('1');
  from_client.Take<char>();
  const double after = ResidentBytes();
  to_client.Give('2');
  constexpr double kMiB = 1 << 20;
  std::printf("| connections | TLS | before, MiB | after, MiB | more, MiB | bytes each |\n");
  std::printf("|---|---|---|---|---|---|\n");
  std::printf("| %lld%s | %s | %.1f | %.1f | %.1f | %.0f |\n",
              static_cast<long long>(options.num_connections), options.silent ? ", silent" : "",
              options.tls ? "yes" : "no", before / kMiB, after / kMiB, (after - before) / kMiB,
              (after - before) / static_cast<double>(options.num_connections));
}

}  // namespace

void RunConnectionsBench(const ConnectionsBenchOptions& options) {
  const auto wanted = static_cast<size_t>(options.num_connections);
  if (ReserveDescriptors(wanted) < wanted) {
    throw DeviceError("the limit of open files is too low for " + std::to_string(wanted) +
                      " connections; raise it with ulimit -n, or ask for fewer with --count");
  }
  Pipe to_client, from_client;
  std::fflush(stdout);
  const pid_t child = ::fork();  // before the server's thread is there
  if (child == 0) {
    to_client.CloseWriting();  // or the server's end would go unnoticed
    bool served = false;
    try {
      served = RunClients(options, to_client, from_client);
    } catch (const Error&) {
    }
    ::_exit(served ? 0 : 1);
  }
  from_client.CloseWriting();
  Measure(options, to_client, from_client);
  ::waitpid(child, nullptr, 0);
}

}  // namespace tandem
