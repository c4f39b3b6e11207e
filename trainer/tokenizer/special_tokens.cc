#include "trainer/tokenizer/special_tokens.h"

namespace tandem {
namespace {

constexpr AddedTokenRow kMiniMindTokens[] = {
    {kEndOfText},
    {kTurnBegin},
    {kTurnEnd},
    {"<|object_ref_start|>"},
    {"<|object_ref_end|>"},
    {"<|box_start|>"},
    {"<|box_end|>"},
    {"<|quad_start|>"},
    {"<|quad_end|>"},
    {"<|vision_start|>"},
    {"<|vision_end|>"},
    {"<|vision_pad|>"},
    {"<|image_pad|>"},
    {"<|video_pad|>"},
    {"<|audio_start|>"},
    {"<|audio_end|>"},
    {"<|audio_pad|>"},
    {"<tts_pad>"},
    {"<tts_text_bos>"},
    {"<tts_text_eod>"},
    {"<tts_text_bos_single>"},
    {"<tool_call>", false},
    {"</tool_call>", false},
    {"<tool_response>", false},
    {"</tool_response>", false},
    {"<think>", false},
    {"</think>", false},
    {"<|buffer1|>", false},
    {"<|buffer2|>", false},
    {"<|buffer3|>", false},
    {"<|buffer4|>", false},
    {"<|buffer5|>", false},
    {"<|buffer6|>", false},
    {"<|buffer7|>", false},
    {"<|buffer8|>", false},
    {"<|buffer9|>", false},
};

constexpr size_t kNumChatMlTokens = 3;  // the first of the others

constexpr std::string_view kChatTemplate = R"jinja(
{%- set first = messages[0] if messages else {} %}
{%- set system = first.content if first.role == 'system' else '' %}
{%- if system or tools %}
  {{- '<|im_start|>system\n' + system }}
  {%- if tools %}
    {{- '\n\n' if system }}
    {{- 'You can call these tools:\n<tools>\n' }}
    {%- for tool in tools %}
      {{- tool | tojson + '\n' }}
    {%- endfor %}
    {{- '</tools>\nTo call one, write its name and its arguments:\n' }}
    {{- '<tool_call>\n{"name": "...", "arguments": {...}}\n</tool_call>' }}
  {%- endif %}
  {{- '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
  {%- set content = message.content if message.content is string else '' %}
  {%- if message.role == 'assistant' %}
    {{- '<|im_start|>assistant\n' }}
    {%- if message.reasoning_content %}
      {{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}
    {%- endif %}
    {{- content }}
    {%- for call in message.tool_calls or [] %}
      {%- set function = call.function or call %}
      {{- '\n' if content or not loop.first }}
      {{- '<tool_call>\n{"name": ' + function.name | tojson + ', "arguments": ' }}
      {%- if function.arguments is string %}
        {{- function.arguments }}
      {%- else %}
        {{- function.arguments | tojson }}
      {%- endif %}
      {{- '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
  {%- elif message.role == 'tool' %}
    {%- if loop.first or loop.previtem.role != 'tool' %}
      {{- '<|im_start|>user' }}
    {%- endif %}
    {{- '\n<tool_response>\n' + content + '\n</tool_response>' }}
    {%- if loop.last or loop.nextitem.role != 'tool' %}
      {{- '<|im_end|>\n' }}
    {%- endif %}
  {%- elif message.role != 'system' or not loop.first %}
    {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\n' }}
  {{- '<think>\n' if enable_thinking or open_thinking }}
{%- endif %}
)jinja";

}  // namespace

std::vector<AddedTokenRow> AddedTokensOf(TokenPreset preset) {
  const AddedTokenRow* begin = kMiniMindTokens;
  switch (preset) {
    case TokenPreset::kChatMl:
      return {begin, begin + kNumChatMlTokens};
    case TokenPreset::kMiniMind:
      break;
  }
  return {begin, std::end(kMiniMindTokens)};
}

std::string_view TrainedChatTemplate() { return kChatTemplate.substr(1); }

}  // namespace tandem
