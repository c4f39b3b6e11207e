#include "api/http/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <string>

#include "api/http/server.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr uint64_t kOwnDescriptors = 128;  // model files, libraries, event loop, log; generous
constexpr uint64_t kFewConnections = 8;

}  // namespace

DescriptorPlan PlanDescriptors(size_t wanted, const DescriptorLimits& limits) {
  constexpr uint64_t kOthers = kOwnDescriptors + HttpServer::kMaxRefusals;
  const uint64_t needed = wanted + kOthers;
  const uint64_t soft = std::max(limits.soft, std::min(limits.hard, needed));
  if (soft >= needed) return {soft, wanted};
  const uint64_t left = soft > kOthers ? soft - kOthers : 0;
  return {soft, left >= std::min<uint64_t>(wanted, kFewConnections) ? left : 0};
}

DescriptorLimits ReadDescriptorLimits() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return {limit.rlim_cur, limit.rlim_max};
}

size_t ReserveDescriptors(size_t wanted) {
  const DescriptorLimits limits = ReadDescriptorLimits();
  const DescriptorPlan plan = PlanDescriptors(wanted, limits);
  if (plan.max_connections == 0) {
    throw ConfigError("the limit of " + std::to_string(limits.hard) +
                      " open files leaves none for connections; raise it (ulimit -Hn, or "
                      "LimitNOFILE= of a systemd unit)");
  }
  const rlimit raised{plan.soft, limits.hard};
  if (plan.soft > limits.soft && setrlimit(RLIMIT_NOFILE, &raised) != 0) {
    return PlanDescriptors(wanted, {limits.soft, limits.soft}).max_connections;
  }
  return plan.max_connections;
}

}  // namespace tandem
