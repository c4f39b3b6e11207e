#pragma once
// What one chat template may cost. Templates come with a model and their data from a client:
// neither is trusted. Every breach is an error that names the limit. Plain numbers, copied freely.

#include <cstddef>
#include <cstdint>

namespace tandem::jinja {

struct JinjaLimits {
  size_t max_template_bytes = size_t{1} << 20;
  int max_nesting = 200;          // of statements and brackets in the source
  int max_depth = 700;            // evaluations inside each other, macro calls included
  int64_t max_steps = 5'000'000;  // nodes evaluated, elements and 64-byte pieces looked at
  size_t max_output_bytes = 32 << 20;
  size_t max_value_bytes = 32 << 20;   // of one string, list or dictionary
  size_t max_total_bytes = 512 << 20;  // of all values made in one rendering: bounds the memory
  int max_value_depth = 128;           // lists and dictionaries inside each other
};

}  // namespace tandem::jinja
