// The backward of attention for one sequence and kv head: for each block of 64 keys, all query
// heads and blocks of 64 queries that see it. Everything is five products of blocks, C (+)= A B,
// with C in registers; bound by multiply-adds.

#include "kernels/cpu/attention_backward.h"
#include "kernels/cpu/attention_lanes.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

constexpr int64_t kBlock = 64;
constexpr int64_t kPageTokens = 16;

#if defined(__AVX512F__)
constexpr int kProductParts = 4;
#else
constexpr int kProductParts = 2;
#endif
#if defined(__AVX2__)
constexpr int kProductRows = 4;
#else
constexpr int kProductRows = 2;
#endif

TANDEM_INLINE int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// head_dim rounded up to whole vectors: the width of every block of vectors.
TANDEM_INLINE int64_t Padded(int64_t head_dim) { return (head_dim + kLanes - 1) / kLanes * kLanes; }

// a[i, k] stands at a + i * a_row + k * a_column.
struct Product {
  const float* a;
  int64_t a_row, a_column;
  const float* b;  // [depth, b_row]
  int64_t b_row;
  float* c;  // [kBlock, c_row]
  int64_t c_row;
  int64_t depth;
  int64_t width;  // columns, a multiple of 16
};

template <int N, bool add>
TANDEM_INLINE void ProductTile(const Product& p, int64_t row, int64_t column) {
  Part sum[kProductRows][N];
#pragma GCC unroll 4
  for (int r = 0; r < kProductRows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      sum[r][n] = add ? LoadPart(p.c + (row + r) * p.c_row + column + n * kPartLanes) : Part{};
    }
  }
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + column;
  for (int64_t k = 0; k < p.depth; ++k) {
    Part line[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) line[n] = LoadPart(b + k * p.b_row + n * kPartLanes);
#pragma GCC unroll 4
    for (int r = 0; r < kProductRows; ++r) {
      const Part factor = SplatPart(a[r * p.a_row + k * p.a_column]);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[r][n] = MulAddPart(factor, line[n], sum[r][n]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kProductRows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      StorePart(p.c + (row + r) * p.c_row + column + n * kPartLanes, sum[r][n]);
    }
  }
}

// Rows [0, num_rows) of C, rounded up to whole tiles.
template <bool add>
void Multiply(const Product& p, int64_t num_rows) {
  constexpr int64_t kWide = kProductParts * kPartLanes;
  for (int64_t row = 0; row < num_rows; row += kProductRows) {
    int64_t column = 0;
    for (; column + kWide <= p.width; column += kWide) {
      ProductTile<kProductParts, add>(p, row, column);
    }
    for (; column < p.width; column += kPartLanes) ProductTile<1, add>(p, row, column);
  }
}

// Blocks of one thread. Rows past the sequence's end are zero.
struct Blocks {
  int64_t width;      // Padded(head_dim)
  float* k;           // [kBlock, width]
  float* k_columns;   // [head_dim, kBlock]: k transposed
  float* v_columns;   // [head_dim, kBlock]
  float* dk;          // [kBlock, width]
  float* dv;          // [kBlock, width]
  float* q;           // [kBlock, width]
  float* dy;          // [kBlock, width]
  float* dq;          // [kBlock, width]
  float* p;           // [kBlock, kBlock]: scores, then probabilities
  float* ds;          // [kBlock, kBlock]: dy . v, then the scores' gradients
  float* statistics;  // [kBlock, 3]: maximum, 1 / sum, delta

  Blocks(int64_t head_dim, float* floats) : width(Padded(head_dim)) {
    const int64_t block = kBlock * width;
    float** const pieces[] = {&k, &k_columns, &v_columns, &dk, &dv, &q, &dy, &dq};
    for (float** piece : pieces) {
      *piece = floats;
      floats += block;
    }
    p = floats;
    ds = p + kBlock * kBlock;
    statistics = ds + kBlock * kBlock;
  }
};

int64_t ScratchFloats(int64_t head_dim, int64_t) {
  return 8 * kBlock * Padded(head_dim) + 2 * kBlock * kBlock + 3 * kBlock;
}

TANDEM_INLINE float FromHigh(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// What one thread works on.
struct Place {
  int64_t sequence;
  int64_t kv_head;
  int64_t first_token;  // of the sequence in the batch
  int64_t length;
};

void Clear(float* values, int64_t count) {
  std::memset(values, 0, sizeof(float) * static_cast<size_t>(count));
}

// Keys and values [first, first + 64) as far as the sequence goes. See kv_page_layout.h.
void LoadKeys(const AttentionBackwardCall& call, const Place& place, int64_t first,
              const Blocks& blocks) {
  const int64_t dim = call.head_dim, width = blocks.width;
  const int64_t unit = call.cache_is_bf16 ? 2 : 1;
  const int64_t key_words = dim / unit * kPageTokens;
  Clear(blocks.k, kBlock * width);
  Clear(blocks.k_columns, kBlock * width);
  Clear(blocks.v_columns, kBlock * width);
  for (int64_t j = 0; j < Smaller(kBlock, place.length - first); ++j) {
    const int64_t slot = (first + j) % kPageTokens;
    const int64_t page =
        call.page_tables[place.sequence * call.max_pages + (first + j) / kPageTokens];
    const auto* words =
        reinterpret_cast<const uint32_t*>(call.layer + page * call.layer_page_bytes) +
        place.kv_head * 2 * key_words;
    const uint32_t* values = words + key_words + slot / unit * dim;
    for (int64_t d = 0; d < dim; ++d) {
      uint32_t key = words[d / unit * kPageTokens + slot], value = values[d];
      if (unit == 2) {
        key = d % 2 == 0 ? key << 16 : key & 0xffff0000u;
        value = slot % 2 == 0 ? value << 16 : value & 0xffff0000u;
      }
      blocks.k[j * width + d] = blocks.k_columns[d * kBlock + j] = FromHigh(key);
      blocks.v_columns[d * kBlock + j] = FromHigh(value);
    }
  }
}

template <typename T>
TANDEM_INLINE float Dot(const float* a, const T* b, int64_t count) {
  F32x16 sum{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) sum += Load(a + i) * Load(b + i);
  if (i < count) sum += LoadPartial(a + i, count - i, 0.0f) * LoadPartial(b + i, count - i, 0.0f);
  return SumLanes(sum);
}

void FindDeltas(const AttentionBackwardCall& call, int64_t begin, int64_t end) {
  const int64_t dim = call.head_dim;
  for (int64_t row = begin; row < end; ++row) {
    const float* dy = call.dy + row * dim;
    call.deltas[row] = call.y_is_bf16
                           ? Dot(dy, reinterpret_cast<const BFloat16*>(call.y) + row * dim, dim)
                           : Dot(dy, reinterpret_cast<const float*>(call.y) + row * dim, dim);
  }
}

// Queries [first, first + 64) of one head: q as the scores saw it, dy, and the rows' numbers.
void LoadQueries(const AttentionBackwardCall& call, const Place& place, int64_t head, int64_t first,
                 const Blocks& blocks) {
  const int64_t dim = call.head_dim, width = blocks.width;
  for (int64_t i = 0; i < kBlock; ++i) {
    float* q = blocks.q + i * width;
    float* dy = blocks.dy + i * width;
    float* statistics = blocks.statistics + 3 * i;
    if (first + i >= place.length) {
      Clear(q, width);
      Clear(dy, width);
      Clear(statistics, 3);
      continue;
    }
    const int64_t row = (place.first_token + first + i) * call.num_heads + head;
    const int64_t offset = row * dim;
    for (int64_t d = 0; d < width; d += kLanes) {
      const int64_t count = Smaller(dim - d, kLanes);
      const F32x16 v = LoadPartial(call.q + offset + d, count, 0.0f);
      Store(q + d, call.cache_is_bf16 ? RoundToBf16(v) : v);
      Store(dy + d, LoadPartial(call.dy + offset + d, count, 0.0f));
    }
    statistics[0] = call.statistics[2 * row];
    statistics[1] = 1.0f / call.statistics[2 * row + 1];
    statistics[2] = call.deltas[row];
  }
}

// From scores and dy . v to probabilities and the scores' gradients.
void Differentiate(const AttentionBackwardCall& call, const Place& place, int64_t first_query,
                   int64_t first_key, const Blocks& blocks) {
  for (int64_t i = 0; i < kBlock; ++i) {
    const int64_t position = first_query + i;
    const float* statistics = blocks.statistics + 3 * i;
    // Keys [begin, end) of the block are seen.
    int64_t end = position < place.length ? Smaller(position + 1 - first_key, kBlock) : 0;
    const int64_t begin = call.window > 0 ? position - call.window + 1 - first_key : 0;
    if (end < 0) end = 0;
    for (int64_t j = 0; j < kBlock; j += kLanes) {
      float* p = blocks.p + i * kBlock + j;
      float* ds = blocks.ds + i * kBlock + j;
      const I32x16 key = LaneIndices() + I32x16(static_cast<int32_t>(j));
      const I32x16 seen = (key < I32x16(static_cast<int32_t>(end))) &
                          (key > I32x16(static_cast<int32_t>(begin - 1)));
      const F32x16 e = Exp(Load(p) * call.scale - statistics[0]) * statistics[1];
      const F32x16 probability = Select(seen, e, F32x16(0.0f));
      Store(p, probability);
      const F32x16 gradient = probability * (Load(ds) - statistics[2]) * call.scale;
      Store(ds, Select(seen, gradient, F32x16(0.0f)));
    }
  }
}

// Adds or stores the rows of a block that the sequence has. to: row i stands at to + i * stride.
void WriteRows(const float* block, int64_t width, int64_t num_rows, int64_t dim, bool add,
               float* to, int64_t stride) {
  for (int64_t i = 0; i < num_rows; ++i) {
    for (int64_t d = 0; d < dim; d += kLanes) {
      const int64_t count = Smaller(dim - d, kLanes);
      F32x16 v = Load(block + i * width + d);
      float* at = to + i * stride + d;
      if (add) v = LoadPartial(at, count, 0.0f) + v;
      StorePartial(at, v, count);
    }
  }
}

// One block of queries of one head against the block of keys.
void AddBlock(const AttentionBackwardCall& call, const Place& place, int64_t head,
              int64_t first_query, int64_t first_key, const Blocks& b) {
  const int64_t dim = call.head_dim, width = b.width;
  LoadQueries(call, place, head, first_query, b);
  Multiply<false>({b.q, width, 1, b.k_columns, kBlock, b.p, kBlock, dim, kBlock}, kBlock);
  Multiply<false>({b.dy, width, 1, b.v_columns, kBlock, b.ds, kBlock, dim, kBlock}, kBlock);
  Differentiate(call, place, first_query, first_key, b);
  Multiply<true>({b.p, 1, kBlock, b.dy, width, b.dv, width, kBlock, width}, kBlock);
  Multiply<true>({b.ds, 1, kBlock, b.q, width, b.dk, width, kBlock, width}, kBlock);
  Multiply<false>({b.ds, kBlock, 1, b.k, width, b.dq, width, kBlock, width}, kBlock);
  const int64_t row = (place.first_token + first_query) * call.num_heads + head;
  // A query's first block of keys stores, the others add.
  const int64_t oldest = first_query - call.window + 1;
  const bool is_first =
      call.window > 0 && oldest > 0 ? first_key == oldest / kBlock * kBlock : first_key == 0;
  WriteRows(b.dq, width, Smaller(kBlock, place.length - first_query), dim, !is_first,
            call.dq + row * dim, call.num_heads * dim);
}

void Run(const AttentionBackwardCall& call, int64_t sequence, int64_t kv_head, float* scratch) {
  const Place place{sequence, kv_head, call.cu_seqlens[sequence],
                    call.cu_seqlens[sequence + 1] - call.cu_seqlens[sequence]};
  const Blocks blocks(call.head_dim, scratch);
  const int64_t dim = call.head_dim, group = call.num_heads / call.num_kv_heads;
  for (int64_t key = 0; key < place.length; key += kBlock) {
    LoadKeys(call, place, key, blocks);
    Clear(blocks.dk, kBlock * blocks.width);
    Clear(blocks.dv, kBlock * blocks.width);
    // The last position that sees a key of this block.
    const int64_t end =
        call.window > 0 ? Smaller(place.length, key + kBlock - 1 + call.window) : place.length;
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (int64_t query = key; query < end; query += kBlock) {
        AddBlock(call, place, head, query, key, blocks);
      }
    }
    const int64_t row = (place.first_token + key) * call.num_kv_heads + kv_head;
    const int64_t num_rows = Smaller(kBlock, place.length - key);
    const int64_t stride = call.num_kv_heads * dim;
    WriteRows(blocks.dk, blocks.width, num_rows, dim, false, call.dk + row * dim, stride);
    WriteRows(blocks.dv, blocks.width, num_rows, dim, false, call.dv + row * dim, stride);
  }
}

}  // namespace

constinit const AttentionBackwardKernel kAttentionBackward = {
    .find_deltas = FindDeltas, .scratch_floats = ScratchFloats, .run = Run};

}  // namespace tandem::cpu::TANDEM_ISA
