// Some thousand small templates, and what real Jinja2 makes of each.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "tests/engine/text/jinja/golden.h"

namespace tandem::jinja {
namespace {

TEST(JinjaGolden, EverySmallTemplateDoesWhatJinja2Does) {
  const Value golden = ReadGolden("cases.json");
  std::vector<std::pair<std::string, Value>> variables;
  for (const auto& [key, value] : golden.dict().Find("context")->dict().entries()) {
    variables.emplace_back(key.AsText(), value);
  }
  for (const Value& entry : golden.dict().Find("cases")->list().items) {
    const std::string source = entry.list().items[0].AsText();
    std::string detail;
    const std::string ours = OutcomeOf(
        [&] { return Template(source, "case").Render(variables, GoldenNow()).text; }, &detail);
    EXPECT_EQ(ours, ExpectedOutcome(entry, 1)) << "of " << source << "\n" << detail;
  }
}

}  // namespace
}  // namespace tandem::jinja
