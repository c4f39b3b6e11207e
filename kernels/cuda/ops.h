#pragma once
// The ops of the CUDA backend. Operands were checked; memory is the device's. No CUDA types here.

#include "kernels/device_ops.h"

namespace tandem::cuda {

void AdamW(Context& context, const AdamWArgs& args);
void Add(Context& context, const AddArgs& args);
void Attention(Context& context, const AttentionArgs& args);
void AttentionBackward(Context& context, const AttentionBackwardArgs& args);
void Convert(Context& context, const ConvertArgs& args);
void DropoutAttention(Context& context, const DropoutAttentionArgs& args);
void DropoutAttentionBackward(Context& context, const DropoutAttentionBackwardArgs& args);
void Embedding(Context& context, const EmbeddingArgs& args);
void EmbeddingBackward(Context& context, const EmbeddingBackwardArgs& args);
void KvWrite(Context& context, const KvWriteArgs& args);
void Matmul(Context& context, const MatmulArgs& args);
void MergeColumns(Context& context, const MergeColumnsArgs& args);
void QuantizeRows(Context& context, const QuantizeRowsArgs& args);
void RmsNorm(Context& context, const RmsNormArgs& args);
void Rope(Context& context, const RopeArgs& args);
void SiluMul(Context& context, const SiluMulArgs& args);
void SiluMulBackward(Context& context, const SiluMulBackwardArgs& args);
void SplitColumns(Context& context, const SplitColumnsArgs& args);
void SumRows(Context& context, const SumRowsArgs& args);

// All of them, for SetDeviceOps.
DeviceOps Ops();

}  // namespace tandem::cuda
