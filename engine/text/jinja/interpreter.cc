#include "engine/text/jinja/interpreter.h"

#include <algorithm>

#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/objects.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {

Interpreter::Interpreter(const Program& program, const JinjaLimits& limits,
                         std::chrono::system_clock::time_point now)
    : program_(program),
      budget_(limits),
      now_(now),
      globals_(program.names.size()),
      is_defined_(program.names.size(), false) {}

// Objects may refer to each other in circles, and to no end in chains: each lets go of its values
// while all of them are still held here.
Interpreter::~Interpreter() {
  for (const std::shared_ptr<Object>& object : objects_) object->Clear();
}

void Interpreter::SetGlobal(std::string_view name, Value value) {
  const auto it = std::find(program_.names.begin(), program_.names.end(), name);
  if (it == program_.names.end()) return;  // the template never speaks of it
  const size_t id = static_cast<size_t>(it - program_.names.begin());
  globals_[id] = std::move(value);
  is_defined_[id] = true;
}

Rendering Interpreter::Run() {
  Execute(program_.body);
  return std::move(rendering_);
}

Interpreter::Scope::Scope(Interpreter& interpreter, Frame* parent)
    : interpreter_(interpreter), outer_(interpreter.frame_) {
  if (interpreter.free_frames_.empty()) {
    interpreter.budget_.Allocate(sizeof(Frame) + 4 * sizeof(Value));
    interpreter.frames_.push_back(std::make_unique<Frame>());
    interpreter.free_frames_.push_back(interpreter.frames_.back().get());
  }
  interpreter.frame_ = interpreter.free_frames_.back();
  interpreter.free_frames_.pop_back();
  interpreter.frame_->parent = parent;
}

Interpreter::Scope::~Scope() {
  Frame* const frame = std::exchange(interpreter_.frame_, outer_);
  if (frame->is_kept) return;
  frame->variables.clear();
  interpreter_.free_frames_.push_back(frame);
}

void Interpreter::KeepFrames() {
  for (Frame* frame = frame_; frame != nullptr && !frame->is_kept; frame = frame->parent) {
    frame->is_kept = true;
  }
}

Value Interpreter::Lookup(NameId name) const {
  for (const Frame* frame = frame_; frame != nullptr; frame = frame->parent) {
    for (const auto& [id, value] : frame->variables) {
      if (id == name) return value;
    }
  }
  if (is_defined_[name]) return globals_[name];
  return Value::Undefined("'" + program_.names[name] + "' is undefined");
}

void Interpreter::SetVariable(NameId name, Value value) {
  if (frame_ == nullptr) {
    globals_[name] = std::move(value);
    is_defined_[name] = true;
    return;
  }
  for (auto& [id, variable] : frame_->variables) {
    if (id == name) {
      variable = std::move(value);
      return;
    }
  }
  frame_->variables.emplace_back(name, std::move(value));
}

Value Interpreter::Call(const Value& callee, Arguments& arguments) {
  budget_.Step();
  const Budget::Level level(budget_);
  if (callee.IsObject() && callee.object().IsCallable()) {
    // Held here: the call may let go of the variable that held it.
    const std::shared_ptr<Object> object = callee.shared_object();
    return object->Call(*this, arguments);
  }
  if (callee.IsUndefined()) budget_.FailUndefined(callee);
  budget_.Fail("'" + callee.TypeName() + "' object is not callable");
}

Value Interpreter::NewMacro(const Signature& signature, const Body& body) {
  KeepFrames();
  budget_.Allocate(sizeof(Macro));
  return Value::Of(std::make_shared<Macro>(signature, body, frame_));
}

Value Interpreter::CallMacro(const Signature& signature, const Body& body, Frame* scope,
                             Arguments& arguments) {
  const int line = budget_.line();
  Capture capture(*this);
  const Scope frame(*this, scope);
  BindParameters(signature, &arguments);
  Execute(body);
  budget_.set_line(line);
  return capture.Take();
}

void Interpreter::BindParameters(const Signature& signature, Arguments* arguments) {
  const size_t num_parameters = signature.parameters.size();
  // The named argument, which is then taken; undefined with a message when there is none.
  const auto take_named = [arguments](std::string_view name, std::string_view missing) {
    const auto it = std::find_if(arguments->named.begin(), arguments->named.end(),
                                 [name](const auto& entry) { return entry.first == name; });
    if (it == arguments->named.end()) return Value::Undefined(std::string(missing));
    const Value value = it->second;
    arguments->named.erase(it);
    return value;
  };
  const auto is_named = [arguments](std::string_view name) {
    return std::any_of(arguments->named.begin(), arguments->named.end(),
                       [name](const auto& entry) { return entry.first == name; });
  };
  const size_t first_default = num_parameters - signature.defaults.size();
  bool has_caller = false;
  for (size_t i = 0; i < num_parameters; ++i) {
    const auto& [id, name] = signature.parameters[i];
    has_caller |= name == "caller";
    if (i < arguments->positional.size()) {
      SetVariable(id, arguments->positional[i]);
    } else if (i >= first_default && !is_named(name)) {
      SetVariable(id, Evaluate(*signature.defaults[i - first_default]));
    } else {
      SetVariable(id, take_named(name, "parameter '" + name + "' was not provided"));
    }
  }
  if (signature.uses_caller && !has_caller) {
    SetVariable(kCallerName, take_named("caller", "No caller defined"));
  }
  if (signature.uses_kwargs) {
    Dict kwargs;
    for (auto& [name, value] : arguments->named) kwargs.Set(name, std::move(value));
    SetVariable(kKwargsName, budget_.NewDict(std::move(kwargs)));
  } else if (!arguments->named.empty()) {
    budget_.Fail("macro '" + signature.name + "' takes no keyword argument '" +
                 arguments->named[0].first + "'");
  }
  const size_t num_bound = std::min(num_parameters, arguments->positional.size());
  if (signature.uses_varargs) {
    std::vector<Value> rest(arguments->positional.begin() + static_cast<std::ptrdiff_t>(num_bound),
                            arguments->positional.end());
    SetVariable(kVarargsName, budget_.NewList(std::move(rest), ListKind::kTuple));
  } else if (arguments->positional.size() > num_parameters) {
    budget_.Fail("macro '" + signature.name + "' takes not more than " +
                 std::to_string(num_parameters) + " argument(s)");
  }
}

Value Interpreter::CallLoop(const Statement& loop, Frame* scope, const Value& items, int depth) {
  const int line = budget_.line();
  Capture capture(*this);
  const Scope frame(*this, scope);
  if (!RunLoop(loop, Elements(budget_, items), depth) && loop.bodies.size() > 1) {
    Execute(loop.bodies[1]);
  }
  budget_.set_line(line);
  return capture.Take();
}

void Interpreter::Print(const Value& value) {
  AppendText(budget_, value, out_);
  CheckOutput();
}

void Interpreter::CheckOutput() {
  const JinjaLimits& limits = budget_.limits();
  if (out_ == &rendering_.text) {
    if (out_->size() <= limits.max_output_bytes) return;
    budget_.Fail("the output exceeds the limit of " + std::to_string(limits.max_output_bytes) +
                 " bytes (max_output_bytes)");
  }
  if (out_->size() > limits.max_value_bytes) {
    budget_.Fail("the output of a block exceeds the limit of " +
                 std::to_string(limits.max_value_bytes) + " bytes (max_value_bytes)");
  }
}

}  // namespace tandem::jinja
