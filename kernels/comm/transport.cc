#include "kernels/comm/transport.h"

#include "kernels/core/error.h"

namespace tandem {
namespace {

std::string Prefix(const RankSettings& settings, const Operation& operation) {
  return "rank " + std::to_string(settings.rank) + " of " + std::to_string(settings.num_ranks) +
         ", " + operation.ToString() + ": ";
}

}  // namespace

std::string ToString(std::chrono::milliseconds time) {
  const int64_t count = time.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

void ThrowTimeout(const RankSettings& settings, const Operation& operation,
                  std::span<const int> peers) {
  std::string text = Prefix(settings, operation) + (peers.size() == 1 ? "rank " : "ranks ");
  for (size_t i = 0; i < peers.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(peers[i]);
  throw DeviceError(text + " did not come within " + ToString(settings.timeout) +
                    "; see what it does, or allow more time");
}

void ThrowLeft(const RankSettings& settings, const Operation& operation, int peer,
               const std::string& reason) {
  throw DeviceError(Prefix(settings, operation) + "rank " + std::to_string(peer) +
                    " left: " + reason);
}

}  // namespace tandem
