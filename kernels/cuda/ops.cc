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
      .matmul_weight_gradient = MatmulWeightGradient,
      .matmul_grouped = MatmulGrouped,
      .matmul_weight_gradient_grouped = MatmulWeightGradientGrouped,
      .gather_rows = GatherRows,
      .moe_route = MoeRoute,
      .moe_route_backward = MoeRouteBackward,
      .moe_permute = MoePermute,
      .moe_combine = MoeCombine,
      .moe_combine_backward = MoeCombineBackward,
      .pack_rows = PackRows,
      .pack_columns = PackColumns,
      .unpack_rows = UnpackRows,
      .rope = Rope,
      .split_columns = SplitColumns,
      .merge_columns = MergeColumns,
      .sum_rows = SumRows,
      .kv_write = KvWrite,
      .kv_copy_page = KvCopyPage,
      .attention = Attention,
      .combine = Combine,
      .nesterov = Nesterov,
      .scale = Scale,
      .scatter_rows = ScatterRows,
      .log_softmax_statistics = LogSoftmaxStatistics,
      .pick_log_probs = PickLogProbs,
      .top_ids = TopIds,
      .sample = Sample,
      .cross_entropy_loss = CrossEntropyLoss,
      .cross_entropy_gradient = CrossEntropyGradient,
      .attention_backward = AttentionBackward,
      .adamw = AdamW,
      .sum_of_squares = SumOfSquares,
  };
}

}  // namespace tandem::cuda
