#pragma once
// The objects of a rendering: macros, loops, namespaces, functions and methods. They live on the
// thread of their Interpreter, and no longer than it does.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/jinja/ast.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

using Function = Value (*)(Interpreter&, Arguments& arguments);
using Method = Value (*)(Interpreter&, const Value& receiver, Arguments& arguments);

// range, dict and the like. Without state, so one serves all renderings.
class BuiltinFunction final : public Object {
 public:
  BuiltinFunction(std::string name, Function function)
      : name_(std::move(name)), function_(function) {}
  std::string TypeName() const override { return "function"; }
  std::string Repr(Budget&) const override { return "<function " + name_ + ">"; }
  bool IsCallable() const override { return true; }
  Value Call(Interpreter& interpreter, Arguments& arguments) override {
    return function_(interpreter, arguments);
  }

 private:
  const std::string name_;
  const Function function_;
};

// A method of a string, list or dictionary, not called yet.
class BoundMethod final : public Object {
 public:
  BoundMethod(Value receiver, std::string name, Method method)
      : receiver_(std::move(receiver)), name_(std::move(name)), method_(method) {}
  std::string TypeName() const override { return "builtin_function_or_method"; }
  std::string Repr(Budget&) const override;
  bool IsCallable() const override { return true; }
  Value Call(Interpreter& interpreter, Arguments& arguments) override {
    return method_(interpreter, receiver_, arguments);
  }
  int depth() const override { return receiver_.depth() + 1; }

 private:
  const Value receiver_;
  const std::string name_;
  const Method method_;
};

// The one value that a template may change, with {% set ns.x = ... %}.
class Namespace final : public Object {
 public:
  std::string TypeName() const override { return "TemplateNamespace"; }
  std::string Repr(Budget& budget) const override;
  std::optional<Value> Attribute(Interpreter& interpreter, std::string_view name) override;
  void Clear() override { attributes_.Clear(); }
  // Names that begin with an underscore are refused.
  void Set(Budget& budget, const Value& name, Value value);

 private:
  Dict attributes_;
};

class Macro final : public Object {
 public:
  Macro(const Signature& signature, const Body& body, Frame* scope)
      : signature_(signature), body_(body), scope_(scope) {}
  std::string TypeName() const override { return "Macro"; }
  std::string Repr(Budget&) const override;
  std::optional<Value> Attribute(Interpreter& interpreter, std::string_view name) override;
  bool IsCallable() const override { return true; }
  Value Call(Interpreter& interpreter, Arguments& arguments) override {
    return interpreter.CallMacro(signature_, body_, scope_, arguments);
  }

 private:
  const Signature& signature_;  // of the program
  const Body& body_;
  Frame* const scope_;  // where it was defined; kept by the interpreter
};

// The variable `loop`.
class Loop final : public Object {
 public:
  Loop(const Statement& statement, Frame* scope, std::shared_ptr<const List> items, int depth0)
      : statement_(statement), scope_(scope), items_(std::move(items)), depth0_(depth0) {}
  std::string TypeName() const override { return "LoopContext"; }
  std::string Repr(Budget&) const override;
  std::optional<Value> Attribute(Interpreter& interpreter, std::string_view name) override;
  bool IsCallable() const override { return true; }
  Value Call(Interpreter& interpreter, Arguments& arguments) override;
  void Clear() override;

  const List& items() const { return *items_; }
  int64_t index() const { return index_; }
  void set_index(int64_t index) { index_ = index; }
  Value Changed(Interpreter& interpreter, Value value);

 private:
  const Statement& statement_;
  Frame* const scope_;  // outside of the loop; kept when the loop is recursive
  std::shared_ptr<const List> items_;
  const int depth0_;
  int64_t index_ = 0;  // set by the interpreter before each iteration
  Value last_changed_;
};

// cycler('a', 'b') and joiner(', ').
class Cycler final : public Object {
 public:
  explicit Cycler(Value items) : items_(std::move(items)) {}
  std::string TypeName() const override { return "Cycler"; }
  std::optional<Value> Attribute(Interpreter& interpreter, std::string_view name) override;
  int depth() const override { return items_.depth() + 1; }
  Value Current() const { return items_.list().items[next_]; }
  Value Next();
  void Reset() { next_ = 0; }

 private:
  const Value items_;  // a list that is not empty
  size_t next_ = 0;
};

class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string TypeName() const override { return "Joiner"; }
  bool IsCallable() const override { return true; }
  Value Call(Interpreter&, Arguments&) override {
    return std::exchange(is_used_, true) ? separator_ : Value::Of("");
  }
  int depth() const override { return separator_.depth() + 1; }

 private:
  const Value separator_;
  bool is_used_ = false;
};

}  // namespace tandem::jinja
