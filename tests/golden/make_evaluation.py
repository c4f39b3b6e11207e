#!/usr/bin/env python3
"""Writes tests/golden/evaluation: a tokenizer that fits the golden models' 96 ids, texts, questions, and the bits per
byte and log-probabilities that PyTorch finds, in double precision.

    pip install torch transformers tokenizers
    tests/golden/make_evaluation.py
"""
import json
import math
import pathlib
import string

import tokenizers
import torch
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "evaluation"
MODELS = ("llama", "qwen3_moe")
SEPARATOR = "***"
TEXTS = (
    "The small boat sails over the quiet lake. Nobody is at home.",
    "Every morning the baker opens his warm shop, and then the children come in. "
    "They ask for bread, they ask for cake; then they go home again.\n"
    "In the evening the lake is quiet, and the boat lies on the shore. The baker sits there and thinks.",
    "Café, café, café!",
)
# (context, stride); a stride of context - 1 does not overlap
WINDOWS = ((256, 255), (24, 23), (24, 7))
QUESTIONS = (
    {"question": "What sails over the lake?", "choices": ["The baker", "The small boat", "A cake"], "answer": 1},
    {"question": "Who opens the shop?", "choices": ["Nobody", "the baker"], "answer": 1},
)
# The letter that é has besides C3: both are halves of it, so that tokens are not characters.
LETTERS = string.ascii_letters + " \n.,;!?" + "é"
MERGES = (("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("e", "r"), ("i", "n"), ("Ġ", "c"))


def byte_letters():
    """The letters of GPT-2's alphabet that LETTERS need."""
    pre = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return sorted({letter for piece, _ in pre.pre_tokenize_str(LETTERS) for letter in piece})


def make_tokenizer():
    vocab = ["<unk>", "<s>", "</s>", *byte_letters(), *(a + b for a, b in MERGES)]
    assert len(vocab) <= 96, len(vocab)
    made = tokenizers.Tokenizer(tokenizers.models.BPE({t: i for i, t in enumerate(vocab)}, list(MERGES)))
    made.add_special_tokens(vocab[:3])
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.save(str(OUT / "tokenizer.json"))
    (OUT / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}) + "\n")
    return made


def logprobs(model, ids):
    """log p of ids[1:]"""
    with torch.no_grad():
        rows = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return rows[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].tolist()


def score_text(model, ids, context, stride):
    """The sum of log p over ids, each once, and how many windows there were."""
    begin = done = windows = 0
    total = 0.0
    while done < len(ids):
        end = min(begin + context - 1, len(ids))
        total += sum(logprobs(model, [1, *ids[begin:end]])[done - begin:])
        done, begin, windows = end, begin + stride, windows + 1
    return total, windows


def score_choice(model, tokenizer, question, choice):
    """The sum of log p of what the choice adds to the prompt's tokens, and the choice's bytes."""
    prompt = [1, *tokenizer.encode(f"Question: {question}\nAnswer:").ids]
    whole = [1, *tokenizer.encode(f"Question: {question}\nAnswer: {choice}").ids]
    shared = next((i for i, (a, b) in enumerate(zip(prompt, whole)) if a != b), len(prompt))
    return sum(logprobs(model, whole)[shared - 1:]), len(choice.encode())


def main():
    OUT.mkdir(exist_ok=True)
    tokenizer = make_tokenizer()
    (OUT / "texts.txt").write_text(f"\n{SEPARATOR}\n".join(TEXTS) + "\n", encoding="utf-8")
    (OUT / "texts.jsonl").write_text("".join(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in TEXTS))
    (OUT / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in QUESTIONS))
    encoded = [tokenizer.encode(text).ids for text in TEXTS]
    num_bytes = sum(len(text.encode()) for text in TEXTS)
    expected = {}
    for name in MODELS:
        model = AutoModelForCausalLM.from_pretrained(HERE / "models" / name, dtype=torch.float64,
                                                     experts_implementation="eager")
        texts = []
        for context, stride in WINDOWS:
            scores = [score_text(model, ids, context, stride) for ids in encoded]
            nats = -sum(total for total, _ in scores)
            texts.append({"context": context, "stride": stride, "documents": len(TEXTS),
                          "windows": sum(windows for _, windows in scores), "bytes": num_bytes,
                          "tokens": sum(map(len, encoded)), "nats": nats,
                          "bits_per_byte": nats / math.log(2) / num_bytes})
        choices = [[dict(zip(("logprob", "bytes"), score_choice(model, tokenizer, q["question"], choice)))
                    for choice in q["choices"]] for q in QUESTIONS]
        expected[name] = {"texts": texts, "choices": choices}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
