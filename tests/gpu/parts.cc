#include "tests/gpu/parts.h"

namespace tandem {
namespace {

std::vector<CheckItem> GenerationItems(const CheckOptions& options) {
  std::vector<CheckItem> items = GreedyItems(options);
  for (CheckItem& item : ProgramTextItems(options)) items.push_back(std::move(item));
  return items;
}

}  // namespace

std::vector<Part> AllParts() {
  return {
      {"ops", "every op agrees with double precision, twice with the same bits", 60, OpItems},
      {"invariance", "the same bits in any batch, chunk and cache", 80, InvarianceItems},
      {"parity", "the trainer finds the log-probabilities that serving recorded, bit for bit", 25,
       ParityItems},
      {"training", "ten steps go the way of the CPU's", 35, TrainingItems},
      {"generation", "greedy text is the CPU's", 30, GenerationItems},
      {"collectives", "NCCL with one rank", 20, CollectiveItems},
      {"benchmarks", "figures beside the device's own ceilings", 170, BenchmarkItems},
      {"serving", "100 requests a second, and the highest rate", 50, ServingItems},
      {"pytorch", "PyTorch's figures on this device", 90, PyTorchItems},
      {"sanitizer", "compute-sanitizer finds nothing", 60, SanitizerItems},
  };
}

}  // namespace tandem
