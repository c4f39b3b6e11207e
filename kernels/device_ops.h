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
struct AttentionInputsArgs;
struct CombineArgs;
struct ConvertArgs;
struct CrossEntropyGradientArgs;
struct CrossEntropyLossArgs;
struct DropOutArgs;
struct DropoutAttentionArgs;
struct DropoutAttentionBackwardArgs;
struct EmbeddingArgs;
struct EmbeddingBackwardArgs;
struct GatherIdsArgs;
struct GatherRowsArgs;
struct KvCopyPageArgs;
struct KvWriteArgs;
struct LogSoftmaxStatisticsArgs;
struct MatmulArgs;
struct MatmulGroupedArgs;
struct MatmulWeightGradientArgs;
struct MatmulWeightGradientGroupedArgs;
struct MergeColumnsArgs;
struct MoeCombineArgs;
struct MoeCombineBackwardArgs;
struct MoePermuteArgs;
struct MoeRouteArgs;
struct MoeRouteBackwardArgs;
struct NesterovArgs;
struct PackColumnsArgs;
struct PackRowsArgs;
struct PickLogProbsArgs;
struct PrepareMatmulArgs;
struct ProductCounts;
struct QuantizeRowsArgs;
struct RmsNormArgs;
struct RmsNormBackwardArgs;
struct RopeArgs;
struct SampleArgs;
struct ScaleArgs;
struct ScatterRowsArgs;
struct SiluMulArgs;
struct SiluMulBackwardArgs;
struct SplitColumnsArgs;
struct SumOfSquaresArgs;
struct SumRowsArgs;
struct TopIdsArgs;
struct UnpackRowsArgs;

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
  void (*prepare_matmul)(Context&, const PrepareMatmulArgs&) = nullptr;
  ProductCounts (*count_products)(const Context&) = nullptr;
  void (*matmul_weight_gradient)(Context&, const MatmulWeightGradientArgs&) = nullptr;
  void (*matmul_grouped)(Context&, const MatmulGroupedArgs&) = nullptr;
  void (*matmul_weight_gradient_grouped)(Context&,
                                         const MatmulWeightGradientGroupedArgs&) = nullptr;
  void (*gather_ids)(Context&, const GatherIdsArgs&) = nullptr;
  void (*gather_rows)(Context&, const GatherRowsArgs&) = nullptr;
  void (*moe_route)(Context&, const MoeRouteArgs&) = nullptr;
  void (*moe_route_backward)(Context&, const MoeRouteBackwardArgs&) = nullptr;
  void (*moe_permute)(Context&, const MoePermuteArgs&) = nullptr;
  void (*moe_combine)(Context&, const MoeCombineArgs&) = nullptr;
  void (*moe_combine_backward)(Context&, const MoeCombineBackwardArgs&) = nullptr;
  void (*pack_rows)(Context&, const PackRowsArgs&) = nullptr;
  void (*pack_columns)(Context&, const PackColumnsArgs&) = nullptr;
  void (*unpack_rows)(Context&, const UnpackRowsArgs&) = nullptr;
  void (*rope)(Context&, const RopeArgs&) = nullptr;
  void (*split_columns)(Context&, const SplitColumnsArgs&) = nullptr;
  void (*merge_columns)(Context&, const MergeColumnsArgs&) = nullptr;
  void (*sum_rows)(Context&, const SumRowsArgs&) = nullptr;
  void (*kv_write)(Context&, const KvWriteArgs&) = nullptr;
  void (*kv_copy_page)(Context&, const KvCopyPageArgs&) = nullptr;
  void (*attention_inputs)(Context&, const AttentionInputsArgs&) = nullptr;
  void (*attention)(Context&, const AttentionArgs&) = nullptr;
  void (*combine)(Context&, const CombineArgs&) = nullptr;
  void (*nesterov)(Context&, const NesterovArgs&) = nullptr;
  void (*scale)(Context&, const ScaleArgs&) = nullptr;
  void (*scatter_rows)(Context&, const ScatterRowsArgs&) = nullptr;
  void (*log_softmax_statistics)(Context&, const LogSoftmaxStatisticsArgs&) = nullptr;
  void (*pick_log_probs)(Context&, const PickLogProbsArgs&) = nullptr;
  void (*top_ids)(Context&, const TopIdsArgs&) = nullptr;
  void (*sample)(Context&, const SampleArgs&) = nullptr;
  void (*cross_entropy_loss)(Context&, const CrossEntropyLossArgs&) = nullptr;
  void (*cross_entropy_gradient)(Context&, const CrossEntropyGradientArgs&) = nullptr;
  void (*attention_backward)(Context&, const AttentionBackwardArgs&) = nullptr;
  void (*dropout_attention)(Context&, const DropoutAttentionArgs&) = nullptr;
  void (*dropout_attention_backward)(Context&, const DropoutAttentionBackwardArgs&) = nullptr;
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
