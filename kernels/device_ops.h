#pragma once
// The ops of a device beside the CPU: one function for each, which the op calls once operands are
// checked. A backend fills the table and gives it in when the program starts (or a test does); ops
// that it lacks are null.

#include "kernels/core/context.h"

namespace tandem {

struct AdamWArgs;
struct AddArgs;
struct AttentionArgs;
struct AttentionBackwardArgs;
struct ConvertArgs;
struct DropoutAttentionArgs;
struct DropoutAttentionBackwardArgs;
struct EmbeddingArgs;
struct EmbeddingBackwardArgs;
struct KvWriteArgs;
struct MatmulArgs;
struct MergeColumnsArgs;
struct QuantizeRowsArgs;
struct RmsNormArgs;
struct RopeArgs;
struct SiluMulArgs;
struct SiluMulBackwardArgs;
struct SplitColumnsArgs;
struct SumRowsArgs;

// Operands are views of memory of context.device, so what they hold is not checked there; work goes
// to context.stream.
struct DeviceOps {
  void (*rms_norm)(Context&, const RmsNormArgs&) = nullptr;
  void (*silu_mul)(Context&, const SiluMulArgs&) = nullptr;
  void (*silu_mul_backward)(Context&, const SiluMulBackwardArgs&) = nullptr;
  void (*add)(Context&, const AddArgs&) = nullptr;
  void (*quantize_rows)(Context&, const QuantizeRowsArgs&) = nullptr;
  void (*convert)(Context&, const ConvertArgs&) = nullptr;
  void (*embedding)(Context&, const EmbeddingArgs&) = nullptr;
  void (*embedding_backward)(Context&, const EmbeddingBackwardArgs&) = nullptr;
  void (*matmul)(Context&, const MatmulArgs&) = nullptr;
  void (*rope)(Context&, const RopeArgs&) = nullptr;
  void (*split_columns)(Context&, const SplitColumnsArgs&) = nullptr;
  void (*merge_columns)(Context&, const MergeColumnsArgs&) = nullptr;
  void (*sum_rows)(Context&, const SumRowsArgs&) = nullptr;
  void (*kv_write)(Context&, const KvWriteArgs&) = nullptr;
  void (*attention)(Context&, const AttentionArgs&) = nullptr;
  void (*attention_backward)(Context&, const AttentionBackwardArgs&) = nullptr;
  void (*dropout_attention)(Context&, const DropoutAttentionArgs&) = nullptr;
  void (*dropout_attention_backward)(Context&, const DropoutAttentionBackwardArgs&) = nullptr;
  void (*adamw)(Context&, const AdamWArgs&) = nullptr;
};

// For all contexts of that kind of device from here on. Not while ops run.
void SetDeviceOps(DeviceKind kind, const DeviceOps& ops);

const DeviceOps& DeviceOpsOf(DeviceKind kind);

[[noreturn]] void FailWithoutOp(const char* name);

// Runs the op where the context's device is not the CPU, and says whether it was. DeviceError when
// that device has no such op.
template <typename Args>
bool RunOnDevice(Context& context, void (*DeviceOps::*op)(Context&, const Args&), const char* name,
                 const Args& args) {
  if (context.device.kind == DeviceKind::kCpu) return false;
  const auto run = DeviceOpsOf(context.device.kind).*op;
  if (run == nullptr) FailWithoutOp(name);
  run(context, args);
  return true;
}

}  // namespace tandem
