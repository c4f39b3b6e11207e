#pragma once
// Characters by class, of the Unicode versions that the reference tokenizers use (16 for patterns,
// 9 for normal forms), so that ids do not depend on the versions of this system's libraries.
// Constants; any thread.

#include <cstdint>
#include <span>

namespace tandem {

struct CharacterRange {
  uint32_t first;
  uint32_t last;  // included
};

// In ascending order.
extern const std::span<const CharacterRange> kLetterRanges;  // \p{L}
extern const std::span<const CharacterRange> kNumberRanges;  // \p{N}
// Characters that later versions reorder, take apart or compose; here they stay as they are.
extern const std::span<const CharacterRange> kLaterThanNormalFormsRanges;

}  // namespace tandem
