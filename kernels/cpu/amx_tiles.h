#pragma once
// The tile registers of AMX, configured for one scope. Included only by files compiled for AMX;
// local to each of them. Tiles are 16 rows of 64 bytes.

#include <immintrin.h>

#include <cstdint>

namespace tandem::cpu {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileColumns = 16;  // of accumulators
constexpr int64_t kTileRowBytes = 64;

// The operand of LDTILECFG (Intel SDM volume 1, 18.3).
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles in use: 0-3 accumulators and 4-5 x, of `x_rows` rows; the rest hold weights (narrow tiles
// use 5 for weights: then x_rows of tile 5 must be 16).
class TileScope {
 public:
  TileScope(int64_t x_rows, int num_x_tiles) {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = kTileRowBytes;
      config.rows[tile] = static_cast<uint8_t>(tile < 4 + num_x_tiles ? x_rows : kTileRows);
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
  ~TileScope() { _tile_release(); }
};

}  // namespace
}  // namespace tandem::cpu
