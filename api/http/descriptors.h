#pragma once
// File descriptors for connections: every one takes one, and a process may have only so many. The
// functions that read and set the limit are for the start, before other threads run.

#include <cstddef>
#include <cstdint>

namespace tandem {

struct DescriptorLimits {
  uint64_t soft = 0;  // what holds now
  uint64_t hard = 0;  // how far it may be raised
};

struct DescriptorPlan {
  uint64_t soft = 0;           // the limit to set
  size_t max_connections = 0;  // what it allows, at most the number wanted; 0: not even a few
};

// `wanted` connections, those that are only refused, and what else the process opens.
DescriptorPlan PlanDescriptors(size_t wanted, const DescriptorLimits& limits);

DescriptorLimits ReadDescriptorLimits();
// Raises the soft limit as far as needed and allowed. Returns how many connections fit; ConfigError
// when hardly any.
size_t ReserveDescriptors(size_t wanted);

}  // namespace tandem
