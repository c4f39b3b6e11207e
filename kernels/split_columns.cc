#include "kernels/split_columns.h"

#include <algorithm>

namespace tandem {
namespace {

// Below this many bytes a second thread costs more than it copies.
constexpr int64_t kBytesWorthAThread = 64 << 10;

}  // namespace

void SplitColumns(Context& context, const SplitColumnsArgs& args) {
  const int64_t rows = args.x.dim(0);
  const int64_t width = args.x.dim(1);
  int64_t total = 0;
  for (const TensorView& part : args.parts) {
    CHECK(part.dim(0) == rows, part.shape(), rows);
    total += part.num_elements();
  }
  CHECK(total == rows * width, total, args.x.shape());
  if (rows == 0) return;
  const float* x = args.x.data<float>();
  const int64_t row_bytes = width * static_cast<int64_t>(sizeof(float));
  const int64_t grain = kBytesWorthAThread / (row_bytes + 1) + 1;
  context.pool.ForRanges(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* from = x + row * width;
      for (const TensorView& part : args.parts) {
        const int64_t part_width = part.num_elements() / rows;
        std::copy_n(from, part_width, part.data<float>() + row * part_width);
        from += part_width;
      }
    }
  });
}

}  // namespace tandem
