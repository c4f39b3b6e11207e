#include "tests/bench/ceilings.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "kernels/core/buffer.h"
#include "tests/bench/ceiling_loops.h"
#include "tests/bench/timing.h"

namespace tandem {

namespace ceiling_portable {
extern const CeilingLoops kCeilingLoops;
}
namespace ceiling_avx2 {
extern const CeilingLoops kCeilingLoops;
}
namespace ceiling_avx512 {
extern const CeilingLoops kCeilingLoops;
}
namespace ceiling_avx512_bf16 {
extern const CeilingLoops kCeilingLoops;
}
namespace ceiling_amx {
extern const CeilingLoops kCeilingLoops;
}

namespace {

constexpr int kSamples = 40;
constexpr double kSampleSeconds = 3e-4;  // much less than a scheduler's time slice

// KiB of all threads together.
constexpr int64_t kWorkingSets[] = {32,   128,  512,  1024, 1536,  2048,
                                    2560, 3072, 4096, 8192, 32768, 262144};

const CeilingLoops& LoopsOf(InstructionSet isa) {
  switch (isa) {
    case InstructionSet::kPortable:
      return ceiling_portable::kCeilingLoops;
    case InstructionSet::kAvx2:
      return ceiling_avx2::kCeilingLoops;
    case InstructionSet::kAvx512:
      return ceiling_avx512::kCeilingLoops;
    case InstructionSet::kAvx512Bf16:
      return ceiling_avx512_bf16::kCeilingLoops;
    case InstructionSet::kAmx:
      return ceiling_amx::kCeilingLoops;
  }
  return ceiling_portable::kCeilingLoops;
}

// The least seconds that `run(count)` takes for each of its counts, with counts long enough to
// measure.
template <typename Run>
double BestSeconds(Run&& run) {
  int64_t count = 1;
  while (SecondsOf([&] { run(count); }) < kSampleSeconds) count *= 2;
  double best = 1e30;
  for (int i = 0; i < kSamples; ++i) best = std::min(best, SecondsOf([&] { run(count); }));
  return best / static_cast<double>(count);
}

double MeasureUnit(Context& context, const UnitLoop& unit) {
  if (unit.run == nullptr) return 0;
  constexpr int64_t kSteps = 1000;
  const double seconds = BestSeconds(
      [&](int64_t count) { context.pool.Run([&](int, int) { unit.run(count * kSteps); }); });
  return static_cast<double>(kSteps * unit.flops * context.pool.num_threads()) / seconds;
}

double MeasureRead(Context& context, const CeilingLoops& loops, const Buffer& buffer,
                   int64_t thread_bytes) {
  const double seconds = BestSeconds([&](int64_t count) {
    context.pool.Run([&](int thread, int) {
      for (int64_t i = 0; i < count; ++i) {
        volatile float sink = loops.read(buffer.data() + thread * thread_bytes, thread_bytes);
        static_cast<void>(sink);
      }
    });
  });
  return static_cast<double>(thread_bytes * context.pool.num_threads()) / seconds;
}

}  // namespace

double Ceilings::BytesPerSecond(int64_t working_set_bytes) const {
  const auto size = static_cast<double>(working_set_bytes);
  for (size_t i = 0; i < memory.size(); ++i) {
    const auto above = static_cast<double>(memory[i].working_set_bytes);
    if (size > above) continue;
    if (i == 0) return memory[0].bytes_per_second;
    const auto below = static_cast<double>(memory[i - 1].working_set_bytes);
    return std::lerp(memory[i - 1].bytes_per_second, memory[i].bytes_per_second,
                     std::log(size / below) / std::log(above / below));
  }
  return memory.back().bytes_per_second;
}

double Ceilings::Flops(OpUnit unit) const {
  switch (unit) {
    case OpUnit::kF32:
      return f32_flops;
    case OpUnit::kBf16Vector:
      return bf16_vector_flops;
    case OpUnit::kBf16:
      return bf16_flops;
    case OpUnit::kI8:
      return i8_flops;
  }
  return f32_flops;
}

Ceilings MeasureCeilings(Context& context) {
  const CeilingLoops& loops = LoopsOf(context.isa);
  Ceilings ceilings;
  const int num_threads = context.pool.num_threads();
  Buffer buffer(kCpuDevice, *std::rbegin(kWorkingSets) << 10);
  std::memset(buffer.data(), 1, static_cast<size_t>(buffer.size_bytes()));
  for (const int64_t kib : kWorkingSets) {
    const int64_t share = std::max<int64_t>(kib / num_threads, 1) << 10;
    ceilings.memory.push_back({kib << 10, MeasureRead(context, loops, buffer, share)});
  }
  ceilings.f32_flops = MeasureUnit(context, loops.f32);
  ceilings.bf16_vector_flops = std::max(ceilings.f32_flops, MeasureUnit(context, loops.bf16_dot));
  ceilings.bf16_flops =
      std::max(ceilings.bf16_vector_flops, MeasureUnit(context, loops.bf16_tiles));
  ceilings.i8_flops = std::max(ceilings.f32_flops, MeasureUnit(context, loops.i8));
  return ceilings;
}

double SustainedFlops(Context& context, bool bf16, double seconds) {
  const CeilingLoops& loops = LoopsOf(context.isa);
  UnitLoop unit = loops.f32;
  if (bf16 && loops.bf16_dot.run != nullptr) unit = loops.bf16_dot;
  if (bf16 && loops.bf16_loads.run != nullptr) unit = loops.bf16_loads;
  constexpr int64_t kSteps = 10000;
  std::atomic<int64_t> rounds{0};
  // Each thread for itself: none waits for a slower one.
  const double took = SecondsOf([&] {
    context.pool.Run([&](int, int) {
      for (double spent = 0; spent < seconds; rounds.fetch_add(1, std::memory_order_relaxed)) {
        spent += SecondsOf([&] { unit.run(kSteps); });
      }
    });
  });
  return static_cast<double>(rounds.load() * kSteps * unit.flops) / took;
}

Ceilings Highest(const Ceilings& a, const Ceilings& b) {
  Ceilings highest = a;
  for (size_t i = 0; i < highest.memory.size(); ++i) {
    double& rate = highest.memory[i].bytes_per_second;
    rate = std::max(rate, b.memory[i].bytes_per_second);
  }
  highest.f32_flops = std::max(a.f32_flops, b.f32_flops);
  highest.bf16_vector_flops = std::max(a.bf16_vector_flops, b.bf16_vector_flops);
  highest.bf16_flops = std::max(a.bf16_flops, b.bf16_flops);
  highest.i8_flops = std::max(a.i8_flops, b.i8_flops);
  return highest;
}

}  // namespace tandem
