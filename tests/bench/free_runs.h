#pragma once
// Runs the free versions of free/free_order.h on the operands of op cases, on a Context's threads.

#include <functional>
#include <string>
#include <vector>

#include "kernels/core/context.h"
#include "tests/support/ops/op_case.h"

namespace tandem {

// Both write the op's own outputs, and borrow the op.
struct FreeVersion {
  std::string freedom;  // what `free` takes, for the table
  std::function<void(Context& context)> free;
  // The product, where the op's Run is not it: through the same driver as `free`, so that checking
  // shapes is not part of a price of a tenth of a microsecond.
  std::function<void(Context& context)> fixed{};
};

// The ways to run `op` without its order; none for ops that have no order to pay for.
std::vector<FreeVersion> FreeVersionsOf(OpRun& op);

}  // namespace tandem
