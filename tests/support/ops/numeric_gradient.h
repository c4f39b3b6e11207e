#pragma once
// Derivatives by central differences in double precision: what gradients are compared with.

#include <algorithm>
#include <cmath>
#include <vector>

namespace tandem {

// d f / d x[i] for each i; f takes the whole of x and returns a double.
template <typename Function>
std::vector<double> NumericGradient(std::vector<double> x, Function f) {
  std::vector<double> gradient;
  for (double& value : x) {
    const double old = value, step = 1e-5 * std::max(1.0, std::abs(old));
    value = old + step;
    const double above = f(x);
    value = old - step;
    const double below = f(x);
    value = old;
    gradient.push_back((above - below) / (2 * step));
  }
  return gradient;
}

}  // namespace tandem
