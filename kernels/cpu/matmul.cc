// Chooses a kernel, brings x into its form and deals the product out to threads. Every element of y
// is computed by one thread in one order, so the dealing is free to follow speed alone.

#include "kernels/cpu/matmul.h"

#include <algorithm>

#include "kernels/cpu/matmul_grid.h"
#include "kernels/cpu/matmul_input.h"
#include "kernels/cpu/matmul_kernel.h"

namespace tandem::cpu {
namespace {

static_assert(kPanelColumns == PackedMatrix::kPanel);

// Fewer products than this run on the caller: about what waking the other threads costs. Pieces
// have half as many at least.
constexpr int64_t kMinSharedMacs = 64 << 10;

// Rows of x up to this size stay in a core's own cache while panels pass.
constexpr int64_t kCachedInputBytes = 256 << 10;

// Pieces form a grid over rows and panels.
struct MatmulGrid {
  int64_t row_parts = 1;
  int64_t panel_parts = 1;
  int64_t num_pieces() const { return row_parts * panel_parts; }
};

int64_t DivideUp(int64_t value, int64_t by) { return (value + by - 1) / by; }

int64_t NumPanels(const MatmulOperands& operands) { return DivideUp(operands.n, kPanelColumns); }

const MatmulKernel& KernelOf(const MatmulKernels& kernels, DType weights) {
  switch (weights) {
    case DType::kF32:
      return kernels.f32;
    case DType::kF16:
      return kernels.f16;
    case DType::kBf16:
      return kernels.bf16;
    case DType::kI8:
      return kernels.i8;
    default:
      break;
  }
  CHECK(false, "Matmul has no kernel for weights of dtype", Name(weights));
  return kernels.f32;
}

const MatmulKernels& KernelsOf(InstructionSet isa) {
  switch (isa) {
#if defined(__x86_64__)
    case InstructionSet::kAmx:
      return kAmxMatmul;
    case InstructionSet::kAvx512Bf16:
      return kAvx512Bf16Matmul;
    case InstructionSet::kAvx512:
      return kAvx512Matmul;
    case InstructionSet::kAvx2:
      return kAvx2Matmul;
#endif
    default:
      return kPortableMatmul;
  }
}

// What a piece of the grid takes, in bytes from the last cache: its products, its weights
// once, and its rows of x: once, or, where they do not stay in its own cache, for every panel.
double ShareCost(const MatmulKernel& kernel, const MatmulOperands& operands, int64_t k,
                 int64_t rows, int64_t panels) {
  const int64_t x_bytes = rows * operands.x_row_bytes;
  const int64_t x_passes = x_bytes <= kCachedInputBytes ? 1 : panels;
  return static_cast<double>(rows * panels * kPanelColumns * k) / kernel.macs_per_byte +
         static_cast<double>(panels * operands.panel_bytes + x_passes * x_bytes);
}

// The grid of about `num_pieces` whose largest piece is done first. Ties go to fewer row parts: the
// weights, which are usually larger than x, are then fetched by one thread each.
MatmulGrid PlanGrid(const MatmulKernel& kernel, const MatmulOperands& operands, int64_t k,
                    int64_t tokens, int64_t num_pieces) {
  const int64_t num_panels = NumPanels(operands);
  const int64_t row_tiles = DivideUp(tokens, kernel.tile_rows);
  MatmulGrid best;
  double best_cost = 0;
  for (int64_t row_parts = 1; row_parts <= num_pieces && row_parts <= row_tiles; ++row_parts) {
    const int64_t panel_parts = std::min(num_pieces / row_parts, num_panels);
    const int64_t rows = std::min(tokens, DivideUp(row_tiles, row_parts) * kernel.tile_rows);
    const double cost = ShareCost(kernel, operands, k, rows, DivideUp(num_panels, panel_parts));
    if (row_parts == 1 || cost < best_cost) {
      best = {row_parts, panel_parts};
      best_cost = cost;
    }
  }
  return best;
}

// How many pieces a product is worth.
int64_t NumPieces(const ThreadPool& pool, const MatmulOperands& operands, int64_t k,
                  int64_t tokens) {
  const int64_t macs = tokens * NumPanels(operands) * kPanelColumns * k;
  return macs < kMinSharedMacs ? 1 : pool.NumPieces(2 * macs / kMinSharedMacs);
}

// One piece of the grid over rows [first_row, first_row + tokens).
void RunPiece(const MatmulKernel& kernel, const MatmulOperands& operands, const MatmulGrid& grid,
              int64_t first_row, int64_t tokens, int64_t piece) {
  const Range rows =
      SplitRange(tokens, piece / grid.panel_parts, grid.row_parts, kernel.tile_rows);
  const Range panels = SplitRange(NumPanels(operands), piece % grid.panel_parts, grid.panel_parts);
  if (rows.size() == 0 || panels.size() == 0) return;
  kernel.run(operands, {first_row + rows.begin, first_row + rows.end, panels.begin, panels.end});
}

// Sums of int8 products are exact, so the number of rows may choose the kernel: up to this many, a
// vector unit that reads weights in order is ahead of tiles that are mostly empty.
constexpr int64_t kFewRows = 4;

const MatmulKernel& ChooseKernel(InstructionSet isa, DType weights, int64_t tokens) {
  const bool few = weights == DType::kI8 && tokens <= kFewRows;
  return FindMatmulKernel(few ? std::min(isa, InstructionSet::kAvx512Bf16) : isa, weights);
}

MatmulOperands OperandsOf(const MatmulInput& input, ConstTensorView x_scales, const PackedMatrix& w,
                          TensorView y) {
  return {
      .x = input.rows,
      .x_row_bytes = input.row_bytes,
      .x_scales = w.dtype() == DType::kI8 ? x_scales.data<float>() : nullptr,
      .w = w.data(),
      .panel_bytes = w.panel_bytes(),
      .num_groups = w.padded_k() / w.group(),
      .w_scales = w.scales(),
      .w_sums = w.sums(),
      .bias = nullptr,
      .y = y.data<float>(),
      .n = w.n(),
      .add_to_y = false,
  };
}

}  // namespace

const MatmulKernel& FindMatmulKernel(InstructionSet isa, DType weights) {
  for (int set = static_cast<int>(isa); set > 0; --set) {
    const MatmulKernel& kernel = KernelOf(KernelsOf(static_cast<InstructionSet>(set)), weights);
    if (kernel.run != nullptr) return kernel;
  }
  return KernelOf(kPortableMatmul, weights);
}

void Matmul(Context& context, const MatmulArgs& args) {
  const int64_t tokens = args.x.dim(0);
  if (tokens == 0 || args.w.n() == 0) return;
  const MatmulKernel& kernel = ChooseKernel(context.isa, args.w.dtype(), tokens);
  WorkspaceScope scope(context.workspace);
  const MatmulInput input = PrepareMatmulInput(context, scope, kernel, args.x);
  MatmulOperands operands = OperandsOf(input, args.x_scales, args.w, args.y);
  if (!args.bias.empty()) operands.bias = args.bias.data<float>();
  operands.add_to_y = args.output == MatmulOutput::kAdd;
  RunMatmul(context, kernel, operands, args.w.k(), tokens);
}

void RunMatmul(Context& context, const MatmulKernel& kernel, const MatmulOperands& operands,
               int64_t k, int64_t tokens) {
  const int64_t num_pieces = NumPieces(context.pool, operands, k, tokens);
  const MatmulGrid grid = PlanGrid(kernel, operands, k, tokens, num_pieces);
  context.pool.Deal(grid.num_pieces(), [&](int64_t piece) {
    RunPiece(kernel, operands, grid, 0, tokens, piece);
  });
}

void MatmulGrouped(Context& context, const MatmulGroupedArgs& args) {
  const int64_t num_rows = args.x.dim(0);
  if (num_rows == 0 || args.w.empty()) return;
  const MatmulKernel& kernel = FindMatmulKernel(context.isa, args.w.front().dtype());
  WorkspaceScope scope(context.workspace);
  const MatmulInput input = PrepareMatmulInput(context, scope, kernel, args.x);
  const int32_t* offsets = args.offsets.data<int32_t>();
  context.pool.Run([&](int thread, int num_threads) {
    for (size_t group = 0; group < args.w.size(); ++group) {
      const int64_t tokens = offsets[group + 1] - offsets[group];
      if (tokens == 0) continue;
      const PackedMatrix& w = args.w[group];
      const MatmulOperands operands = OperandsOf(input, args.x_scales, w, args.y);
      const bool alone = NumPieces(context.pool, operands, w.k(), tokens) == 1;
      const MatmulGrid grid = PlanGrid(kernel, operands, w.k(), tokens, alone ? 1 : num_threads);
      if (thread >= grid.num_pieces()) continue;
      RunPiece(kernel, operands, grid, offsets[group], tokens, thread);
    }
  });
}

}  // namespace tandem::cpu
