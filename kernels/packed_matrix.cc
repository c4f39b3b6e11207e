#include "kernels/core/device_memory.h"
#include "kernels/core/shape_check.h"
#include "kernels/cpu/pack.h"
#include "kernels/device_ops.h"
#include "kernels/matmul.h"

namespace tandem {

PackedMatrix AllocateMatrix(DType dtype, int64_t n, int64_t k, Device device) {
  CHECK(
      dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBf16 || dtype == DType::kI8,
      Name(dtype));
  constexpr int64_t kMaxSide = int64_t{1}
                               << 40;  // padding below cannot overflow; Shape checks the rest
  CHECK(n >= 0 && n < kMaxSide && k >= 0 && k < kMaxSide, n, k);
  PackedMatrix matrix;
  matrix.n_ = n;
  matrix.k_ = k;
  matrix.dtype_ = dtype;
  const Shape padded{matrix.padded_n(), matrix.padded_k(), SizeOf(dtype)};
  matrix.data_ = Buffer(device, padded.num_elements());
  if (dtype == DType::kI8) {
    matrix.scales_ = Buffer(device, matrix.padded_n() * SizeOf(DType::kF32));
    matrix.sums_ = Buffer(device, matrix.padded_n() * SizeOf(DType::kI32));
  }
  return matrix;
}

PackedMatrix CopyMatrix(Context& context, const PackedMatrix& from, Device device) {
  PackedMatrix to = AllocateMatrix(from.dtype(), from.n(), from.k(), device);
  const auto copy = [&](const Buffer& source, Buffer& target) {
    const Shape bytes{source.size_bytes()};
    Copy(context, ConstTensorView(source.data(), DType::kU8, bytes, source.device()),
         TensorView(target.data(), DType::kU8, bytes, target.device()));
  };
  copy(from.data_, to.data_);
  copy(from.scales_, to.scales_);
  copy(from.sums_, to.sums_);
  return to;
}

void PackRows(Context& context, ConstTensorView w, int64_t first_row, PackedMatrix& packed) {
  Dim num_rows{"rows"};
  Dim k{"k", packed.k()};
  ShapeCheck check("PackRows");
  check.Match("w", w, {num_rows, k}).Type("w", w, {DType::kF32, DType::kBf16, DType::kF16});
  CHECK(first_row >= 0 && num_rows <= packed.n() - first_row, first_row, w.shape(), packed.n());
  if (w.num_elements() == 0) return;
  const PackRowsArgs args{.w = w, .first_row = first_row, .packed = packed};
  if (RunOnDevice(context, &DeviceOps::pack_rows, "PackRows", args)) return;
  cpu::PackRows(
      context, w, first_row,
      {.matrix = packed, .data = packed.data(), .scales = packed.scales(), .sums = packed.sums()});
}

PackedMatrix PackMatrix(Context& context, ConstTensorView w, DType dtype) {
  CHECK(w.shape().rank() == 2, w.shape());
  PackedMatrix packed = AllocateMatrix(dtype, w.dim(0), w.dim(1), context.device);
  PackRows(context, w, 0, packed);
  return packed;
}

namespace {

void CheckUnpackRows(const PackedMatrix& packed, int64_t first_row, TensorView out) {
  Dim num_rows{"rows"};
  Dim k{"k", packed.k()};
  ShapeCheck("UnpackRows").Match("out", out, {num_rows, k}).Type("out", out, {DType::kF32});
  CHECK(first_row >= 0 && num_rows <= packed.n() - first_row, first_row, out.shape(), packed.n());
}

}  // namespace

void UnpackRows(Context& context, const PackedMatrix& packed, int64_t first_row, TensorView out) {
  CheckUnpackRows(packed, first_row, out);
  const UnpackRowsArgs args{.packed = packed, .first_row = first_row, .out = out};
  if (RunOnDevice(context, &DeviceOps::unpack_rows, "UnpackRows", args)) return;
  UnpackRows(packed, first_row, out);
}

void UnpackRows(const PackedMatrix& packed, int64_t first_row, TensorView out) {
  CheckUnpackRows(packed, first_row, out);
  for (int64_t row = 0; row < out.dim(0); ++row) {
    cpu::UnpackRow(packed, first_row + row, out.data<float>() + row * packed.k());
  }
}

}  // namespace tandem
