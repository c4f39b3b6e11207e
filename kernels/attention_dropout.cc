#include "kernels/attention_dropout.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/core/check.h"
#include "kernels/cpu/kv_page_layout.h"
#include "kernels/device_ops.h"

namespace tandem {
namespace {

void CheckHeads(ConstTensorView q, const KvPool& pool) {
  const KvLayout& layout = pool.layout();
  CHECK(q.shape().rank() == 3 && q.dim(2) == layout.head_dim, q.shape(), layout.head_dim);
  CHECK(q.dim(1) > 0 && q.dim(1) % layout.num_kv_heads == 0, q.dim(1), layout.num_kv_heads);
}

// Tokens [begin, end) of the batch.
struct Sequence {
  int64_t index = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

std::vector<Sequence> SequencesOf(const RaggedBatch& batch) {
  const int32_t* cu = batch.cu_seqlens.data<int32_t>();
  std::vector<Sequence> sequences;
  for (int64_t s = 0; s < batch.num_seqs(); ++s) {
    CHECK(batch.context_lens.data<int32_t>()[s] == cu[s + 1] - cu[s], "sequence", s,
          "has keys that are not in the batch");
    sequences.push_back({s, cu[s], cu[s + 1]});
  }
  return sequences;
}

// What both passes read: K and V of the batch's tokens, and how heads lie.
struct Keys {
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t dim = 0;
  float scale = 0.0f;
  int64_t window = 0;
  bool rounds_q = false;
  const float* q = nullptr;  // [tokens, num_heads, dim]
  float* k = nullptr;        // [tokens, num_kv_heads, dim]
  float* v = nullptr;        // the same

  const float* K(int64_t token, int64_t kv_head) const {
    return k + (token * num_kv_heads + kv_head) * dim;
  }
  const float* V(int64_t token, int64_t kv_head) const {
    return v + (token * num_kv_heads + kv_head) * dim;
  }
};

template <typename T>
void GatherKeys(const KvPool& pool, int64_t layer, const RaggedBatch& batch,
                const std::vector<Sequence>& sequences, Keys& keys) {
  const cpu::PageLayout layout(pool.layout());
  const int32_t* tables = batch.page_tables.data<int32_t>();
  for (const Sequence& sequence : sequences) {
    for (int64_t token = sequence.begin; token < sequence.end; ++token) {
      const int64_t position = token - sequence.begin;
      const int64_t page =
          tables[sequence.index * batch.page_tables.dim(1) + position / cpu::kPageTokens];
      CHECK(page >= 0 && page < pool.num_pages(), page, pool.num_pages());
      const auto* words =
          reinterpret_cast<const T*>(pool.layer(layer) + page * pool.layout().layer_page_bytes());
      for (int64_t head = 0; head < keys.num_kv_heads; ++head) {
        const T* of_head = words + head * layout.head_words() * layout.unit;
        const int64_t row = (token * keys.num_kv_heads + head) * keys.dim;
        for (int64_t d = 0; d < keys.dim; ++d) {
          const int64_t slot = position % cpu::kPageTokens;
          keys.k[row + d] = static_cast<float>(of_head[layout.KeyIndex(slot, d)]);
          keys.v[row + d] = static_cast<float>(of_head[layout.ValueIndex(slot, d)]);
        }
      }
    }
  }
}

template <typename Args>
Keys Gather(const Args& args, const std::vector<Sequence>& sequences, WorkspaceScope& scratch) {
  const KvLayout& layout = args.pool.layout();
  Keys keys{.num_heads = args.q.dim(1),
            .num_kv_heads = layout.num_kv_heads,
            .dim = layout.head_dim,
            .scale = args.scale,
            .window = args.window,
            .rounds_q = layout.dtype == DType::kBf16,
            .q = args.q.template data<float>()};
  const int64_t count = args.q.dim(0) * keys.num_kv_heads * keys.dim;
  keys.k = scratch.Take<float>(count);
  keys.v = scratch.Take<float>(count);
  if (keys.rounds_q) {
    GatherKeys<BFloat16>(args.pool, args.layer, args.batch, sequences, keys);
  } else {
    GatherKeys<float>(args.pool, args.layer, args.batch, sequences, keys);
  }
  return keys;
}

float Dot(const float* a, const float* b, int64_t count) {
  float sum = 0.0f;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// One query head of one token: its probabilities, and what the mask makes of them. One thread's.
struct Row {
  int64_t first_key = 0;  // token
  std::vector<float> q;
  std::vector<float> p;  // by key
  std::vector<float> factors;

  int64_t num_keys() const { return static_cast<int64_t>(p.size()); }

  void Compute(const Keys& keys, const DropoutMask& mask, const Sequence& sequence, int64_t token,
               int64_t head) {
    const int64_t kv_head = head / (keys.num_heads / keys.num_kv_heads);
    first_key = sequence.begin;
    if (keys.window > 0) first_key = std::max(first_key, token - keys.window + 1);
    const float* given = keys.q + (token * keys.num_heads + head) * keys.dim;
    q.assign(given, given + keys.dim);
    if (keys.rounds_q) {
      for (float& value : q) value = static_cast<float>(BFloat16(value));
    }
    p.resize(static_cast<size_t>(token - first_key + 1));
    factors.resize(p.size());
    float largest = -INFINITY, sum = 0.0f;
    for (int64_t j = 0; j < num_keys(); ++j) {
      const float score = Dot(q.data(), keys.K(first_key + j, kv_head), keys.dim) * keys.scale;
      p[static_cast<size_t>(j)] = score;
      largest = std::max(largest, score);
    }
    for (float& value : p) sum += value = std::exp(value - largest);
    for (float& value : p) value /= sum;
    const auto row = static_cast<uint64_t>(token * keys.num_heads + head);
    const auto key = static_cast<uint64_t>(first_key - sequence.begin);
    mask.Fill((row << kDropoutKeyBits) + key, num_keys(), factors.data());
  }
};

void Store(TensorView y, int64_t at, const std::vector<float>& values) {
  for (size_t d = 0; d < values.size(); ++d) {
    const int64_t index = at + static_cast<int64_t>(d);
    if (y.dtype() == DType::kBf16) {
      y.data<BFloat16>()[index] = BFloat16(values[d]);
    } else {
      y.data<float>()[index] = values[d];
    }
  }
}

// += factor * x
void AddTo(float* y, float factor, const float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
}

// The gradients through one row; dq is the row's own, dk and dv the kv head's.
void RowBackward(const Keys& keys, const Row& row, const AttentionBackwardArgs& args, int64_t token,
                 int64_t head) {
  const int64_t dim = keys.dim, kv_head = head / (keys.num_heads / keys.num_kv_heads);
  const float* dy = args.dy.data<float>() + (token * keys.num_heads + head) * dim;
  float* dq = args.dq.data<float>() + (token * keys.num_heads + head) * dim;
  std::fill_n(dq, dim, 0.0f);
  float delta = 0.0f;
  for (int64_t j = 0; j < row.num_keys(); ++j) {
    const auto at = static_cast<size_t>(j);
    delta += row.factors[at] * row.p[at] * Dot(dy, keys.V(row.first_key + j, kv_head), dim);
  }
  for (int64_t j = 0; j < row.num_keys(); ++j) {
    const auto at = static_cast<size_t>(j);
    const int64_t key = row.first_key + j, offset = (key * keys.num_kv_heads + kv_head) * dim;
    const float dp = Dot(dy, keys.V(key, kv_head), dim);
    const float ds = row.p[at] * (row.factors[at] * dp - delta) * keys.scale;
    AddTo(dq, ds, keys.K(key, kv_head), dim);
    AddTo(args.dk.data<float>() + offset, ds, row.q.data(), dim);
    AddTo(args.dv.data<float>() + offset, row.factors[at] * row.p[at], dy, dim);
  }
}

}  // namespace

void DropoutAttention(Context& context, const DropoutAttentionArgs& args) {
  const AttentionArgs& attention = args.attention;
  CheckHeads(attention.q, attention.pool);
  CHECK(attention.y.shape() == attention.q.shape(), attention.y.shape(), attention.q.shape());
  if (RunOnDevice(context, &DeviceOps::dropout_attention, "DropoutAttention", args)) return;
  CheckBatch(attention.batch, attention.q.dim(0), attention.pool);
  WorkspaceScope scratch(context.workspace);
  const std::vector<Sequence> sequences = SequencesOf(attention.batch);
  const Keys keys = Gather(attention, sequences, scratch);
  const int64_t group = keys.num_heads / keys.num_kv_heads;
  for (const Sequence& sequence : sequences) {
    const int64_t rows = (sequence.end - sequence.begin) * keys.num_heads;
    context.pool.ForRanges(rows, 1, [&](int64_t begin, int64_t end) {
      Row row;
      std::vector<float> y;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t token = sequence.begin + i / keys.num_heads, head = i % keys.num_heads;
        row.Compute(keys, args.mask, sequence, token, head);
        y.assign(static_cast<size_t>(keys.dim), 0.0f);
        for (int64_t j = 0; j < row.num_keys(); ++j) {
          const auto at = static_cast<size_t>(j);
          AddTo(y.data(), row.factors[at] * row.p[at], keys.V(row.first_key + j, head / group),
                keys.dim);
        }
        Store(attention.y, (token * keys.num_heads + head) * keys.dim, y);
      }
    });
  }
}

void DropoutAttentionBackward(Context& context, const DropoutAttentionBackwardArgs& args) {
  const AttentionBackwardArgs& attention = args.attention;
  CheckHeads(attention.q, attention.pool);
  CHECK(attention.dq.shape() == attention.q.shape(), attention.dq.shape(), attention.q.shape());
  CHECK(attention.dy.shape() == attention.q.shape(), attention.dy.shape(), attention.q.shape());
  if (RunOnDevice(context, &DeviceOps::dropout_attention_backward, "DropoutAttentionBackward",
                  args)) {
    return;
  }
  CheckBatch(attention.batch, attention.q.dim(0), attention.pool);
  WorkspaceScope scratch(context.workspace);
  const std::vector<Sequence> sequences = SequencesOf(attention.batch);
  const Keys keys = Gather(attention, sequences, scratch);
  const int64_t group = keys.num_heads / keys.num_kv_heads;
  const int64_t num_elements = attention.q.dim(0) * keys.num_kv_heads * keys.dim;
  std::fill_n(attention.dk.data<float>(), num_elements, 0.0f);
  std::fill_n(attention.dv.data<float>(), num_elements, 0.0f);
  const int64_t items = static_cast<int64_t>(sequences.size()) * keys.num_kv_heads;
  context.pool.ForRanges(items, 1, [&](int64_t begin, int64_t end) {
    Row row;
    for (int64_t item = begin; item < end; ++item) {
      const Sequence& sequence = sequences[static_cast<size_t>(item / keys.num_kv_heads)];
      const int64_t first_head = item % keys.num_kv_heads * group;
      for (int64_t token = sequence.begin; token < sequence.end; ++token) {
        for (int64_t head = first_head; head < first_head + group; ++head) {
          row.Compute(keys, args.mask, sequence, token, head);
          RowBackward(keys, row, attention, token, head);
        }
      }
    }
  });
}

}  // namespace tandem
