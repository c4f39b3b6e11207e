#include "kernels/cuda/ops.h"

namespace tandem::cuda {

DeviceOps Ops() {
  return {
      .rms_norm = RmsNorm,
      .silu_mul = SiluMul,
      .silu_mul_backward = SiluMulBackward,
      .add = Add,
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
      .attention = Attention,
      .attention_backward = AttentionBackward,
      .dropout_attention = DropoutAttention,
      .dropout_attention_backward = DropoutAttentionBackward,
      .adamw = AdamW,
  };
}

}  // namespace tandem::cuda
