#include "kernels/core/tensor.h"

#include <gtest/gtest.h>

#include <sstream>

#include "kernels/core/shape_check.h"

namespace tandem {
namespace {

TEST(Shape, CountsElementsAndPrints) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape.num_elements(), 24);
  EXPECT_EQ(shape.ToString(), "[2, 3, 4]");
  EXPECT_EQ(Shape{}.num_elements(), 1);
  EXPECT_EQ((Shape{5, 0}).num_elements(), 0);
  EXPECT_FALSE((Shape{2, 3}) == (Shape{2, 3, 1}));
}

TEST(Shape, RefusesNegativeTooManyAndOverflowingDimensions) {
  EXPECT_THROW(Shape({-1}), InternalError);
  EXPECT_THROW(Shape({1, 1, 1, 1, 1}), InternalError);
  EXPECT_THROW(Shape({int64_t{1} << 40, int64_t{1} << 40}), InternalError);
  EXPECT_THROW(Shape({2})[1], InternalError);
}

TEST(TensorView, RowsSelectsThem) {
  Tensor tensor(DType::kF32, {4, 3});
  for (int i = 0; i < 12; ++i) tensor.data<float>()[i] = static_cast<float>(i);
  const ConstTensorView rows = tensor.view().Rows(1, 2);
  EXPECT_EQ(rows.shape(), (Shape{2, 3}));
  EXPECT_EQ(rows.data<float>()[0], 3.0f);
  EXPECT_EQ(tensor.view().Rows(4, 0).num_elements(), 0);
  EXPECT_THROW(tensor.view().Rows(3, 2), InternalError);
}

TEST(TensorView, ReshapesWithinTheSameCount) {
  Tensor tensor(DType::kBf16, {4, 6});
  EXPECT_EQ(tensor.view().Reshaped({8, 3}).shape(), (Shape{8, 3}));
  EXPECT_THROW(tensor.view().Reshaped({5, 5}), InternalError);
}

TEST(TensorView, RefusesAnotherTypeThanItHas) {
  Tensor tensor(DType::kBf16, {2});
  EXPECT_NO_THROW(tensor.data<BFloat16>());
  EXPECT_THROW(tensor.data<float>(), InternalError);
}

TEST(Tensor, StartsAtZeroAndClones) {
  Tensor tensor(DType::kI32, {3});
  EXPECT_EQ(tensor.data<int32_t>()[2], 0);
  tensor.data<int32_t>()[2] = 7;
  Tensor copy = tensor.Clone();
  tensor.data<int32_t>()[2] = 8;
  EXPECT_EQ(copy.data<int32_t>()[2], 7);
}

TEST(ShapeCheck, BindsADimensionOnceAndHoldsOthersToIt) {
  Tensor x(DType::kF32, {5, 8}), y(DType::kF32, {5, 3}), z(DType::kF32, {4, 3});
  ShapeCheck check("Op");
  Dim tokens{"tokens"}, k{"k"}, n{"n"};
  check.Match("x", x, {tokens, k}).Match("y", y, {tokens, n});
  EXPECT_EQ(tokens.value(), 5);
  EXPECT_EQ(n.value(), 3);
  EXPECT_THROW(check.Match("z", z, {tokens, n}), InternalError);
}

TEST(ShapeCheck, MessageNamesOperandDimensionAndBothNumbers) {
  Tensor x(DType::kF32, {5, 8});
  ShapeCheck check("Op");
  Dim tokens{"tokens", 6}, k{"k"};
  try {
    check.Match("x", x, {tokens, k});
    FAIL() << "a wrong dimension was accepted";
  } catch (const InternalError& error) {
    const std::string message = error.what();
    for (const char* part : {"Op", "x", "tokens", "6", "5"}) {
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }
}

TEST(ShapeCheck, RefusesWrongRankAndType) {
  Tensor x(DType::kF32, {5});
  ShapeCheck check("Op");
  Dim tokens{"tokens"}, k{"k"};
  EXPECT_THROW(check.Match("x", x, {tokens, k}), InternalError);
  EXPECT_THROW(check.Type("x", x, {DType::kBf16, DType::kI8}), InternalError);
  EXPECT_NO_THROW(check.Type("x", x, {DType::kF32}));
}

TEST(Dim, HasNoValueBeforeItIsBound) { EXPECT_THROW(Dim{"free"}.value(), InternalError); }

}  // namespace
}  // namespace tandem
