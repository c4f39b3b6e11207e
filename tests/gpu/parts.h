#pragma once
// The parts of `check`, one function each that lists a part's items.

#include <string>
#include <vector>

#include "tests/gpu/check_item.h"

namespace tandem {

// Every op of the table on the device, twice: agrees with double precision, writes nothing but its
// outputs, and has the same bits again.
std::vector<CheckItem> OpItems(const CheckOptions& options);

// One arithmetic, bit for bit: alone, in batches, in chunks, preempted, from cached prefixes.
std::vector<CheckItem> InvarianceItems(const CheckOptions& options);

// The trainer finds the log-probabilities that serving recorded, bit for bit.
std::vector<CheckItem> ParityItems(const CheckOptions& options);

// Ten optimiser steps go the way of the CPU's, and have the same bits again.
std::vector<CheckItem> TrainingItems(const CheckOptions& options);

// Greedy text is the CPU's: straight on the runner, and through `tandem generate`.
std::vector<CheckItem> GreedyItems(const CheckOptions& options);
std::vector<CheckItem> ProgramTextItems(const CheckOptions& options);

// NCCL with one rank.
std::vector<CheckItem> CollectiveItems(const CheckOptions& options);

// compute-sanitizer over small shapes.
std::vector<CheckItem> SanitizerItems(const CheckOptions& options);

// Figures: tests/bench/device_bench.h, and PyTorch's where it is installed.
std::vector<CheckItem> BenchmarkItems(const CheckOptions& options);
std::vector<CheckItem> PyTorchItems(const CheckOptions& options);

// `tandem serve` under 100 requests a second, and the highest rate that it keeps up with.
std::vector<CheckItem> ServingItems(const CheckOptions& options);

// All of these, in the order in which they run.
std::vector<Part> AllParts();

}  // namespace tandem
