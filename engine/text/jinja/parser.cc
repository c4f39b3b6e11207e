#include "engine/text/jinja/parser.h"

#include "kernels/core/error.h"

namespace tandem::jinja {

Parser::Parser(std::string_view source, const std::string& name, const JinjaLimits& limits)
    : limits_(limits), name_(name), tokens_(Tokenize(source, name)) {
  for (const char* special : {"loop", "caller", "kwargs", "varargs"}) IdOf(special);
}

Program Parser::Run() {
  Program program;
  program.name = name_;
  program.body = ParseBody({});
  program.names = std::move(names_);
  return program;
}

const Token& Parser::Take() {
  const Token& token = tokens_[next_];
  if (next_ + 1 < tokens_.size()) ++next_;
  return token;
}

bool Parser::SkipOperator(std::string_view symbol) {
  if (!current().IsOperator(symbol)) return false;
  Take();
  return true;
}

bool Parser::SkipName(std::string_view name) {
  if (!current().IsName(name)) return false;
  Take();
  return true;
}

void Parser::ExpectOperator(std::string_view symbol) {
  if (!SkipOperator(symbol)) {
    Fail("expected '" + std::string(symbol) + "', got " + current().Description());
  }
}

std::string Parser::ExpectName() {
  if (current().kind != Token::Kind::kName) {
    Fail("expected a name, got " + current().Description());
  }
  return Take().text;
}

void Parser::ExpectKind(Token::Kind kind) {
  if (current().kind != kind) {
    Fail("expected " + Token{.kind = kind}.Description() + ", got " + current().Description());
  }
  Take();
}

void Parser::Fail(const std::string& what) const {
  throw FormatError(name_ + ": line " + std::to_string(current().line) + ": " + what);
}

NameId Parser::IdOf(const std::string& name) {
  const auto [it, is_new] = ids_.emplace(name, static_cast<NameId>(names_.size()));
  if (is_new) names_.push_back(name);
  return it->second;
}

Program ParseProgram(std::string_view source, const std::string& name, const JinjaLimits& limits) {
  return Parser(source, name, limits).Run();
}

}  // namespace tandem::jinja
