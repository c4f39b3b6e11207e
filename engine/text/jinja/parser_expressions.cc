// The parser's operators, from the loosest (a if b else c) to the tightest (-a).

#include <algorithm>

#include "engine/text/jinja/parser.h"

namespace tandem::jinja {
namespace {

constexpr int kMaxTreeDepth = 400;  // long chains of operators are deep trees

struct ArithmeticSymbol {
  std::string_view symbol;
  Operator op;
};

const ArithmeticSymbol* FindSymbol(const Token& token,
                                   std::initializer_list<ArithmeticSymbol> const& symbols) {
  for (const ArithmeticSymbol& candidate : symbols) {
    if (token.IsOperator(candidate.symbol)) return &candidate;
  }
  return nullptr;
}

const std::initializer_list<ArithmeticSymbol> kSums = {{"+", Operator::kAdd},
                                                       {"-", Operator::kSubtract}};
const std::initializer_list<ArithmeticSymbol> kProducts = {{"*", Operator::kMultiply},
                                                           {"/", Operator::kDivide},
                                                           {"//", Operator::kFloorDivide},
                                                           {"%", Operator::kModulo}};

struct ComparisonSymbol {
  std::string_view symbol;
  Comparison comparison;
};
constexpr ComparisonSymbol kComparisons[] = {
    {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
    {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
    {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual},
};

int DepthOf(const std::unique_ptr<const Expression>& child) {
  return child == nullptr ? 0 : child->depth;
}

}  // namespace

Parser::ExprNode Parser::NewNode(ExprKind kind) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = current().line;
  return node;
}

Parser::ExprNode Parser::Finished(ExprNode node) const {
  int depth = 0;
  for (const auto& child : node->children) depth = std::max(depth, DepthOf(child));
  if (node->arguments != nullptr) {
    for (const auto& child : node->arguments->positional) depth = std::max(depth, DepthOf(child));
    for (const auto& [name, child] : node->arguments->named)
      depth = std::max(depth, DepthOf(child));
    depth = std::max(depth, DepthOf(node->arguments->spread_list));
    depth = std::max(depth, DepthOf(node->arguments->spread_dict));
  }
  node->depth = depth + 1;
  if (node->depth > kMaxTreeDepth) {
    Fail("an expression chains more than " + std::to_string(kMaxTreeDepth) + " operators");
  }
  return node;
}

Parser::ExprNode Parser::NewUnary(ExprKind kind, int line, ExprNode child) const {
  ExprNode node = NewNode(kind);
  node->line = line;
  node->children.push_back(std::move(child));
  return Finished(std::move(node));
}

Parser::ExprNode Parser::NewBinary(ExprKind kind, int line, ExprNode left, ExprNode right) const {
  ExprNode node = NewNode(kind);
  node->line = line;
  node->children.push_back(std::move(left));
  node->children.push_back(std::move(right));
  return Finished(std::move(node));
}

Parser::ExprNode Parser::ParseExpression() {
  const Nesting nesting(*this);
  const size_t num_unknown = unknown_.size();
  ExprNode value = ParseOr();
  if (current().IsName("if")) unknown_.resize(num_unknown);
  while (current().IsName("if")) {
    ExprNode node = NewNode(ExprKind::kConditional);
    Take();
    ++conditions_;
    node->children.push_back(std::move(value));
    node->children.push_back(ParseOr());
    node->children.push_back(SkipName("else") ? ParseExpression() : nullptr);
    --conditions_;
    value = Finished(std::move(node));
  }
  return value;
}

Parser::ExprNode Parser::ParseOr() {
  ExprNode left = ParseAnd();
  while (current().IsName("or")) {
    const int line = Take().line;
    left = NewBinary(ExprKind::kOr, line, std::move(left), ParseAnd());
  }
  return left;
}

Parser::ExprNode Parser::ParseAnd() {
  ExprNode left = ParseNot();
  while (current().IsName("and")) {
    const int line = Take().line;
    left = NewBinary(ExprKind::kAnd, line, std::move(left), ParseNot());
  }
  return left;
}

Parser::ExprNode Parser::ParseNot() {
  if (!current().IsName("not")) return ParseCompare();
  const Nesting nesting(*this);
  const int line = Take().line;
  return NewUnary(ExprKind::kNot, line, ParseNot());
}

Parser::ExprNode Parser::ParseCompare() {
  ExprNode first = ParseSum();
  ExprNode node;
  while (true) {
    const auto* const symbol =
        std::find_if(std::begin(kComparisons), std::end(kComparisons),
                     [this](const auto& entry) { return current().IsOperator(entry.symbol); });
    Comparison comparison = Comparison::kIn;
    if (symbol != std::end(kComparisons)) {
      comparison = symbol->comparison;
    } else if (current().IsName("not") && Look().IsName("in")) {
      Take();
      comparison = Comparison::kNotIn;
    } else if (!current().IsName("in")) {
      break;
    }
    if (node == nullptr) {
      node = NewNode(ExprKind::kCompare);
      node->children.push_back(std::move(first));
    }
    Take();
    node->comparisons.push_back(comparison);
    node->children.push_back(ParseSum());
  }
  return node == nullptr ? std::move(first) : Finished(std::move(node));
}

Parser::ExprNode Parser::ParseSum() {
  ExprNode left = ParseConcatenation();
  while (const ArithmeticSymbol* symbol = FindSymbol(current(), kSums)) {
    const int line = Take().line;
    left = NewBinary(ExprKind::kArithmetic, line, std::move(left), ParseConcatenation());
    left->op = symbol->op;
  }
  return left;
}

Parser::ExprNode Parser::ParseConcatenation() {
  ExprNode first = ParseProduct();
  if (!current().IsOperator("~")) return first;
  ExprNode node = NewNode(ExprKind::kConcatenate);
  node->children.push_back(std::move(first));
  while (SkipOperator("~")) node->children.push_back(ParseProduct());
  return Finished(std::move(node));
}

Parser::ExprNode Parser::ParseProduct() {
  ExprNode left = ParsePower();
  while (const ArithmeticSymbol* symbol = FindSymbol(current(), kProducts)) {
    const int line = Take().line;
    left = NewBinary(ExprKind::kArithmetic, line, std::move(left), ParsePower());
    left->op = symbol->op;
  }
  return left;
}

// Unlike Python's, it binds to the left: 2 ** 3 ** 2 is 64.
Parser::ExprNode Parser::ParsePower() {
  ExprNode left = ParseUnary(Filters::kAllowed);
  while (current().IsOperator("**")) {
    const int line = Take().line;
    left = NewBinary(ExprKind::kArithmetic, line, std::move(left), ParseUnary(Filters::kAllowed));
    left->op = Operator::kPower;
  }
  return left;
}

Parser::ExprNode Parser::ParseUnary(Filters filters) {
  const Nesting nesting(*this);
  ExprNode node;
  if (current().IsOperator("-") || current().IsOperator("+")) {
    const Token& sign = Take();
    node = NewUnary(sign.text == "-" ? ExprKind::kNegative : ExprKind::kPositive, sign.line,
                    ParseUnary(Filters::kNotHere));
  } else {
    node = ParsePrimary();
  }
  node = ParsePostfix(std::move(node));
  return filters == Filters::kAllowed ? ParseFilterOrTest(std::move(node)) : std::move(node);
}

}  // namespace tandem::jinja
