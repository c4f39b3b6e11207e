#pragma once
// The events of a streamed answer.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "tests/api/support/raw_client.h"

namespace tandem {

// The JSON of each event but the last, which must be [DONE].
inline std::vector<nlohmann::json> Events(const RawResponse& response) {
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.complete);
  std::vector<nlohmann::json> events;
  std::string_view rest = response.body;
  while (!rest.empty()) {
    const size_t end = rest.find("\n\n");
    if (end == std::string_view::npos || !rest.starts_with("data: ")) {
      ADD_FAILURE() << "not an event: " << rest;
      return events;
    }
    const std::string_view data = rest.substr(6, end - 6);
    rest.remove_prefix(end + 2);
    if (data == "[DONE]") {
      EXPECT_TRUE(rest.empty()) << "after [DONE]: " << rest;
      return events;
    }
    events.push_back(nlohmann::json::parse(data));
  }
  ADD_FAILURE() << "no [DONE]";
  return events;
}

}  // namespace tandem
