#include "api/routes/all_routes.h"

#include <algorithm>
#include <iterator>

#include "api/routes/chat.h"
#include "api/routes/completions.h"
#include "api/routes/generate.h"
#include "api/routes/page_routes.h"
#include "api/routes/text_routes.h"

namespace tandem {

std::vector<Route> AllRoutes(Generator& generator, const ServerStatus& status,
                             const ServerMetrics& metrics) {
  std::vector<Route> routes = {
      {"POST", "/v1/completions", RouteAccess::kKey, CompletionsRoute(generator)},
      {"POST", "/v1/chat/completions", RouteAccess::kKey, ChatRoute(generator)},
      {"POST", "/generate", RouteAccess::kKey, GenerateRoute(generator)},
  };
  std::ranges::copy(TextRoutes(generator), std::back_inserter(routes));
  std::ranges::copy(StatusRoutes(generator.model(), status, metrics), std::back_inserter(routes));
  std::ranges::copy(PageRoutes(), std::back_inserter(routes));
  return routes;
}

}  // namespace tandem
