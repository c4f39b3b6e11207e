#include "kernels/cuda/ops.h"

namespace tandem::cuda {

DeviceOps Ops() {
  return {
      .rms_norm = RmsNorm,
      .rms_norm_backward = RmsNormBackward,
      .silu_mul = SiluMul,
      .silu_mul_backward = SiluMulBackward,
      .add = Add,
      .drop_out = DropOut,
      .quantize_rows = QuantizeRows,
      .convert = Convert,
      .embedding = Embedding,
      .embedding_backward = EmbeddingBackward,
      .matmul = Matmul,
      .rope = Rope,
      .split_columns = SplitColumns,
      .merge_columns = MergeColumns,
      .sum_rows = SumRows,
      .kv_write = KvWrite,
      .kv_copy_page = KvCopyPage,
      .attention = Attention,
      .adamw = AdamW,
      .sum_of_squares = SumOfSquares,
  };
}

}  // namespace tandem::cuda
