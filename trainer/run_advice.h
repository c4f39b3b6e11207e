#pragma once
// What looks wrong about a run before its first step: advice for a person, who may know better.
// Pure functions.

#include <cstdint>
#include <string>
#include <vector>

namespace tandem {

struct RunFacts {
  bool is_new = true;  // the weights were drawn at random
  int64_t num_parameters = 0;
  int64_t model_vocabulary = 0;
  int64_t tokenizer_vocabulary = 0;
  double rate = 0.0;
  int64_t num_steps = 0;
  int64_t warmup_steps = 0;
  double epochs = 0.0;       // that the steps are
  int64_t epoch_tokens = 0;  // in one of them
  int64_t num_held_out = 0;  // documents
  int64_t num_shared = 0;    // of them, those that are trained on too
};

// A usual peak rate of AdamW for a new model of that size: Kaplan et al., 2020, appendix D.
double UsualRate(int64_t num_parameters);

std::vector<std::string> FindAdvice(const RunFacts& facts);

}  // namespace tandem
