#pragma once
// What the fuzz targets share. A target is a file <name>_fuzz.cc with one LLVMFuzzerTestOneInput:
// it feeds the bytes to one reader, catches the errors which that reader promises for bad input,
// and CHECKs what must hold for what it accepts. Whatever else leaves it is a defect.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/core/check.h"
#include "kernels/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace tandem {

inline std::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Takes an input apart from its front, for targets that need choices besides the text. An empty
// input gives zeros.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : text_(AsText(data, size)) {}

  uint8_t TakeByte() {
    const std::string_view byte = Take(1);
    return byte.empty() ? uint8_t{0} : static_cast<uint8_t>(byte.front());
  }
  std::string_view Take(size_t size) {
    const std::string_view taken = text_.substr(0, size);
    text_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view TakeRest() { return Take(text_.size()); }

 private:
  std::string_view text_;
};

}  // namespace tandem
