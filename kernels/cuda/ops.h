#pragma once
// The ops of the CUDA backend. Operands were checked; memory is the device's. No CUDA types here.

#include "kernels/device_ops.h"

namespace tandem::cuda {

void Add(Context& context, const AddArgs& args);
void Convert(Context& context, const ConvertArgs& args);
void Embedding(Context& context, const EmbeddingArgs& args);
void Matmul(Context& context, const MatmulArgs& args);
void QuantizeRows(Context& context, const QuantizeRowsArgs& args);
void RmsNorm(Context& context, const RmsNormArgs& args);
void SiluMul(Context& context, const SiluMulArgs& args);
void SiluMulBackward(Context& context, const SiluMulBackwardArgs& args);

// All of them, for SetDeviceOps.
DeviceOps Ops();

}  // namespace tandem::cuda
