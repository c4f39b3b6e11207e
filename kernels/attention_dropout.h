#pragma once
// Attention whose probabilities go through dropout, and its backward: plain loops, for training
// with dropout only. Of whole sequences: every key is one of the batch's tokens.
//
// In f32, over q rounded to the cache's dtype, and K and V as the cache holds them. Keys ascend, in
// every sum; in dk and dv query tokens ascend, then query heads. One thread owns a query head of a
// token, and in the backward a sequence's kv head, so the bits do not depend on their number.

#include "kernels/attention.h"
#include "kernels/dropout.h"

namespace tandem {

// Of the number that an element of the mask has, these low bits are the key's position; the others
// are its row, token * num_heads + query head.
inline constexpr int kDropoutKeyBits = 24;

// y[i] = sum over j of mask[i, j] p[i, j] v[j]. `attention.statistics` is not written.
struct DropoutAttentionArgs {
  const AttentionArgs& attention;
  const DropoutMask& mask;
};

void DropoutAttention(Context& context, const DropoutAttentionArgs& args);

// With w = mask p, computed again, and delta[i] = sum w[i, j] dy[i] . v[j]:
//   dv[j] = sum w[i, j] dy[i],  ds[i, j] = (w[i, j] dy[i] . v[j] - p[i, j] delta[i]) scale,
//   dk[j] = sum ds[i, j] q[i],  dq[i] = sum ds[i, j] k[j]
// `attention.y` and `attention.statistics` are not read.
struct DropoutAttentionBackwardArgs {
  const AttentionBackwardArgs& attention;
  const DropoutMask& mask;
};

void DropoutAttentionBackward(Context& context, const DropoutAttentionBackwardArgs& args);

}  // namespace tandem
