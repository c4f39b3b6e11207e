#!/usr/bin/env python3
"""Makes the data that Tandem's default chat model is trained on.

    python3 configs/train/default/make_data.py --data ../shared/data --output DIR

Python 3.11, standard library only, no network. The same data folder and the same seeds give the
same bytes. README.md beside this file says what comes out and from which sources.
"""

import argparse
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conversations  # noqa: E402
import corpus  # noqa: E402


def write_texts(path, texts):
    """One text a line; those in which one of the fixed prompts stands are left out."""
    prompts = conversations.fixed_prompts()
    texts = [text for text in texts if not any(prompt in text for prompt in prompts)]
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for text in texts:
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def write_plain(path, texts):
    path.write_text("\n<|endoftext|>\n".join(texts) + "\n", encoding="utf-8", newline="\n")


def write_corpus(output, made):
    write_texts(output / "stories.jsonl", [text for _, text, _ in made["stories"]])
    write_texts(output / "stories_zh.jsonl", [text for _, text, _ in made["stories_zh"]])
    write_texts(output / "books.jsonl", made["books"])
    write_texts(output / "chinese.jsonl", made["chinese"])
    for name in ("stories_held_out", "stories_zh_held_out", "books_held_out"):
        write_plain(output / f"{name}.txt", made[name])
    (output / "attribution.md").write_text(made["attribution"], encoding="utf-8", newline="\n")


def write_conversations(path, kinds, seed):
    rows = [row for name in kinds for row in kinds[name]]
    random.Random(seed).shuffle(rows)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps({"conversations": row}, ensure_ascii=False) + "\n")


def check_prompts(output):
    """None of the fixed prompts stands in a file that is trained on."""
    escaped = [json.dumps(p, ensure_ascii=False)[1:-1] for p in conversations.fixed_prompts()]
    for path in sorted(output.glob("*.jsonl")):
        text = path.read_text(encoding="utf-8")
        for prompt in escaped:
            assert prompt not in text, f"{path}: has the fixed prompt {prompt}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with pretrain/ and sft/")
    parser.add_argument("--output", required=True, type=Path, help="folder to write to")
    parser.add_argument("--books-mb", type=float, default=30, help="at most this much of books")
    arguments = parser.parse_args()
    data = corpus.data_folder(arguments.data)
    arguments.output.mkdir(parents=True, exist_ok=True)
    made = corpus.make_corpus(data, arguments.books_mb)
    write_corpus(arguments.output, made)
    train, held_out = conversations.make_conversations(data, made["stories"])
    write_conversations(arguments.output / "conversations.jsonl", train, 31)
    write_conversations(arguments.output / "conversations_held_out.jsonl", held_out, 32)
    write_texts(arguments.output / "synthetic.jsonl", conversations.synthetic_texts())
    check_prompts(arguments.output)
    print(conversations.table(train))


if __name__ == "__main__":
    main()
