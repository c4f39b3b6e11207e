#pragma once
// Where an element of K or V lies inside a page: the one place that says it, shared by the CPU
// kernels of kv_pages and attention.
//
// A layer's share of a page is, for each kv head, keys then values, seen as 32-bit words. A word
// holds `unit` elements: one float, or two bfloat16 (the even one in the low half), as the bf16 dot
// wants.
//   keys    [head_dim / unit][16 tokens]   a word: `unit` neighbouring dims of one token
//   values  [16 / unit][head_dim]          a word: one dim of `unit` neighbouring tokens
// So sixteen scores, or sixteen dims of the output, are one vector and need no horizontal sum.

#include <cstdint>

#include "kernels/kv_pages.h"

namespace tandem::cpu {

constexpr int64_t kPageTokens = KvLayout::kPageTokens;

// Vectors of sixteen values may start at the last eight words of a page: the pool ends with a spare
// half vector that is read and ignored (head_dim is a multiple of 8, not of 16).
constexpr int64_t kPoolTailBytes = 32;

struct PageLayout {
  int64_t head_dim = 0;
  int64_t unit = 1;  // elements of a word

  explicit PageLayout(const KvLayout& layout)
      : head_dim(layout.head_dim), unit(4 / SizeOf(layout.dtype)) {}

  int64_t key_words() const { return head_dim / unit * kPageTokens; }
  int64_t head_words() const { return 2 * key_words(); }
  // In elements from the start of the head.
  int64_t KeyIndex(int64_t token, int64_t dim) const {
    return (dim / unit * kPageTokens + token) * unit + dim % unit;
  }
  int64_t ValueIndex(int64_t token, int64_t dim) const {
    return key_words() * unit + (token / unit * head_dim + dim) * unit + token % unit;
  }
};

}  // namespace tandem::cpu
