#include "kernels/split_columns.h"

#include <algorithm>

#include "kernels/device_ops.h"

namespace tandem {
namespace {

// Below this many bytes a second thread costs more than it copies.
constexpr int64_t kBytesWorthAThread = 64 << 10;

template <typename Parts>
void CheckParts(const Parts& parts, const Shape& whole) {
  const int64_t rows = whole[0], width = whole[1];
  int64_t total = 0;
  for (const auto& part : parts) {
    CHECK(part.dim(0) == rows, part.shape(), rows);
    total += part.num_elements();
  }
  CHECK(total == rows * width, total, whole);
}

// Calls copy(row, part, first, width) for the columns [first, first + width) of each row that
// belong to each part.
template <typename Parts, typename Copy>
void ForEachPiece(Context& context, const Parts& parts, const Shape& whole, Copy copy) {
  const int64_t rows = whole[0], width = whole[1];
  if (rows == 0) return;
  const int64_t row_bytes = width * static_cast<int64_t>(sizeof(float));
  const int64_t grain = kBytesWorthAThread / (row_bytes + 1) + 1;
  context.pool.ForRanges(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t first = 0;
      for (const auto& part : parts) {
        const int64_t part_width = part.num_elements() / rows;
        copy(row, part, first, part_width);
        first += part_width;
      }
    }
  });
}

}  // namespace

void SplitColumns(Context& context, const SplitColumnsArgs& args) {
  CheckParts(args.parts, args.x.shape());
  if (RunOnDevice(context, &DeviceOps::split_columns, "SplitColumns", args)) return;
  const float* x = args.x.data<float>();
  const int64_t width = args.x.dim(1);
  ForEachPiece(context, args.parts, args.x.shape(),
               [&](int64_t row, const TensorView& part, int64_t first, int64_t count) {
                 std::copy_n(x + row * width + first, count, part.data<float>() + row * count);
               });
}

void MergeColumns(Context& context, const MergeColumnsArgs& args) {
  CheckParts(args.parts, args.x.shape());
  if (RunOnDevice(context, &DeviceOps::merge_columns, "MergeColumns", args)) return;
  float* x = args.x.data<float>();
  const int64_t width = args.x.dim(1);
  ForEachPiece(context, args.parts, args.x.shape(),
               [&](int64_t row, const ConstTensorView& part, int64_t first, int64_t count) {
                 std::copy_n(part.data<float>() + row * count, count, x + row * width + first);
               });
}

}  // namespace tandem
