#pragma once
// The conversations of tests/golden/make_loss_masks.py, with the ids and the learned ranges that
// MiniMind's Python gives for them.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/jinja/json_value.h"
#include "engine/text/tokenizer.h"

namespace tandem {

struct GoldenMask {
  std::string line;  // of JSONL
  std::vector<TokenId> ids;
  std::vector<uint8_t> learned;  // 0 or 1 for each id
};

struct GoldenMasks {
  std::string name;
  std::string chat_template;  // empty: that of the tokenizer's directory
  std::vector<GoldenMask> masks;
};

inline std::vector<GoldenMasks> ReadGoldenMasks(const std::string& file) {
  const std::string path = TANDEM_SOURCE_DIR "/tests/golden/chat/" + file;
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<GoldenMasks> all;
  const jinja::Value document = jinja::ParseValue(text, path);
  for (const jinja::Value& item : document.list().items) {
    GoldenMasks& masks = all.emplace_back();
    masks.name = item.dict().Find("name")->AsText();
    const jinja::Value* source = item.dict().Find("template");
    if (source != nullptr) masks.chat_template = source->AsText();
    const auto& lines = item.dict().Find("lines")->list().items;
    const auto& results = item.dict().Find("results")->list().items;
    for (size_t i = 0; i < lines.size(); ++i) {
      GoldenMask& mask = masks.masks.emplace_back();
      mask.line = lines[i].AsText();
      for (const auto& id : results[i].dict().Find("ids")->list().items) {
        mask.ids.push_back(static_cast<TokenId>(id.AsInt()));
      }
      mask.learned.resize(mask.ids.size());
      for (const auto& range : results[i].dict().Find("learned")->list().items) {
        for (int64_t at = range.list().items[0].AsInt(); at < range.list().items[1].AsInt(); ++at) {
          mask.learned[static_cast<size_t>(at)] = 1;
        }
      }
    }
  }
  return all;
}

}  // namespace tandem
