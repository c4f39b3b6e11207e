#include "engine/text/jinja/template.h"

#include "engine/text/jinja/ast.h"
#include "engine/text/jinja/globals.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/parser.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem::jinja {

Template::Template(std::string_view source, const std::string& name, const JinjaLimits& limits)
    : limits_(limits) {
  if (source.size() > limits.max_template_bytes) {
    throw FormatError(name + ": a template of " + std::to_string(source.size()) +
                      " bytes exceeds the limit of " + std::to_string(limits.max_template_bytes) +
                      " (max_template_bytes)");
  }
  if (!IsValidUtf8(source)) throw FormatError(name + ": is not UTF-8");
  program_ = std::make_unique<const Program>(ParseProgram(source, name, limits));
}

Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Rendering Template::Render(const std::vector<std::pair<std::string, Value>>& variables,
                           std::chrono::system_clock::time_point now) const {
  Interpreter interpreter(*program_, limits_, now);
  for (const auto& [name, function] : GlobalFunctions()) interpreter.SetGlobal(name, function);
  for (const auto& [name, value] : variables) interpreter.SetGlobal(name, value);
  return interpreter.Run();
}

}  // namespace tandem::jinja
