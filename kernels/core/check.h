#pragma once
// CHECK(condition, values...) guards our own invariants: when it fails it throws InternalError with
// file, line, the condition and the values. Never for bad input: that gets a typed error (error.h).

#include <sstream>
#include <string>

#include "kernels/core/error.h"

namespace tandem {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& values);

template <typename... Values>
std::string DescribeValues(const Values&... values) {
  std::ostringstream out;
  ((out << ' ' << values), ...);
  return out.str();
}

}  // namespace tandem

#define CHECK(condition, ...)                                       \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::tandem::CheckFailed(__FILE__, __LINE__, #condition,         \
                            ::tandem::DescribeValues(__VA_ARGS__)); \
  } while (false)
