#include "kernels/cpu/pack.h"

#include <algorithm>

#include "kernels/cpu/quantize_rows.h"

namespace tandem::cpu {
namespace {

// Rows go through in strips of 16: a group of k of a strip is one cache line of a panel (half a
// line in f16), so threads that own whole strips never write the same line.
constexpr int64_t kStripRows = 16;

// One thread's scratch for a strip.
struct Strip {
  float* widened;   // [k]: a 16-bit row on its way to i8
  std::byte* rows;  // [kStripRows, padded_k] in the matrix's dtype
};

int64_t RowBytes(const PackedMatrix& matrix) { return matrix.padded_k() * SizeOf(matrix.dtype()); }

// Row `from` of the source into row `row` of the matrix's dtype, padded with zeros; not yet in
// place.
void StageRow(const RowConversions& convert, const PackTarget& target, const std::byte* from,
              DType from_dtype, int64_t row, float* widened, std::byte* staged) {
  const PackedMatrix& matrix = target.matrix;
  const int64_t k = matrix.k();
  const int64_t used_bytes = k * SizeOf(matrix.dtype());
  std::fill_n(staged + used_bytes, RowBytes(matrix) - used_bytes, std::byte{0});
  if (matrix.dtype() != DType::kI8) {
    convert.convert(from, from_dtype, staged, matrix.dtype(), k);
    return;
  }
  convert.convert(from, from_dtype, reinterpret_cast<std::byte*>(widened), DType::kF32, k);
  auto* quantised = reinterpret_cast<int8_t*>(staged);
  target.scales[row] = convert.quantize(widened, k, quantised);
  int32_t sum = 0;
  for (int64_t i = 0; i < k; ++i) sum += quantised[i];
  target.sums[row] = sum;
}

// Unit is one column of one group of k: 4 bytes, or 2 in f16.
template <typename Unit>
void PlaceStrip(const std::byte* staged, int64_t row_bytes, int64_t num_rows, std::byte* place) {
  const auto* from = reinterpret_cast<const Unit*>(staged);
  auto* to = reinterpret_cast<Unit*>(place);
  const int64_t num_groups = row_bytes / static_cast<int64_t>(sizeof(Unit));
  if (num_rows == kStripRows) {
    for (int64_t group = 0; group < num_groups; ++group, to += PackedMatrix::kPanel) {
      for (int64_t row = 0; row < kStripRows; ++row) to[row] = from[row * num_groups + group];
    }
    return;
  }
  for (int64_t group = 0; group < num_groups; ++group, to += PackedMatrix::kPanel) {
    for (int64_t row = 0; row < num_rows; ++row) to[row] = from[row * num_groups + group];
  }
}

std::byte* PlaceOf(const PackTarget& target, int64_t row) {
  const PackedMatrix& matrix = target.matrix;
  const int64_t column_bytes = matrix.group() * SizeOf(matrix.dtype());
  return target.data + row / PackedMatrix::kPanel * matrix.panel_bytes() +
         row % PackedMatrix::kPanel * column_bytes;
}

void PackStrip(const RowConversions& convert, const PackTarget& target, ConstTensorView w,
               int64_t first_source_row, int64_t first_row, int64_t num_rows, const Strip& strip) {
  const int64_t row_bytes = RowBytes(target.matrix);
  const int64_t source_bytes = w.dim(1) * SizeOf(w.dtype());
  for (int64_t i = 0; i < num_rows; ++i) {
    StageRow(convert, target, w.bytes() + (first_source_row + i) * source_bytes, w.dtype(),
             first_row + i, strip.widened, strip.rows + i * row_bytes);
  }
  if (target.matrix.dtype() == DType::kF16) {
    PlaceStrip<uint16_t>(strip.rows, row_bytes, num_rows, PlaceOf(target, first_row));
  } else {
    PlaceStrip<uint32_t>(strip.rows, row_bytes, num_rows, PlaceOf(target, first_row));
  }
}

}  // namespace

void PackRows(Context& context, ConstTensorView w, int64_t first_row, const PackTarget& target) {
  const int64_t row_end = first_row + w.dim(0);
  const int64_t row_bytes = RowBytes(target.matrix);
  const int64_t k = target.matrix.k();
  const int num_threads = context.pool.num_threads();
  WorkspaceScope scope(context.workspace);
  auto* widened = scope.Take<float>(k * num_threads);
  auto* rows = scope.Take<std::byte>(kStripRows * row_bytes * num_threads);

  const RowConversions& convert = RowConversionsFor(context.isa);
  const int64_t first_strip = first_row / kStripRows;
  const int64_t num_strips = (row_end + kStripRows - 1) / kStripRows - first_strip;
  context.pool.Run([&](int thread, int count) {
    const Strip strip{widened + thread * k, rows + thread * kStripRows * row_bytes};
    const Range strips = SplitRange(num_strips, thread, count);
    for (int64_t i = strips.begin; i < strips.end; ++i) {
      const int64_t begin = std::max((first_strip + i) * kStripRows, first_row);
      const int64_t end = std::min((first_strip + i + 1) * kStripRows, row_end);
      PackStrip(convert, target, w, begin - first_row, begin, end - begin, strip);
    }
  });
}

void UnpackRow(const PackedMatrix& matrix, int64_t row, float* out) {
  const int64_t k = matrix.k();
  constexpr int64_t kPanel = PackedMatrix::kPanel;
  const std::byte* panel = matrix.data() + row / kPanel * matrix.panel_bytes();
  const int64_t column = row % kPanel;
  switch (matrix.dtype()) {
    case DType::kF32: {
      const auto* from = reinterpret_cast<const float*>(panel) + column;
      for (int64_t i = 0; i < k; ++i) out[i] = from[i * kPanel];
      return;
    }
    case DType::kF16: {
      const auto* from = reinterpret_cast<const Float16*>(panel) + column;
      for (int64_t i = 0; i < k; ++i) out[i] = static_cast<float>(from[i * kPanel]);
      return;
    }
    case DType::kBf16: {
      const auto* from = reinterpret_cast<const BFloat16*>(panel) + 2 * column;
      for (int64_t i = 0; i < k; ++i) {
        out[i] = static_cast<float>(from[i / 2 * 2 * kPanel + i % 2]);
      }
      return;
    }
    case DType::kI8: {
      const auto* from = reinterpret_cast<const int8_t*>(panel) + 4 * column;
      const float scale = matrix.scales()[row];
      for (int64_t i = 0; i < k; ++i) {
        out[i] = static_cast<float>(from[i / 4 * 4 * kPanel + i % 4]) * scale;
      }
      return;
    }
    default:
      CHECK(false, Name(matrix.dtype()));
  }
}

}  // namespace tandem::cpu
