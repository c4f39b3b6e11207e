#include "kernels/core/tensor.h"

#include <cstring>
#include <limits>

namespace tandem {
namespace {

template <typename View>
View RowsOf(const View& view, int64_t first, int64_t count) {
  const Shape& shape = view.shape();
  CHECK(shape.rank() >= 1 && first >= 0 && count >= 0 && first + count <= shape[0], first, count,
        shape);
  std::array<int64_t, Shape::kMaxRank> dims{};
  int64_t row_elements = 1;
  dims[0] = count;
  for (int axis = 1; axis < shape.rank(); ++axis) {
    dims[static_cast<size_t>(axis)] = shape[axis];
    row_elements *= shape[axis];
  }
  const Shape rows(std::span<const int64_t>(dims.data(), static_cast<size_t>(shape.rank())));
  return View(view.bytes() + first * row_elements * SizeOf(view.dtype()), view.dtype(), rows,
              view.device());
}

}  // namespace

Shape::Shape(std::initializer_list<int64_t> dims)
    : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  CHECK(dims.size() <= kMaxRank, dims.size());
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    CHECK(dims[axis] >= 0, dims[axis]);
    dims_[axis] = dims[axis];
    CHECK(!__builtin_mul_overflow(num_elements_, dims[axis], &num_elements_), ToString());
  }
}

std::string Shape::ToString() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(dims_[static_cast<size_t>(axis)]);
  }
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.ToString(); }

TensorView TensorView::Rows(int64_t first, int64_t count) const {
  return RowsOf(*this, first, count);
}

ConstTensorView ConstTensorView::Rows(int64_t first, int64_t count) const {
  return RowsOf(*this, first, count);
}

TensorView TensorView::Reshaped(Shape shape) const {
  CHECK(shape.num_elements() == num_elements(), shape, shape_);
  return {data_, dtype_, shape, device_};
}

ConstTensorView ConstTensorView::Reshaped(Shape shape) const {
  CHECK(shape.num_elements() == num_elements(), shape, shape_);
  return {data_, dtype_, shape, device_};
}

Tensor::Tensor(DType dtype, Shape shape, Device device)
    : buffer_(device, shape.num_elements() * SizeOf(dtype)), dtype_(dtype), shape_(shape) {}

Tensor Tensor::Clone() const {
  CHECK(buffer_.device() == kCpuDevice, "a tensor on a device is copied with Copy");
  Tensor copy(dtype_, shape_);
  if (!buffer_.empty()) {
    std::memcpy(copy.buffer_.data(), buffer_.data(), static_cast<size_t>(buffer_.size_bytes()));
  }
  return copy;
}

}  // namespace tandem
