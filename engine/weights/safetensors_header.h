#pragma once
// The head of a safetensors file: 8 bytes of little-endian length, that many bytes of JSON (name ->
// dtype, shape, offsets), then the data. https://github.com/huggingface/safetensors#format
// A pure function of the bytes, so that it can be fuzzed alone.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/dtype.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  size_t offset = 0;  // from the start of the file; offset + size_bytes is inside it
  size_t size_bytes = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry>
      entries;  // by ascending offset; together they cover the data exactly
  std::map<std::string, std::string> metadata;
};

inline constexpr size_t kMaxSafetensorsHeaderBytes = 100'000'000;  // the format's own limit
inline constexpr size_t kMaxSafetensorsTensors = 200'000;

// Throws FormatError, naming `where` and the tensor, when anything in `file` is not as it should
// be: every returned range lies inside the file, ranges neither overlap nor leave gaps, and each is
// exactly as long as its dtype and shape say.
SafetensorsHeader ParseSafetensorsHeader(std::span<const std::byte> file, const std::string& where);

// "F32" and the like.
std::string_view SafetensorsName(DType dtype);

}  // namespace tandem
