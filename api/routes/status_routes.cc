#include "api/routes/status_routes.h"

#include "api/openai/error.h"
#include "api/openai/json_text.h"
#include "api/routes/engine_errors.h"
#include "api/routes/openapi_document.h"

namespace tandem {

namespace {

HttpResponse Json(std::string body) { return HttpResponse{.body = std::move(body)}; }

std::string ModelObject(const ServedModel& model, std::string_view name) {
  std::string out = R"({"id":)";
  AppendJsonString(name, out);
  out.append(R"(,"object":"model","created":)").append(std::to_string(model.created));
  out.append(R"(,"owned_by":"tandem","root":)");
  AppendJsonString(model.names.front(), out);
  out.append(R"(,"parent":null,"max_model_len":)").append(std::to_string(model.max_context));
  out.append(R"(,"capabilities":["completion")");
  if (model.chat_template != nullptr) out.append(R"(,"chat")");
  out.push_back(']');
  out.push_back('}');
  return out;
}

HttpResponse ListModels(const ServedModel& model) {
  std::string out = R"({"object":"list","data":[)";
  for (const std::string& name : model.names) {
    if (out.back() != '[') out.push_back(',');
    out.append(ModelObject(model, name));
  }
  out.append("]}");
  return Json(std::move(out));
}

HttpResponse OneModel(const ServedModel& model, const std::string& name) {
  if (model.Answers(name)) return Json(ModelObject(model, name));
  ApiError error = ErrorOfStatus(404, "the model '" + name.substr(0, 256) + "' does not exist");
  error.param = "model";
  error.code = "model_not_found";
  return ErrorResponse(error);
}

HttpResponse Health(const ServedModel& model) {
  if (model.engine.Healthy()) {
    const int64_t waiting = model.engine.Stats().num_waiting;
    return Json(R"({"status":"ok","queue_size":)" + std::to_string(waiting) +
                R"(,"gpu_memory":null})");  // no GPU computes
  }
  return ErrorResponse(ErrorOfStatus(503, "the engine failed; the server must be restarted"));
}

HttpResponse Ready(const ServedModel& model, const ServerStatus& status) {
  if (status.draining) return ErrorResponse(ErrorOfStatus(503, "the server is stopping"));
  if (!model.engine.Healthy()) return Health(model);
  // Half-open is ready, or no probe would come. So is a server that has an answer all the same.
  const bool is_open = model.breaker.state() == BreakerState::kOpen;
  if (is_open && !model.degraded_answer) return ErrorResponse(ErrorOfBreaker(model.breaker));
  return Json(R"({"status":"ready"})");
}

HttpResponse Version(const ServerStatus& status) {
  std::string out = "{";
  for (const auto& [name, value] : status.version) {
    if (out.size() > 1) out.push_back(',');
    AppendJsonString(name, out);
    out.push_back(':');
    AppendJsonString(value, out);
  }
  out.push_back('}');
  return Json(std::move(out));
}

HttpResponse Metrics(const ServedModel& model, const ServerMetrics& metrics) {
  return HttpResponse{.content_type = std::string(ServerMetrics::kContentType),
                      .body = metrics.Render(model.engine.Stats(), model.breaker.stats())};
}

}  // namespace

std::vector<Route> StatusRoutes(const ServedModel& model, const ServerStatus& status,
                                const ServerMetrics& metrics) {
  return {
      {"GET", "/health", RouteAccess::kPublic, [&model](Call&) { return Health(model); }},
      {"GET", "/ready", RouteAccess::kPublic,
       [&model, &status](Call&) { return Ready(model, status); }},
      {"GET", "/version", RouteAccess::kPublic, [&status](Call&) { return Version(status); }},
      {"GET", "/openapi.json", RouteAccess::kPublic,
       [](Call&) { return Json(std::string(OpenApiDocument())); }},
      {"GET", "/metrics", RouteAccess::kKey,
       [&model, &metrics](Call&) { return Metrics(model, metrics); }},
      {"GET", "/v1/models", RouteAccess::kPublic, [&model](Call&) { return ListModels(model); }},
      {"GET", "/v1/models/{id}", RouteAccess::kPublic,
       [&model](Call& call) { return OneModel(model, call.parameter); }},
  };
}

}  // namespace tandem
