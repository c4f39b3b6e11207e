#pragma once
// The tables of methods that values have. What is not in them does not exist for a template.

#include <string_view>
#include <vector>

#include "engine/text/jinja/attributes.h"

namespace tandem::jinja {

MethodLookup FindTextMethod(std::string_view name);
MethodLookup FindDictMethod(std::string_view name);
MethodLookup FindListMethod(ListKind kind, std::string_view name);
MethodLookup FindObjectMethod(const Value& receiver, std::string_view name);

struct NamedMethod {
  std::string_view name;
  Method function;
};
// The parts of the table of text methods.
const std::vector<NamedMethod>& TextChangingMethods();   // methods_text.cc
const std::vector<NamedMethod>& TextSplittingMethods();  // methods_split.cc
const std::vector<NamedMethod>& TextQueryMethods();      // methods_query.cc

}  // namespace tandem::jinja
