#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/objects.h"

namespace tandem::jinja {

Interpreter::Flow Interpreter::Execute(const Body& body) {
  const Budget::Level level(budget_);
  for (const auto& statement : body) {
    const Flow flow = ExecuteStatement(*statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecuteStatement(const Statement& statement) {
  budget_.Step();
  budget_.set_line(statement.line);
  switch (statement.kind) {
    case StmtKind::kData:
      budget_.Allocate(statement.text.size());
      *out_ += statement.text;
      CheckOutput();
      return Flow::kNext;
    case StmtKind::kPrint:
      for (const auto& expression : statement.expressions) Print(Evaluate(*expression));
      return Flow::kNext;
    case StmtKind::kIf:
      return ExecuteIf(statement);
    case StmtKind::kFor:
      return ExecuteFor(statement);
    case StmtKind::kSet:
      Assign(*statement.targets[0], Evaluate(*statement.expressions[0]));
      return Flow::kNext;
    case StmtKind::kSetBlock:
      return ExecuteSetBlock(statement);
    case StmtKind::kWith:
      return ExecuteWith(statement);
    case StmtKind::kMacro:
      SetVariable(statement.name, NewMacro(*statement.signature, statement.bodies[0]));
      return Flow::kNext;
    case StmtKind::kCallBlock:
      ExecuteCallBlock(statement);
      return Flow::kNext;
    case StmtKind::kFilterBlock:
      return ExecuteFilterBlock(statement);
    case StmtKind::kGeneration:
      ExecuteGeneration(statement);
      return Flow::kNext;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecuteIf(const Statement& statement) {
  for (size_t i = 0; i < statement.bodies.size(); ++i) {
    const bool is_else = i >= statement.expressions.size();
    if (is_else || IsTrue(Evaluate(*statement.expressions[i]))) return Execute(statement.bodies[i]);
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecuteFor(const Statement& statement) {
  if (statement.is_recursive) KeepFrames();
  const std::shared_ptr<const List> items = Elements(budget_, Evaluate(*statement.expressions[0]));
  if (!RunLoop(statement, items, 0) && statement.bodies.size() > 1) {
    const Scope scope(*this, frame_);
    return Execute(statement.bodies[1]);
  }
  return Flow::kNext;
}

// What the condition of `for x in y if condition` lets through.
std::shared_ptr<const List> Interpreter::Selected(const Statement& statement,
                                                  std::shared_ptr<const List> items) {
  if (statement.expressions.size() < 2) return items;
  std::vector<Value> selected;
  for (const Value& item : items->items) {
    budget_.Step();
    const Scope scope(*this, frame_);
    Assign(*statement.targets[0], item);
    if (IsTrue(Evaluate(*statement.expressions[1]))) selected.push_back(item);
  }
  return budget_.NewList(std::move(selected)).shared_list();
}

bool Interpreter::RunLoop(const Statement& statement, std::shared_ptr<const List> items,
                          int depth) {
  items = Selected(statement, std::move(items));
  if (items->items.empty()) return false;
  const auto loop = NewObject<Loop>(statement, frame_, items, depth);
  const Value loop_value = budget_.Checked(Value::Of(std::shared_ptr<Object>(loop)));
  for (size_t i = 0; i < items->items.size(); ++i) {
    budget_.Step();
    loop->set_index(static_cast<int64_t>(i));
    const Scope scope(*this, frame_);
    SetVariable(kLoopName, loop_value);
    Assign(*statement.targets[0], items->items[i]);
    if (Execute(statement.bodies[0]) == Flow::kBreak) break;
  }
  return true;
}

void Interpreter::Assign(const Expression& target, Value value) {
  if (target.kind == ExprKind::kName) {
    SetVariable(target.name, std::move(value));
    return;
  }
  if (target.kind == ExprKind::kNamespace) {
    const Value object = Lookup(target.name);
    auto* const space = ObjectAs<Namespace>(object);
    if (space == nullptr) budget_.Fail("cannot assign attribute on non-namespace object");
    space->Set(budget_, Value::Of(target.text), std::move(value));
    return;
  }
  const std::shared_ptr<const List> items = Elements(budget_, value);
  if (items->items.size() != target.children.size()) {
    budget_.Fail("cannot unpack " + std::to_string(items->items.size()) + " values into " +
                 std::to_string(target.children.size()) + " names");
  }
  for (size_t i = 0; i < items->items.size(); ++i) Assign(*target.children[i], items->items[i]);
}

Interpreter::Flow Interpreter::ExecuteSetBlock(const Statement& statement) {
  Value value;
  Flow flow = Flow::kNext;
  {
    Capture capture(*this);
    const Scope scope(*this, frame_);
    flow = Execute(statement.bodies[0]);
    value = capture.Take();
  }
  if (flow != Flow::kNext) return flow;  // left by break: nothing is assigned
  if (statement.expressions[0] != nullptr) {
    value = EvaluateFilter(*statement.expressions[0], &value);
  }
  Assign(*statement.targets[0], std::move(value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecuteWith(const Statement& statement) {
  std::vector<Value> values;  // none of them sees the others
  for (const auto& expression : statement.expressions) values.push_back(Evaluate(*expression));
  const Scope scope(*this, frame_);
  for (size_t i = 0; i < values.size(); ++i) {
    Assign(*statement.targets[i], std::move(values[i]));
  }
  return Execute(statement.bodies[0]);
}

Interpreter::Flow Interpreter::ExecuteFilterBlock(const Statement& statement) {
  Value value;
  Flow flow = Flow::kNext;
  {
    Capture capture(*this);
    const Scope scope(*this, frame_);
    flow = Execute(statement.bodies[0]);
    value = capture.Take();
  }
  if (flow != Flow::kNext) return flow;
  Print(EvaluateFilter(*statement.expressions[0], &value));
  return Flow::kNext;
}

void Interpreter::ExecuteCallBlock(const Statement& statement) {
  const Value caller = NewMacro(*statement.signature, statement.bodies[0]);
  Print(EvaluateCall(*statement.expressions[0], &caller));
}

// Places are known only where output goes straight to the rendering: inside of a macro, a set or a
// filter block the text is printed but not noted.
void Interpreter::ExecuteGeneration(const Statement& statement) {
  const Scope scope(*this, frame_);
  const bool is_noted = out_ == &rendering_.text && !in_generation_;
  const size_t begin = out_->size();
  if (is_noted) in_generation_ = true;
  Execute(statement.bodies[0]);
  if (!is_noted) return;
  in_generation_ = false;
  rendering_.generated.push_back({.begin = begin, .end = out_->size()});
}

}  // namespace tandem::jinja
