#pragma once
// What /openapi.json says, as the tests ask it.

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "api/routes/openapi_document.h"
#include "tests/api/support/json_schema.h"

namespace tandem {

class ApiDocument {
 public:
  using Json = nlohmann::json;

  struct Operation {
    std::string method;  // upper case
    std::string path;
    const Json& body;
  };

  const Json& json() const { return json_; }
  const JsonSchema& schemas() const { return schemas_; }

  std::vector<Operation> Operations() const {
    std::vector<Operation> operations;
    for (const auto& [path, methods] : json_["paths"].items()) {
      for (const auto& [method, body] : methods.items()) {
        std::string name = method;
        for (char& c : name) c = static_cast<char>(c - 'a' + 'A');
        operations.push_back({name, path, body});
      }
    }
    return operations;
  }

  // Those with a request body.
  std::vector<Operation> Posts() const {
    std::vector<Operation> posts;
    for (const Operation& operation : Operations()) {
      if (operation.method == "POST") posts.push_back(operation);
    }
    return posts;
  }

  static const Json& RequestOf(const Operation& operation) {
    return operation.body["requestBody"]["content"]["application/json"];
  }

  static std::vector<Json> ExamplesOf(const Operation& operation) {
    std::vector<Json> values;
    for (const Json& example : RequestOf(operation)["examples"]) values.push_back(example["value"]);
    return values;
  }

  // Of a request's body, by name; of each of its forms where it has several.
  std::multimap<std::string, Json> FieldsOf(const Operation& operation) const {
    std::multimap<std::string, Json> fields;
    const Json& schema = RequestOf(operation)["schema"];
    for (const Json& form : schema.value("oneOf", Json::array({schema}))) {
      for (const auto& [name, field] : schemas_.Resolve(form)["properties"].items()) {
        fields.emplace(name, schemas_.Resolve(field));
      }
    }
    return fields;
  }

  // Null where the operation has no such status.
  const Json* ResponseOf(const Operation& operation, int status) const {
    const auto it = operation.body["responses"].find(std::to_string(status));
    return it == operation.body["responses"].end() ? nullptr : &schemas_.Resolve(*it);
  }

 private:
  const Json json_ = Json::parse(OpenApiDocument());
  const JsonSchema schemas_{json_};
};

}  // namespace tandem
