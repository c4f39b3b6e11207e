#include "loadtest/workload/length.h"

#include <algorithm>
#include <cmath>

namespace tandem {
namespace {

struct Draw {
  RandomDraws& draws;

  int64_t operator()(const FixedLength& length) const { return length.value; }
  int64_t operator()(const UniformLength& length) const {
    return draws.Integer(length.min, length.max + 1);
  }
  int64_t operator()(const LogNormalLength& length) const {
    const double value = length.median * std::exp(length.sigma * draws.Normal());
    const double bounded =
        std::clamp(value, static_cast<double>(length.min), static_cast<double>(length.max));
    return std::llround(bounded);
  }
};

}  // namespace

int64_t DrawLength(const Length& length, RandomDraws& draws) {
  return std::visit(Draw{draws}, length);
}

}  // namespace tandem
