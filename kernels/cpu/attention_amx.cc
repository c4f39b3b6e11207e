// Attention over bf16 pages on AMX tiles: up to sixteen rows of an item against one block of 64
// keys, of a decode only as many as it has, which takes a tile that much less time. A page's keys
// are a tile of right operands as they lie (16 pairs of dims by 16 keys), and its values half a
// tile (8 pairs of keys by 16 dims).
//
// A tile adds the products of its whole depth at once, so the bits hang on what is in it, and every
// row gets the same for every block in which it sees a key: all of its four pages, whatever other
// rows see. Keys that a row does not see have the probability +0; slots that hold none of the
// item's keys, which may be stale, are read as zeros. Rows that see no key of the block keep their
// sums. (A value that is not finite thus reaches up to 31 rows before it, of the same item.)

#define TANDEM_ISA amx

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/attention_kernel.h"

namespace tandem::cpu::amx {
namespace {

constexpr int64_t kPagePairs = kPageTokens / 2;

using Cache = Bf16Cache;

// 0-3 accumulators; 4 and 6 for scores, 32 dims deep; 5 and 7 for values, one page deep.
class AttentionTiles {
 public:
  explicit AttentionTiles(int64_t num_rows) {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = kTileRowBytes;
      config.rows[tile] = static_cast<uint8_t>(num_rows);
    }
    config.row_bytes[5] = 2 * kPageTokens;
    config.rows[6] = kTileRows;
    config.rows[7] = kPagePairs;
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  AttentionTiles(const AttentionTiles&) = delete;
  AttentionTiles& operator=(const AttentionTiles&) = delete;
  ~AttentionTiles() { _tile_release(); }
};

struct TileScratch {
  RowStates total, segment;
  float* scores;      // [kTileRows, kBlockKeys]
  float* block_sums;  // [kTileRows, 16]
  float* kept_sums;   // [kTileRows, sums_width]: of rows that a block leaves alone
  uint32_t* zeros;    // a page of keys or values
  uint32_t* values;   // [kBlockKeys / 2, head_dim]: pages without what is not the item's
  BFloat16* q;        // [kItemRows, head_dim]
  BFloat16* weights;  // [kTileRows, kBlockKeys]: probabilities
  int64_t tile_rows;  // that the tiles have

  TileScratch(const AttentionCall& call, const AttentionItem& item, float* floats)
      : total(floats),
        segment(floats + call.states_floats()),
        scores(floats + 2 * call.states_floats()),
        block_sums(scores + kTileRows * kBlockKeys),
        kept_sums(block_sums + kTileRows * kLanes),
        zeros(reinterpret_cast<uint32_t*>(kept_sums + kTileRows * call.sums_width())),
        values(zeros + kPagePairs * call.head_dim),
        q(reinterpret_cast<BFloat16*>(values + kBlockKeys / 2 * call.head_dim)),
        weights(q + kItemRows * call.head_dim),
        tile_rows(Smaller(item.num_rows, kTileRows)) {}

  static int64_t Floats(const AttentionCall& call) {
    return 2 * call.states_floats() + kTileRows * (kBlockKeys + kLanes + call.sums_width()) +
           (kPagePairs + kBlockKeys / 2 + kItemRows / 2) * call.head_dim +
           kTileRows * kBlockKeys / 2;
  }
};

// The values of a page that begins at `key` and holds slots which are not the item's, these as
// zeros.
void CopyValues(const AttentionCall& call, const AttentionItem& item, int64_t key,
                const uint32_t* from, uint32_t* to) {
  for (int64_t pair = 0; pair < kPagePairs; ++pair, key += 2) {
    uint32_t mask = 0;
    if (key >= item.first_key && key < item.end_key) mask |= 0x0000ffffu;
    if (key + 1 >= item.first_key && key + 1 < item.end_key) mask |= 0xffff0000u;
    const __m512i masks = _mm512_set1_epi32(static_cast<int32_t>(mask));
    for (int64_t d = 0; d < call.head_dim; d += kLanes, from += kLanes, to += kLanes) {
      _mm512_storeu_si512(to, _mm512_and_si512(_mm512_loadu_si512(from), masks));
    }
  }
}

// Pages that are not there become zeros, and so do values that are not the item's.
void Complete(const AttentionCall& call, const AttentionItem& item, int64_t block,
              const TileScratch& scratch, BlockPages& pages) {
  if (block >= item.first_key && block + kBlockKeys <= item.end_key) return;
  for (int64_t i = 0; i < kBlockPages; ++i) {
    const int64_t key = block + i * kPageTokens;
    if (pages.keys[i] == nullptr) {
      pages.keys[i] = pages.values[i] = scratch.zeros;
      pages.next_keys[i] = pages.next_values[i] = scratch.zeros;
    } else if (key < item.first_key || key + kPageTokens > item.end_key) {
      uint32_t* copy = scratch.values + i * kPagePairs * call.head_dim;
      CopyValues(call, item, key, pages.values[i], copy);
      pages.values[i] = copy;
    }
  }
}

// Scores of the tile's rows against the block, before the scale.
void ScoreRows(const AttentionCall& call, const BFloat16* q, const BlockPages& pages,
               float* scores) {
  const int64_t q_row_bytes = 2 * call.head_dim;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t d = 0; d < call.head_dim; d += 32) {
    const int64_t word = d / 2 * kPageTokens;
    _tile_loadd(4, q + d, q_row_bytes);
    _tile_loadd(6, pages.keys[0] + word, kTileRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(6, pages.keys[1] + word, kTileRowBytes);
    _tile_dpbf16ps(1, 4, 6);
    _tile_loadd(6, pages.keys[2] + word, kTileRowBytes);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(6, pages.keys[3] + word, kTileRowBytes);
    _tile_dpbf16ps(3, 4, 6);
  }
  constexpr int64_t kRowBytes = 4 * kBlockKeys;
  _tile_stored(0, scores, kRowBytes);
  _tile_stored(1, scores + kPageTokens, kRowBytes);
  _tile_stored(2, scores + 2 * kPageTokens, kRowBytes);
  _tile_stored(3, scores + 3 * kPageTokens, kRowBytes);
}

// sums[row][d, d + 64) += probabilities times values, for the tile's rows; or [d, d + 32).
template <int kTiles>
void AddColumnTiles(const AttentionCall& call, const BFloat16* weights, const BlockPages& pages,
                    int64_t d, float* sums) {
  const int64_t sums_row_bytes = 4 * call.sums_width();
  const int64_t value_row_bytes = 4 * call.head_dim;
  sums += d;
  _tile_loadd(0, sums, sums_row_bytes);
  _tile_loadd(1, sums + 16, sums_row_bytes);
  if constexpr (kTiles == 4) {
    _tile_loadd(2, sums + 32, sums_row_bytes);
    _tile_loadd(3, sums + 48, sums_row_bytes);
  }
  for (int64_t page = 0; page < kBlockPages; ++page) {
    const uint32_t* values = pages.values[page] + d;
    _tile_loadd(5, weights + page * kPageTokens, 2 * kBlockKeys);
    _tile_loadd(7, values, value_row_bytes);
    _tile_dpbf16ps(0, 5, 7);
    _tile_loadd(7, values + 16, value_row_bytes);
    _tile_dpbf16ps(1, 5, 7);
    if constexpr (kTiles == 4) {
      _tile_loadd(7, values + 32, value_row_bytes);
      _tile_dpbf16ps(2, 5, 7);
      _tile_loadd(7, values + 48, value_row_bytes);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, sums_row_bytes);
  _tile_stored(1, sums + 16, sums_row_bytes);
  if constexpr (kTiles == 4) {
    _tile_stored(2, sums + 32, sums_row_bytes);
    _tile_stored(3, sums + 48, sums_row_bytes);
  }
}

void AddValues(const AttentionCall& call, const BFloat16* weights, const BlockPages& pages,
               float* sums) {
  int64_t d = 0;
  for (; d + 64 <= call.head_dim; d += 64) AddColumnTiles<4>(call, weights, pages, d, sums);
  if (d < call.head_dim) AddColumnTiles<2>(call, weights, pages, d, sums);
}

// Rows [row, row + tile_rows) of the item, as far as it has them, against a block.
void AttendTileRows(const AttentionCall& call, const TileScratch& scratch, const BlockPages& pages,
                    const AttentionItem& item, int64_t row, int64_t block) {
  const int64_t num_rows = Smaller(item.num_rows - row, kTileRows), width = call.sums_width();
  const RowKeys<kTileRows> keys =
      FindRowKeys<kTileRows>(call, item.sequence, item.first_row + row, block, num_rows);
  if (keys.max_end == 0) return;
  float* sums = scratch.segment.sums + row * width;
  ScoreRows(call, scratch.q + row * call.head_dim, pages, scratch.scores);
  for (int64_t i = 0; i < num_rows * kBlockKeys; i += kLanes) {
    Store(scratch.scores + i, Load(scratch.scores + i) * call.scale);
  }
  WeighRows<Cache>(call, scratch, keys, scratch.segment.maxima + row, sums);
  for (int64_t r = 0; r < scratch.tile_rows; ++r) {
    if (keys.end[r] > 0) continue;
    std::memset(static_cast<void*>(scratch.weights + r * kBlockKeys), 0, 2 * kBlockKeys);
    std::memcpy(scratch.kept_sums + r * width, sums + r * width, 4 * static_cast<size_t>(width));
  }
  asm volatile("" ::: "memory");  // tile loads do not tell the compiler what they read
  AddValues(call, scratch.weights, pages, sums);
  for (int64_t r = 0; r < scratch.tile_rows; ++r) {
    if (keys.end[r] > 0) continue;
    std::memcpy(sums + r * width, scratch.kept_sums + r * width, 4 * static_cast<size_t>(width));
  }
}

// The next block's pages, asked for while this one is computed.
void FetchNext(const AttentionCall& call, const BlockPages& pages) {
  const int64_t page_words = kPagePairs * call.head_dim;
  for (int64_t i = 0; i < kBlockPages; ++i) {
    if (pages.next_keys[i] == pages.keys[i]) continue;
    for (int64_t word = 0; word < page_words; word += 16) {
      Prefetch(pages.next_keys[i] + word);
      Prefetch(pages.next_values[i] + word);
    }
  }
}

// All blocks of one segment, into scratch.segment.
void AttendSegmentRows(const AttentionCall& call, const AttentionItem& item, int64_t segment,
                       const TileScratch& scratch) {
  Clear(call, item, scratch.segment);
  const int64_t begin = Larger(segment * kSegmentKeys, item.first_key / kBlockKeys * kBlockKeys);
  const int64_t end = Smaller((segment + 1) * kSegmentKeys, item.end_key);
  for (int64_t block = begin; block < end; block += kBlockKeys) {
    BlockPages pages = FindPages<Cache>(call, item, block);
    FetchNext(call, pages);
    Complete(call, item, block, scratch, pages);
    for (int64_t row = 0; row < item.num_rows; row += kTileRows) {
      AttendTileRows(call, scratch, pages, item, row, block);
    }
  }
}

void AttendPiece(const AttentionCall& call, const AttentionPiece& piece, float* floats) {
  TileScratch scratch(call, *piece.item, floats);
  const AttentionTiles tiles(scratch.tile_rows);
  std::memset(scratch.zeros, 0, 4 * static_cast<size_t>(kPagePairs * call.head_dim));
  AttendSegments<Cache>(call, piece, scratch, [&](int64_t segment) {
    AttendSegmentRows(call, *piece.item, segment, scratch);
  });
}

}  // namespace

constinit const AttentionKernel kAttentionBf16 = {
    .scratch_floats = TileScratch::Floats, .attend = AttendPiece, .merge = MergePartials};

}  // namespace tandem::cpu::amx
