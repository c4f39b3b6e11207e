#pragma once
// Speed of each op of the table in tests/support/ops, beside what the machine can do at most; and
// what the fixed order of sums costs, beside implementations that are free of it.

#include <string>

#include "kernels/core/instruction_set.h"

namespace tandem {

struct OpsBenchOptions {
  std::string filter;  // part of "op shape dtype"
  int num_threads = 2;
  InstructionSet isa = BestInstructionSet();
  int repeats = 25;  // runs of each row, in turn with the others; the median is printed
};

// Prints one table to stdout. Throws ConfigError when nothing matches the filter.
void RunOpsBench(const OpsBenchOptions& options);
void RunOrderPrice(const OpsBenchOptions& options);

}  // namespace tandem
