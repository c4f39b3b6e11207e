#!/usr/bin/env python3
"""Writes tests/golden/models/<name>/gradients/model.safetensors: what PyTorch's autograd and AdamW
make of the golden models.

    pip install torch transformers safetensors
    python tests/golden/make_gradients.py [NAME ...]

The batch is the model's two prompts, each a sequence of its own; every token but a sequence's last
predicts the next one, but for the first five of the second prompt, which have no target (as a user's
turn has none). The loss is the mean over the targets.

All of it is in double precision. Matrices are halved first: those of the golden models are larger
than trained ones, and then PyTorch's own fp32 gradients are 1e-5 off. For the same reason AdamW's
epsilon is larger than usual: with 1e-8 elements whose gradient is next to nothing take whole steps
in a direction that rounding decides, in PyTorch as anywhere else.
"""

import argparse

import torch
from safetensors.torch import load_file, save_file

import make_models

NAMES = ("llama", "llama_tied", "llama_bias", "mistral", "qwen2", "qwen3", "qwen3_moe_mixed",
         "minimind3", "minimind2", "minimind2_moe")
FIRST_TARGETS = (0, 5)  # of each prompt
NUM_STEPS = 10
ADAMW = {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-6, "weight_decay": 0.1}
MAX_NORM = 1.0


def load(name):
    """The model as its files have it, in double precision, and its prompts."""
    config = make_models.MODELS[name][0]
    model, _ = make_models.build(config)
    directory = make_models.ROOT / name
    stored = {}
    for file in directory.glob("*.safetensors"):
        stored |= load_file(file)
    stored = make_models.split_experts(stored)
    state = {}
    for key, tensor in model.state_dict().items():
        prefix = key.rsplit(".", 1)[0]
        if key.endswith("experts.gate_up_proj"):
            state[key] = torch.stack([torch.cat((stored[f"{prefix}.{e}.gate_proj.weight"],
                                                 stored[f"{prefix}.{e}.up_proj.weight"]))
                                      for e in range(tensor.shape[0])])
        elif key.endswith("experts.down_proj"):
            state[key] = torch.stack([stored[f"{prefix}.{e}.down_proj.weight"]
                                      for e in range(tensor.shape[0])])
        elif key in stored:
            state[key] = stored[key]
        else:  # a tied head
            state[key] = stored["model.embed_tokens.weight"]
    model.load_state_dict({key: tensor.float() * (0.5 if tensor.dim() > 1 else 1.0)
                           for key, tensor in state.items()})
    expected = load_file(directory / "expected" / "model.safetensors")
    return model.double(), [expected[f"prompt_{i}"].long() for i in range(2)]


def logits_of(model, ids):
    if hasattr(model, "config"):
        return model(input_ids=ids[None], use_cache=False).logits[0]
    return model(ids)


def loss_of(model, prompts):
    losses = []
    for prompt, first in zip(prompts, FIRST_TARGETS):
        logits = logits_of(model, prompt)[first:-1]
        losses.append(torch.nn.functional.cross_entropy(logits, prompt[first + 1:],
                                                        reduction="none"))
    return torch.cat(losses).mean()


def make(name):
    model, prompts = load(name)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)
    losses, tensors = [], {}
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, prompts)
        loss.backward()
        losses.append(float(loss.detach()))
        if not tensors:
            gradients = {key: p.grad.clone() for key, p in model.named_parameters()}
            tensors = {f"gradient.{key}": t.float().contiguous()
                       for key, t in make_models.split_experts(gradients).items()}
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimizer.step()
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64).float()
    folder = make_models.ROOT / name / "gradients"
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    print(name, " ".join(f"{loss:.5f}" for loss in losses), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    for name in parser.parse_args().names:
        make(name)


if __name__ == "__main__":
    main()
