#pragma once
// Runs a program once, over the variables of one rendering. Owns everything that changes meanwhile:
// the budget, the scopes, the output, the objects. One thread; it ends with the rendering.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/jinja/ast.h"
#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/limits.h"
#include "engine/text/jinja/template.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

// The variables of one block. A name is looked up here, then in the parents, then globally.
struct Frame {
  Frame* parent = nullptr;
  bool is_kept = false;  // a macro refers to it: it lives as long as the interpreter
  std::vector<std::pair<NameId, Value>> variables;
};

class Interpreter {
 public:
  Interpreter(const Program& program, const JinjaLimits& limits,
              std::chrono::system_clock::time_point now);
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
  ~Interpreter();

  void SetGlobal(std::string_view name, Value value);
  Rendering Run();

  Budget& budget() { return budget_; }
  std::chrono::system_clock::time_point now() const { return now_; }
  Value Call(const Value& callee, Arguments& arguments);
  // A new object that may come to refer to others.
  template <typename Type, typename... Args>
  std::shared_ptr<Type> NewObject(Args&&... args) {
    auto object = std::make_shared<Type>(std::forward<Args>(args)...);
    budget_.Allocate(sizeof(Type));
    objects_.push_back(object);
    return object;
  }

  // For macros and recursive loops.
  Value CallMacro(const Signature& signature, const Body& body, Frame* scope, Arguments& arguments);
  Value CallLoop(const Statement& loop, Frame* scope, const Value& items, int depth);

 private:
  using ExprKind = Expression::Kind;
  using StmtKind = Statement::Kind;
  enum class Flow : uint8_t { kNext, kBreak, kContinue };
  class Scope;    // a new frame, for as long as it lives
  class Capture;  // output goes to a string, for as long as it lives

  // Expressions. interpreter_expressions.cc
  Value Evaluate(const Expression& expression);
  Value Lookup(NameId name) const;
  Value EvaluateSequence(const Expression& expression);
  Value EvaluateDict(const Expression& expression);
  Value EvaluateItem(const Expression& expression);
  Value EvaluateCall(const Expression& expression, const Value* caller);
  Value EvaluateFilter(const Expression& expression, const Value* input);
  bool EvaluateTest(const Expression& expression);
  Value EvaluateConcatenation(const Expression& expression);
  Value EvaluateComparison(const Expression& expression);
  Value EvaluateConditional(const Expression& expression);
  bool Holds(Comparison comparison, const Value& left, const Value& right);
  Arguments EvaluateArguments(const CallArguments& arguments);

  // Statements. interpreter_statements.cc
  Flow Execute(const Body& body);
  Flow ExecuteStatement(const Statement& statement);
  Flow ExecuteIf(const Statement& statement);
  Flow ExecuteFor(const Statement& statement);
  Flow ExecuteWith(const Statement& statement);
  Flow ExecuteSetBlock(const Statement& statement);
  Flow ExecuteFilterBlock(const Statement& statement);
  void ExecuteCallBlock(const Statement& statement);
  void ExecuteGeneration(const Statement& statement);
  // The loop over values that are known; true when there were any.
  bool RunLoop(const Statement& statement, std::shared_ptr<const List> items, int depth);
  std::shared_ptr<const List> Selected(const Statement& statement,
                                       std::shared_ptr<const List> items);
  void BindParameters(const Signature& signature, Arguments* arguments);
  void Assign(const Expression& target, Value value);
  void SetVariable(NameId name, Value value);
  Value NewMacro(const Signature& signature, const Body& body);
  void KeepFrames();
  void Print(const Value& value);
  void CheckOutput();

  const Program& program_;
  Budget budget_;
  const std::chrono::system_clock::time_point now_;
  std::vector<Value> globals_;  // by NameId
  std::vector<bool> is_defined_;
  Frame* frame_ = nullptr;  // of the innermost block; null: global
  std::vector<std::unique_ptr<Frame>> frames_;
  std::vector<Frame*> free_frames_;
  std::vector<std::shared_ptr<Object>> objects_;
  Rendering rendering_;
  std::string* out_ = &rendering_.text;
  bool in_generation_ = false;
};

class Interpreter::Scope {
 public:
  Scope(Interpreter& interpreter, Frame* parent);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope();

 private:
  Interpreter& interpreter_;
  Frame* const outer_;
};

class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& interpreter)
      : interpreter_(interpreter), outer_(std::exchange(interpreter.out_, &text_)) {}
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() { interpreter_.out_ = outer_; }
  Value Take() { return Value::Of(std::move(text_)); }

 private:
  Interpreter& interpreter_;
  std::string* const outer_;
  std::string text_;
};

}  // namespace tandem::jinja
