#pragma once
// One arithmetic (DESIGN 3): a request's tokens and log-probabilities are the same bits alone, in a
// batch, with any chunking, after a prefix hit, after preemption, and at any number of threads.

#include <string>
#include <vector>

#include "engine/config/model_config.h"
#include "kernels/core/device.h"
#include "kernels/core/dtype.h"
#include "kernels/core/instruction_set.h"

namespace tandem {

struct InvarianceSubject {
  ModelConfig config;  // its weights are random
  DType dtype = DType::kF32;
  Device device = kCpuDevice;
  InstructionSet isa = BestInstructionSet();
};

struct InvarianceWorkload {
  int num_requests = 64;
  int64_t max_prompt = 90;  // prompts of 1..max_prompt tokens; a few share a long prefix
  int64_t max_new = 12;
};

// Runs mixed requests one by one, then in all other ways. Every difference, with the way and the
// request; empty: there is none.
std::vector<std::string> InvarianceErrors(const InvarianceSubject& subject,
                                          const InvarianceWorkload& workload);

}  // namespace tandem
