#pragma once
// A parsed template: statements and expressions. Immutable after parsing, owned by its Template,
// read by any thread. No tree is deeper than the parser's limit, so walking and destroying recurse
// safely.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/jinja/arithmetic.h"
#include "engine/text/jinja/filters.h"
#include "engine/text/jinja/tests.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

using NameId = uint32_t;  // index of a variable's name in the template

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr spread_list;  // *x
  ExpressionPtr spread_dict;  // **x
};

enum class Comparison : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expression {
  enum class Kind : uint8_t {
    kConstant,   // constant
    kName,       // name
    kNamespace,  // name.text, as the target of an assignment
    kList,       // children
    kTuple,      // children
    kDict,       // children: key, value, key, value
    kAttribute,  // children[0].text; `constant` is the same text
    kItem,       // children[0][children[1]]
    kSlice,      // children: begin, end, step, each possibly null; inside kItem only
    kCall,       // children[0](arguments)
    kFilter,     // children[0] | filter(arguments); no child in a filter block
    kTest,       // children[0] is test(arguments)
    kNegative,   // -children[0]
    kPositive,   // +children[0]
    kNot,        // not children[0]
    kAnd,        // children[0] and children[1]
    kOr,
    kArithmetic,   // children[0] op children[1]
    kConcatenate,  // children joined by ~
    kCompare,      // children[0] comparisons[0] children[1] comparisons[1] ...
    kConditional,  // children[0] if children[1] else children[2], which may be null
  };
  Kind kind = Kind::kConstant;
  int line = 0;
  int depth = 1;
  Value constant;
  NameId name = 0;
  std::string text;
  Operator op = Operator::kAdd;
  FilterFunction filter = nullptr;  // null: unknown, an error where it is reached
  TestFunction test = nullptr;
  std::vector<Comparison> comparisons;
  std::vector<ExpressionPtr> children;
  std::unique_ptr<const CallArguments> arguments;
};

struct Statement;
using Body = std::vector<std::unique_ptr<const Statement>>;

// The parameters of a macro or of the body of a call block.
struct Signature {
  std::string name;
  std::vector<std::pair<NameId, std::string>> parameters;
  std::vector<ExpressionPtr> defaults;  // of the last parameters
  // Whether the body speaks of these, and so accepts them.
  bool uses_caller = false;
  bool uses_kwargs = false;
  bool uses_varargs = false;
};

struct Statement {
  enum class Kind : uint8_t {
    kData,         // text
    kPrint,        // expressions
    kIf,           // expressions[i] guards bodies[i]; a last body without one is `else`
    kFor,          // target in expressions[0], [if expressions[1]]; bodies: loop, else
    kSet,          // target = expressions[0]
    kSetBlock,     // target = bodies[0] through expressions[0], a filter or null
    kWith,         // targets[i] = expressions[i]; bodies[0]
    kMacro,        // name(signature): bodies[0]
    kCallBlock,    // expressions[0] is a call; its caller is (signature): bodies[0]
    kFilterBlock,  // bodies[0] through expressions[0]
    kGeneration,   // bodies[0] is what the assistant wrote
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kData;
  int line = 0;
  std::string text;
  NameId name = 0;
  bool is_recursive = false;
  std::vector<ExpressionPtr> expressions;
  std::vector<ExpressionPtr> targets;
  std::vector<Body> bodies;
  std::unique_ptr<const Signature> signature;
};

struct Program {
  std::string name;  // for messages: where the template came from
  Body body;
  std::vector<std::string> names;  // of variables, by NameId
};

// Names with a meaning of their own. They are the first of every program.
enum SpecialName : NameId { kLoopName, kCallerName, kKwargsName, kVarargsName, kNumSpecialNames };

}  // namespace tandem::jinja
