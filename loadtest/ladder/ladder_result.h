#pragma once
// What the ladder found, step by step, and what is told of it: a table and a JSON file. Plain data
// and pure functions.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/terminal.h"
#include "loadtest/ladder/ladder_run.h"
#include "loadtest/ladder/ladder_step.h"
#include "loadtest/ladder/text_quality.h"

namespace tandem {

// How far answers are those of the first step. A token counts as the same up to the first
// difference: what follows answers another text.
struct AnswerComparison {
  int64_t num_answers = 0;  // that both steps have
  int64_t num_same_answers = 0;
  int64_t num_tokens = 0;  // of the first step's
  int64_t num_same_tokens = 0;

  bool all_same() const { return num_same_answers == num_answers; }
};

AnswerComparison CompareAnswers(const std::vector<std::vector<int64_t>>& first,
                                const std::vector<std::vector<int64_t>>& other);

struct LadderStepResult {
  LadderStep step;
  std::vector<std::string> server_arguments;
  std::string server;    // what it said of itself when it was ready
  std::string version;   // of /version: JSON, or empty
  LadderRunOutcome run;  // without answers once they are compared
  AnswerComparison answers;
  EchoScore text;
  std::string failure;  // why there are no figures, from outside; empty: there are

  double tokens_per_second() const;  // 0: not measured
  // Not the first step's tokens, though it must give these.
  bool breaks_invariance() const;
};

struct LadderResult {
  std::string started;        // "2026-01-01T00:00:00Z"
  double load_average = 0.0;  // of the machine before the first step, over a minute
  int num_processors = 0;
  std::string model;                   // its name
  std::vector<std::string> described;  // the load, in lines
  int64_t num_together = 0;            // the N of LadderLoad
  double measured_seconds = 0.0;       // of each step, as asked for
  double warm_up_seconds = 0.0;
  uint64_t seed = 0;
  std::string text_file;
  int64_t text_bytes = 0;
  std::vector<LadderStepResult> steps;

  bool Succeeded() const;  // every step was measured, and none broke invariance
};

std::string LadderTable(const LadderResult& result, const Styler& style);
std::string LadderJson(const LadderResult& result);

}  // namespace tandem
