#include <algorithm>
#include <cstring>

#include "kernels/core/device_memory.h"
#include "kernels/core/shape_check.h"
#include "kernels/cpu/pack.h"
#include "kernels/device_ops.h"
#include "kernels/matmul.h"

namespace tandem {

namespace {

int64_t DataBytes(const PackedMatrix& matrix, Device device) {
  if (device != kCpuDevice) return Shape{matrix.n(), matrix.row_bytes()}.num_elements();
  return Shape{matrix.padded_n(), matrix.padded_k(), SizeOf(matrix.dtype())}.num_elements();
}

// move(place in a panel, place in a row, bytes) of each group of k of each row.
template <typename Move>
void ForGroups(Context& context, const PackedMatrix& matrix, const Move& move) {
  constexpr int64_t kPanel = PackedMatrix::kPanel;
  const int64_t group_bytes = matrix.group() * SizeOf(matrix.dtype());
  const int64_t k_bytes = matrix.k() * SizeOf(matrix.dtype());
  const int64_t num_panels = matrix.padded_n() / kPanel;
  context.pool.ForRanges(num_panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t num_rows = std::min(kPanel, matrix.n() - panel * kPanel);
      for (int64_t at = 0; at < k_bytes; at += group_bytes) {
        const int64_t bytes = std::min(group_bytes, k_bytes - at);
        for (int64_t row = 0; row < num_rows; ++row) {
          move(panel * matrix.panel_bytes() + at * kPanel + row * group_bytes,
               (panel * kPanel + row) * matrix.row_bytes() + at, bytes);
        }
      }
    }
  });
}

}  // namespace

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
  matrix.data_ = Buffer(device, DataBytes(matrix, device));
  if (dtype == DType::kI8) {
    matrix.scales_ = Buffer(device, matrix.padded_n() * SizeOf(DType::kF32));
    matrix.sums_ = Buffer(device, matrix.padded_n() * SizeOf(DType::kI32));
  }
  return matrix;
}

PackedMatrix CopyMatrix(Context& context, const PackedMatrix& from, Device device) {
  PackedMatrix to = AllocateMatrix(from.dtype(), from.n(), from.k(), device);
  const auto bytes_of = [](const auto& buffer) {
    return ConstTensorView(buffer.data(), DType::kU8, {buffer.size_bytes()}, buffer.device());
  };
  const auto copy = [&](const Buffer& source, Buffer& target) {
    Copy(context, bytes_of(source),
         {target.data(), DType::kU8, {target.size_bytes()}, target.device()});
  };
  copy(from.scales_, to.scales_);
  copy(from.sums_, to.sums_);
  if ((from.device() == kCpuDevice) == (device == kCpuDevice)) {
    copy(from.data_, to.data_);
  } else if (device == kCpuDevice) {
    const HostCopy rows(context, bytes_of(from.data_));
    ForGroups(context, from, [&](int64_t in_panels, int64_t in_rows, int64_t bytes) {
      std::memcpy(to.data() + in_panels, rows.view().bytes() + in_rows, static_cast<size_t>(bytes));
    });
  } else {
    Buffer rows(kCpuDevice, to.data_.size_bytes());
    ForGroups(context, from, [&](int64_t in_panels, int64_t in_rows, int64_t bytes) {
      std::memcpy(rows.data() + in_rows, from.data() + in_panels, static_cast<size_t>(bytes));
    });
    copy(rows, to.data_);
  }
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
