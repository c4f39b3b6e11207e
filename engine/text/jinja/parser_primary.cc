// The parser's operands: names, literals, and what follows them - .a, [b], (c), | d, is e.

#include "engine/text/jinja/parser.h"

namespace tandem::jinja {

Parser::ExprNode Parser::ParsePrimary(Namespaces namespaces) {
  using TokenKind = Token::Kind;
  switch (current().kind) {
    case TokenKind::kName:
      return ParseNameOrConstant(namespaces);
    case TokenKind::kString: {
      ExprNode node = NewNode(ExprKind::kConstant);
      std::string text;
      while (current().kind == TokenKind::kString) text += Take().text;
      node->constant = Value::Of(std::move(text));
      return node;
    }
    case TokenKind::kInteger:
    case TokenKind::kDouble: {
      ExprNode node = NewNode(ExprKind::kConstant);
      const Token& token = Take();
      node->constant =
          token.kind == TokenKind::kInteger ? Value::Of(token.integer) : Value::Of(token.number);
      return node;
    }
    case TokenKind::kOperator:
      if (current().text == "(") return ParseParenthesized();
      if (current().text == "[") return ParseList();
      if (current().text == "{") return ParseDict();
      break;
    case TokenKind::kData:
    case TokenKind::kVariableBegin:
    case TokenKind::kVariableEnd:
    case TokenKind::kBlockBegin:
    case TokenKind::kBlockEnd:
    case TokenKind::kEnd:
      break;
  }
  Fail("expected an expression, got " + current().Description());
}

Parser::ExprNode Parser::ParseNameOrConstant(Namespaces namespaces) {
  ExprNode node = NewNode(ExprKind::kConstant);
  const std::string name = Take().text;
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    node->constant = Value::Of(name == "true" || name == "True");
  } else if (name == "none" || name == "None") {
    node->constant = Value::None();
  } else {
    node->kind = ExprKind::kName;
    node->name = IdOf(name);
    if (namespaces == Namespaces::kTargets && SkipOperator(".")) {
      node->kind = ExprKind::kNamespace;
      node->text = ExpectName();
    }
    for (Signature* signature : signatures_) {
      signature->uses_caller |= name == "caller";
      signature->uses_kwargs |= name == "kwargs";
      signature->uses_varargs |= name == "varargs";
    }
  }
  return node;
}

// Expressions with commas between them, without parentheses.
Parser::ExprNode Parser::ParseTuple() {
  ExprNode first = ParseExpression();
  if (!current().IsOperator(",")) return first;
  ExprNode node = NewNode(ExprKind::kTuple);
  node->children.push_back(std::move(first));
  while (SkipOperator(",")) {
    const Token::Kind kind = current().kind;
    if (kind == Token::Kind::kBlockEnd || kind == Token::Kind::kVariableEnd ||
        current().IsOperator(")")) {
      break;
    }
    node->children.push_back(ParseExpression());
  }
  return Finished(std::move(node));
}

Parser::ExprNode Parser::ParseParenthesized() {
  const Nesting nesting(*this);
  ExpectOperator("(");
  ExprNode node = NewNode(ExprKind::kTuple);
  if (!current().IsOperator(")")) node = ParseTuple();
  ExpectOperator(")");
  return node;
}

Parser::ExprNode Parser::ParseList() {
  const Nesting nesting(*this);
  ExprNode node = NewNode(ExprKind::kList);
  ExpectOperator("[");
  while (!current().IsOperator("]")) {
    node->children.push_back(ParseExpression());
    if (!SkipOperator(",")) break;
  }
  ExpectOperator("]");
  return Finished(std::move(node));
}

Parser::ExprNode Parser::ParseDict() {
  const Nesting nesting(*this);
  ExprNode node = NewNode(ExprKind::kDict);
  ExpectOperator("{");
  while (!current().IsOperator("}")) {
    node->children.push_back(ParseExpression());
    ExpectOperator(":");
    node->children.push_back(ParseExpression());
    if (!SkipOperator(",")) break;
  }
  ExpectOperator("}");
  return Finished(std::move(node));
}

Parser::ExprNode Parser::ParsePostfix(ExprNode node) {
  while (true) {
    if (current().IsOperator(".") || current().IsOperator("[")) {
      node = ParseSubscript(std::move(node));
    } else if (current().IsOperator("(")) {
      node = ParseCall(std::move(node));
    } else {
      return node;
    }
  }
}

Parser::ExprNode Parser::ParseFilterOrTest(ExprNode node) {
  while (true) {
    if (SkipOperator("|")) {
      node = ParseFilter(std::move(node));
    } else if (SkipName("is")) {
      node = ParseTest(std::move(node));
    } else if (current().IsOperator("(")) {
      node = ParseCall(std::move(node));
    } else {
      return node;
    }
  }
}

Parser::ExprNode Parser::ParseSubscript(ExprNode object) {
  const Nesting nesting(*this);
  ExprNode node = NewNode(ExprKind::kItem);
  node->children.push_back(std::move(object));
  if (SkipOperator(".")) {
    const Token& token = Take();
    if (token.kind == Token::Kind::kName) {
      node->kind = ExprKind::kAttribute;
      node->text = token.text;
      node->constant = Value::Of(token.text);
    } else if (token.kind == Token::Kind::kInteger) {
      ExprNode index = NewNode(ExprKind::kConstant);
      index->constant = Value::Of(token.integer);
      node->children.push_back(std::move(index));
    } else {
      Fail("expected a name or a number behind '.', got " + token.Description());
    }
    return Finished(std::move(node));
  }
  ExpectOperator("[");
  ExprNode key = ParseSubscribed();
  if (current().IsOperator(",")) {
    ExprNode tuple = NewNode(ExprKind::kTuple);
    tuple->children.push_back(std::move(key));
    while (SkipOperator(",") && !current().IsOperator("]")) {
      tuple->children.push_back(ParseSubscribed());
    }
    key = Finished(std::move(tuple));
  }
  ExpectOperator("]");
  node->children.push_back(std::move(key));
  return Finished(std::move(node));
}

Parser::ExprNode Parser::ParseSubscribed() {
  ExprNode slice = NewNode(ExprKind::kSlice);
  slice->children.resize(3);
  if (!current().IsOperator(":")) {
    ExprNode key = ParseExpression();
    if (!current().IsOperator(":")) return key;
    slice->children[0] = std::move(key);
  }
  for (size_t part = 1; part < 3 && SkipOperator(":"); ++part) {
    const bool is_empty =
        current().IsOperator(":") || current().IsOperator("]") || current().IsOperator(",");
    if (!is_empty) slice->children[part] = ParseExpression();
  }
  return Finished(std::move(slice));
}

std::unique_ptr<CallArguments> Parser::ParseArguments() {
  const Nesting nesting(*this);
  auto arguments = std::make_unique<CallArguments>();
  ExpectOperator("(");
  const auto ensure = [this](bool condition) {
    if (!condition) Fail("the order of a call's arguments is invalid");
  };
  bool has_more = true;
  while (has_more && !current().IsOperator(")")) {
    if (SkipOperator("*")) {
      ensure(arguments->spread_list == nullptr && arguments->spread_dict == nullptr);
      arguments->spread_list = ParseExpression();
    } else if (SkipOperator("**")) {
      ensure(arguments->spread_dict == nullptr);
      arguments->spread_dict = ParseExpression();
    } else if (current().kind == Token::Kind::kName && Look().IsOperator("=")) {
      ensure(arguments->spread_dict == nullptr);
      const std::string name = Take().text;
      for (const auto& [other, value] : arguments->named) {
        if (other == name) Fail("the argument '" + name + "' is given twice");
      }
      Take();
      arguments->named.emplace_back(name, ParseExpression());
    } else {
      ensure(arguments->spread_list == nullptr && arguments->spread_dict == nullptr &&
             arguments->named.empty());
      arguments->positional.push_back(ParseExpression());
    }
    has_more = SkipOperator(",");
  }
  ExpectOperator(")");
  return arguments;
}

Parser::ExprNode Parser::ParseCall(ExprNode callee) {
  ExprNode node = NewNode(ExprKind::kCall);
  node->children.push_back(std::move(callee));
  node->arguments = ParseArguments();
  return Finished(std::move(node));
}

std::string Parser::ParseDottedName() {
  std::string name = ExpectName();
  while (SkipOperator(".")) name += "." + ExpectName();
  return name;
}

void Parser::NoteUnknown(std::string_view kind, const std::string& name) {
  if (conditions_ > 0) return;
  unknown_.push_back("there is no " + std::string(kind) + " '" + name +
                     "', or it is not supported");
}

// The input is null in a filter block.
Parser::ExprNode Parser::ParseFilter(ExprNode input) {
  ExprNode node = NewNode(ExprKind::kFilter);
  node->children.push_back(std::move(input));
  node->text = ParseDottedName();
  node->filter = FindFilter(node->text);
  if (node->filter == nullptr) NoteUnknown("filter", node->text);
  node->arguments =
      current().IsOperator("(") ? ParseArguments() : std::make_unique<CallArguments>();
  return Finished(std::move(node));
}

Parser::ExprNode Parser::ParseTest(ExprNode input) {
  ExprNode node = NewNode(ExprKind::kTest);
  const bool negated = SkipName("not");
  node->children.push_back(std::move(input));
  node->text = ParseDottedName();
  node->test = FindTest(node->text);
  if (node->test == nullptr) NoteUnknown("test", node->text);
  const Token& next = current();
  const bool begins_operand =
      next.kind == Token::Kind::kString || next.kind == Token::Kind::kInteger ||
      next.kind == Token::Kind::kDouble || next.IsOperator("[") || next.IsOperator("{") ||
      (next.kind == Token::Kind::kName && !next.IsName("else") && !next.IsName("or") &&
       !next.IsName("and"));
  if (next.IsOperator("(")) {
    node->arguments = ParseArguments();
  } else {
    auto arguments = std::make_unique<CallArguments>();
    if (begins_operand) {
      if (next.IsName("is")) Fail("tests cannot be chained with is");
      arguments->positional.push_back(ParsePostfix(ParsePrimary()));
    }
    node->arguments = std::move(arguments);
  }
  node = Finished(std::move(node));
  const int line = node->line;
  return negated ? NewUnary(ExprKind::kNot, line, std::move(node)) : std::move(node);
}

}  // namespace tandem::jinja
