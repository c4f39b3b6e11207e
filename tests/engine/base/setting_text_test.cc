#include "engine/base/setting_text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tandem {
namespace {

// The row that a knob makes, with its bound value as the default.
template <typename T>
Setting RowOf(T value, Knob knob) {
  Settings settings("tandem", "");
  settings.Add("name", &value, std::move(knob));
  Setting row = settings.rows().back();
  row.assign = nullptr;  // bound to what is about to go
  row.show = nullptr;
  return row;
}

TEST(SettingText, TellsDefaultAndLimitsInTheUnitsOfTheValue) {
  EXPECT_EQ(DefaultAndLimits(RowOf(int32_t{8000}, {.min = 0, .max = 65535})),
            "default 8000, 0 to 65535");
  EXPECT_EQ(DefaultAndLimits(RowOf(0.5, {.max = 1, .above = 0})),
            "default 0.5, above 0, at most 1");
  EXPECT_EQ(DefaultAndLimits(RowOf(std::optional<int64_t>(), {.min = 1})), "at least 1");
  EXPECT_EQ(DefaultAndLimits(RowOf(std::chrono::milliseconds(30000), {.min = 500})),
            "default 30s, at least 500ms");
  EXPECT_EQ(DefaultAndLimits(RowOf(std::chrono::milliseconds(30000), {.min = 0})), "default 30s");
  EXPECT_EQ(DefaultAndLimits(RowOf(std::string(), {.required = true})), "required");
  EXPECT_EQ(DefaultAndLimits(RowOf(true, {})), "default on");
  EXPECT_EQ(DefaultAndLimits(RowOf(false, {})), "");
  EXPECT_EQ(DefaultAndLimits(RowOf(std::string("hunter2"), {.secret = true})), "");
}

TEST(SettingText, TellsWhatAShellCanComplete) {
  EXPECT_EQ(KindOfValue(RowOf(std::filesystem::path(), {})), ValueKind::kFile);
  EXPECT_EQ(KindOfValue(RowOf(std::string(), {.value_name = "FILE"})), ValueKind::kFile);
  EXPECT_EQ(KindOfValue(RowOf(std::filesystem::path(), {.value_name = "DIR"})),
            ValueKind::kDirectory);
  EXPECT_EQ(KindOfValue(RowOf(std::string(), {})), ValueKind::kText);
  EXPECT_EQ(KindOfValue(RowOf(int32_t{1}, {})), ValueKind::kText);
}

TEST(SettingText, TurnsOffOnlyWhatIsASwitchOfTheCommand) {
  EXPECT_TRUE(CanBeTurnedOff(RowOf(false, {})));
  EXPECT_FALSE(CanBeTurnedOff(RowOf(std::string(), {})));
  const Settings settings("tandem", "");
  for (const Setting& row : settings.rows()) EXPECT_FALSE(CanBeTurnedOff(row)) << row.name;
}

}  // namespace
}  // namespace tandem
