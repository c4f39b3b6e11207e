"""Writes chat/*.json: what Jinja2, set up as transformers sets it up, makes of our templates.

    python make_chat_templates.py

Needs jinja2 3.1.6 and transformers 5.23.0. cases.json has small templates and their context; chats.json has
templates in the shape of those that models ship, all written for this file, over a table of conversations.
"""

import copy
import datetime
import json
import pathlib

import jinja2
import transformers.utils.chat_template_utils as chat_template_utils

from chat_cases import CASES, CONTEXT
from chat_templates import CONVERSATIONS, TEMPLATES, TOOLS

HERE = pathlib.Path(__file__).parent / "chat"
NOW = datetime.datetime(2026, 2, 15, 12, 30, 45)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock


def outcome(render):
    """["ok", text], ["syntax"] for a template that does not compile, ["raised", message] for one that
    raises, ["error"] for any other failure."""
    try:
        return ["ok", render()]
    except (jinja2.TemplateSyntaxError, SyntaxError):
        return ["syntax"]
    except jinja2.TemplateError as error:
        if type(error) is jinja2.TemplateError:
            return ["raised", str(error)]
        return ["error"]
    except Exception:  # whatever Python's own operations throw
        return ["error"]


def run_case(source):
    # A copy: some filters change a list in place (nums|indent does).
    return outcome(lambda: chat_template_utils._compile_jinja_template(source).render(**copy.deepcopy(CONTEXT)))


def run_chat(source, conversation):
    options = dict(conversation.get("options", {}))
    tools = TOOLS if conversation.get("tools") else None
    ranges = []

    def render():
        texts, indices = chat_template_utils.render_jinja_template(
            [conversation["messages"]], tools=tools, chat_template=source,
            return_assistant_tokens_mask="generation" in source,
            add_generation_prompt=conversation.get("prompt", False),
            bos_token="<s>", eos_token="</s>", **options)
        ranges.extend([len(texts[0][:a].encode()), len(texts[0][:b].encode())]
                      for a, b in (indices[0] if indices else []))
        return texts[0]

    result = outcome(render)
    return result + [ranges] if ranges else result


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n")


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    cases = [[source] + run_case(source) for source in CASES]
    write("cases.json", {"context": CONTEXT,
                         "cases": [case for case in cases if " at 0x" not in case[-1]]})
    write("chats.json", {
        "tools": TOOLS, "conversations": CONVERSATIONS, "templates": TEMPLATES,
        "results": {name: [run_chat(source, c) for c in CONVERSATIONS]
                    for name, source in TEMPLATES.items()}})


main()
