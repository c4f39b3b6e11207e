#pragma once
// How parameters of tests appear behind their names.

#include <ostream>

#include "kernels/core/dtype.h"

namespace tandem {

inline void PrintTo(DType dtype, std::ostream* out) { *out << Name(dtype); }

}  // namespace tandem
