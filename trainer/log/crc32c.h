#pragma once
// CRC-32C (Castagnoli; RFC 3720, B.4), which frames the records of TensorBoard's event files. A few
// hundred bytes a step: a table is enough. A pure function.

#include <cstdint>
#include <string_view>

namespace tandem {

uint32_t Crc32c(std::string_view bytes);

}  // namespace tandem
