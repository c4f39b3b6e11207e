#include "trainer/evaluation/evaluation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/check.h"

namespace tandem {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr size_t kColumnWidth = 24;

TextScore Total(const ModelEvaluation& model) {
  TextScore total{.name = "all texts"};
  for (const TextScore& text : model.texts) total.Add(text);
  return total;
}

// The end of a long name tells more than its front.
std::string Fitted(const std::string& name) {
  const std::string shown = Printable(name);
  if (shown.size() < kColumnWidth) return shown;
  return ".." + shown.substr(shown.size() - (kColumnWidth - 3));
}

template <typename T>
std::string Row(std::string_view title, std::span<const T> columns,
                const std::function<std::string(const T&)>& cell) {
  std::string row = fmt::format("  {:<20}", title);
  for (const T& column : columns) row += fmt::format("{:>{}}", cell(column), kColumnWidth);
  return row + '\n';
}

std::string RangeName(size_t range) {
  const int64_t first = FirstOfPositionRange(range);
  if (range + 1 == kNumPositionRanges) return fmt::format("{} and on", first);
  return fmt::format("{}-{}", first, FirstOfPositionRange(range + 1) - 1);
}

std::string PositionRows(std::span<const TextScore> scores) {
  std::string rows;
  for (size_t range = 0; range < kNumPositionRanges; ++range) {
    const auto has_tokens = [&](const TextScore& score) {
      return score.by_position[range].num_tokens > 0;
    };
    if (std::ranges::none_of(scores, has_tokens)) continue;
    rows += Row<TextScore>("  " + RangeName(range), scores, [&](const TextScore& score) {
      return has_tokens(score) ? fmt::format("{:.3f}", score.by_position[range].perplexity())
                               : std::string("-");
    });
  }
  return rows;
}

// One file, or all: `scores` has one for each model.
std::string TextBlock(std::span<const TextScore> scores) {
  const auto row = [&](std::string_view title,
                       const std::function<std::string(const TextScore&)>& cell) {
    return Row<TextScore>(title, scores, cell);
  };
  std::string block = Printable(scores.front().name) + '\n';
  block += row("documents", [](const TextScore& s) { return FormatCount(s.num_documents); });
  block += row("windows", [](const TextScore& s) { return FormatCount(s.num_windows); });
  block += row("bytes", [](const TextScore& s) { return FormatCount(s.num_bytes); });
  block += row("tokens", [](const TextScore& s) { return FormatCount(s.loss.num_tokens); });
  if (std::ranges::any_of(scores, &TextScore::num_bad)) {
    block += row("left out", [](const TextScore& s) { return FormatCount(s.num_bad); });
  }
  if (std::ranges::any_of(scores, &TextScore::num_changed)) {
    block +=
        row("changed by tokens", [](const TextScore& s) { return FormatCount(s.num_changed); });
  }
  block += row("loss per token",
               [](const TextScore& s) { return fmt::format("{:.5f}", s.loss.mean()); });
  block += row("perplexity",
               [](const TextScore& s) { return fmt::format("{:.3f}", s.loss.perplexity()); });
  block += row("bits per byte",
               [](const TextScore& s) { return fmt::format("{:.5f}", s.bits_per_byte()); });
  block += row("tokens per second", [](const TextScore& s) {
    return fmt::format("{:.0f}", static_cast<double>(s.loss.num_tokens) / s.seconds);
  });
  block += "  perplexity of tokens that have so many before them\n";
  return block + PositionRows(scores);
}

std::string Percent(int64_t count, const ChoiceScore& score) {
  return fmt::format("{:.2f} %",
                     100.0 * static_cast<double>(count) / static_cast<double>(score.num_questions));
}

std::string ChoiceBlock(std::span<const ChoiceScore> scores) {
  const auto row = [&](std::string_view title,
                       const std::function<std::string(const ChoiceScore&)>& cell) {
    return Row<ChoiceScore>(title, scores, cell);
  };
  std::string block = Printable(scores.front().name) + '\n';
  block += row("questions", [](const ChoiceScore& s) { return FormatCount(s.num_questions); });
  if (std::ranges::any_of(scores, &ChoiceScore::num_bad)) {
    block += row("left out", [](const ChoiceScore& s) { return FormatCount(s.num_bad); });
  }
  block += row("right, by length",
               [](const ChoiceScore& s) { return Percent(s.num_right_by_length, s); });
  block +=
      row("right, by sum", [](const ChoiceScore& s) { return Percent(s.num_right_by_sum, s); });
  block += row("by chance",
               [](const ChoiceScore& s) { return fmt::format("{:.2f} %", 100.0 * s.chance); });
  return block;
}

OrderedJson LossJson(const TokenLoss& loss) {
  return {{"tokens", loss.num_tokens}, {"loss", loss.mean()}, {"perplexity", loss.perplexity()}};
}

OrderedJson TextJson(const TextScore& score) {
  OrderedJson json = {{"name", score.name},
                      {"documents", score.num_documents},
                      {"windows", score.num_windows},
                      {"seconds", score.seconds},
                      {"bytes", score.num_bytes},
                      {"left_out", score.num_bad},
                      {"changed_by_tokens", score.num_changed}};
  json.update(LossJson(score.loss));
  json["bits_per_byte"] = score.bits_per_byte();
  json["by_position"] = OrderedJson::array();
  for (size_t range = 0; range < kNumPositionRanges; ++range) {
    if (score.by_position[range].num_tokens == 0) continue;
    OrderedJson position = {{"first", FirstOfPositionRange(range)}};
    position.update(LossJson(score.by_position[range]));
    json["by_position"].push_back(std::move(position));
  }
  return json;
}

OrderedJson ChoiceJson(const ChoiceScore& score) {
  const auto share = [&](int64_t count) {
    return static_cast<double>(count) / static_cast<double>(score.num_questions);
  };
  return {{"name", score.name},
          {"questions", score.num_questions},
          {"left_out", score.num_bad},
          {"right_by_length", share(score.num_right_by_length)},
          {"right_by_sum", share(score.num_right_by_sum)},
          {"chance", score.chance}};
}

OrderedJson ModelJson(const ModelEvaluation& model) {
  OrderedJson json = {{"model", model.model},
                      {"dtype", model.dtype},
                      {"rope_scaling", model.rope_scaling},
                      {"parameters", model.num_parameters},
                      {"context", model.context},
                      {"stride", model.stride},
                      {"texts", OrderedJson::array()}};
  for (const TextScore& text : model.texts) json["texts"].push_back(TextJson(text));
  if (!model.texts.empty()) json["all_texts"] = TextJson(Total(model));
  json["choices"] = OrderedJson::array();
  for (const ChoiceScore& score : model.choices) json["choices"].push_back(ChoiceJson(score));
  return json;
}

}  // namespace

std::string EvaluationTable(std::span<const ModelEvaluation> models) {
  CHECK(!models.empty());
  using Model = ModelEvaluation;
  std::string table = Row<Model>("model", models, [](const Model& m) { return Fitted(m.model); });
  table += Row<Model>("weights", models, [](const Model& m) { return m.dtype; });
  table +=
      Row<Model>("RoPE scaling", models, [](const Model& m) { return Fitted(m.rope_scaling); });
  table += Row<Model>("parameters", models,
                      [](const Model& m) { return FormatCount(m.num_parameters); });
  table += Row<Model>("window", models, [](const Model& m) { return FormatCount(m.context); });
  table += Row<Model>("stride", models, [](const Model& m) { return FormatCount(m.stride); });
  for (size_t i = 0; i < models.front().texts.size(); ++i) {
    std::vector<TextScore> scores;
    for (const Model& model : models) scores.push_back(model.texts[i]);
    table += TextBlock(scores);
  }
  if (models.front().texts.size() > 1) {
    std::vector<TextScore> totals;
    for (const Model& model : models) totals.push_back(Total(model));
    table += TextBlock(totals);
  }
  for (size_t i = 0; i < models.front().choices.size(); ++i) {
    std::vector<ChoiceScore> scores;
    for (const Model& model : models) scores.push_back(model.choices[i]);
    table += ChoiceBlock(scores);
  }
  return table;
}

std::string EvaluationJson(std::span<const ModelEvaluation> models) {
  OrderedJson json = {{"models", OrderedJson::array()}};
  for (const ModelEvaluation& model : models) json["models"].push_back(ModelJson(model));
  // Names that are not UTF-8 get U+FFFD.
  return json.dump(2, ' ', /*ensure_ascii=*/false, OrderedJson::error_handler_t::replace) + '\n';
}

}  // namespace tandem
