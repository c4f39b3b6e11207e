#pragma once
// Every route of the server, in one place.

#include <vector>

#include "api/routes/generator.h"
#include "api/routes/router.h"
#include "api/routes/status_routes.h"

namespace tandem {

// The arguments outlive the routes.
std::vector<Route> AllRoutes(Generator& generator, const ServerStatus& status,
                             const ServerMetrics& metrics);

}  // namespace tandem
