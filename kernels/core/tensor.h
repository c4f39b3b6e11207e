#pragma once
// TensorView and ConstTensorView borrow elements; Tensor owns them. All are row-major and dense, up
// to four dimensions. A view never outlives the call it is passed to unless the holder says so.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string>

#include "kernels/core/buffer.h"
#include "kernels/core/check.h"
#include "kernels/core/dtype.h"

namespace tandem {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const {
    CHECK(axis >= 0 && axis < rank_, axis, rank_);
    return dims_[static_cast<size_t>(axis)];
  }
  // Product of all dimensions; 1 for rank 0. Overflow is checked at construction.
  int64_t num_elements() const { return num_elements_; }
  std::string ToString() const;  // "[2, 3]"
  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.dims_ == b.dims_;
  }

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
  int64_t num_elements_ = 1;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

namespace internal {

// What both views share; Byte is std::byte or const std::byte.
template <typename Byte>
class ViewBase {
 public:
  ViewBase() = default;
  ViewBase(Byte* data, DType dtype, Shape shape, Device device = kCpuDevice)
      : data_(data), dtype_(dtype), shape_(shape), device_(device) {}

  bool empty() const { return data_ == nullptr; }  // "not given", for optional operands
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t num_elements() const { return shape_.num_elements(); }
  int64_t size_bytes() const { return num_elements() * SizeOf(dtype_); }
  Device device() const { return device_; }
  Byte* bytes() const { return data_; }

 protected:
  Byte* data_ = nullptr;
  DType dtype_ = DType::kF32;
  Shape shape_{0};
  Device device_;
};

}  // namespace internal

class TensorView : public internal::ViewBase<std::byte> {
 public:
  using ViewBase::ViewBase;
  template <typename T>
  TensorView(T* data, Shape shape)
      : ViewBase(reinterpret_cast<std::byte*>(data), kDTypeOf<T>, shape) {}

  template <typename T>
  T* data() const {
    CHECK(kDTypeOf<T> == dtype_, Name(kDTypeOf<T>), Name(dtype_));
    return reinterpret_cast<T*>(data_);
  }
  // Rows [first, first + count) of the leading dimension.
  TensorView Rows(int64_t first, int64_t count) const;
  TensorView Reshaped(Shape shape) const;
};

class ConstTensorView : public internal::ViewBase<const std::byte> {
 public:
  using ViewBase::ViewBase;
  ConstTensorView(TensorView view)  // NOLINT: reading is always allowed
      : ViewBase(view.bytes(), view.dtype(), view.shape(), view.device()) {}
  template <typename T>
  ConstTensorView(const T* data, Shape shape)
      : ViewBase(reinterpret_cast<const std::byte*>(data), kDTypeOf<T>, shape) {}

  template <typename T>
  const T* data() const {
    CHECK(kDTypeOf<T> == dtype_, Name(kDTypeOf<T>), Name(dtype_));
    return reinterpret_cast<const T*>(data_);
  }
  ConstTensorView Rows(int64_t first, int64_t count) const;
  ConstTensorView Reshaped(Shape shape) const;
};

// Owns its elements, zero at the start. Move-only.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape, Device device = kCpuDevice);

  TensorView view() { return {buffer_.data(), dtype_, shape_, buffer_.device()}; }
  ConstTensorView view() const { return {buffer_.data(), dtype_, shape_, buffer_.device()}; }
  operator TensorView() { return view(); }             // NOLINT
  operator ConstTensorView() const { return view(); }  // NOLINT
  template <typename T>
  T* data() {
    return view().data<T>();
  }
  template <typename T>
  const T* data() const {
    return view().data<T>();
  }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  int64_t size_bytes() const { return buffer_.size_bytes(); }
  Device device() const { return buffer_.device(); }
  bool empty() const { return buffer_.empty(); }
  Tensor Clone() const;  // on the CPU

 private:
  Buffer buffer_;
  DType dtype_ = DType::kF32;
  Shape shape_{0};
};

}  // namespace tandem
