#pragma once
// The description of this API that /openapi.json answers: api/openapi.json with the version of this
// build, compiled into the program.

#include <string_view>

namespace tandem {

// Made by api/CMakeLists.txt from openapi_document.cc.in.
std::string_view OpenApiDocument();

}  // namespace tandem
