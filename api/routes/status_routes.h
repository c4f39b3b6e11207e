#pragma once
// The routes that tell about the server: /health, /ready, /version, /openapi.json, /metrics,
// /v1/models.

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "api/routes/router.h"
#include "api/routes/served_model.h"

namespace tandem {

// Shared by the routes and whoever stops the server.
struct ServerStatus {
  std::atomic<bool> draining{false};  // set once, by the shutdown
  // Facts for /version, in order: version, model, dtype, instruction set, ...
  std::vector<std::pair<std::string, std::string>> version;
};

// All of them; the arguments outlive the routes.
std::vector<Route> StatusRoutes(const ServedModel& model, const ServerStatus& status,
                                const ServerMetrics& metrics);

}  // namespace tandem
