#!/usr/bin/env python3
"""Tandem's tokenizers beside the tokenizers library on one core, in alternating runs; prints medians and their ratio.

    pip install tokenizers
    python tests/bench/against_tokenizers.py --tandem-bench build/cpu/bin/tandem-bench --text FILE \\
        [--rounds 5] DIR...

Each DIR holds a tokenizer.json, or vocab.json and merges.txt of GPT-2's words. Speed is bytes a second of CPU time,
so that other work on the machine counts little; the library is held to one thread, and encodes the file as one text, as
we do.
"""
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import argparse  # noqa: E402  (the library reads the variable when it is loaded)
import pathlib
import statistics
import subprocess
import time

from tokenizers import Tokenizer, decoders, models, pre_tokenizers


def load(directory):
    if (directory / "tokenizer.json").exists():
        return Tokenizer.from_file(str(directory / "tokenizer.json"))
    vocabulary, = (p for p in (directory / "vocab.json", directory / "encoder.json") if p.exists())
    merges, = (p for p in (directory / "merges.txt", directory / "vocab.bpe") if p.exists())
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def ours(args, directory):
    """MB/s of encode and decode."""
    out = subprocess.run([args.tandem_bench, "tokenize", "--model", directory, "--text", args.text, "--repeats", "3"],
                         check=True, capture_output=True, text=True).stdout
    rows = {words[0]: float(words[2]) for words in map(str.split, out.splitlines()) if len(words) == 4}
    return rows["encode"], rows["decode"]


def theirs(tokenizer, text, num_bytes):
    def rate(body):
        begin = time.process_time()
        result = body()
        return num_bytes / (time.process_time() - begin) * 1e-6, result

    encode, encoding = rate(lambda: tokenizer.encode(text, add_special_tokens=False))
    ids = encoding.ids
    decode, _ = rate(lambda: tokenizer.decode(ids, skip_special_tokens=False))
    return encode, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tandem-bench", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("directories", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    data = args.text.read_bytes()
    text = data.decode("utf-8", "replace")
    print("| tokenizer | what | Tandem, MB/s | tokenizers, MB/s | ratio |")
    print("|---|---|---|---|---|")
    for directory in args.directories:
        tokenizer = load(directory)
        rounds = [(ours(args, directory), theirs(tokenizer, text, len(data))) for _ in range(args.rounds)]
        for column, what in enumerate(("encode", "decode")):
            mine = statistics.median(ours_[column] for ours_, _ in rounds)
            peer = statistics.median(theirs_[column] for _, theirs_ in rounds)
            print(f"| {directory.name} | {what} | {mine:.1f} | {peer:.1f} | {mine / peer:.1f} |", flush=True)


if __name__ == "__main__":
    main()
