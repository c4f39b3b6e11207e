#!/usr/bin/env python3
"""lm-evaluation-harness (local-completions) on a small local task: its score is the one that asking
for each choice alone gives, and the one that the reference model gives where PyTorch is there.

    python tests/clients/lm_eval_task.py --tandem build/cpu/bin/tandem

Needs `pip install 'lm-eval[api]' transformers`, for the reference also `'lm-eval[hf]'`; without the
former this says SKIPPED and ends with 77, without the latter it says so and compares one score less.
"""

import json
import math
import pathlib
import random
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from tandem_server import parse_arguments, server_of, skip  # noqa: E402

try:
    import lm_eval
    import lm_eval.tasks
    import transformers
except ImportError as error:
    skip(f"the Python package {error.name} is not installed")
try:  # what its own reading of checkpoints needs
    import accelerate  # noqa: F401
    import torch
except ImportError:
    torch = None

NUM_DOCS = 24
NUM_CHOICES = 4


def documents():
    """Words of random letters: what is right does not matter, only that all agree on it."""
    source = random.Random(7)

    def word(least, most):
        return "".join(source.choice("abcdefghijklmnopqrstuvwxyz")
                       for _ in range(source.randint(least, most)))
    return [{"context": " ".join(word(2, 7) for _ in range(source.randint(2, 6))),
             "choices": [word(1, 6) for _ in range(NUM_CHOICES)],
             "answer": source.randrange(NUM_CHOICES)} for _ in range(NUM_DOCS)]


def write_task(folder, docs):
    lines = "".join(json.dumps(doc) + "\n" for doc in docs)
    (folder / "docs.jsonl").write_text(lines)
    (folder / "letters.yaml").write_text(json.dumps({  # JSON is YAML
        "task": "letters", "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "docs.jsonl")}},
        "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{context}}",
        "doc_to_choice": "choices", "doc_to_target": "answer", "target_delimiter": " ",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]}))


def evaluate(folder, model, arguments):
    tasks = lm_eval.tasks.TaskManager(include_path=str(folder), include_defaults=False)
    results = lm_eval.simple_evaluate(model=model, model_args=arguments, tasks=["letters"],
                                      task_manager=tasks, log_samples=True, bootstrap_iters=0)
    likelihoods = [[pair[0][0] for pair in sample["resps"]]
                   for sample in sorted(results["samples"]["letters"], key=lambda s: s["doc_id"])]
    return results["results"]["letters"]["acc,none"], likelihoods


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def ask_directly(url, docs):
    """The sum over a choice's own tokens, one request for each choice."""
    likelihoods = []
    for doc in docs:
        values = []
        for choice in doc["choices"]:
            answer = post(url + "/v1/completions",
                          {"prompt": doc["context"] + " " + choice, "max_tokens": 1, "echo": True,
                           "logprobs": 1, "temperature": 0})
            scores = answer["choices"][0]["logprobs"]["token_logprobs"]
            # Letters and spaces are tokens; the last entry is the drawn one.
            values.append(math.fsum(scores[-2 - len(choice):-1]))
        likelihoods.append(values)
    hits = sum(max(range(NUM_CHOICES), key=lambda i: values[i]) == doc["answer"]
               for doc, values in zip(docs, likelihoods))
    return hits / len(docs), likelihoods


def largest_difference(a, b):
    return max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))


def main():
    arguments = parse_arguments(__doc__)
    if not arguments.tandem:
        skip("the task is made for the server that --tandem starts")
    docs = documents()
    with server_of(arguments) as server, tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        write_task(folder, docs)
        score, likelihoods = evaluate(
            folder, "local-completions",
            {"model": "letters", "base_url": server.url + "/v1/completions",
             "tokenizer": str(server.model), "num_concurrent": 4, "max_length": 256})
        direct_score, direct = ask_directly(server.url, docs)
        assert score == direct_score, (score, direct_score)
        assert largest_difference(likelihoods, direct) < 1e-5
        told = f"score {score:.3f} as asked directly"
        if torch:
            reference_score, reference = evaluate(
                folder, "hf", {"pretrained": str(server.model), "dtype": "float32",
                               "device": "cpu"})
            assert score == reference_score, (score, reference_score)
            assert largest_difference(likelihoods, reference) < 1e-3
            told += " and by PyTorch"
        else:
            told += "; no PyTorch with accelerate here to ask as well"
    print(f"lm-eval {lm_eval.__version__}, transformers {transformers.__version__}: {told}")


if __name__ == "__main__":
    main()
