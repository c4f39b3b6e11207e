#include "kernels/core/check.h"

namespace tandem {

void CheckFailed(const char* file, int line, const char* condition, const std::string& values) {
  throw InternalError(std::string(file) + ":" + std::to_string(line) + ": CHECK(" + condition +
                      ") failed" + (values.empty() ? "" : ":" + values));
}

}  // namespace tandem
