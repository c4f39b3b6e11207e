#pragma once
// Shapes that unify: declare named dimensions, match operands against them; the first binding fixes
// the value, later ones must agree, and the error names the dimension, the operand and both
// numbers.
//
//   ShapeCheck check("Matmul");
//   Dim tokens{"tokens"}, k{"k"}, n{"n"};
//   check.Match("x", args.x, {tokens, k}).Match("y", args.y, {tokens, n});

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>

#include "kernels/core/tensor.h"

namespace tandem {

// A named dimension; unbound until first matched, unless constructed with a value.
class Dim {
 public:
  explicit Dim(const char* name, int64_t value = -1) : name_(name), value_(value) {}
  int64_t value() const {
    CHECK(value_ >= 0, name_);
    return value_;
  }
  operator int64_t() const { return value(); }  // NOLINT

 private:
  friend class ShapeCheck;
  const char* name_;
  int64_t value_;
};

class ShapeCheck {
 public:
  explicit ShapeCheck(const char* op) : op_(op) {}

  ShapeCheck& Match(const char* operand, ConstTensorView view,
                    std::initializer_list<std::reference_wrapper<Dim>> dims) {
    CHECK(static_cast<size_t>(view.shape().rank()) == dims.size(), op_, operand, view.shape());
    int axis = 0;
    for (Dim& dim : dims) {
      if (dim.value_ < 0) dim.value_ = view.dim(axis);
      CHECK(dim.value_ == view.dim(axis), op_, operand, "dimension", dim.name_, "expected",
            dim.value_, "got", view.dim(axis));
      ++axis;
    }
    return *this;
  }
  ShapeCheck& Type(const char* operand, ConstTensorView view,
                   std::initializer_list<DType> allowed) {
    bool found = false;
    for (DType dtype : allowed) found = found || dtype == view.dtype();
    CHECK(found, op_, operand, "dtype", Name(view.dtype()), "is not supported");
    return *this;
  }

 private:
  const char* op_;
};

}  // namespace tandem
