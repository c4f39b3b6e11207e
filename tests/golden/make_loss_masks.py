#!/usr/bin/env python3
"""Writes chat/loss_masks*.json: the ids of conversations, and which of them MiniMind's rule learns.

Needs transformers 5.23.0:
    tests/golden/make_loss_masks.py [DATA]
With DATA, a folder that has tokenizers/, the same for MiniMind's published tokenizers and templates, which are
not part of the repository. The rule, as MiniMind applies it: find the ids of "<bos>assistant\\n"; every id
behind them is learned, up to and including the ids of "<eos>\\n".
"""
import json
import pathlib
import sys

from transformers import PreTrainedTokenizerFast

from chat_templates import TEMPLATES

HERE = pathlib.Path(__file__).resolve().parent

TOOLS = [{"type": "function", "function": {"name": "add", "description": "a + b, for 2 numbers",
                                           "parameters": {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}}}}]
CALLS = [{"name": "add", "arguments": {"b": 2, "a": 1}}]


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


PLAIN = [
    [turn("user", "Hello there"), turn("assistant", "Hello! The kettle sang on the stove.")],
    [turn("system", "Be brief."), turn("user", "今天天气很好"), turn("assistant", "我们去公园散步。")],
    [turn("user", "1+1?"), turn("assistant", "2"), turn("user", "And then 2+2?"), turn("assistant", "It is 4, <b>really</b>."),
     turn("user", "3+3?"), turn("assistant", "6\n\nNo more questions?\n"), turn("user", "None.")],
    [turn("user", "a\n\nb "), turn("assistant", " a space in front")],
    [turn("user", "Say <|im_end|> or assistant"), turn("assistant", "for (int i = 0; i < count; ++i) { }")],
    [turn("user", "🙂"), turn("assistant", "🚀 ü 🙂")],
    [turn("system", "s"), turn("user", "u"), turn("assistant", "one"), turn("assistant", "two")],
]
RICH = [
    [turn("user", "Why?"), turn("assistant", "Because.", reasoning_content="They ask why.\nI say so.")],
    [turn("user", "Why?"), turn("assistant", "<think>\nhm\n</think>\n\nBecause."), turn("user", "And?"), turn("assistant", "So.")],
    [turn("system", "Use tools.", tools=json.dumps(TOOLS)), turn("user", "1 + 2?"),
     turn("assistant", "", tool_calls=json.dumps(CALLS)), turn("tool", "3"), turn("tool", "really 3"),
     turn("assistant", "It is 3.")],
    [turn("system", "", tools=TOOLS), turn("user", "1 + 2?"), turn("assistant", "I add.", tool_calls=CALLS * 2), turn("tool", "3"),
     turn("assistant", "3", reasoning_content=None, tools=None, tool_calls=None)],
]


def parsed(value):
    return json.loads(value) if isinstance(value, str) and value else value


def render(tokenizer, template, conversation):
    messages, tools = [], None
    for message in conversation:
        message = {key: value for key, value in message.items() if value is not None}
        tools = tools or parsed(message.get("tools"))
        if "tool_calls" in message:
            message["tool_calls"] = parsed(message["tool_calls"])
        messages.append(message)
    return tokenizer.apply_chat_template(messages, tools=tools, chat_template=template, tokenize=False)


def learned(ids, begin, end):
    """Ranges of what MiniMind's scan labels."""
    ranges, i = [], 0
    while i < len(ids):
        if ids[i:i + len(begin)] != begin:
            i += 1
            continue
        first = last = i + len(begin)
        while last < len(ids) and ids[last:last + len(end)] != end:
            last += 1
        last = min(last + len(end), len(ids))
        ranges.append([first, last])
        i = last
    return ranges


def result(tokenizer, template, conversation):
    text = render(tokenizer, template, conversation)
    encode = lambda piece: tokenizer(piece, add_special_tokens=False).input_ids
    ids = encode(text)
    return {"ids": ids, "learned": learned(ids, encode("<|im_start|>assistant\n"), encode("<|im_end|>\n"))}


def without_marks(template):
    for mark in ("{%- generation %}", "{%- endgeneration %}", "{% generation %}", "{% endgeneration %}"):
        template = template.replace(mark, "")
    return template


def cases(tokenizer, templates):
    conversations = {"plain": PLAIN, "rich": PLAIN + RICH}
    return [{"name": name, "template": template, "lines": [json.dumps({"conversations": c}, ensure_ascii=False) for c in conversations[kind]],
             "results": [result(tokenizer, template, c) for c in conversations[kind]]}
            for name, template, kind in templates]


def write(name, cases):
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (HERE / "chat" / name).write_text(f"[\n{lines}\n]\n")


def load(folder):
    config = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token="<|im_start|>",
                                        eos_token="<|im_end|>")
    return tokenizer, config


def main():
    tokenizer, _ = load(HERE / "text" / "byte_level")
    write("loss_masks.json", cases(tokenizer, [
        ("chatml", TEMPLATES["chatml"], "plain"),
        ("minimind2", without_marks(TEMPLATES["minimind2"]), "plain"),
        ("minimind3", without_marks(TEMPLATES["minimind3"]), "rich")]))
    if len(sys.argv) > 1:
        published = []
        for name in ("minimind2", "minimind"):
            tokenizer, config = load(pathlib.Path(sys.argv[1]) / "tokenizers" / name)
            published += cases(tokenizer, [(name, config["chat_template"], "rich")])
        for case in published:
            del case["template"]
        write("loss_masks_published.json", published)


main()
