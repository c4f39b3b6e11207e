#pragma once
// Source to a Program. One use, one thread.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/jinja/ast.h"
#include "engine/text/jinja/limits.h"
#include "engine/text/jinja/token.h"

namespace tandem::jinja {

// Throws FormatError "<name>: line 3: ..." for what is malformed, unknown or refused. The source is
// valid UTF-8.
Program ParseProgram(std::string_view source, const std::string& name, const JinjaLimits& limits);

class Parser {
 public:
  Parser(std::string_view source, const std::string& name, const JinjaLimits& limits);
  Program Run();

 private:
  using ExprKind = Expression::Kind;
  using StmtKind = Statement::Kind;
  using ExprNode = std::unique_ptr<Expression>;
  using StmtNode = std::unique_ptr<Statement>;

  // Tokens.
  const Token& current() const { return tokens_[next_]; }
  const Token& Look() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
  const Token& Take();
  bool SkipOperator(std::string_view symbol);
  bool SkipName(std::string_view name);
  void ExpectOperator(std::string_view symbol);
  std::string ExpectName();
  void ExpectKind(Token::Kind kind);
  [[noreturn]] void Fail(const std::string& what) const;

  // Expressions, by falling looseness. parser_expressions.cc
  ExprNode ParseExpression();
  ExprNode ParseOr();
  ExprNode ParseAnd();
  ExprNode ParseNot();
  ExprNode ParseCompare();
  ExprNode ParseSum();
  ExprNode ParseConcatenation();
  ExprNode ParseProduct();
  ExprNode ParsePower();
  enum class Filters : uint8_t { kAllowed, kNotHere };
  ExprNode ParseUnary(Filters filters);
  // parser_primary.cc
  enum class Namespaces : uint8_t { kTargets, kNotHere };
  ExprNode ParsePrimary(Namespaces namespaces = Namespaces::kNotHere);
  ExprNode ParseNameOrConstant(Namespaces namespaces);
  ExprNode ParseTuple();
  ExprNode ParseParenthesized();
  ExprNode ParseList();
  ExprNode ParseDict();
  ExprNode ParsePostfix(ExprNode node);
  ExprNode ParseFilterOrTest(ExprNode node);
  ExprNode ParseSubscript(ExprNode node);
  ExprNode ParseSubscribed();
  ExprNode ParseCall(ExprNode callee);
  ExprNode ParseFilter(ExprNode input);
  ExprNode ParseTest(ExprNode input);
  std::unique_ptr<CallArguments> ParseArguments();
  std::string ParseDottedName();
  void NoteUnknown(std::string_view kind, const std::string& name);
  // Nodes.
  ExprNode NewNode(ExprKind kind) const;
  ExprNode NewUnary(ExprKind kind, int line, ExprNode child) const;
  ExprNode NewBinary(ExprKind kind, int line, ExprNode left, ExprNode right) const;
  ExprNode Finished(ExprNode node) const;  // its depth, checked
  NameId IdOf(const std::string& name);

  // Statements. parser_statements.cc
  Body ParseBody(const std::vector<std::string_view>& ends);
  StmtNode ParseStatement();
  StmtNode ParsePrint();
  StmtNode ParseIf();
  StmtNode ParseFor();
  StmtNode ParseSet();
  StmtNode ParseWith();
  StmtNode ParseMacro();
  StmtNode ParseCallBlock();
  StmtNode ParseFilterBlock();
  StmtNode ParseGeneration();
  StmtNode ParseLoopControl();
  StmtNode NewStatement(StmtKind kind) const;
  void ParseParameters(Signature* signature);
  Body ParseFunctionBody(Signature* signature, std::string_view end);
  ExprNode ParseTarget(Namespaces namespaces, bool ends_with_in);
  void CheckTarget(const Expression& target) const;
  ExprNode ParseFilterChain();
  void EndBlock();

  // One level of nesting in the source.
  class Nesting;

  const JinjaLimits& limits_;
  std::string name_;
  std::vector<Token> tokens_;
  size_t next_ = 0;
  int nesting_ = 0;
  int conditions_ = 0;  // enclosing `if`s: unknown filters are an error only where reached
  // About unknown filters and tests, which an `if` behind them may excuse still.
  std::vector<std::string> unknown_;
  int loops_ = 0;                       // enclosing loops of the same function: what `break` needs
  std::vector<Signature*> signatures_;  // of the enclosing macros and call blocks
  std::map<std::string, NameId, std::less<>> ids_;
  std::vector<std::string> names_;
};

class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : parser_(parser) {
    if (++parser_.nesting_ > parser_.limits_.max_nesting) {
      --parser_.nesting_;
      parser_.Fail("statements or brackets nest deeper than the limit of " +
                   std::to_string(parser_.limits_.max_nesting) + " (max_nesting)");
    }
  }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ~Nesting() { --parser_.nesting_; }

 private:
  Parser& parser_;
};

}  // namespace tandem::jinja
