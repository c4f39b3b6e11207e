#pragma once
// The chat page: / and the files that it needs, out of the table in page_files.h. Nothing of a
// request reaches the file system. The page is public; the API that it calls asks for the key.

#include <vector>

#include "api/routes/router.h"

namespace tandem {

std::vector<Route> PageRoutes();

}  // namespace tandem
