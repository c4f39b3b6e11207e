// Every op of the table on every usable instruction set and number of threads: agrees with double
// precision, has the same bits however many threads share it, and writes nothing but its outputs.

#include "tests/support/ops/op_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/ops/op_check.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

// One OpContext of each kind, for all cases: threads take a while to start.
class OpTable : public testing::Test {
 protected:
  struct Place {
    InstructionSet isa;
    int num_threads;
    std::unique_ptr<OpContext> context;
  };

  static void SetUpTestSuite() {
    for (const InstructionSet isa : UsableInstructionSets()) {
      for (const int num_threads : {1, 3}) {
        Places().push_back({isa, num_threads, std::make_unique<OpContext>(isa, num_threads)});
      }
    }
  }
  static void TearDownTestSuite() { Places().clear(); }
  static std::vector<Place>& Places() {
    static std::vector<Place> places;
    return places;
  }

  static void Check(const OpCase& c) {
    const std::unique_ptr<OpRun> run = c.prepare(*Places().front().context);
    const std::vector<std::vector<double>> want = run->Reference();
    OutputBits first;
    for (const Place& place : Places()) {
      SCOPED_TRACE(c.Label() + " on " + std::string(Name(place.isa)) + ", " +
                   std::to_string(place.num_threads) + " threads");
      ASSERT_EQ(RunAndCompare(c, *run, *place.context, want), "");
      const OutputBits bits = BitsOf(*run);
      const bool is_new = place.num_threads == 1 && c.bits == OpBits::kOfInstructionSet;
      if (first.empty() || is_new) first = bits;
      ASSERT_TRUE(bits == first) << "other bits";
    }
  }

  // The cases of ops whose names begin so.
  static void CheckAll(const std::vector<std::string>& prefixes) {
    int count = 0;
    for (const OpCase& c : OpCases(OpUse::kTest)) {
      const bool is_wanted = std::any_of(prefixes.begin(), prefixes.end(),
                                         [&](const auto& p) { return c.op.starts_with(p); });
      if (!is_wanted) continue;
      ++count;
      Check(c);
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(count, 0);
  }
};

TEST_F(OpTable, MatmulAgreesEverywhere) { CheckAll({"matmul"}); }
TEST_F(OpTable, NormsAgreeEverywhere) { CheckAll({"rms_norm"}); }
TEST_F(OpTable, ElementwiseOpsAgreeEverywhere) { CheckAll({"silu_mul", "add", "rope"}); }
TEST_F(OpTable, ConversionsAndCopiesAgreeEverywhere) {
  CheckAll({"quantize_rows", "convert", "embedding", "split_columns", "gather_"});
}
TEST_F(OpTable, AttentionAgreesEverywhere) { CheckAll({"attention", "kv_write"}); }
TEST_F(OpTable, MixturesAgreeEverywhere) { CheckAll({"moe_"}); }
TEST_F(OpTable, GradientsAgreeEverywhere) {
  CheckAll({"sum_rows", "embedding_backward", "merge_columns"});
}
TEST_F(OpTable, LossesAgreeEverywhere) { CheckAll({"cross_entropy"}); }
TEST_F(OpTable, OptimisersAgreeEverywhere) { CheckAll({"adamw", "sum_of_squares"}); }
TEST_F(OpTable, SamplingAgreesEverywhere) {
  CheckAll({"log_softmax", "sample", "top_ids", "pick_log_probs"});
}

TEST(OpCases, EveryOpHasCasesForTestsAndForTiming) {
  std::set<std::string> tested, timed;
  for (const OpCase& c : OpCases(OpUse::kTest)) tested.insert(c.op);
  for (const OpCase& c : OpCases(OpUse::kBench)) timed.insert(c.op);
  EXPECT_EQ(tested, timed);
}

TEST(OpCases, LabelsNameOneCaseEach) {
  for (const OpUse use : {OpUse::kTest, OpUse::kBench, OpUse::kDeviceBench, OpUse::kDeviceTiny}) {
    std::set<std::string> labels;
    for (const OpCase& c : OpCases(use)) EXPECT_TRUE(labels.insert(c.Label()).second) << c.Label();
  }
}

TEST(GuardedTensors, SeeAWriteBesideAnOutputAndIntoAnInput) {
  GuardedTensors tensors;
  const ConstTensorView input = tensors.Input(NormalTensor({3}, 1));
  const TensorView output = tensors.Output(DType::kF32, {3});
  EXPECT_TRUE(tensors.Intact());
  output.data<float>()[2] = 1.0f;
  EXPECT_TRUE(tensors.Intact());
  for (float* at : {output.data<float>() - 1, output.data<float>() + 3,
                    const_cast<float*>(input.data<float>()) + 1}) {
    const float before = *at;
    *at = 1.0f;
    EXPECT_FALSE(tensors.Intact());
    *at = before;
    EXPECT_TRUE(tensors.Intact());
  }
}

}  // namespace
}  // namespace tandem
