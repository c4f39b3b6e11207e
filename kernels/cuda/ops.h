#pragma once
// The CUDA backend: ops, whose operands were checked and lie in the device's memory, and that
// memory. No CUDA types here.

#include "kernels/core/device_memory.h"
#include "kernels/device_ops.h"

namespace tandem::cuda {

void AdamW(Context& context, const AdamWArgs& args);
void Add(Context& context, const AddArgs& args);
void Attention(Context& context, const AttentionArgs& args);
void AttentionBackward(Context& context, const AttentionBackwardArgs& args);
void AttentionInputs(Context& context, const AttentionInputsArgs& args);
void Combine(Context& context, const CombineArgs& args);
void Convert(Context& context, const ConvertArgs& args);
void CrossEntropyGradient(Context& context, const CrossEntropyGradientArgs& args);
void CrossEntropyLoss(Context& context, const CrossEntropyLossArgs& args);
void DropOut(Context& context, const DropOutArgs& args);
void DropoutAttention(Context& context, const DropoutAttentionArgs& args);
void DropoutAttentionBackward(Context& context, const DropoutAttentionBackwardArgs& args);
void Embedding(Context& context, const EmbeddingArgs& args);
void EmbeddingBackward(Context& context, const EmbeddingBackwardArgs& args);
void GatherIds(Context& context, const GatherIdsArgs& args);
void GatherRows(Context& context, const GatherRowsArgs& args);
void KvCopyPage(Context& context, const KvCopyPageArgs& args);
void KvWrite(Context& context, const KvWriteArgs& args);
void LogSoftmaxStatistics(Context& context, const LogSoftmaxStatisticsArgs& args);
void Matmul(Context& context, const MatmulArgs& args);
void PrepareMatmul(Context& context, const PrepareMatmulArgs& args);
ProductCounts CountProducts(const Context& context);
void MatmulGrouped(Context& context, const MatmulGroupedArgs& args);
void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args);
void MatmulWeightGradientGrouped(Context& context, const MatmulWeightGradientGroupedArgs& args);
void MergeColumns(Context& context, const MergeColumnsArgs& args);
void MoeCombine(Context& context, const MoeCombineArgs& args);
void MoeCombineBackward(Context& context, const MoeCombineBackwardArgs& args);
void MoePermute(Context& context, const MoePermuteArgs& args);
void MoeRoute(Context& context, const MoeRouteArgs& args);
void MoeRouteBackward(Context& context, const MoeRouteBackwardArgs& args);
void Nesterov(Context& context, const NesterovArgs& args);
void PackColumns(Context& context, const PackColumnsArgs& args);
void PackRows(Context& context, const PackRowsArgs& args);
void PickLogProbs(Context& context, const PickLogProbsArgs& args);
void QuantizeRows(Context& context, const QuantizeRowsArgs& args);
void RmsNorm(Context& context, const RmsNormArgs& args);
void RmsNormBackward(Context& context, const RmsNormBackwardArgs& args);
void Rope(Context& context, const RopeArgs& args);
void Sample(Context& context, const SampleArgs& args);
void Scale(Context& context, const ScaleArgs& args);
void ScatterRows(Context& context, const ScatterRowsArgs& args);
void SiluMul(Context& context, const SiluMulArgs& args);
void SiluMulBackward(Context& context, const SiluMulBackwardArgs& args);
void SplitColumns(Context& context, const SplitColumnsArgs& args);
void SumOfSquares(Context& context, const SumOfSquaresArgs& args);
void SumRows(Context& context, const SumRowsArgs& args);
void TopIds(Context& context, const TopIdsArgs& args);
void UnpackRows(Context& context, const UnpackRowsArgs& args);

// All of them, for SetDeviceOps.
DeviceOps Ops();
// For SetDeviceMemory.
DeviceMemoryFunctions Memory();

}  // namespace tandem::cuda
