// What /openapi.json says of requests, tried on a server: it names exactly the fields that are
// read, and its limits are the server's.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "tests/api/support/api_document.h"
#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

using nlohmann::json;
using Operation = ApiDocument::Operation;

// One connection for thousands of requests.
class FieldProbe {
 public:
  FieldProbe(const TestServer& server, std::string path)
      : client_(server.Connect()), path_(std::move(path)) {}

  // Of the error that the body gets; "" when it gets none, or one that names no field.
  std::string FieldAtFault(const json& body) {
    client_.Send(TestServer::PostBytes(body.dump(), path_));
    const RawResponse response = client_.ReadResponse();
    EXPECT_NE(response.status, 0) << body;
    if (response.status != 400) return "";
    const json param = json::parse(response.body)["error"]["param"];
    return param.is_string() ? param.get<std::string>() : "";
  }

  // Whether the field's name, or a place inside the field, is at fault.
  bool Refuses(json body, const std::string& name, const json& value) {
    body[name] = value;
    const std::string fault = FieldAtFault(body);
    return fault == name || fault.starts_with(name + ".") || fault.starts_with(name + "[");
  }

 private:
  RawClient client_;
  const std::string path_;
};

// Every string literal of the request readers that could be a field's name.
std::set<std::string> NamesInSources() {
  std::set<std::string> names;
  for (const char* folder : {"api/openai", "api/routes"}) {
    const std::filesystem::path root = std::filesystem::path(TANDEM_SOURCE_DIR) / folder;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      for (size_t at = text.find('"'); at != text.npos; at = text.find('"', at + 1)) {
        const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", at + 1);
        if (end != text.npos && text[end] == '"' && end > at + 1) {
          names.insert(text.substr(at + 1, end - at - 1));
        }
      }
    }
  }
  return names;
}

std::string Listed(const std::set<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(name).append(" ");
  return out;
}

// A field is read if some value of a wrong type is refused in its name.
TEST(OpenApiRequests, NameEveryFieldThatIsReadAndNoOther) {
  const TestServer server;
  const ApiDocument api;
  std::set<std::string> candidates = NamesInSources();
  EXPECT_TRUE(candidates.contains("stop_token_ids"));
  for (const Operation& operation : api.Posts()) {
    for (const auto& [name, field] : api.FieldsOf(operation)) candidates.insert(name);
  }
  for (const Operation& operation : api.Posts()) {
    std::set<std::string> described;
    for (const auto& [name, field] : api.FieldsOf(operation)) described.insert(name);
    FieldProbe probe(server, operation.path);
    std::set<std::string> read;
    for (const std::string& name : candidates) {
      for (const json& example : ApiDocument::ExamplesOf(operation)) {
        if (example.contains("stream")) continue;
        const bool refused =
            probe.Refuses(example, name, {{"wrong", 1}}) || probe.Refuses(example, name, "wrong");
        if (refused) read.insert(name);
      }
    }
    EXPECT_EQ(Listed(described), Listed(read)) << operation.path;
  }
}

TEST(OpenApiRequests, NameTheFieldsThatMayNotBeMissing) {
  const TestServer server;
  const ApiDocument api;
  for (const Operation& operation : api.Posts()) {
    const json& schema = ApiDocument::RequestOf(operation)["schema"];
    if (schema.contains("oneOf")) continue;  // exactly one of two; text_routes_test.cc has it
    FieldProbe probe(server, operation.path);
    for (const json& name : api.schemas().Resolve(schema)["required"]) {
      EXPECT_EQ(probe.FieldAtFault(json::object()), name) << operation.path;
    }
  }
}

// What must be beside a field for this value of it.
json Companions(const std::string& name, const json& value) {
  if (name == "best_of") return {{"n", value}};
  if (name == "top_logprobs") return {{"logprobs", true}};
  if (name == "stream_options") return {{"stream", true}};
  if (name == "min_tokens") return {{"max_tokens", value}, {"max_new_tokens", value}};
  if (value == 0 && name.starts_with("max_")) return {{"echo", true}};
  return json::object();
}

// The ends of the range, the listed values, the default, and null where it may be.
std::vector<json> AllowedValues(const json& field) {
  std::vector<json> values = field.value("enum", std::vector<json>());
  for (const char* keyword : {"minimum", "maximum", "default"}) {
    if (field.contains(keyword)) values.push_back(field[keyword]);
  }
  if (field.contains("exclusiveMinimum")) values.push_back(5e-324);
  const json type = field.value("type", json());
  if (type.is_array() && type.back() == "null") values.push_back(nullptr);
  return values;
}

// Just beyond the ends, and a wrong type for whatever is listed.
std::vector<json> ForbiddenValues(const json& field) {
  std::vector<json> values;
  const bool is_number = field.value("type", json()).dump().find("number") != std::string::npos;
  const auto beyond = [&](const char* keyword, double direction) {
    if (!field.contains(keyword)) return;
    const double limit = field[keyword].get<double>();
    values.push_back(is_number ? json(std::nextafter(limit, direction * INFINITY))
                               : json(limit + direction));
  };
  beyond("minimum", -1.0);
  beyond("maximum", 1.0);
  if (field.contains("exclusiveMinimum")) values.push_back(field["exclusiveMinimum"]);
  if (field.contains("enum")) values.push_back("something else");
  return values;
}

TEST(OpenApiRequests, GiveTheLimitsThatTheServerHas) {
  const TestServer server;
  const ApiDocument api;
  for (const Operation& operation : api.Posts()) {
    FieldProbe probe(server, operation.path);
    const json base = ApiDocument::ExamplesOf(operation).front();
    for (const auto& [name, field] : api.FieldsOf(operation)) {
      if (name == "prompt" || name == "messages") continue;
      for (const json& value : AllowedValues(field)) {
        json body = base;
        body.update(Companions(name, value));
        EXPECT_FALSE(probe.Refuses(body, name, value)) << operation.path << name << value;
      }
      for (const json& value : ForbiddenValues(field)) {
        EXPECT_TRUE(probe.Refuses(base, name, value)) << operation.path << name << value;
      }
    }
  }
}

TEST(OpenApiRequests, GiveTheLengthsThatTheServerHas) {
  const TestServer server;
  const ApiDocument api;
  FieldProbe probe(server, "/v1/completions");
  const json base = {{"prompt", "a"}};
  const json& schemas = api.json()["components"]["schemas"];
  const auto expect_longest = [&](const std::string& name, const json& longest, const json& more) {
    EXPECT_FALSE(probe.Refuses(base, name, longest)) << name;
    EXPECT_TRUE(probe.Refuses(base, name, more)) << name;
  };
  const json& stop = schemas["Stop"]["anyOf"];
  const size_t num_stops = stop[1]["maxItems"];
  const size_t stop_length = stop[0]["maxLength"];
  expect_longest("stop", json(num_stops, "a"), json(num_stops + 1, "a"));
  expect_longest("stop", std::string(stop_length, 'a'), std::string(stop_length + 1, 'a'));
  const size_t num_ids = schemas["StopTokenIds"]["maxItems"];
  expect_longest("stop_token_ids", json(num_ids, 1), json(num_ids + 1, 1));
  const size_t num_prompts = schemas["Prompt"]["anyOf"][2]["maxItems"];
  expect_longest("prompt", json(num_prompts, "a"), json(num_prompts + 1, "a"));

  FieldProbe generate(server, "/generate");
  const size_t length = schemas["GenerateRequest"]["properties"]["prompt"]["maxLength"];
  EXPECT_FALSE(generate.Refuses({}, "prompt", std::string(length, 'a')));
  EXPECT_TRUE(generate.Refuses({}, "prompt", std::string(length + 1, 'a')));

  FieldProbe chat(server, "/v1/chat/completions");
  const json message = {{"role", "user"}, {"content", "a"}};
  const size_t num_messages = schemas["Messages"]["maxItems"];
  EXPECT_FALSE(chat.Refuses({}, "messages", json(num_messages, message)));
  EXPECT_TRUE(chat.Refuses({}, "messages", json(num_messages + 1, message)));
}

TEST(OpenApiRequests, DescribeWhatIsInsideFields) {
  const TestServer server;
  FieldProbe probe(server, "/v1/chat/completions");
  const json base = {{"messages", {{{"role", "user"}, {"content", "a"}}}}, {"stream", true}};
  const auto fault = [&](const char* pointer, const json& value) {
    json body = base;
    body[json::json_pointer(pointer)] = value;
    return probe.FieldAtFault(body);
  };
  // Each as the schemas StreamOptions, Message, TextPart, TemplateVariables have them.
  EXPECT_EQ(fault("/stream_options", {{"include_usage", 1}}), "stream_options.include_usage");
  EXPECT_EQ(fault("/stream_options", {{"continuous_usage_stats", 1}}),
            "stream_options.continuous_usage_stats");
  EXPECT_EQ(fault("/messages/0/role", ""), "messages[0].role");
  EXPECT_EQ(fault("/messages/0/content", nullptr), "messages[0].content");
  EXPECT_EQ(fault("/messages/0", {{"role", "a"}, {"tool_calls", json::array()}}), "");
  EXPECT_EQ(fault("/messages/0/tool_calls", "x"), "messages");
  EXPECT_EQ(fault("/messages/0/content", json::array()), "");
  EXPECT_EQ(fault("/messages/0/content", {{{"type", "image_url"}}}), "messages[0].content[0].type");
  EXPECT_EQ(fault("/messages/0/content", {{{"type", "text"}}}), "messages[0].content[0].text");
  EXPECT_EQ(fault("/chat_template_kwargs", {{"messages", 1}}), "chat_template_kwargs");
  EXPECT_EQ(fault("/response_format", json::object()), "response_format");
  EXPECT_EQ(fault("/logit_bias", {{"x", 1}}), "logit_bias");
}

}  // namespace
}  // namespace tandem
