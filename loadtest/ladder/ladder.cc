#include "loadtest/ladder/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "kernels/core/error.h"
#include "loadtest/ladder/server_process.h"
#include "loadtest/report/load_result.h"
#include "loadtest/run/server_probe.h"

namespace tandem {
namespace {

constexpr int64_t kServersStepTokens = 512;  // of `tandem serve`, where it is not told

// The same for all steps: they differ by their own alone.
std::vector<std::string> ArgumentsOf(const LadderPlan& plan, const LadderStep& step) {
  const int64_t num_together = plan.workload.num_users;
  std::vector<std::string> arguments = {fmt::format("--max-num-seqs={}", num_together)};
  if (num_together > kServersStepTokens) {
    arguments.push_back(fmt::format("--max-num-batched-tokens={}", num_together));
  }
  arguments.insert(arguments.end(), step.server_arguments.begin(), step.server_arguments.end());
  arguments.insert(arguments.end(), plan.server_arguments.begin(), plan.server_arguments.end());
  return arguments;
}

LadderResult ResultOf(const LadderPlan& plan) {
  using Seconds = std::chrono::duration<double>;
  const Workload& workload = plan.workload;
  double load_average = 0.0;
  ::getloadavg(&load_average, 1);
  return {.load_average = load_average,
          .num_processors = static_cast<int>(std::thread::hardware_concurrency()),
          .described = Described(workload),
          .num_together = workload.num_users,
          .measured_seconds = Seconds(workload.duration - workload.warm_up).count(),
          .warm_up_seconds = Seconds(workload.warm_up).count(),
          .seed = workload.seed,
          .text_file = plan.text_file,
          .text_bytes = std::ssize(plan.text)};
}

// One step with an io_context of its own, so that nothing of it is left in the next.
class StepRun {
 public:
  StepRun(const LadderPlan& plan, LadderStepResult& result)
      : plan_(plan),
        result_(result),
        signals_(io_, SIGINT, SIGTERM),
        server_(io_, {.program = plan.server, .arguments = result.server_arguments}) {
    signals_.async_wait([](const boost::system::error_code& error, int signal) {
      if (!error) throw LadderInterrupted{signal};  // out of whoever waits in io_
    });
  }

  void WaitUntilReady() {
    server_.WaitUntilReady(plan_.ready_within);
    result_.server = server_.description();
  }

  // The model's name.
  std::string Measure() {
    const ServerInfo info = ProbeServer(server_.url(), TlsCheck::kVerify, "");
    result_.version = info.version;
    result_.run =
        RunLadderLoad(io_, plan_.workload,
                      {.url = server_.url(), .model = info.model, .load = result_.step.load});
    result_.failure = result_.run.failure;
    if (result_.failure.empty()) {
      result_.text = ScoreText(
          io_, {.url = server_.url(), .model = info.model, .max_model_len = info.max_model_len},
          plan_.text, plan_.text_file);
    }
    return info.model;
  }

  std::string EndedText() { return server_.EndedText(); }

 private:
  const LadderPlan& plan_;
  LadderStepResult& result_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  ServerProcess server_;
};

// What fails before the server is ready is thrown; the rest is the step's failure.
void RunStep(const LadderPlan& plan, LadderStepResult& step, LadderResult& result) {
  StepRun run(plan, step);
  run.WaitUntilReady();
  try {
    const std::string model = run.Measure();
    if (result.model.empty()) result.model = model;
  } catch (const Error& error) {
    step.failure = error.what();
  }
  if (!step.failure.empty()) step.failure += run.EndedText();
}

}  // namespace

LadderResult MeasureLadder(const LadderPlan& plan, std::span<const LadderStep> steps,
                           const std::function<void(size_t index)>& on_step) {
  LadderResult result = ResultOf(plan);
  std::vector<std::vector<int64_t>> first_answers;
  for (size_t i = 0; i < steps.size(); ++i) {
    on_step(i);
    LadderStepResult& step = result.steps.emplace_back();
    step.step = steps[i];
    step.server_arguments = ArgumentsOf(plan, steps[i]);
    try {
      RunStep(plan, step, result);
    } catch (const Error& error) {
      if (i == 0) throw;
      step.failure = error.what();
    }
    const std::vector<std::vector<int64_t>> answers = std::exchange(step.run.answers, {});
    if (i == 0) first_answers = answers;
    if (step.failure.empty()) step.answers = CompareAnswers(first_answers, answers);
  }
  return result;
}

}  // namespace tandem
