#!/usr/bin/env python3
"""Asks a running server the prompts of prompts.txt, and prints a transcript in Markdown.

    python3 configs/train/default/ask.py --url http://127.0.0.1:8000 [--temperature 0]

Behind it stand how many answers ended by themselves, and how many of their 4-grams repeat: of the
4-grams of each answer (words; Chinese characters count as words), the share that stands in the same
answer before. Python 3.11, standard library only.
"""

import argparse
import json
import pathlib
import re
import urllib.request

PROMPTS = pathlib.Path(__file__).with_name("prompts.txt")
# A word, a Chinese character, or one other sign.
WORD = re.compile(r"[A-Za-z0-9']+|[^\sA-Za-z0-9']")


def ask(url, prompt, temperature, max_tokens):
    """(text, finish reason, number of tokens)"""
    body = {"messages": [{"role": "user", "content": prompt}], "temperature": temperature,
            "seed": 2026, "max_tokens": max_tokens}
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        answer = json.load(response)
    choice = answer["choices"][0]
    return choice["message"]["content"], choice["finish_reason"], answer["usage"]["completion_tokens"]


def repeated_4_grams(text):
    """(repeated, all)"""
    words = WORD.findall(text.lower())
    grams = [tuple(words[i:i + 4]) for i in range(len(words) - 3)]
    return len(grams) - len(set(grams)), len(grams)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--temperature", type=float, default=0)
    parser.add_argument("--max-tokens", type=int, default=400)
    arguments = parser.parse_args()
    prompts = [line for line in PROMPTS.read_text(encoding="utf-8").splitlines() if line]
    ended = repeated = grams = tokens = 0
    for prompt in prompts:
        text, reason, num_tokens = ask(arguments.url, prompt, arguments.temperature,
                                       arguments.max_tokens)
        ended += reason == "stop"
        tokens += num_tokens
        again, of = repeated_4_grams(text)
        repeated += again
        grams += of
        print(f"**{prompt}**\n")
        print("\n".join("> " + line for line in text.splitlines()) + "\n")
        if reason != "stop":
            print(f"(did not end: {reason})\n")
    print(f"{ended} of {len(prompts)} answers ended by themselves; {repeated} of {grams} 4-grams "
          f"({100 * repeated / max(grams, 1):.1f} %) repeat; {tokens} tokens; "
          f"temperature {arguments.temperature:g}.")


if __name__ == "__main__":
    main()
