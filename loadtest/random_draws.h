#pragma once
// Seeded random numbers whose values are the same with every compiler and library: the standard's
// generator, but distributions of our own. One owner, one thread.

#include <cstdint>
#include <random>

namespace tandem {

class RandomDraws {
 public:
  explicit RandomDraws(uint64_t seed) : bits_(seed) {}

  double Uniform();                             // [0, 1)
  int64_t Integer(int64_t first, int64_t end);  // [first, end), first < end
  double Exponential();                         // mean 1
  double Normal();                              // mean 0, deviation 1
  double Gamma(double shape);                   // scale 1, mean `shape`; shape > 0
  uint64_t Bits() { return bits_(); }

 private:
  std::mt19937_64 bits_;
};

// One seed of two, so that streams with neighbouring numbers have nothing in common.
uint64_t MixedSeed(uint64_t seed, uint64_t stream);

}  // namespace tandem
