#pragma once
// A text's tokens as sequences that fit a context, so that each token is scored once. Every window
// begins with the start token; the first scores all of its tokens, each further one only those that
// no window before it had, with the tokens before them as context. Immutable; borrows the ids.

#include <span>

#include "engine/text/tokenizer.h"
#include "trainer/data/sample_maker.h"

namespace tandem {

struct WindowOptions {
  TokenId start = 0;
  int64_t context = 0;  // tokens of a window, the start included; at least 2
  int64_t stride = 0;   // tokens from one window's begin to the next: 1 to context - 1, which is
                        // what does not overlap
};

class TextWindows {
 public:
  // `ids`: at least one.
  TextWindows(std::span<const TokenId> ids, const WindowOptions& options);

  int64_t num_windows() const;
  TrainSample Window(int64_t index) const;  // is_target: what it scores

 private:
  std::span<const TokenId> ids_;
  WindowOptions options_;
};

}  // namespace tandem
