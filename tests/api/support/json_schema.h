#pragma once
// Whether a JSON value is what a schema of an OpenAPI 3.1 document says: the keywords that
// api/openapi.json uses for answers. Stricter than JSON Schema in one point: a name that a schema
// with `properties` does not know is a problem, unless it says "additionalProperties": true. So
// nothing is answered that is not described.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tandem {

class JsonSchema {
 public:
  using Json = nlohmann::json;

  // `document` outlives this; "$ref" leads into it.
  explicit JsonSchema(const Json& document) : document_(document) {}

  // Through "$ref", whose target is the schema: what stands beside it only describes.
  const Json& Resolve(const Json& schema) const {
    const auto reference = schema.find("$ref");
    if (reference == schema.end()) return schema;
    return Resolve(document_.at(Json::json_pointer(reference->get<std::string>().substr(1))));
  }

  // "" when the value conforms, else what is wrong first, with its place.
  std::string ProblemOf(const Json& given, const Json& value, const std::string& where = "") const {
    const Json& schema = Resolve(given);
    if (schema.contains("type") && !HasType(schema["type"], value)) return where + ": wrong type";
    if (schema.contains("const") && schema["const"] != value) return where + ": not the constant";
    if (schema.contains("enum") && !Contains(schema["enum"], value)) return where + ": not listed";
    std::string problem = ProblemOfChoices(schema, value, where);
    if (problem.empty() && value.is_number()) problem = ProblemOfNumber(schema, value, where);
    if (problem.empty() && value.is_string()) problem = ProblemOfText(schema, value, where);
    if (problem.empty() && value.is_array()) problem = ProblemOfArray(schema, value, where);
    if (problem.empty() && value.is_object()) problem = ProblemOfObject(schema, value, where);
    return problem;
  }

 private:
  static bool Contains(const Json& list, const Json& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  }

  static bool HasType(const Json& type, const Json& value) {
    if (type.is_array()) {
      return std::any_of(type.begin(), type.end(),
                         [&](const Json& one) { return HasType(one, value); });
    }
    if (type == "integer") return value.is_number_integer();
    return type == value.type_name();
  }

  std::string ProblemOfChoices(const Json& schema, const Json& value,
                               const std::string& where) const {
    if (!schema.contains("anyOf")) return "";
    std::string problems;
    for (const Json& choice : schema["anyOf"]) {
      const std::string problem = ProblemOf(choice, value, where);
      if (problem.empty()) return "";
      problems += (problems.empty() ? "" : " | ") + problem;
    }
    return problems;
  }

  static std::string ProblemOfNumber(const Json& schema, const Json& value,
                                     const std::string& where) {
    if (value < schema.value("minimum", value)) return where + ": too small";
    if (value > schema.value("maximum", value)) return where + ": too large";
    return "";
  }

  std::string ProblemOfText(const Json& schema, const Json& value, const std::string& where) const {
    if (!schema.contains("contentSchema")) return "";
    const Json content = Json::parse(value.get<std::string>(), nullptr, /*allow_exceptions=*/false);
    if (content.is_discarded()) return where + ": no JSON";
    return ProblemOf(schema["contentSchema"], content, where);
  }

  std::string ProblemOfArray(const Json& schema, const Json& value,
                             const std::string& where) const {
    if (value.size() < schema.value("minItems", value.size())) return where + ": too few items";
    if (value.size() > schema.value("maxItems", value.size())) return where + ": too many items";
    if (!schema.contains("items")) return "";
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string place = where + "[" + std::to_string(i) + "]";
      std::string problem = ProblemOf(schema["items"], value[i], place);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  std::string ProblemOfObject(const Json& schema, const Json& value,
                              const std::string& where) const {
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>()))
        return where + "." + name.dump() + " is missing";
    }
    const Json properties = schema.value("properties", Json::object());
    const Json others = schema.value("additionalProperties", Json(properties.empty()));
    for (const auto& [name, member] : value.items()) {
      const std::string place = where + "." + name;
      const Json& described = properties.contains(name) ? properties[name] : others;
      if (described == Json(true)) continue;
      if (described == Json(false)) return place + " is not described";
      std::string problem = ProblemOf(described, member, place);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  const Json& document_;
};

}  // namespace tandem
