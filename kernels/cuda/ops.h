#pragma once
// The ops of the CUDA backend. Operands were checked; memory is the device's. No CUDA types here.

#include "kernels/device_ops.h"

namespace tandem::cuda {

void AdamW(Context& context, const AdamWArgs& args);
void Add(Context& context, const AddArgs& args);
void Attention(Context& context, const AttentionArgs& args);
void Convert(Context& context, const ConvertArgs& args);
void Embedding(Context& context, const EmbeddingArgs& args);
void EmbeddingBackward(Context& context, const EmbeddingBackwardArgs& args);
void GatherRows(Context& context, const GatherRowsArgs& args);
void KvWrite(Context& context, const KvWriteArgs& args);
void Matmul(Context& context, const MatmulArgs& args);
void MatmulGrouped(Context& context, const MatmulGroupedArgs& args);
void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args);
void MatmulWeightGradientGrouped(Context& context, const MatmulWeightGradientGroupedArgs& args);
void MergeColumns(Context& context, const MergeColumnsArgs& args);
void MoeCombine(Context& context, const MoeCombineArgs& args);
void MoeCombineBackward(Context& context, const MoeCombineBackwardArgs& args);
void MoePermute(Context& context, const MoePermuteArgs& args);
void MoeRoute(Context& context, const MoeRouteArgs& args);
void MoeRouteBackward(Context& context, const MoeRouteBackwardArgs& args);
void PackColumns(Context& context, const PackColumnsArgs& args);
void PackRows(Context& context, const PackRowsArgs& args);
void QuantizeRows(Context& context, const QuantizeRowsArgs& args);
void RmsNorm(Context& context, const RmsNormArgs& args);
void Rope(Context& context, const RopeArgs& args);
void SiluMul(Context& context, const SiluMulArgs& args);
void SiluMulBackward(Context& context, const SiluMulBackwardArgs& args);
void SplitColumns(Context& context, const SplitColumnsArgs& args);
void SumRows(Context& context, const SumRowsArgs& args);
void UnpackRows(Context& context, const UnpackRowsArgs& args);

// All of them, for SetDeviceOps.
DeviceOps Ops();

}  // namespace tandem::cuda
