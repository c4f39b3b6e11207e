#pragma once
// One row of the op table: what tests run on every instruction set and tandem-bench times. Plain
// data that makes its operands when asked; nothing is shared between cases.

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/context.h"
#include "tests/support/ops/guarded_tensors.h"

namespace tandem {

// A case's operands, made from fixed seeds, and the op on them.
class OpRun {
 public:
  OpRun() = default;
  // Operands are on the device of `context`.
  explicit OpRun(Context& context) : tensors_(context) {}
  OpRun(const OpRun&) = delete;
  OpRun& operator=(const OpRun&) = delete;
  virtual ~OpRun() = default;

  // May be called again and again: no operand leaves the range of its type.
  virtual void Run(Context& context) = 0;
  // What the outputs hold after one Run on operands as made, in double precision from the rounded
  // operands: one vector for each of Outputs(). NaN: rounding alone may decide, any value
  // passes. Called on operands as made.
  virtual std::vector<std::vector<double>> Reference() const = 0;

  // Operands become as they were made.
  virtual void Reset() { tensors_.Reset(); }
  virtual std::vector<ConstTensorView> Outputs() const { return tensors_.outputs(); }
  const GuardedTensors& tensors() const { return tensors_; }

 protected:
  GuardedTensors tensors_;
};

enum class OpUse : uint8_t {
  kTest,   // small, odd
  kBench,  // shapes of the real models, for timing
  // Sizes that fill a GPU, with operands in its memory (the context of `prepare` says which), and
  // the same rows in sizes that the fake GPU of tests/cuda_on_cpu runs in a moment.
  kDeviceBench,
  kDeviceTiny,
};

// What the speed of a kDeviceBench row is said in.
enum class DeviceRate : uint8_t {
  kBytes,     // moved, a second
  kProducts,  // flops of products, a second
  kTime,      // of one call
};

struct DeviceRow {
  DeviceRate rate = DeviceRate::kBytes;
  int64_t product_flops = 0;  // as published figures count them: without exponentials
  // Goals: a share of the rate of a copy, TFLOP/s or us. 0: none.
  double must = 0;
  double aim = 0;
  bool cold = false;  // operands come from memory: in turns with copies of them, if they are small
  bool can_be_recorded = true;  // false: the op waits for the device
};

enum class OpBits : uint8_t {
  kOfInstructionSet,  // the same for any number of threads
  kOfOp,              // and on every instruction set
};

// What a run is paid in when no byte has to move.
enum class OpUnit : uint8_t {
  kF32,         // fused multiply-adds
  kBf16Vector,  // bf16 products on vectors: by the dot or widened, whichever is faster
  kBf16,        // bf16 products on the fastest unit, tiles included
  kI8,          // i8 products, likewise
};

struct OpCase {
  std::string op;
  std::string shape;  // "16 x 512 -> 1408"
  std::string dtype;  // of the operand that matters
  OpUse use = OpUse::kTest;
  int64_t bytes = 0;           // operands read and results written, each once
  int64_t in_place_bytes = 0;  // counted twice in `bytes`, once as read and once as written
  int64_t flops = 0;           // a multiply-add is two, an exponential kExpFlops
  OpUnit unit = OpUnit::kF32;
  // The row of OpTolerance (tests/support/tolerances.h) for outputs in f32; kI32: exact. Other
  // outputs have their own dtype's.
  DType tolerance = DType::kF32;
  OpBits bits = OpBits::kOfOp;
  DeviceRow device = {};
  std::function<std::unique_ptr<OpRun>(Context& context)> prepare;

  std::string Label() const { return op + " " + shape + " " + dtype; }
};

// Arithmetic of one exponential as kernels/cpu/vec.h computes it.
inline constexpr int64_t kExpFlops = 20;

// Empty when `got` is within the tolerance of `want`, relative to the largest |want|; else what is
// wrong. NaN in `want` allows anything.
std::string Difference(ConstTensorView got, const std::vector<double>& want, double tolerance);

// "a x b x c".
std::string Times(std::initializer_list<int64_t> dims);

}  // namespace tandem
