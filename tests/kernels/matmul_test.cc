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
#include "kernels/quantize.h"
#include "tests/kernels/matmul_fixture.h"
#include "tests/support/tolerances.h"

namespace tandem {
namespace {

constexpr DType kWeightTypes[] = {DType::kF32, DType::kF16, DType::kBf16, DType::kI8};

// x in the form that weights of `dtype` want.
struct Input {
  Tensor x;
  Tensor scales;  // i8 only
  ConstTensorView scales_view() const {
    return x.dtype() == DType::kI8 ? ConstTensorView(scales) : ConstTensorView();
  }
};

Input MakeInput(Context& context, ConstTensorView x, DType weights) {
  Input input;
  if (weights == DType::kI8) {
    input.x = Tensor(DType::kI8, x.shape());
    input.scales = Tensor(DType::kF32, {x.dim(0)});
    QuantizeRows(context, {.x = x, .y = input.x, .scales = input.scales});
    return input;
  }
  input.x = Tensor(weights == DType::kBf16 ? DType::kBf16 : DType::kF32, x.shape());
  Convert(context, {.x = x, .y = input.x});
  return input;
}

double InputAt(const Input& input, int64_t row, int64_t column) {
  const int64_t i = row * input.x.shape()[1] + column;
  switch (input.x.dtype()) {
    case DType::kI8:
      return static_cast<double>(input.x.data<int8_t>()[i]) *
             static_cast<double>(input.scales.data<float>()[row]);
    case DType::kBf16:
      return static_cast<double>(static_cast<float>(input.x.data<BFloat16>()[i]));
    default:
      return static_cast<double>(input.x.data<float>()[i]);
  }
}

// [tokens, n] in double, from the rounded operands.
std::vector<double> ReferenceProduct(const Input& input, const PackedMatrix& w) {
  Tensor unpacked(DType::kF32, {w.n(), w.k()});
  UnpackRows(w, 0, unpacked);
  const int64_t tokens = input.x.shape()[0];
  std::vector<double> x(static_cast<size_t>(w.k()));
  std::vector<double> y;
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t i = 0; i < w.k(); ++i) x[static_cast<size_t>(i)] = InputAt(input, t, i);
    for (int64_t column = 0; column < w.n(); ++column) {
      const float* row = unpacked.data<float>() + column * w.k();
      double sum = 0;
      for (int64_t i = 0; i < w.k(); ++i) {
        sum += x[static_cast<size_t>(i)] * static_cast<double>(row[i]);
      }
      y.push_back(sum);
    }
  }
  return y;
}

// `got` holds the first rows of `want`, whose largest element is the scale of errors. Products of
// bf16 or i8 numbers are exact in f32, so only f32 sums round, whatever the weights.
void ExpectClose(const Tensor& got, const std::vector<double>& want, const std::string& where) {
  double largest = 0;
  for (double value : want) largest = std::max(largest, std::abs(value));
  double error = 0;
  for (int64_t i = 0; i < got.shape().num_elements(); ++i) {
    const double difference =
        static_cast<double>(got.data<float>()[i]) - want[static_cast<size_t>(i)];
    error = std::max(error, std::abs(difference));
  }
  EXPECT_LE(error, OpTolerance(DType::kF32) * largest) << where;
}

bool SameBits(const float* a, const float* b, int64_t count) {
  return count == 0 || std::memcmp(a, b, static_cast<size_t>(count) * sizeof(float)) == 0;
}

std::string Where(InstructionSet isa, DType dtype, int64_t tokens, int64_t n, int64_t k) {
  return std::string(Name(isa)) + " " + std::string(Name(dtype)) + " tokens " +
         std::to_string(tokens) + " n " + std::to_string(n) + " k " + std::to_string(k);
}

Tensor Multiply(Context& context, const Input& input, const PackedMatrix& w) {
  Tensor y(DType::kF32, {input.x.shape()[0], w.n()});
  Matmul(context, {.x = input.x, .x_scales = input.scales_view(), .w = w, .y = y});
  return y;
}

// Rows [first, first + count) of an input, as an input of their own.
Input RowsOf(const Input& input, int64_t first, int64_t count) {
  const int64_t k = input.x.shape()[1];
  const int64_t size = SizeOf(input.x.dtype());
  Input rows;
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

TEST(Matmul, AgreesWithDoubleOnOddShapes) {
  for (DType dtype : kWeightTypes) {
    for (int64_t k : {1, 2, 3, 7, 64, 172, 513}) {
      for (int64_t n : {1, 8, 64, 65, 172, 200}) {
        Machine preparing;
        const PackedMatrix packed = PackMatrix(preparing.context, RandomTensor({n, k}, 1), dtype);
        const Input input = MakeInput(preparing.context, RandomTensor({64, k}, 2), dtype);
        const std::vector<double> want = ReferenceProduct(input, packed);
        for (InstructionSet isa : UsableInstructionSets()) {
          Machine machine(isa, 2);
          for (int64_t tokens : {0, 1, 2, 3, 5, 7, 16, 17, 33, 64}) {
            const Tensor y = Multiply(machine.context, RowsOf(input, 0, tokens), packed);
            ExpectClose(y, want, Where(isa, dtype, tokens, n, k));
          }
        }
      }
    }
  }
}

TEST(Matmul, AcceptsNoTokensAndNoInputs) {
  for (InstructionSet isa : UsableInstructionSets()) {
    Machine machine(isa, 2);
    Context& context = machine.context;
    for (DType dtype : kWeightTypes) {
      const PackedMatrix packed = PackMatrix(context, RandomTensor({65, 7}, 1), dtype);
      const Input none = MakeInput(context, RandomTensor({0, 7}, 2), dtype);
      EXPECT_EQ(Multiply(context, none, packed).shape().num_elements(), 0);

      const PackedMatrix no_inputs = AllocateMatrix(dtype, 65, 0);
      const Input empty = MakeInput(context, Tensor(DType::kF32, {3, 0}), dtype);
      const Tensor bias = RandomTensor({65}, 3);
      Tensor y(DType::kF32, {3, 65});
      Matmul(context,
             {.x = empty.x, .x_scales = empty.scales_view(), .w = no_inputs, .bias = bias, .y = y});
      for (int64_t row = 0; row < 3; ++row) {
        EXPECT_TRUE(SameBits(y.data<float>() + row * 65, bias.data<float>(), 65)) << Name(dtype);
      }
    }
  }
}

TEST(Matmul, RowAloneEqualsRowInAnyBatchBitwise) {
  for (InstructionSet isa : UsableInstructionSets()) {
    Machine machine(isa, 2);
    Context& context = machine.context;
    for (DType dtype : kWeightTypes) {
      for (const auto& [n, k] : {std::tuple<int64_t, int64_t>{200, 172}, {65, 513}, {512, 256}}) {
        const PackedMatrix packed = PackMatrix(context, RandomTensor({n, k}, 1), dtype);
        const Input all = MakeInput(context, RandomTensor({97, k}, 2), dtype);
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
    Machine machine(isa);
    Context& context = machine.context;
    for (DType dtype : kWeightTypes) {
      const Tensor w = RandomTensor({200, 172}, 1);
      const PackedMatrix whole = PackMatrix(context, w, dtype);
      const PackedMatrix part = PackMatrix(context, w.view().Rows(70, 50), dtype);
      const Input input = MakeInput(context, RandomTensor({19, 172}, 2), dtype);
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

TEST(Matmul, AnyNumberOfThreadsGivesTheSameBits) {
  for (InstructionSet isa : UsableInstructionSets()) {
    for (DType dtype : kWeightTypes) {
      for (int64_t tokens : {1, 7, 33, 130}) {
        for (int64_t n : {65, 640}) {
          std::vector<Tensor> results;
          for (int num_threads : {1, 2, 3, 6}) {
            Machine machine(isa, num_threads);
            Context& context = machine.context;
            const PackedMatrix packed = PackMatrix(context, RandomTensor({n, 172}, 1), dtype);
            const Input input = MakeInput(context, RandomTensor({tokens, 172}, 2), dtype);
            results.push_back(Multiply(context, input, packed));
            EXPECT_TRUE(
                SameBits(results.front().data<float>(), results.back().data<float>(), tokens * n))
                << Where(isa, dtype, tokens, n, 172) << " threads " << num_threads;
          }
        }
      }
    }
  }
}

TEST(Matmul, AddsBiasThenTheOldValue) {
  for (InstructionSet isa : UsableInstructionSets()) {
    Machine machine(isa, 2);
    Context& context = machine.context;
    for (DType dtype : kWeightTypes) {
      for (int64_t tokens : {1, 9, 40}) {
        constexpr int64_t kN = 172;
        const PackedMatrix packed = PackMatrix(context, RandomTensor({kN, 96}, 1), dtype);
        const Input input = MakeInput(context, RandomTensor({tokens, 96}, 2), dtype);
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

TEST(Matmul, IntegersGiveTheSameBitsOnEveryInstructionSet) {
  for (int64_t k : {1, 63, 172, 512}) {
    for (int64_t tokens : {1, 6, 37}) {
      Machine portable(InstructionSet::kPortable);
      Context& reference = portable.context;
      const PackedMatrix packed = PackMatrix(reference, RandomTensor({200, k}, 1), DType::kI8);
      const Input input = MakeInput(reference, RandomTensor({tokens, k}, 2), DType::kI8);
      const Tensor want = Multiply(reference, input, packed);
      for (InstructionSet isa : UsableInstructionSets()) {
        Machine machine(isa, 2);
        Context& context = machine.context;
        const Tensor got = Multiply(context, input, packed);
        EXPECT_TRUE(SameBits(want.data<float>(), got.data<float>(), tokens * 200))
            << Where(isa, DType::kI8, tokens, 200, k);
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
    Machine machine(isa);
    Context& context = machine.context;
    const PackedMatrix packed = PackMatrix(context, w, DType::kI8);
    const Input input = MakeInput(context, x, DType::kI8);
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
    Machine machine(isa, 2);
    Context& context = machine.context;
    for (DType dtype : kWeightTypes) {
      for (int64_t k : {3, 65, 172}) {
        const PackedMatrix packed = PackMatrix(context, RandomTensor({130, k}, 1), dtype);
        for (int64_t tokens : {2, 6, 18, 40}) {
          Tensor x = RandomTensor({tokens, k}, 2);
          const Tensor clean = Multiply(context, MakeInput(context, x, dtype), packed);
          const int64_t bad = tokens / 2;
          for (int64_t i = 0; i < k; ++i) {
            x.data<float>()[bad * k + i] = std::numeric_limits<float>::quiet_NaN();
          }
          const Tensor y = Multiply(context, MakeInput(context, x, dtype), packed);
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
    Machine machine(isa);
    Context& context = machine.context;
    for (DType dtype : kWeightTypes) {
      for (int64_t k : {3, 65, 172}) {
        Tensor w = RandomTensor({130, k}, 1);
        for (int64_t i = 0; i < k; ++i) {
          w.data<float>()[64 * k + i] = std::numeric_limits<float>::quiet_NaN();
        }
        const PackedMatrix packed = PackMatrix(context, w, dtype);
        for (int64_t tokens : {1, 20}) {
          const Input input = MakeInput(context, RandomTensor({tokens, k}, 2), dtype);
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

TEST(Matmul, WritesNothingBesideItsOutput) {
  constexpr float kSentinel = 12345.0f;
  for (InstructionSet isa : UsableInstructionSets()) {
    Machine machine(isa, 2);
    Context& context = machine.context;
    for (DType dtype : kWeightTypes) {
      const PackedMatrix packed = PackMatrix(context, RandomTensor({77, 40}, 1), dtype);
      for (int64_t tokens : {1, 6, 21, 50}) {
        const Input input = MakeInput(context, RandomTensor({tokens, 40}, 2), dtype);
        std::vector<float> memory(static_cast<size_t>(tokens * 77 + 128), kSentinel);
        Matmul(context, {.x = input.x,
                         .x_scales = input.scales_view(),
                         .w = packed,
                         .y = TensorView(memory.data() + 64, {tokens, 77})});
        for (size_t i = 0; i < 64; ++i) {
          ASSERT_EQ(memory[i], kSentinel) << Where(isa, dtype, tokens, 77, 40);
          ASSERT_EQ(memory[memory.size() - 1 - i], kSentinel);
        }
      }
    }
  }
}

TEST(Matmul, RefusesOperandsThatDoNotFit) {
  Machine machine(BestInstructionSet());
  Context& context = machine.context;
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
      Machine machine(isa, num_threads);
      Context& context = machine.context;
      for (DType dtype : kWeightTypes) {
        std::vector<PackedMatrix> experts;
        for (uint64_t seed = 0; seed < 5; ++seed) {
          experts.push_back(PackMatrix(context, RandomTensor({kN, kK}, seed), dtype));
        }
        const Input input = MakeInput(context, RandomTensor({kRows, kK}, 9), dtype);
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
  Machine machine(BestInstructionSet());
  Context& context = machine.context;
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
