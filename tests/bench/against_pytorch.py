#!/usr/bin/env python3
"""Training steps of Tandem beside PyTorch's: same shape, same machine, turn by turn.

    python tests/bench/against_pytorch.py --tandem-bench build/cpu/bin/tandem-bench --shape 26m \\
        [--batches 4,8,16] [--conversations FILE.jsonl --tokenizer DIR]

PyTorch trains transformers' LlamaForCausalLM under bf16 autocast with AdamW (fused) and clipping,
compiled and not, at each batch of 512 tokens; its best one counts. With --conversations, also the
share of tokens that are not padding when each conversation is a row of its own, cut to 340 tokens
and padded, as MiniMind's loop does; Tandem packs them, so all its tokens are useful.
Needs torch, transformers and, for --conversations, tokenizers.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys

ROW_TOKENS = 512
PADDED_TOKENS = 340
SHAPES = {"26m": (512, 8, 1408), "104m": (768, 16, 2048)}

# The peer is a process of its own: it takes a line to do a step, and answers with seconds.
PEER = '''
import sys, time, torch
from transformers import LlamaConfig, LlamaForCausalLM
hidden, layers, inner, rows, tokens, compiled, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(1)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=6400, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
    num_attention_heads=8, num_key_value_heads=2, max_position_embeddings=32768,
    rms_norm_eps=1e-5, tie_word_embeddings=True, attn_implementation="sdpa", use_cache=False))
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, fused=True)
ids = torch.randint(0, 6400, (rows, tokens))
def loss_of(x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x).logits
        return torch.nn.functional.cross_entropy(
            logits[:, :-1].reshape(-1, 6400).float(), x[:, 1:].reshape(-1))
loss_of = torch.compile(loss_of) if compiled else loss_of
def step():
    loss_of(ids).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
step(); step()
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print(time.perf_counter() - start, flush=True)
'''


class Peer:
    """PyTorch with one batch size; memory is held, time only taken in `step`."""

    def __init__(self, shape, rows, compiled, threads):
        self.name = f"{rows} x {ROW_TOKENS}{', compiled' if compiled else ''}"
        self.tokens = rows * ROW_TOKENS
        self.seconds = []
        command = [sys.executable, "-c", PEER, *map(str, SHAPES[shape]), str(rows),
                   str(ROW_TOKENS), str(int(compiled)), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line == "ready\n", f"PyTorch with {self.name} did not start"

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(float(self.process.stdout.readline()))

    def rate(self):
        return self.tokens / statistics.median(self.seconds)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def tandem_rate(arguments):
    """(tokens/s, GFLOP/s, ceiling)"""
    output = subprocess.run(
        [arguments.tandem_bench, "train", "--shape", arguments.shape, "--repeats", "3",
         "--threads", str(arguments.threads)], check=True, capture_output=True, text=True).stdout
    return [float(x) for x in re.findall(r"[\d.]+", output.splitlines()[-1])[:3]]


def useful_share(path, tokenizer_directory):
    """Of a padded batch of conversations: tokens that are no padding."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(tokenizer_directory + "/tokenizer.json")
    lengths = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            turns = json.loads(line)["conversations"]
            text = "".join(f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in turns)
            lengths.append(min(len(tokenizer.encode(text).ids), PADDED_TOKENS))
            if len(lengths) == 5000:
                break
    return sum(lengths) / (len(lengths) * PADDED_TOKENS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tandem-bench", required=True)
    parser.add_argument("--shape", choices=SHAPES, default="26m")
    parser.add_argument("--batches", default="4,8,16", help="rows of 512 tokens, for PyTorch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--conversations")
    parser.add_argument("--tokenizer")
    arguments = parser.parse_args()
    ours = []
    best = None
    for rows in map(int, arguments.batches.split(",")):
        for compiled in (False, True):
            peer = Peer(arguments.shape, rows, compiled, arguments.threads)
            turns = []
            for _ in range(arguments.rounds):
                turns.append(tandem_rate(arguments))
                for _ in range(3):
                    peer.step()
            peer.end()
            ours += turns
            beside = statistics.median(t[0] for t in turns)
            ratio = beside / peer.rate()
            print(f"{arguments.shape} PyTorch {peer.name}: {peer.rate():.0f} tokens/s; Tandem "
                  f"beside it {beside:.0f}; ratio {ratio:.2f}", flush=True)
            if best is None or ratio < best[0]:
                best = (ratio, peer.name)
    share = statistics.median(t[1] / t[2] for t in ours)
    print(f"Tandem: {100 * share:.0f} % of the bf16 ceiling; {best[0]:.2f} times PyTorch at its "
          f"best ({best[1]})")
    if arguments.conversations:
        useful = useful_share(arguments.conversations, arguments.tokenizer)
        print(f"useful tokens in rows padded to {PADDED_TOKENS}: {100 * useful:.0f} %; useful "
              f"tokens a second: {best[0] / useful:.1f} times the padded loop's")


if __name__ == "__main__":
    main()
