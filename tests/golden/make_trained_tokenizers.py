#!/usr/bin/env python3
"""Writes tests/golden/trained/merges.json: what Hugging Face tokenizers learns from corpus.txt and chats.jsonl with
several settings, for tandem-train tokenizer to learn too.

    pip install tokenizers
    tests/golden/make_trained_tokenizers.py [DATA]
With DATA, the folder of data that is not part of the repository, the check of a larger corpus is written anew;
else it is kept. No network is used.
"""
import json
import pathlib
import sys

from compare_trained_tokenizers import CHATML, merges_of, train_reference, units_of

HERE = pathlib.Path(__file__).resolve().parent / "trained"
LARGE = ["childrens_stories_asp-source_en.md", "childrens_stories_global-asp_zh.md", "zh_howtocook.md"]
# pattern, vocabulary, least frequency, unit of plain text
CASES = [("gpt2", 420, 0, "line"), ("gpt2", 640, 2, "file"), ("gpt2", 100000, 0, "line"), ("gpt2", 100000, 3, "line"),
         ("llama3", 512, 0, "file"), ("qwen2", 512, 2, "line"), ("gpt2", 259, 0, "line")]


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


def learned(paths, pattern, vocab_size, min_frequency, text_unit):
    units = [unit for path in paths for unit in units_of(path, text_unit)]
    tokenizer = train_reference(units, pattern, vocab_size, min_frequency, CHATML)
    merges = [" ".join(pair) for pair in merges_of(json.loads(tokenizer.to_str()))]
    num_tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(units))
    return {"pattern": pattern, "vocab_size": vocab_size, "min_frequency": min_frequency, "text_unit": text_unit,
            "num_tokens": tokenizer.get_vocab_size(), "num_corpus_tokens": num_tokens, "merges": merges}


def main():
    path = HERE / "merges.json"
    rows = [learned([HERE / "corpus.txt", HERE / "chats.jsonl"], *case) for case in CASES]
    if len(sys.argv) > 1:
        folder = pathlib.Path(sys.argv[1]) / "pretrain"
        large = []
        for pattern in ("gpt2", "qwen2"):
            row = learned([folder / name for name in LARGE], pattern, 6400, 0, "line")
            row["num_merges"] = len(row["merges"])
            text = "\n".join(row.pop("merges"))
            row["fnv1a_of_merges"] = f"{fnv1a(text):016x}"
            large.append(row)
    else:
        large = json.loads(path.read_text())["large"]["rows"]
    text = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    path.write_text('{"rows": [\n' + text + '\n],\n"large": ' +
                    json.dumps({"files": LARGE, "rows": large}, indent=1) + "}\n")


if __name__ == "__main__":
    main()
