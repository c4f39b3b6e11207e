#pragma once
// The ops of a device beside the CPU: one function for each, which the op calls once operands are
// checked. A backend fills the table and gives it in when the program starts (or a test does); ops
// that it lacks are null.

#include "kernels/core/context.h"

namespace tandem {

struct AdamWArgs;
struct AddArgs;
struct AttentionArgs;
struct ConvertArgs;
struct DropOutArgs;
struct EmbeddingArgs;
struct EmbeddingBackwardArgs;
struct KvCopyPageArgs;
struct KvWriteArgs;
struct MatmulArgs;
struct MergeColumnsArgs;
struct QuantizeRowsArgs;
struct RmsNormArgs;
struct RmsNormBackwardArgs;
struct RopeArgs;
struct SiluMulArgs;
struct SiluMulBackwardArgs;
struct SplitColumnsArgs;
struct SumOfSquaresArgs;
struct SumRowsArgs;

// Operands are views of memory of context.device, so what they hold is not checked there; work goes
// to context.stream.
struct DeviceOps {
  void (*rms_norm)(Context&, const RmsNormArgs&) = nullptr;
  void (*rms_norm_backward)(Context&, const RmsNormBackwardArgs&) = nullptr;
  void (*silu_mul)(Context&, const SiluMulArgs&) = nullptr;
  void (*silu_mul_backward)(Context&, const SiluMulBackwardArgs&) = nullptr;
  void (*add)(Context&, const AddArgs&) = nullptr;
  void (*drop_out)(Context&, const DropOutArgs&) = nullptr;
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
  void (*kv_copy_page)(Context&, const KvCopyPageArgs&) = nullptr;
  void (*attention)(Context&, const AttentionArgs&) = nullptr;
  void (*adamw)(Context&, const AdamWArgs&) = nullptr;
  void (*sum_of_squares)(Context&, const SumOfSquaresArgs&) = nullptr;
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
