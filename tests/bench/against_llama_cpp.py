#!/usr/bin/env python3
"""Tandem beside llama.cpp on one machine, in alternating runs; prints medians and their ratio.

    python tests/bench/against_llama_cpp.py --tandem-bench build/cpu/bin/tandem-bench \\
        --llama DIR --models DIR [--rounds 5] [--threads 2]

DIR --llama holds llama-bench and llama-batched-bench; DIR --models holds 26m-BF16.gguf, 26m-Q8_0.gguf,
104m-BF16.gguf and 104m-Q8_0.gguf: random weights in MiniMind's shapes.
"""

import argparse
import collections
import json
import pathlib
import statistics
import subprocess

ROWS = [("26m", "bf16", "BF16", [1, 16, 64]), ("26m", "int8", "Q8_0", [1, 16, 64]),
        ("104m", "bf16", "BF16", [1, 16]), ("104m", "int8", "Q8_0", [1, 16])]


def run(command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True).stdout


def tandem(args, shape, dtype, streams):
    """{cell: (whole model, bare matmuls)} in tokens a second."""
    out = run([args.tandem_bench, "model", "--shape", shape, "--dtype", dtype, "--threads",
               args.threads, "--repeats", 1, "--streams", ",".join(map(str, streams))])
    cells = {}
    for line in out.splitlines()[2:]:
        words = line.split()
        cell = "prefill" if words[0] == "prefill" else int(words[0])
        cells[cell] = (float(words[2]), float(words[3]))
    return cells


def llama(args, shape, quant, streams):
    """{cell: tokens a second}"""
    model = args.models / f"{shape}-{quant}.gguf"
    cells = {}
    for entry in json.loads(run([args.llama / "llama-bench", "-m", model, "-t", args.threads, "-p",
                                 512, "-n", 128, "-r", 1, "-o", "json"])):
        cells["prefill" if entry["n_prompt"] else 1] = entry["avg_ts"]
    many = [n for n in streams if n > 1]
    out = run([args.llama / "llama-batched-bench", "-m", model, "-t", args.threads, "-npp", 128,
               "-ntg", 128, "-npl", ",".join(map(str, many)), "-c", 256 * max(many) + 256,
               "--output-format", "jsonl"])
    for line in out.splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            cells[entry["pl"]] = entry["speed_tg"]
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tandem-bench", type=pathlib.Path, required=True)
    parser.add_argument("--llama", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    print("| model | cell | Tandem | llama.cpp | ratio | share of bare matmuls |")
    print("|---|---|---|---|---|---|")
    for shape, dtype, quant, streams in ROWS:
        ours, chain, theirs = (collections.defaultdict(list) for _ in range(3))
        for _ in range(args.rounds):
            for cell, (whole, bare) in tandem(args, shape, dtype, streams).items():
                ours[cell].append(whole)
                chain[cell].append(whole / bare)
            for cell, speed in llama(args, shape, quant, streams).items():
                theirs[cell].append(speed)
        for cell, values in ours.items():
            mine = statistics.median(values)
            peer = statistics.median(theirs[cell])
            name = "prefill 512" if cell == "prefill" else f"{cell} streams"
            print(f"| {shape} {dtype} / {quant} | {name} | {mine:.0f} | {peer:.0f} | "
                  f"{mine / peer:.2f} | {statistics.median(chain[cell]):.0%} |", flush=True)


if __name__ == "__main__":
    main()
