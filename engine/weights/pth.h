#pragma once
// PyTorch checkpoints (.pth, .pt, .bin) as torch.save has written them since version 1.6: a ZIP
// file of a pickle, which names tensors, and of their storages. Read without running anything, and
// written.

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/weights/safetensors.h"
#include "engine/weights/tensor_table.h"

namespace tandem {

// Where a tensor lies in the file. Every element, offset + sum(index * stride), is inside of it.
struct PthTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::array<int64_t, Shape::kMaxRank> strides{};  // in elements, not negative
  size_t offset = 0;                               // in bytes, from the start of the file

  bool is_contiguous() const;  // row-major and dense
};

struct PthContents {
  std::vector<PthTensor> tensors;       // in the order of the file
  std::vector<std::string> other_keys;  // "optimizer", "epoch": what stands beside the tensors
};

// The tensors of the outermost dict; or, where it has a dict under "model" (MiniMind's
// *_resume.pth), of that one. Throws FormatError, naming `where`, when anything in the file is not
// as it should be, or when the pickle asks for more than a checkpoint needs. A pure function.
PthContents ParsePth(std::span<const std::byte> file, const std::string& where);

struct PthFile {
  TensorTable tensors;
  std::vector<std::string> other_keys;
};

// Views point into the file; tensors that are not row-major or not aligned there are copies.
PthFile ReadPth(const std::filesystem::path& path);

// Writes an OrderedDict of tensors, which torch.load(weights_only=True) reads. Tensors whose views
// begin at the same byte share their storage, as tied weights do. The file appears complete or not
// at all, and equal tensors give equal bytes. Throws ConfigError from 4 GiB on, where safetensors
// serve, and DeviceError when the disk refuses.
void WritePth(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace tandem
