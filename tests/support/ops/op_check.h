#pragma once
// One run of a case of the op table, looked at from all sides.

#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/ops/op_case.h"

namespace tandem {

using OutputBits = std::vector<std::vector<std::byte>>;  // of each output

OutputBits BitsOf(const OpRun& run);

// Resets the operands, runs the op there and waits for it. Empty when every output agrees with
// `want` (the run's Reference) and nothing else was written, else what is wrong.
std::string RunAndCompare(const OpCase& c, OpRun& run, Context& context,
                          const std::vector<std::vector<double>>& want);

}  // namespace tandem
