#!/usr/bin/env python3
"""Trains tokenizers with `tandem-train tokenizer` and with Hugging Face tokenizers on the same files and compares
vocabularies, merges, and the ids of the text. Not part of the tests: it needs tokenizers and takes minutes.

    tests/golden/compare_trained_tokenizers.py build/cpu/bin/tandem-train FILE... [--vocab-size N...]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
PATTERNS = {"gpt2": None, "llama3": LLAMA3, "qwen2": LLAMA3.replace("{1,3}", "")}
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def reference_tokenizer(pattern):
    tokenizer = Tokenizer(models.BPE())
    if PATTERNS[pattern] is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(PATTERNS[pattern]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def train_reference(units, pattern, vocab_size, min_frequency, special_tokens):
    tokenizer = reference_tokenizer(pattern)
    tokenizer.train_from_iterator(units, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


def merges_of(data):
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in data["model"]["merges"]]


def units_of(path, text_unit):
    """As trainer/tokenizer/corpus_reader.h says."""
    text = path.read_bytes().decode("utf-8", errors="replace")
    lines = text.split("\n")
    if path.suffix == ".jsonl":
        for line in lines:
            if line.strip():
                record = json.loads(line)
                yield record["text"] if "text" in record else "\n".join(
                    m["content"] for m in record["conversations"] if m.get("content"))
    elif text_unit == "file":
        yield text
    else:
        yield from (line + "\n" for line in lines[:-1])
        if lines[-1]:
            yield lines[-1]


def compare(program, files, vocab_size, pattern, min_frequency, text_unit):
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        subprocess.run([program, "tokenizer", *map(str, files), "--output", folder, "--vocab-size", str(vocab_size),
                        "--pattern", pattern, "--min-frequency", str(min_frequency), "--text-unit", text_unit,
                        "--special-tokens", "chatml"], check=True, stdout=subprocess.DEVNULL)
        our_seconds = time.time() - began
        ours = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())
        loaded = Tokenizer.from_file(folder + "/tokenizer.json")
    units = [unit for path in files for unit in units_of(path, text_unit)]
    began = time.time()
    reference = train_reference(units, pattern, vocab_size, min_frequency, CHATML)
    their_seconds = time.time() - began
    theirs = json.loads(reference.to_str())
    same_merges = merges_of(ours) == merges_of(theirs)
    same_vocabulary = ours["model"]["vocab"] == theirs["model"]["vocab"]
    sample = units[:: max(1, len(units) // 20000)]
    same_ids = [e.ids for e in loaded.encode_batch(sample)] == [e.ids for e in reference.encode_batch(sample)]
    print(f"{pattern} vocab {vocab_size} min {min_frequency} {text_unit}: {len(merges_of(ours))} merges "
          f"{'same' if same_merges else 'DIFFER'}, vocabulary {'same' if same_vocabulary else 'DIFFERS'}, ids of "
          f"{len(sample)} units {'same' if same_ids else 'DIFFER'}; {our_seconds:.1f} s against {their_seconds:.1f} s",
          flush=True)
    if not same_merges:
        first = next((i for i, (a, b) in enumerate(zip(merges_of(ours), merges_of(theirs))) if a != b), -1)
        print("  first difference at rank", first, merges_of(ours)[first], merges_of(theirs)[first])
    return same_merges and same_vocabulary and same_ids


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--vocab-size", nargs="+", type=int, default=[6400, 32000])
    parser.add_argument("--pattern", nargs="+", default=list(PATTERNS))
    parser.add_argument("--min-frequency", nargs="+", type=int, default=[0])
    parser.add_argument("--text-unit", nargs="+", default=["line"])
    arguments = parser.parse_args()
    same = [compare(arguments.program, arguments.files, size, pattern, least, unit)
            for size in arguments.vocab_size for pattern in arguments.pattern
            for least in arguments.min_frequency for unit in arguments.text_unit]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
