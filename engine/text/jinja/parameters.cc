#include "engine/text/jinja/parameters.h"

#include <algorithm>

#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/text.h"
#include "kernels/core/check.h"

namespace tandem::jinja {

Parameters::Parameters(Budget& budget, std::string_view function, const Arguments& arguments,
                       std::initializer_list<std::string_view> names, size_t num_required)
    : budget_(budget), function_(function) {
  CHECK(names.size() <= values_.size());
  const std::string name(function);
  if (arguments.positional.size() > names.size()) {
    budget.Fail(name + "() takes at most " + std::to_string(names.size()) + " arguments, got " +
                std::to_string(arguments.positional.size()));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [key, value] : arguments.named) {
    const auto* const it = std::find(names.begin(), names.end(), key);
    if (it == names.end()) budget.Fail(name + "() has no parameter '" + key + "'");
    const size_t index = static_cast<size_t>(it - names.begin());
    if (values_[index] != nullptr) budget.Fail(name + "() got '" + key + "' twice");
    values_[index] = &value;
  }
  for (size_t i = 0; i < num_required; ++i) {
    if (values_[i] == nullptr) {
      budget.Fail(name + "() misses its argument '" + std::string(names.begin()[i]) + "'");
    }
  }
}

bool Parameters::Bool(size_t index, bool otherwise) const {
  return values_[index] == nullptr ? otherwise : IsTrue(*values_[index]);
}

int64_t Parameters::Int(size_t index, int64_t otherwise) const {
  const Value* value = values_[index];
  if (value == nullptr || value->IsNone()) return otherwise;
  if (value->IsUndefined()) budget_.FailUndefined(*value);
  if (!value->IsIntegral()) {
    budget_.Fail(std::string(function_) + "() wants an integer, got '" + value->TypeName() + "'");
  }
  return value->AsInt();
}

std::string Parameters::Text(size_t index, std::string_view otherwise) const {
  return values_[index] == nullptr ? std::string(otherwise) : ToText(budget_, *values_[index]);
}

const std::string& Parameters::String(size_t index) const {
  const Value& value = *values_[index];
  if (!value.IsText()) {
    budget_.Fail(std::string(function_) + "() wants a string, got '" + value.TypeName() + "'");
  }
  return value.AsText();
}

}  // namespace tandem::jinja
