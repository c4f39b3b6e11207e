// One arithmetic on the CPU, on every instruction set (tests/support/invariance.h).

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/invariance.h"
#include "tests/support/print_dtype.h"
#include "tests/support/random_model.h"

namespace tandem {
namespace {

void CheckInvariance(const ModelConfig& config, DType dtype, InstructionSet isa,
                     const InvarianceWorkload& workload) {
  const std::vector<std::string> errors =
      InvarianceErrors({.config = config, .dtype = dtype, .isa = isa}, workload);
  EXPECT_EQ(errors, std::vector<std::string>());
}

class Invariance : public testing::TestWithParam<DType> {};

TEST_P(Invariance, HoldsForStories260KOnEveryInstructionSet) {
  for (const InstructionSet isa : UsableInstructionSets()) {
    SCOPED_TRACE(std::string(Name(isa)));
    CheckInvariance(Stories260KConfig(), GetParam(), isa, {});
  }
}

TEST_P(Invariance, HoldsForAMixtureOfExpertsOnEveryInstructionSet) {
  for (const InstructionSet isa : UsableInstructionSets()) {
    SCOPED_TRACE(std::string(Name(isa)));
    CheckInvariance(TinyMoeConfig(), GetParam(), isa, {});
  }
}

TEST_P(Invariance, HoldsForMiniMind26M) {
  CheckInvariance(MiniMind26MConfig(), GetParam(), BestInstructionSet(), {});
}

TEST_P(Invariance, SlowHoldsForMiniMind104M) {
  CheckInvariance(MiniMind104MConfig(), GetParam(), BestInstructionSet(), {});
}

TEST_P(Invariance, SlowHoldsForTheMixture145M) {
  CheckInvariance(MiniMindMoe145MConfig(), GetParam(), BestInstructionSet(), {});
}

// The portable code is slow: fewer and shorter requests.
TEST_P(Invariance, SlowHoldsForTheLargeShapesInPortableCode) {
  const InvarianceWorkload small{.num_requests = 12, .max_prompt = 24, .max_new = 4};
  for (const ModelConfig& config :
       {MiniMind26MConfig(), MiniMind104MConfig(), MiniMindMoe145MConfig()}) {
    CheckInvariance(config, GetParam(), InstructionSet::kPortable, small);
  }
}

// All 64 of them take long there (int8 half an hour, beside other work): by hand, with
// --gtest_also_run_disabled_tests.
TEST_P(Invariance, DISABLED_HoldsForTheLargeShapesInPortableCodeWithAllRequests) {
  for (const ModelConfig& config :
       {MiniMind26MConfig(), MiniMind104MConfig(), MiniMindMoe145MConfig()}) {
    CheckInvariance(config, GetParam(), InstructionSet::kPortable, {});
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, Invariance,
                         testing::Values(DType::kF32, DType::kBf16, DType::kI8),
                         [](const auto& test) { return std::string(Name(test.param)); });

}  // namespace
}  // namespace tandem
