#pragma once
// The chat page, /, the dashboard, /dashboard, and the files that they need, out of the table in
// page_files.h. Nothing of a request reaches the file system. The pages are public; the API that
// they call asks for the key.

#include <vector>

#include "api/routes/router.h"

namespace tandem {

std::vector<Route> PageRoutes();

}  // namespace tandem
