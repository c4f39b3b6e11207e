#include "engine/weights/safetensors_header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr size_t kLengthBytes = 8;

struct NamedType {
  std::string_view name;
  DType dtype;
};
constexpr std::array<NamedType, 7> kTypes{{{"F32", DType::kF32},
                                           {"BF16", DType::kBf16},
                                           {"F16", DType::kF16},
                                           {"I8", DType::kI8},
                                           {"U8", DType::kU8},
                                           {"I32", DType::kI32},
                                           {"I64", DType::kI64}}};

[[noreturn]] void Fail(const std::string& where, const std::string& what) {
  throw FormatError(where + ": " + what);
}

[[noreturn]] void FailTensor(const std::string& where, const std::string& name,
                             const std::string& what) {
  Fail(where, "tensor " + Quoted(name, 200) + " " + what);
}

std::optional<DType> TypeNamed(std::string_view name) {
  for (const NamedType& type : kTypes) {
    if (type.name == name) return type.dtype;
  }
  return std::nullopt;
}

size_t HeaderBytes(std::span<const std::byte> file, const std::string& where) {
  if (file.size() < kLengthBytes) {
    Fail(where, "has " + std::to_string(file.size()) + " bytes, too short for a safetensors file");
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<uint64_t>(file[i]) << (8 * i);
  }
  if (length > kMaxSafetensorsHeaderBytes) {
    Fail(where, "header of " + std::to_string(length) + " bytes exceeds the limit of " +
                    std::to_string(kMaxSafetensorsHeaderBytes) + " (is it a safetensors file?)");
  }
  if (length > file.size() - kLengthBytes) {
    Fail(where, "header of " + std::to_string(length) + " bytes exceeds the file of " +
                    std::to_string(file.size()) + " (is the download complete?)");
  }
  return static_cast<size_t>(length);
}

Shape ReadShape(const Json& value, const std::string& name, const std::string& where) {
  if (!value.is_array()) FailTensor(where, name, "has no shape");
  if (value.size() > Shape::kMaxRank) {
    FailTensor(where, name,
               "has " + std::to_string(value.size()) + " dimensions, at most " +
                   std::to_string(Shape::kMaxRank) + " are supported");
  }
  std::array<int64_t, Shape::kMaxRank> dims{};
  int64_t product = 1;
  for (size_t axis = 0; axis < value.size(); ++axis) {
    // Every non-negative integer in the text is unsigned to the parser.
    if (!value[axis].is_number_unsigned() || value[axis].get<uint64_t>() > uint64_t{INT64_MAX}) {
      FailTensor(where, name, "has a dimension that is not a size: " + Printable(value.dump(), 80));
    }
    dims[axis] = value[axis].get<int64_t>();
    if (__builtin_mul_overflow(product, dims[axis], &product)) {
      FailTensor(where, name, "has a shape beyond 2^63 elements: " + value.dump());
    }
  }
  return Shape(std::span<const int64_t>(dims.data(), value.size()));
}

// Fills begin and end of the entry from "data_offsets" and holds them against shape and data size.
void ReadOffsets(const Json& value, size_t data_start, size_t data_bytes, const std::string& where,
                 SafetensorsEntry& entry) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() ||
      !value[1].is_number_unsigned()) {
    FailTensor(where, entry.name, "has no data_offsets of two sizes");
  }
  const auto begin = value[0].get<uint64_t>();
  const auto end = value[1].get<uint64_t>();
  if (begin > end || end > data_bytes) {
    FailTensor(where, entry.name,
               "claims bytes " + std::to_string(begin) + " to " + std::to_string(end) + " of " +
                   std::to_string(data_bytes) + " data bytes (is the download complete?)");
  }
  int64_t expected = 0;
  if (__builtin_mul_overflow(entry.shape.num_elements(), SizeOf(entry.dtype), &expected) ||
      static_cast<uint64_t>(expected) != end - begin) {
    FailTensor(where, entry.name,
               "of " + std::string(SafetensorsName(entry.dtype)) + " " + entry.shape.ToString() +
                   " has " + std::to_string(end - begin) + " bytes");
  }
  entry.offset = data_start + static_cast<size_t>(begin);
  entry.size_bytes = static_cast<size_t>(end - begin);
}

std::map<std::string, std::string> ReadMetadata(const Json& value, const std::string& where) {
  if (!value.is_object()) Fail(where, "__metadata__ is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) Fail(where, "__metadata__ " + Quoted(key, 100) + " is not a string");
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

// Sorts by offset; every byte of the data must belong to exactly one tensor.
void CheckCoverage(size_t data_start, size_t file_bytes, const std::string& where,
                   std::vector<SafetensorsEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    if (a.offset != b.offset) return a.offset < b.offset;
    return a.size_bytes != b.size_bytes ? a.size_bytes < b.size_bytes : a.name < b.name;
  });
  size_t at = data_start;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.offset != at) {
      FailTensor(where, entry.name,
                 entry.offset < at ? "overlaps the tensor before it" : "leaves a gap before it");
    }
    at += entry.size_bytes;
  }
  if (at != file_bytes) {
    Fail(where, std::to_string(file_bytes - at) + " bytes after the last tensor belong to none");
  }
}

[[noreturn]] void FailUnsupported(const std::vector<std::string>& unsupported,
                                  const std::string& where) {
  constexpr size_t kShown = 8;
  std::string list;
  for (size_t i = 0; i < std::min(unsupported.size(), kShown); ++i) {
    list += (i > 0 ? ", " : "") + unsupported[i];
  }
  if (unsupported.size() > kShown) {
    list += " and " + std::to_string(unsupported.size() - kShown) + " more";
  }
  Fail(where, "unsupported types: " + list + "; supported: F32, BF16, F16, I8, U8, I32, I64");
}

}  // namespace

std::string_view SafetensorsName(DType dtype) {
  for (const NamedType& type : kTypes) {
    if (type.dtype == dtype) return type.name;
  }
  return "?";
}

SafetensorsHeader ParseSafetensorsHeader(std::span<const std::byte> file,
                                         const std::string& where) {
  const size_t header_bytes = HeaderBytes(file, where);
  const size_t data_start = kLengthBytes + header_bytes;
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes,
                              header_bytes);
  if (!text.starts_with('{')) Fail(where, "header does not start with '{'");
  // A tensor is about ten values; its own depth is three.
  const Json json = ParseJson(text, where,
                              {.max_depth = 4,
                               .max_bytes = kMaxSafetensorsHeaderBytes,
                               .max_values = 20 * kMaxSafetensorsTensors});
  if (json.size() > kMaxSafetensorsTensors) {
    Fail(where, std::to_string(json.size()) + " tensors exceed the limit of " +
                    std::to_string(kMaxSafetensorsTensors));
  }
  SafetensorsHeader header;
  std::vector<std::string> unsupported;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      header.metadata = ReadMetadata(value, where);
      continue;
    }
    if (!value.is_object()) FailTensor(where, name, "is not an object");
    const auto dtype = value.find("dtype");
    if (dtype == value.end() || !dtype->is_string()) FailTensor(where, name, "has no dtype");
    const std::optional<DType> type = TypeNamed(dtype->get_ref<const std::string&>());
    if (!type) {
      unsupported.push_back(Quoted(name, 100) + " (" +
                            Printable(dtype->get_ref<const std::string&>(), 20) + ")");
      continue;
    }
    SafetensorsEntry entry{.name = name, .dtype = *type};
    const auto shape = value.find("shape");
    entry.shape = ReadShape(shape == value.end() ? Json() : *shape, name, where);
    const auto offsets = value.find("data_offsets");
    ReadOffsets(offsets == value.end() ? Json() : *offsets, data_start, file.size() - data_start,
                where, entry);
    header.entries.push_back(std::move(entry));
  }
  if (!unsupported.empty()) FailUnsupported(unsupported, where);
  CheckCoverage(data_start, file.size(), where, header.entries);
  return header;
}

}  // namespace tandem
