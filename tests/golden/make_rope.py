#!/usr/bin/env python3
"""Writes tests/golden/rope/inverse_frequencies.txt with Hugging Face transformers (5.x) and torch.

One case is one line: key=value fields of kernels/rope.h's RopeConfig, then `amplitude`, then `:` and the
head_dim/2 inverse frequencies, each with nine significant digits (enough for every float32).

    python3 tests/golden/make_rope.py > tests/golden/rope/inverse_frequencies.txt
"""

import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

CASES = [
    dict(head_dim=64, theta=10000.0, max_positions=2048),
    dict(head_dim=8, theta=10000.0, max_positions=512),
    dict(head_dim=96, theta=1000000.0, max_positions=32768),
    dict(head_dim=64, theta=10000.0, max_positions=8192, scaling="linear", factor=4.0),
    dict(head_dim=48, theta=500000.0, max_positions=4096, scaling="linear", factor=2.5),
    dict(head_dim=128, theta=500000.0, max_positions=131072, scaling="llama3", factor=8.0,
         original_max_positions=8192, low_freq_factor=1.0, high_freq_factor=4.0),
    dict(head_dim=64, theta=500000.0, max_positions=131072, scaling="llama3", factor=32.0,
         original_max_positions=8192, low_freq_factor=1.0, high_freq_factor=4.0),
    dict(head_dim=32, theta=10000.0, max_positions=4096, scaling="llama3", factor=2.0,
         original_max_positions=1024, low_freq_factor=2.0, high_freq_factor=8.0),
    dict(head_dim=128, theta=1000000.0, max_positions=131072, scaling="yarn", factor=4.0,
         original_max_positions=32768),
    dict(head_dim=64, theta=1000000.0, max_positions=32768, scaling="yarn", factor=16.0,
         original_max_positions=2048, beta_fast=32.0, beta_slow=1.0, attention_factor=1.0),
    dict(head_dim=64, theta=150000.0, max_positions=131072, scaling="yarn", factor=32.0,
         original_max_positions=4096, truncate=False),
    dict(head_dim=96, theta=10000.0, max_positions=8192, scaling="yarn", factor=2.0,
         original_max_positions=4096, beta_fast=16.0, beta_slow=2.0, truncate=False),
    dict(head_dim=8, theta=10000.0, max_positions=2048, scaling="yarn", factor=4.0,
         original_max_positions=512),
]


def inverse_frequencies(case):
    if case.get("scaling") is None:
        # LlamaRotaryEmbedding.compute_default_rope_parameters
        dim = case["head_dim"]
        exponents = torch.arange(0, dim, 2, dtype=torch.int64).to(dtype=torch.float) / dim
        return 1.0 / (case["theta"] ** exponents), 1.0
    parameters = {"rope_type": case["scaling"], "rope_theta": case["theta"], "factor": case["factor"]}
    renamed = {"original_max_positions": "original_max_position_embeddings"}
    for key in ("original_max_positions", "low_freq_factor", "high_freq_factor", "beta_fast",
                "beta_slow", "attention_factor", "truncate"):
        if key in case:
            parameters[renamed.get(key, key)] = case[key]
    config = LlamaConfig(head_dim=case["head_dim"], max_position_embeddings=case["max_positions"],
                         rope_parameters=parameters)
    return ROPE_INIT_FUNCTIONS[case["scaling"]](config, device="cpu")


def main():
    for case in CASES:
        frequencies, amplitude = inverse_frequencies(case)
        fields = [f"{key}={int(value) if isinstance(value, bool) else value}" for key, value in case.items()]
        values = " ".join(f"{value:.9g}" for value in frequencies.tolist())
        print(" ".join(fields), f"amplitude={amplitude:.9g}", ":", values)


if __name__ == "__main__":
    main()
