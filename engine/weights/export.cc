#include "engine/weights/export.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/atomic_file.h"
#include "engine/weights/minimind_names.h"
#include "engine/weights/pth.h"
#include "engine/weights/safetensors.h"
#include "kernels/core/check.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/quantize.h"

namespace tandem {
namespace {

// The parameters under their names, row-major.
struct Unpacked {
  std::vector<Tensor> tensors;
  std::vector<NamedTensor> named;  // views of them
};

void CheckFitsF16(ConstTensorView values, const std::string& name) {
  constexpr float kLargest = 65504.0f;
  const std::span<const float> all(values.data<float>(),
                                   static_cast<size_t>(values.num_elements()));
  for (const float value : all) {
    if (std::abs(value) <= kLargest || !std::isfinite(value)) continue;
    throw ConfigError(name + " has the value " + std::to_string(value) +
                      ", beyond f16's largest, 65504; store it in bf16 or f32");
  }
}

Tensor InDtype(Context& context, Tensor values, DType dtype) {
  if (dtype == DType::kF32) return values;
  Tensor converted(dtype, values.shape(), values.device());
  Convert(context, {.x = values.view(), .y = converted.view()});
  return converted;
}

// In the context's memory.
Tensor Values(Context& context, const Parameter& parameter) {
  Tensor values(DType::kF32, parameter.shape, context.device);
  if (parameter.matrix != nullptr) {
    UnpackRows(context, *parameter.matrix, parameter.first_row, values.view());
  } else {
    Copy(context, parameter.vector->view().Rows(parameter.first_row, parameter.shape[0]),
         values.view());
  }
  return values;
}

Tensor OnHost(Context& context, Tensor values) {
  if (values.device() == kCpuDevice) return values;
  Tensor copy(values.dtype(), values.shape());
  Copy(context, values, copy);
  Synchronize(context);
  return copy;
}

Unpacked Unpack(Context& context, const ExportArgs& args) {
  CHECK(args.dtype == DType::kF32 || args.dtype == DType::kBf16 || args.dtype == DType::kF16,
        Name(args.dtype));
  Unpacked unpacked;
  ForEachParameter(args.config, args.weights, [&](const Parameter& parameter) {
    Tensor values = Values(context, parameter);
    if (args.dtype == DType::kF16) {
      CheckFitsF16(HostCopy(context, values).view(), parameter.name);
    }
    unpacked.tensors.push_back(OnHost(context, InDtype(context, std::move(values), args.dtype)));
    // A tensor's elements stay where they are when it moves.
    unpacked.named.push_back({parameter.name, std::as_const(unpacked.tensors.back()).view()});
  });
  return unpacked;
}

void AddTiedHead(const ModelConfig& config, Unpacked* unpacked) {
  if (!config.tie_embeddings) return;
  unpacked->named.push_back({"lm_head.weight", unpacked->named.front().view});
}

}  // namespace

void ExportHuggingFace(Context& context, const ExportArgs& args,
                       const std::filesystem::path& directory) {
  const Unpacked unpacked = Unpack(context, args);
  std::filesystem::create_directories(directory);
  WriteSafetensors(directory / "model.safetensors", unpacked.named, {{"format", "pt"}});
  WriteFileAtomically(directory / "config.json", FormatModelConfig(args.config, args.dtype));
}

void ExportMiniMindPth(Context& context, const ExportArgs& args,
                       const std::filesystem::path& path) {
  Unpacked unpacked = Unpack(context, args);
  AddTiedHead(args.config, &unpacked);
  WritePth(path, unpacked.named);
}

void ExportFirstMiniMindPth(Context& context, const ExportArgs& args,
                            const std::filesystem::path& path) {
  Unpacked unpacked = Unpack(context, args);
  AddTiedHead(args.config, &unpacked);
  for (size_t i = 0; i < unpacked.named.size(); ++i) {
    NamedTensor& named = unpacked.named[i];
    if (HasRotatedRows(named.name)) {
      unpacked.tensors[i] = WithPairsTogether(named.view, args.config.head_dim);
      named.view = std::as_const(unpacked.tensors[i]).view();
    }
    named.name = FirstMiniMindName(named.name);
  }
  WritePth(path, unpacked.named);
}

}  // namespace tandem
