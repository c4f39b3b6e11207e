#include "engine/text/jinja/globals.h"

#include <time.h>

#include <chrono>
#include <ctime>

#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/objects.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text.h"
#include "kernels/core/error.h"

namespace tandem::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // as Jinja2's sandbox has it
constexpr size_t kMaxTimeBytes = 4096;

Value Range(Interpreter& in, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "range", arguments, {"start", "stop", "step"}, 1);
  const bool has_stop = parameters[1] != nullptr;
  const int64_t start = has_stop ? parameters.Int(0, 0) : 0;
  const int64_t stop = has_stop ? parameters.Int(1, 0) : parameters.Int(0, 0);
  const int64_t step = parameters.Int(2, 1);
  if (step == 0) budget.Fail("range() arg 3 must not be zero");
  std::vector<Value> items;
  const bool is_empty = step > 0 ? start >= stop : start <= stop;
  if (!is_empty) {
    // Differences in 128 bits: the ends may lie further apart than int64 reaches.
    const __int128 distance =
        step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
    const __int128 stride = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
    const __int128 count = (distance + stride - 1) / stride;
    if (count > kMaxRange) {
      budget.Fail("a range exceeds the limit of " + std::to_string(kMaxRange) + " elements");
    }
    budget.AllocateRepeated(static_cast<int64_t>(count), sizeof(Value));
    for (int64_t i = 0; i < count; ++i) items.push_back(Value::Of(start + i * step));
  }
  return budget.NewList(std::move(items), ListKind::kRange);
}

// The pairs that dict(...) is called with, in order.
std::vector<Dict::Entry> Pairs(Interpreter& in, const Arguments& arguments) {
  Budget& budget = in.budget();
  std::vector<Dict::Entry> pairs;
  if (arguments.positional.size() > 1) budget.Fail("dict expected at most 1 argument");
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.IsDict()) {
      pairs = source.dict().entries();
    } else {
      const std::shared_ptr<const List> pair_list = Elements(budget, source);
      for (const Value& pair : pair_list->items) {
        const auto parts = Elements(budget, pair);
        if (parts->items.size() != 2) budget.Fail("dict() wants pairs of a key and a value");
        pairs.emplace_back(parts->items[0], parts->items[1]);
      }
    }
  }
  budget.Allocate((pairs.size() + arguments.named.size()) * sizeof(Dict::Entry));
  for (const auto& [name, value] : arguments.named) pairs.emplace_back(Value::Of(name), value);
  return pairs;
}

Value NewDictFrom(Interpreter& in, Arguments& arguments) {
  Dict dict;
  for (auto& [key, value] : Pairs(in, arguments)) dict.Set(in.budget(), key, std::move(value));
  return in.budget().NewDict(std::move(dict));
}

Value NewNamespace(Interpreter& in, Arguments& arguments) {
  const auto space = in.NewObject<Namespace>();
  for (auto& [key, value] : Pairs(in, arguments)) space->Set(in.budget(), key, std::move(value));
  return Value::Of(std::shared_ptr<Object>(space));
}

Value NewCycler(Interpreter& in, Arguments& arguments) {
  if (arguments.positional.empty()) in.budget().Fail("at least one item has to be provided");
  const Value items = in.budget().NewList(std::move(arguments.positional));
  return in.budget().Checked(Value::Of(std::shared_ptr<Object>(in.NewObject<Cycler>(items))));
}

Value NewJoiner(Interpreter& in, Arguments& arguments) {
  const Parameters parameters(in.budget(), "joiner", arguments, {"sep"});
  const Value separator = parameters[0] == nullptr ? Value::Of(", ") : *parameters[0];
  return in.budget().Checked(Value::Of(std::shared_ptr<Object>(in.NewObject<Joiner>(separator))));
}

// The message goes to the client as the template wrote it.
Value RaiseException(Interpreter& in, Arguments& arguments) {
  const Parameters parameters(in.budget(), "raise_exception", arguments, {"message"}, 1);
  throw InvalidRequest("messages", parameters.Text(0, ""));
}

Value StrftimeNow(Interpreter& in, Arguments& arguments) {
  const Parameters parameters(in.budget(), "strftime_now", arguments, {"format"}, 1);
  // One byte that tells an empty result from one that does not fit.
  const std::string form = parameters.String(0) + "|";
  if (form.size() > kMaxTimeBytes / 16 || form.find('\0') != std::string::npos) {
    in.budget().Fail("a time format is too long, or has a null character");
  }
  const std::time_t seconds = std::chrono::system_clock::to_time_t(in.now());
  std::tm local = {};
  if (localtime_r(&seconds, &local) == nullptr) in.budget().Fail("the clock has no local time");
  std::string text(kMaxTimeBytes, '\0');
  const size_t size = std::strftime(text.data(), text.size(), form.c_str(), &local);
  if (size == 0) in.budget().Fail("a formatted time is too long");
  text.resize(size - 1);
  return in.budget().NewText(std::move(text));
}

Value Of(const char* name, Function function) {
  return Value::Of(std::shared_ptr<Object>(std::make_shared<BuiltinFunction>(name, function)));
}

}  // namespace

const std::vector<std::pair<std::string, Value>>& GlobalFunctions() {
  static const std::vector<std::pair<std::string, Value>> functions = {
      {"range", Of("range", Range)},
      {"dict", Of("dict", NewDictFrom)},
      {"namespace", Of("namespace", NewNamespace)},
      {"cycler", Of("cycler", NewCycler)},
      {"joiner", Of("joiner", NewJoiner)},
      {"raise_exception", Of("raise_exception", RaiseException)},
      {"strftime_now", Of("strftime_now", StrftimeNow)},
  };
  return functions;
}

}  // namespace tandem::jinja
