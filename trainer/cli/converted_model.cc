#include "trainer/cli/converted_model.h"

#include <algorithm>
#include <map>
#include <system_error>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {

namespace fs = std::filesystem;

void AddStoredDTypeSetting(Settings& settings, std::optional<DType>* dtype,
                           const std::string& of_auto) {
  settings.AddChoice("dtype", dtype,
                     {{"auto", std::optional<DType>()},
                      {"f32", std::optional(DType::kF32)},
                      {"bf16", std::optional(DType::kBf16)},
                      {"fp16", std::optional(DType::kF16)}},
                     {.help = "of the weights in the file; auto: " + of_auto});
}

DType StoredDType(const TensorTable& table) {
  std::map<DType, int64_t> bytes;
  for (const auto& [name, entry] : table.entries()) {
    bytes[entry.view.dtype()] += entry.view.size_bytes();
  }
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& of) { return of.second; });
  if (most == bytes.end()) return DType::kF32;
  const bool is_narrow = most->first == DType::kBf16 || most->first == DType::kF16;
  return is_narrow ? most->first : DType::kF32;
}

void CheckNothingThere(const fs::path& output) {
  std::error_code error;
  if (!fs::exists(output, error)) return;
  if (fs::is_directory(output, error) && fs::is_empty(output, error)) return;
  throw ConfigError("--output " + Quoted(output.string()) +
                    " is there already; give another, or --overwrite to replace its files");
}

}  // namespace tandem
