// The parser's statements: what stands between {% and %}, and the text around it.

#include <algorithm>

#include "engine/text/jinja/parser.h"

namespace tandem::jinja {

Parser::StmtNode Parser::NewStatement(StmtKind kind) const {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->line = current().line;
  return statement;
}

void Parser::EndBlock() { ExpectKind(Token::Kind::kBlockEnd); }

// Up to a block that begins with one of the names, whose name is the current token afterwards; up
// to the end of the template when there are no names.
Body Parser::ParseBody(const std::vector<std::string_view>& ends) {
  const Nesting nesting(*this);
  Body body;
  while (current().kind != Token::Kind::kEnd) {
    if (current().kind == Token::Kind::kData) {
      StmtNode statement = NewStatement(StmtKind::kData);
      statement->text = Take().text;
      body.push_back(std::move(statement));
    } else if (current().kind == Token::Kind::kVariableBegin) {
      Take();
      StmtNode statement = NewStatement(StmtKind::kPrint);
      statement->expressions.push_back(ParseTuple());
      ExpectKind(Token::Kind::kVariableEnd);
      body.push_back(std::move(statement));
    } else {
      ExpectKind(Token::Kind::kBlockBegin);
      if (current().kind == Token::Kind::kName &&
          std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
        return body;
      }
      body.push_back(ParseStatement());
      EndBlock();
    }
    if (!unknown_.empty()) Fail(unknown_.front());
  }
  if (!ends.empty()) Fail("the template ends before '" + std::string(ends.back()) + "'");
  return body;
}

Parser::StmtNode Parser::ParseStatement() {
  if (current().kind != Token::Kind::kName) {
    Fail("expected the name of a block, got " + current().Description());
  }
  const std::string& name = current().text;
  if (name == "if") return ParseIf();
  if (name == "for") return ParseFor();
  if (name == "set") return ParseSet();
  if (name == "print") return ParsePrint();
  if (name == "with") return ParseWith();
  if (name == "macro") return ParseMacro();
  if (name == "call") return ParseCallBlock();
  if (name == "filter") return ParseFilterBlock();
  if (name == "generation") return ParseGeneration();
  if (name == "break" || name == "continue") return ParseLoopControl();
  for (const char* refused : {"include", "import", "from", "extends", "block", "autoescape"}) {
    if (name == refused) Fail("'" + name + "' is refused: a chat template stands alone");
  }
  Fail("there is no block '" + name + "'");
}

Parser::StmtNode Parser::ParsePrint() {
  StmtNode statement = NewStatement(StmtKind::kPrint);
  Take();
  do {
    statement->expressions.push_back(ParseExpression());
  } while (SkipOperator(","));
  return statement;
}

Parser::StmtNode Parser::ParseIf() {
  StmtNode statement = NewStatement(StmtKind::kIf);
  ++conditions_;
  do {
    Take();  // if, elif
    statement->expressions.push_back(ParseTuple());
    EndBlock();
    statement->bodies.push_back(ParseBody({"elif", "else", "endif"}));
  } while (current().IsName("elif"));
  if (SkipName("else")) {
    EndBlock();
    statement->bodies.push_back(ParseBody({"endif"}));
  }
  Take();  // endif
  --conditions_;
  return statement;
}

Parser::StmtNode Parser::ParseFor() {
  StmtNode statement = NewStatement(StmtKind::kFor);
  Take();
  statement->targets.push_back(ParseTarget(Namespaces::kNotHere, true));
  if (statement->targets[0]->kind == ExprKind::kName && statement->targets[0]->name == kLoopName) {
    Fail("a loop cannot assign to 'loop'");
  }
  if (!SkipName("in")) Fail("expected 'in', got " + current().Description());
  // A conditional expression would take the loop's own `if`.
  ExprNode first = ParseOr();
  if (current().IsOperator(",")) {
    ExprNode tuple = NewNode(ExprKind::kTuple);
    tuple->children.push_back(std::move(first));
    while (SkipOperator(",") && current().kind != Token::Kind::kBlockEnd) {
      tuple->children.push_back(ParseOr());
    }
    first = Finished(std::move(tuple));
  }
  statement->expressions.push_back(std::move(first));
  if (SkipName("if")) statement->expressions.push_back(ParseExpression());
  statement->is_recursive = SkipName("recursive");
  EndBlock();
  ++loops_;
  statement->bodies.push_back(ParseBody({"else", "endfor"}));
  --loops_;
  if (SkipName("else")) {
    EndBlock();
    statement->bodies.push_back(ParseBody({"endfor"}));
  }
  Take();  // endfor
  return statement;
}

Parser::ExprNode Parser::ParseTarget(Namespaces namespaces, bool ends_with_in) {
  const Nesting nesting(*this);
  ExprNode target = ParsePrimary(namespaces);
  if (current().IsOperator(",")) {
    ExprNode tuple = NewNode(ExprKind::kTuple);
    tuple->children.push_back(std::move(target));
    while (SkipOperator(",") && !(ends_with_in && current().IsName("in")) &&
           !current().IsOperator("=")) {
      tuple->children.push_back(ParsePrimary(namespaces));
    }
    target = Finished(std::move(tuple));
  }
  CheckTarget(*target);
  return target;
}

void Parser::CheckTarget(const Expression& target) const {
  if (target.kind == ExprKind::kTuple) {
    for (const auto& child : target.children) CheckTarget(*child);
  } else if (target.kind != ExprKind::kName && target.kind != ExprKind::kNamespace) {
    Fail("expected a name to assign to");
  }
}

// Filters behind the opening of a filter or set block: the innermost has no input.
Parser::ExprNode Parser::ParseFilterChain() {
  ExprNode node = ParseFilter(nullptr);
  while (SkipOperator("|")) node = ParseFilter(std::move(node));
  return node;
}

Parser::StmtNode Parser::ParseSet() {
  StmtNode statement = NewStatement(StmtKind::kSet);
  Take();
  statement->targets.push_back(ParseTarget(Namespaces::kTargets, false));
  if (SkipOperator("=")) {
    statement->expressions.push_back(ParseTuple());
    return statement;
  }
  statement->kind = StmtKind::kSetBlock;
  statement->expressions.push_back(SkipOperator("|") ? ParseFilterChain() : nullptr);
  EndBlock();
  statement->bodies.push_back(ParseBody({"endset"}));
  Take();
  return statement;
}

Parser::StmtNode Parser::ParseWith() {
  StmtNode statement = NewStatement(StmtKind::kWith);
  Take();
  while (current().kind != Token::Kind::kBlockEnd) {
    if (!statement->targets.empty()) ExpectOperator(",");
    ExprNode target = ParsePrimary();
    CheckTarget(*target);
    statement->targets.push_back(std::move(target));
    ExpectOperator("=");
    statement->expressions.push_back(ParseExpression());
  }
  EndBlock();
  statement->bodies.push_back(ParseBody({"endwith"}));
  Take();
  return statement;
}

void Parser::ParseParameters(Signature* signature) {
  ExpectOperator("(");
  while (!current().IsOperator(")")) {
    const std::string name = ExpectName();
    for (const auto& [id, other] : signature->parameters) {
      if (other == name) Fail("the parameter '" + name + "' stands twice");
    }
    signature->parameters.emplace_back(IdOf(name), name);
    if (SkipOperator("=")) {
      signature->defaults.push_back(ParseExpression());
    } else if (!signature->defaults.empty()) {
      Fail("a parameter without default follows one that has one");
    }
    if (!current().IsOperator(")")) ExpectOperator(",");
  }
  ExpectOperator(")");
}

// Loops outside of a function cannot be left from within.
Body Parser::ParseFunctionBody(Signature* signature, std::string_view end) {
  EndBlock();
  const int outer_loops = std::exchange(loops_, 0);
  if (signature != nullptr) signatures_.push_back(signature);
  Body body = ParseBody({end});
  if (signature != nullptr) signatures_.pop_back();
  loops_ = outer_loops;
  Take();
  return body;
}

Parser::StmtNode Parser::ParseMacro() {
  StmtNode statement = NewStatement(StmtKind::kMacro);
  Take();
  auto signature = std::make_unique<Signature>();
  signature->name = ExpectName();
  statement->name = IdOf(signature->name);
  ParseParameters(signature.get());
  statement->bodies.push_back(ParseFunctionBody(signature.get(), "endmacro"));
  statement->signature = std::move(signature);
  return statement;
}

Parser::StmtNode Parser::ParseCallBlock() {
  StmtNode statement = NewStatement(StmtKind::kCallBlock);
  Take();
  auto signature = std::make_unique<Signature>();
  signature->name = "caller";
  if (current().IsOperator("(")) ParseParameters(signature.get());
  statement->expressions.push_back(ParseExpression());
  if (statement->expressions[0]->kind != ExprKind::kCall) Fail("expected a call");
  statement->bodies.push_back(ParseFunctionBody(signature.get(), "endcall"));
  statement->signature = std::move(signature);
  return statement;
}

Parser::StmtNode Parser::ParseFilterBlock() {
  StmtNode statement = NewStatement(StmtKind::kFilterBlock);
  Take();
  statement->expressions.push_back(ParseFilterChain());
  EndBlock();
  statement->bodies.push_back(ParseBody({"endfilter"}));
  Take();
  return statement;
}

Parser::StmtNode Parser::ParseGeneration() {
  StmtNode statement = NewStatement(StmtKind::kGeneration);
  Take();
  statement->bodies.push_back(ParseFunctionBody(nullptr, "endgeneration"));
  return statement;
}

Parser::StmtNode Parser::ParseLoopControl() {
  const bool is_break = current().IsName("break");
  StmtNode statement = NewStatement(is_break ? StmtKind::kBreak : StmtKind::kContinue);
  if (loops_ == 0) Fail("'" + current().text + "' stands outside of a loop");
  Take();
  return statement;
}

}  // namespace tandem::jinja
