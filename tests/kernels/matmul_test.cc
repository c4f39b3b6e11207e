#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/moe.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

bool SameBits(const float* a, const float* b, int64_t count) {
  return count == 0 || std::memcmp(a, b, static_cast<size_t>(count) * sizeof(float)) == 0;
}

std::string Where(InstructionSet isa, DType dtype, int64_t tokens, int64_t n, int64_t k) {
  return std::string(Name(isa)) + " " + std::string(Name(dtype)) + " tokens " +
         std::to_string(tokens) + " n " + std::to_string(n) + " k " + std::to_string(k);
}

Tensor Multiply(Context& context, const MatmulOperand& input, const PackedMatrix& w) {
  Tensor y(DType::kF32, {input.x.shape()[0], w.n()});
  Matmul(context, {.x = input.x, .x_scales = input.scales_view(), .w = w, .y = y});
  return y;
}

// Rows [first, first + count) of an input, as an input of their own.
MatmulOperand RowsOf(const MatmulOperand& input, int64_t first, int64_t count) {
  const int64_t k = input.x.shape()[1];
  const int64_t size = SizeOf(input.x.dtype());
  MatmulOperand rows;
  rows.x = Tensor(input.x.dtype(), {count, k});
  std::copy_n(input.x.view().bytes() + first * k * size, count * k * size, rows.x.view().bytes());
  if (input.x.dtype() == DType::kI8) {
    rows.scales = Tensor(DType::kF32, {count});
    for (int64_t i = 0; i < count; ++i) {
      rows.scales.data<float>()[i] = input.scales.data<float>()[first + i];
    }
  }
  return rows;
}

TEST(Matmul, RowAloneEqualsRowInAnyBatchBitwise) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa, 2);
    Context& context = machine.context();
    for (DType dtype : kWeightTypes) {
      for (const auto& [n, k] : {std::tuple<int64_t, int64_t>{200, 172}, {65, 513}, {512, 256}}) {
        const PackedMatrix packed = PackMatrix(context, RandomTensor({n, k}, 1), dtype);
        const MatmulOperand all = MakeMatmulOperand(context, RandomTensor({97, k}, 2), dtype);
        std::vector<Tensor> alone;
        for (int64_t row = 0; row < 97; ++row) {
          alone.push_back(Multiply(context, RowsOf(all, row, 1), packed));
        }
        for (int64_t first : {0, 5}) {
          for (int64_t tokens : {2, 3, 4, 5, 6, 7, 8, 13, 15, 16, 17, 31, 32, 33, 48, 49, 64, 92}) {
            const Tensor y = Multiply(context, RowsOf(all, first, tokens), packed);
            for (int64_t row = 0; row < tokens; ++row) {
              ASSERT_TRUE(SameBits(y.data<float>() + row * n,
                                   alone[static_cast<size_t>(first + row)].data<float>(), n))
                  << Where(isa, dtype, tokens, n, k) << " row " << row;
            }
          }
        }
      }
    }
  }
}

TEST(Matmul, ColumnsDoNotDependOnTheirNeighboursBitwise) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    Context& context = machine.context();
    for (DType dtype : kWeightTypes) {
      const Tensor w = RandomTensor({200, 172}, 1);
      const PackedMatrix whole = PackMatrix(context, w, dtype);
      const PackedMatrix part = PackMatrix(context, w.view().Rows(70, 50), dtype);
      const MatmulOperand input = MakeMatmulOperand(context, RandomTensor({19, 172}, 2), dtype);
      const Tensor of_whole = Multiply(context, input, whole);
      const Tensor of_part = Multiply(context, input, part);
      for (int64_t row = 0; row < 19; ++row) {
        EXPECT_TRUE(
            SameBits(of_whole.data<float>() + row * 200 + 70, of_part.data<float>() + row * 50, 50))
            << Where(isa, dtype, 19, 200, 172);
      }
    }
  }
}

TEST(Matmul, AddsBiasThenTheOldValue) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa, 2);
    Context& context = machine.context();
    for (DType dtype : kWeightTypes) {
      for (int64_t tokens : {1, 9, 40}) {
        constexpr int64_t kN = 172;
        const PackedMatrix packed = PackMatrix(context, RandomTensor({kN, 96}, 1), dtype);
        const MatmulOperand input =
            MakeMatmulOperand(context, RandomTensor({tokens, 96}, 2), dtype);
        const Tensor bias = RandomTensor({kN}, 3);
        const Tensor product = Multiply(context, input, packed);

        Tensor with_bias = RandomTensor({tokens, kN}, 4);
        Tensor added = with_bias.Clone();
        const Tensor old = with_bias.Clone();
        Matmul(context, {.x = input.x,
                         .x_scales = input.scales_view(),
                         .w = packed,
                         .bias = bias,
                         .y = with_bias});
        Matmul(context, {.x = input.x,
                         .x_scales = input.scales_view(),
                         .w = packed,
                         .bias = bias,
                         .y = added,
                         .output = MatmulOutput::kAdd});
        for (int64_t i = 0; i < tokens * kN; ++i) {
          const float sum = product.data<float>()[i] + bias.data<float>()[i % kN];
          ASSERT_EQ(with_bias.data<float>()[i], sum) << Where(isa, dtype, tokens, kN, 96);
          ASSERT_EQ(added.data<float>()[i], old.data<float>()[i] + sum);
        }
      }
    }
  }
}

TEST(Matmul, IntegersOfLargestMagnitudeDoNotSaturate) {
  constexpr int64_t kK = 2048;
  Tensor w(DType::kF32, {65, kK});
  Tensor x(DType::kF32, {5, kK});
  for (int64_t i = 0; i < 65 * kK; ++i) w.data<float>()[i] = i / kK % 2 == 0 ? 1.0f : -1.0f;
  for (int64_t i = 0; i < 5 * kK; ++i) x.data<float>()[i] = i / kK % 2 == 0 ? -127.0f : 127.0f;
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    Context& context = machine.context();
    const PackedMatrix packed = PackMatrix(context, w, DType::kI8);
    const MatmulOperand input = MakeMatmulOperand(context, x, DType::kI8);
    const Tensor y = Multiply(context, input, packed);
    const float scale = 1.0f / 127.0f;
    for (int64_t t = 0; t < 5; ++t) {
      for (int64_t n = 0; n < 65; ++n) {
        const float sum = static_cast<float>(127 * 127 * kK) * ((t + n) % 2 == 0 ? -1.0f : 1.0f);
        ASSERT_EQ(y.data<float>()[t * 65 + n], sum * scale) << Name(isa);
      }
    }
  }
}

TEST(Matmul, NaNInOneRowDoesNotReachAnother) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa, 2);
    Context& context = machine.context();
    for (DType dtype : kWeightTypes) {
      for (int64_t k : {3, 65, 172}) {
        const PackedMatrix packed = PackMatrix(context, RandomTensor({130, k}, 1), dtype);
        for (int64_t tokens : {2, 6, 18, 40}) {
          Tensor x = RandomTensor({tokens, k}, 2);
          const Tensor clean = Multiply(context, MakeMatmulOperand(context, x, dtype), packed);
          const int64_t bad = tokens / 2;
          for (int64_t i = 0; i < k; ++i) {
            x.data<float>()[bad * k + i] = std::numeric_limits<float>::quiet_NaN();
          }
          const Tensor y = Multiply(context, MakeMatmulOperand(context, x, dtype), packed);
          for (int64_t row = 0; row < tokens; ++row) {
            const float* got = y.data<float>() + row * 130;
            if (row != bad) {
              EXPECT_TRUE(SameBits(got, clean.data<float>() + row * 130, 130))
                  << Where(isa, dtype, tokens, 130, k);
            }
            for (int64_t n = 0; n < 130; ++n) ASSERT_EQ(std::isnan(got[n]), row == bad);
          }
        }
      }
    }
  }
}

TEST(Matmul, NaNInOneWeightRowStaysInItsColumn) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    Context& context = machine.context();
    for (DType dtype : kWeightTypes) {
      for (int64_t k : {3, 65, 172}) {
        Tensor w = RandomTensor({130, k}, 1);
        for (int64_t i = 0; i < k; ++i) {
          w.data<float>()[64 * k + i] = std::numeric_limits<float>::quiet_NaN();
        }
        const PackedMatrix packed = PackMatrix(context, w, dtype);
        for (int64_t tokens : {1, 20}) {
          const MatmulOperand input =
              MakeMatmulOperand(context, RandomTensor({tokens, k}, 2), dtype);
          const Tensor y = Multiply(context, input, packed);
          for (int64_t i = 0; i < tokens * 130; ++i) {
            ASSERT_EQ(std::isnan(y.data<float>()[i]), i % 130 == 64)
                << Where(isa, dtype, tokens, 130, k) << " element " << i;
          }
        }
      }
    }
  }
}

TEST(Matmul, RefusesOperandsThatDoNotFit) {
  OpContext machine(BestInstructionSet());
  Context& context = machine.context();
  const PackedMatrix w = PackMatrix(context, RandomTensor({8, 4}, 1), DType::kF32);
  Tensor y(DType::kF32, {2, 8});
  const Tensor wrong_k(DType::kF32, {2, 5});
  const Tensor wrong_type(DType::kBf16, {2, 4});
  const Tensor x(DType::kF32, {2, 4});
  Tensor wrong_tokens(DType::kF32, {3, 8});
  EXPECT_THROW(Matmul(context, {.x = wrong_k, .w = w, .y = y}), InternalError);
  EXPECT_THROW(Matmul(context, {.x = wrong_type, .w = w, .y = y}), InternalError);
  EXPECT_THROW(Matmul(context, {.x = x, .w = w, .y = wrong_tokens}), InternalError);
  const Tensor bias(DType::kF32, {7});
  EXPECT_THROW(Matmul(context, {.x = x, .w = w, .bias = bias, .y = y}), InternalError);
}

TEST(MatmulGrouped, EqualsMatmulOfEachGroupBitwise) {
  constexpr int64_t kN = 200;
  constexpr int64_t kK = 172;
  const int32_t offsets[] = {0, 3, 3, 36, 40, 57};
  constexpr int64_t kRows = 57;
  for (InstructionSet isa : UsableInstructionSets()) {
    for (int num_threads : {1, 2, 3}) {
      OpContext machine(isa, num_threads);
      Context& context = machine.context();
      for (DType dtype : kWeightTypes) {
        std::vector<PackedMatrix> experts;
        for (uint64_t seed = 0; seed < 5; ++seed) {
          experts.push_back(PackMatrix(context, RandomTensor({kN, kK}, seed), dtype));
        }
        const MatmulOperand input = MakeMatmulOperand(context, RandomTensor({kRows, kK}, 9), dtype);
        Tensor y(DType::kF32, {kRows, kN});
        MatmulGrouped(context, {.x = input.x,
                                .x_scales = input.scales_view(),
                                .offsets = ConstTensorView(offsets, {6}),
                                .w = experts,
                                .y = y});
        for (size_t group = 0; group < experts.size(); ++group) {
          const int64_t count = offsets[group + 1] - offsets[group];
          const Tensor want =
              Multiply(context, RowsOf(input, offsets[group], count), experts[group]);
          EXPECT_TRUE(
              SameBits(y.data<float>() + offsets[group] * kN, want.data<float>(), count * kN))
              << Name(isa) << " " << Name(dtype) << " group " << group;
        }
      }
    }
  }
}

TEST(MatmulGrouped, RefusesOffsetsThatDoNotCoverTheRows) {
  OpContext machine(BestInstructionSet());
  Context& context = machine.context();
  std::vector<PackedMatrix> experts;
  experts.push_back(PackMatrix(context, RandomTensor({8, 4}, 1), DType::kF32));
  experts.push_back(PackMatrix(context, RandomTensor({8, 4}, 2), DType::kF32));
  const Tensor x(DType::kF32, {4, 4});
  Tensor y(DType::kF32, {4, 8});
  for (const auto& offsets : {std::vector<int32_t>{0, 2, 3}, {0, 5, 4}, {1, 2, 4}}) {
    EXPECT_THROW(
        MatmulGrouped(
            context,
            {.x = x, .offsets = ConstTensorView(offsets.data(), {3}), .w = experts, .y = y}),
        InternalError);
  }
}

}  // namespace
}  // namespace tandem
