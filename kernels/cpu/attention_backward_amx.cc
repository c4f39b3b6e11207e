// The backward of attention over bf16 pages on AMX tiles: for one sequence and kv head, the five
// products of 64 x 64 blocks with bf16 operands and f32 sums. Between them scores become
// probabilities and their gradients on vectors, which is now the greater part of the time.
//
// A tile product wants its left operand in rows and its right one as pairs along the sum, so what
// is summed over decides each operand's form, and everything of a sequence is brought into its
// forms once for all blocks:
//
//   scores [q, k] = q k^T     q in rows, k^T as pairs of dims (as pages hold it)
//   dp     [q, k] = dy v^T    dy in rows, v^T as pairs of dims
//   dv^T   [d, k] += dy^T p   dy^T in rows, p as pairs of queries
//   dk^T   [d, k] += q^T ds   q^T in rows, ds as pairs of queries
//   dq     [q, d] += ds k     ds in rows, k as pairs of keys (dv and dk are transposed at the end)

#define TANDEM_ISA amx

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/amx_transpose.h"
#include "kernels/cpu/attention_backward.h"
#include "kernels/cpu/attention_lanes.h"

namespace tandem::cpu::amx {
namespace {

constexpr int64_t kBlock = 64;
constexpr int64_t kPageTokens = 16;
// Rows that are a power of two apart would share the same few places of the first cache.
constexpr int64_t kPadding = 32;  // elements

int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// The scratch of one thread. Sequences are padded to whole blocks, with zeros.
struct Operands {
  int64_t dim;
  int64_t length;       // padded
  int64_t turned;       // elements from row to row of what is [dim, length]
  uint32_t* k_dims;     // [length / 16][dim / 2][16]: pairs of dims, as in a page
  uint32_t* v_dims;     // the same of v
  uint32_t* k_pairs;    // [length / 2][dim]: pairs of keys
  BFloat16* q;          // [length][dim]
  BFloat16* dy;         // [length][dim]
  BFloat16* q_turned;   // [dim][turned]
  BFloat16* dy_turned;  // [dim][turned]
  float* dq;            // [length][dim]
  float* dk_turned;     // [dim][turned]
  float* dv_turned;     // [dim][turned]
  float* statistics;    // [length][3]: maximum, 1 / sum, delta
  float* scores;        // [kBlock][kBlock]
  float* dp;            // [kBlock][kBlock]
  uint32_t* p_pairs;    // [kBlock / 2][kBlock]: pairs of queries
  uint32_t* ds_pairs;   // the same of ds
  BFloat16* ds;         // [kBlock][kBlock]

  // Lays them out from `at` on; returns what they take, in floats.
  int64_t Assign(int64_t head_dim, int64_t sequence_length, float* at) {
    dim = head_dim;
    length = (sequence_length + kBlock - 1) / kBlock * kBlock;
    turned = length + kPadding;
    float* const begin = at;
    const auto take = [&](auto& piece, int64_t bytes) {
      piece = reinterpret_cast<std::remove_reference_t<decltype(piece)>>(at);
      at += (bytes + 63) / 64 * 16;
    };
    for (uint32_t** piece : {&k_dims, &v_dims, &k_pairs}) take(*piece, 2 * length * dim);
    for (BFloat16** piece : {&q, &dy}) take(*piece, 2 * length * dim);
    for (BFloat16** piece : {&q_turned, &dy_turned}) take(*piece, 2 * turned * dim);
    take(dq, 4 * length * dim);
    for (float** piece : {&dk_turned, &dv_turned}) take(*piece, 4 * turned * dim);
    take(statistics, 12 * length);
    for (float** piece : {&scores, &dp}) take(*piece, 4 * kBlock * kBlock);
    for (uint32_t** piece : {&p_pairs, &ds_pairs}) take(*piece, 2 * kBlock * kBlock);
    take(ds, 2 * kBlock * kBlock);
    return at - begin;
  }
};

template <typename T>
void Clear(T* values, int64_t count) {
  std::memset(static_cast<void*>(values), 0, sizeof(T) * static_cast<size_t>(count));
}

// What one thread works on.
struct Place {
  int64_t sequence;
  int64_t kv_head;
  int64_t first_token;  // of the sequence in the batch
  int64_t length;
};

// Keys and values in their three forms. See kv_page_layout.h.
void LoadKeys(const AttentionBackwardCall& call, const Place& place, const Operands& to) {
  const int64_t dim = to.dim, page_words = dim / 2 * kPageTokens;
  for (int64_t first = 0; first < to.length; first += kPageTokens) {
    uint32_t* k_dims = to.k_dims + first / kPageTokens * page_words;
    uint32_t* v_dims = to.v_dims + first / kPageTokens * page_words;
    uint32_t* k_pairs = to.k_pairs + first / 2 * dim;
    const int64_t count = Smaller(place.length - first, kPageTokens);
    if (count <= 0) {
      for (uint32_t* piece : {k_dims, v_dims, k_pairs}) Clear(piece, page_words);
      continue;
    }
    const int64_t page = call.page_tables[place.sequence * call.max_pages + first / kPageTokens];
    const auto* words =
        reinterpret_cast<const uint32_t*>(call.layer + page * call.layer_page_bytes) +
        place.kv_head * 2 * page_words;
    const auto filled = static_cast<__mmask16>((1u << static_cast<unsigned>(count)) - 1u);
    for (int64_t pair = 0; pair < dim / 2; ++pair) {
      const int64_t at = pair * kPageTokens;
      _mm512_store_si512(k_dims + at, _mm512_maskz_loadu_epi32(filled, words + at));
    }
    const uint32_t* values = words + page_words;
    for (int64_t token = 0; token < kPageTokens; token += 2) {
      const uint32_t first_mask = token < count ? 0xffffu : 0,
                     second_mask = token + 1 < count ? 0xffffu : 0;
      for (int64_t d = 0; d < dim; d += 2) {
        const uint32_t* k = k_dims + d / 2 * kPageTokens + token;
        k_pairs[token / 2 * dim + d] = (k[0] & 0xffffu) | k[1] << 16;
        k_pairs[token / 2 * dim + d + 1] = k[0] >> 16 | (k[1] & 0xffff0000u);
        const uint32_t* v = values + token / 2 * dim + d;
        uint32_t* v_to = v_dims + d / 2 * kPageTokens + token;
        v_to[0] = (v[0] & first_mask) | (v[1] & first_mask) << 16;
        v_to[1] = (v[0] >> 16 & second_mask) | (v[1] >> 16 & second_mask) << 16;
      }
    }
  }
}

void StoreBf16(BFloat16* to, __m512 v) {
  const __m256bh rounded = _mm512_cvtneps_pbh(v);
  std::memcpy(static_cast<void*>(to), &rounded, sizeof(rounded));
}

// [length][dim] as [dim][turned].
void TurnOver(const Operands& operands, const BFloat16* from, BFloat16* to) {
  for (int64_t token = 0; token < operands.length; token += 32) {
    for (int64_t d = 0; d < operands.dim; d += 32) {
      TurnTile(reinterpret_cast<const std::byte*>(from + token * operands.dim + d),
               2 * operands.dim, 32, ~__mmask32{0},
               reinterpret_cast<std::byte*>(to + d * operands.turned + token), 2 * operands.turned);
    }
  }
}

// One head's queries, as the scores saw them, and output gradients, each in two forms.
void LoadQueries(const AttentionBackwardCall& call, const Place& place, int64_t head,
                 const Operands& to) {
  const int64_t dim = to.dim;
  for (int64_t i = 0; i < to.length; ++i) {
    BFloat16* q = to.q + i * dim;
    BFloat16* dy = to.dy + i * dim;
    float* statistics = to.statistics + 3 * i;
    if (i >= place.length) {
      Clear(q, dim);
      Clear(dy, dim);
      Clear(statistics, 3);
      continue;
    }
    const int64_t row = (place.first_token + i) * call.num_heads + head;
    for (int64_t d = 0; d < dim; d += kLanes) {
      StoreBf16(q + d, _mm512_loadu_ps(call.q + row * dim + d));
      StoreBf16(dy + d, _mm512_loadu_ps(call.dy + row * dim + d));
    }
    statistics[0] = call.statistics[2 * row];
    statistics[1] = 1.0f / call.statistics[2 * row + 1];
    statistics[2] = call.deltas[row];
  }
  TurnOver(to, to.q, to.q_turned);
  TurnOver(to, to.dy, to.dy_turned);
  Clear(to.dq, to.length * dim);
}

// C (+)= A B, 32 rows of 32 columns.
struct Product {
  const void* a;
  int64_t a_row_bytes;
  const void* b;
  int64_t b_row_bytes;     // from one pair to the next
  int64_t b_column_bytes;  // from 16 columns to the next 16
  float* c;
  int64_t c_row;  // floats
  int64_t depth;  // a multiple of 32
};

template <bool add>
TANDEM_INLINE void Multiply(const Product& p) {
  const int64_t c_row_bytes = 4 * p.c_row;
  float* below = p.c + kTileRows * p.c_row;
  if (add) {
    _tile_loadd(0, p.c, c_row_bytes);
    _tile_loadd(1, p.c + kTileColumns, c_row_bytes);
    _tile_loadd(2, below, c_row_bytes);
    _tile_loadd(3, below + kTileColumns, c_row_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const auto* a = static_cast<const std::byte*>(p.a);
  const auto* b = static_cast<const std::byte*>(p.b);
  for (int64_t left = p.depth; left > 0; left -= 32) {
    _tile_loadd(4, a, p.a_row_bytes);
    _tile_loadd(6, b, p.b_row_bytes);
    _tile_loadd(7, b + p.b_column_bytes, p.b_row_bytes);
    _tile_loadd(5, a + kTileRows * p.a_row_bytes, p.a_row_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    a += kTileRowBytes;
    b += 16 * p.b_row_bytes;
  }
  _tile_stored(0, p.c, c_row_bytes);
  _tile_stored(1, p.c + kTileColumns, c_row_bytes);
  _tile_stored(2, below, c_row_bytes);
  _tile_stored(3, below + kTileColumns, c_row_bytes);
}

// rows [64][dim] times pairs of dims of 64 keys.
void MultiplyByKeys(const Operands& o, const BFloat16* rows, const uint32_t* keys, float* to) {
  const int64_t page_words = o.dim / 2 * kPageTokens;
  for (int64_t i = 0; i < kBlock; i += 32) {
    for (int64_t j = 0; j < kBlock; j += 32) {
      Multiply<false>({.a = rows + i * o.dim,
                       .a_row_bytes = 2 * o.dim,
                       .b = keys + j / kPageTokens * page_words,
                       .b_row_bytes = 4 * kPageTokens,
                       .b_column_bytes = 4 * page_words,
                       .c = to + i * kBlock + j,
                       .c_row = kBlock,
                       .depth = o.dim});
    }
  }
}

// to [dim][64 keys] += turned [dim][64 queries] times pairs of queries.
void AddTurned(const Operands& o, const BFloat16* turned, const uint32_t* pairs, float* to) {
  for (int64_t d = 0; d < o.dim; d += 32) {
    for (int64_t j = 0; j < kBlock; j += 32) {
      Multiply<true>({.a = turned + d * o.turned,
                      .a_row_bytes = 2 * o.turned,
                      .b = pairs + j,
                      .b_row_bytes = 4 * kBlock,
                      .b_column_bytes = 4 * kTileColumns,
                      .c = to + d * o.turned + j,
                      .c_row = o.turned,
                      .depth = kBlock});
    }
  }
}

// dq [64][dim] += ds times pairs of keys.
void AddQueries(const Operands& o, const uint32_t* k_pairs, float* dq) {
  for (int64_t i = 0; i < kBlock; i += 32) {
    for (int64_t d = 0; d < o.dim; d += 32) {
      Multiply<true>({.a = o.ds + i * kBlock,
                      .a_row_bytes = 2 * kBlock,
                      .b = k_pairs + d,
                      .b_row_bytes = 4 * o.dim,
                      .b_column_bytes = 4 * kTileColumns,
                      .c = dq + i * o.dim + d,
                      .c_row = o.dim,
                      .depth = kBlock});
    }
  }
}

// The keys of a block that the query at `position` sees: [begin, end).
struct Seen {
  int64_t begin;
  int64_t end;
};

Seen FindSeen(const AttentionBackwardCall& call, const Place& place, int64_t position,
              int64_t first_key) {
  const int64_t end = position < place.length ? Smaller(position + 1 - first_key, kBlock) : 0;
  const int64_t begin = call.window > 0 ? position - call.window + 1 - first_key : 0;
  return {begin > 0 ? begin : 0, end > 0 ? end : 0};
}

TANDEM_INLINE __mmask16 LanesOf(const Seen& seen, int64_t first) {
  const int64_t begin = seen.begin - first, end = seen.end - first;
  if (end <= 0 || begin >= 16) return 0;
  const uint32_t below_end = end >= 16 ? 0xffffu : (1u << static_cast<unsigned>(end)) - 1u;
  const uint32_t from_begin = begin <= 0 ? 0xffffu : 0xffffu << static_cast<unsigned>(begin);
  return static_cast<__mmask16>(below_end & from_begin);
}

struct Derivative {
  __m512 p;
  __m512 ds;
};

TANDEM_INLINE Derivative Differentiate(const AttentionBackwardCall& call, const float* scores,
                                       const float* dp, const float* statistics, __mmask16 lanes) {
  const Part x = LoadPart(scores) * call.scale - statistics[0];
  const Part p = ExpOfNonPositive(x) * statistics[1];
  const Part ds = p * (LoadPart(dp) - statistics[2]) * call.scale;
  return {_mm512_maskz_mov_ps(lanes, reinterpret_cast<__m512>(p)),
          _mm512_maskz_mov_ps(lanes, reinterpret_cast<__m512>(ds))};
}

// Two rows rounded to pairs.
TANDEM_INLINE __m512i Pair(__m512 first, __m512 second) {
  const __m512i low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(first)));
  const __m512i high = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(second)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// From scores and dy . v to probabilities and the scores' gradients, in the forms of the products
// that follow.
void DifferentiateBlock(const AttentionBackwardCall& call, const Place& place, int64_t first_query,
                        int64_t first_key, const Operands& o) {
  for (int64_t i = 0; i < kBlock; i += 2) {
    const float* statistics = o.statistics + 3 * (first_query + i);
    const Seen seen = FindSeen(call, place, first_query + i, first_key);
    const Seen next = FindSeen(call, place, first_query + i + 1, first_key);
    for (int64_t j = 0; j < kBlock; j += kLanes) {
      const int64_t at = i * kBlock + j;
      const Derivative a =
          Differentiate(call, o.scores + at, o.dp + at, statistics, LanesOf(seen, j));
      const Derivative b = Differentiate(call, o.scores + at + kBlock, o.dp + at + kBlock,
                                         statistics + 3, LanesOf(next, j));
      _mm512_store_si512(o.p_pairs + i / 2 * kBlock + j, Pair(a.p, b.p));
      _mm512_store_si512(o.ds_pairs + i / 2 * kBlock + j, Pair(a.ds, b.ds));
      StoreBf16(o.ds + at, a.ds);
      StoreBf16(o.ds + at + kBlock, b.ds);
    }
  }
}

void AddBlock(const AttentionBackwardCall& call, const Place& place, int64_t query, int64_t key,
              const Operands& o) {
  MultiplyByKeys(o, o.q + query * o.dim, o.k_dims + key * o.dim / 2, o.scores);
  MultiplyByKeys(o, o.dy + query * o.dim, o.v_dims + key * o.dim / 2, o.dp);
  DifferentiateBlock(call, place, query, key, o);
  asm volatile("" ::: "memory");  // tile loads do not tell the compiler what they read
  AddTurned(o, o.dy_turned + query, o.p_pairs, o.dv_turned + key);
  AddTurned(o, o.q_turned + query, o.ds_pairs, o.dk_turned + key);
  AddQueries(o, o.k_pairs + key / 2 * o.dim, o.dq + query * o.dim);
}

// [dim][turned] to the sequence's rows of dk or dv.
void WriteTurned(const AttentionBackwardCall& call, const Place& place, const Operands& o,
                 const float* from, float* to) {
  for (int64_t token = 0; token < place.length; token += kLanes) {
    const int64_t count = Smaller(place.length - token, kLanes);
    for (int64_t d = 0; d < o.dim; d += kLanes) {
      __m512i rows[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) rows[i] = _mm512_loadu_si512(from + (d + i) * o.turned + token);
      TransposeWords(rows);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = (place.first_token + token + i) * call.num_kv_heads + place.kv_head;
        _mm512_storeu_si512(to + row * o.dim + d, rows[i]);
      }
    }
  }
}

void WriteQueries(const AttentionBackwardCall& call, const Place& place, int64_t head,
                  const Operands& o) {
  for (int64_t i = 0; i < place.length; ++i) {
    const int64_t row = (place.first_token + i) * call.num_heads + head;
    std::memcpy(call.dq + row * o.dim, o.dq + i * o.dim,
                sizeof(float) * static_cast<size_t>(o.dim));
  }
}

int64_t ScratchFloats(int64_t head_dim, int64_t max_length) {
  return Operands{}.Assign(head_dim, max_length, nullptr);
}

void Run(const AttentionBackwardCall& call, int64_t sequence, int64_t kv_head, float* scratch) {
  const Place place{sequence, kv_head, call.cu_seqlens[sequence],
                    call.cu_seqlens[sequence + 1] - call.cu_seqlens[sequence]};
  Operands o{};
  o.Assign(call.head_dim, place.length, scratch);
  const TileScope scope(kTileRows, 2);
  LoadKeys(call, place, o);
  Clear(o.dk_turned, o.dim * o.turned);
  Clear(o.dv_turned, o.dim * o.turned);
  const int64_t group = call.num_heads / call.num_kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    LoadQueries(call, place, head, o);
    asm volatile("" ::: "memory");
    for (int64_t key = 0; key < place.length; key += kBlock) {
      // The last position that sees a key of this block.
      const int64_t end =
          call.window > 0 ? Smaller(place.length, key + kBlock - 1 + call.window) : place.length;
      for (int64_t query = key; query < end; query += kBlock) {
        AddBlock(call, place, query, key, o);
      }
    }
    WriteQueries(call, place, head, o);
  }
  WriteTurned(call, place, o, o.dk_turned, call.dk);
  WriteTurned(call, place, o, o.dv_turned, call.dv);
}

}  // namespace

constinit const AttentionBackwardKernel kAttentionBackward = {
    .find_deltas = nullptr, .scratch_floats = ScratchFloats, .run = Run};

}  // namespace tandem::cpu::amx
