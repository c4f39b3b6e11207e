#!/usr/bin/env python3
"""Writes tests/golden/pth: small checkpoints as PyTorch writes them, and the seeds of tests/fuzz/pth_fuzz.cc.

    pip install torch safetensors
    tests/golden/make_pth.py

first_*.pth are golden models under the names and with the RoPE pairs of MiniMind's first code; that both forms give
the same attention scores is checked here.
"""
import collections
import pathlib
import re
import zipfile

import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "pth"
SEEDS = HERE.parent / "fuzz" / "corpus" / "pth"
FIRST = {"model.embed_tokens.weight": "tok_embeddings.weight", "model.norm.weight": "norm.weight",
         "lm_head.weight": "output.weight"}
FIRST_IN_LAYER = {"input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
                  "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk",
                  "self_attn.v_proj": "attention.wv", "self_attn.o_proj": "attention.wo",
                  "mlp.shared_experts.0.": "feed_forward.shared_experts.", "mlp.": "feed_forward.",
                  "gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}


def tensors():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) - 7.25
    state = collections.OrderedDict()
    state["base"] = base
    state["tied"] = base
    state["transposed"] = base.t()
    state["row"] = base[2]
    state["columns"] = base[:, 1:4]
    state["half"] = base.to(torch.float16)
    state["bfloat"] = (base / 3).to(torch.bfloat16)
    state["bytes"] = torch.arange(5, dtype=torch.uint8)
    state["chars"] = torch.arange(-2, 3, dtype=torch.int8)
    state["ints"] = torch.tensor([[1, -2], [3, 1 << 30]], dtype=torch.int32)
    state["longs"] = torch.tensor([1, -(1 << 40)])
    state["scalar"] = torch.tensor(3.5)
    state["empty"] = torch.zeros(0, 5)
    state["parameter"] = torch.nn.Parameter(torch.ones(2, 1))
    return state


def resume():
    torch.manual_seed(1)
    model = torch.nn.Sequential(collections.OrderedDict(up=torch.nn.Linear(3, 4), down=torch.nn.Linear(4, 2)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=1e-4)
    model(torch.ones(2, 3)).square().sum().backward()
    optimizer.step()
    scheduler.step()
    return model, {"model": {k: v.half() for k, v in model.state_dict().items()}, "optimizer": optimizer.state_dict(),
                   "scheduler": scheduler.state_dict(), "scaler": {"scale": 65536.0, "growth_factor": 2.0},
                   "epoch": 1, "step": 1 << 40, "world_size": 1, "wandb_id": None, "mask": torch.tensor([True])}


def to_pairs(weight, head_dim):
    """Row i of a head's first half and row i of its second become neighbours."""
    return weight.reshape(-1, 2, head_dim // 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape).contiguous()


def check_scores(query, key, head_dim):
    """q k^T with RoPE in half form equals that of the pair form on the permuted weights."""
    x = torch.randn(5, query.shape[1], dtype=torch.float64)
    angles = torch.arange(5.0, dtype=torch.float64)[:, None] * 1e4 ** (-torch.arange(0.0, head_dim, 2) / head_dim)[None]
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]

    def half(w):
        a, b = (x @ w.double().t()).reshape(5, -1, head_dim).chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def pair(w):
        v = (x @ to_pairs(w, head_dim).double().t()).reshape(5, -1, head_dim // 2, 2)
        v = torch.view_as_complex(v.contiguous()) * torch.polar(torch.ones_like(angles), angles)[:, None]
        return torch.view_as_real(v).flatten(2)

    groups = query.shape[0] // key.shape[0]
    scores = [torch.einsum("ihd,jhd->hij", f(query), f(key).repeat_interleave(groups, 1)) for f in (half, pair)]
    torch.testing.assert_close(scores[0], scores[1])


def first_form(state, head_dim):
    for name in state:
        if name.endswith("q_proj.weight"):
            check_scores(state[name], state[name.replace("q_proj", "k_proj")], head_dim)
    first = collections.OrderedDict()
    for name, weight in state.items():
        if re.search(r"self_attn\.[qk]_proj\.weight$", name):
            weight = to_pairs(weight, head_dim)
        if name in FIRST:
            name = FIRST[name]
        else:
            name = name.removeprefix("model.")
            for today, old in FIRST_IN_LAYER.items():
                name = name.replace(today, old)
        first[name] = weight
    first["output.weight"] = first["tok_embeddings.weight"]
    return first


def main():
    OUT.mkdir(exist_ok=True)
    SEEDS.mkdir(exist_ok=True)
    state = tensors()
    torch.save(state, OUT / "tensors.pth")
    torch.save(dict(state), OUT / "protocol4.pth", pickle_protocol=4)
    save_file({k: v.detach().contiguous().clone() for k, v in state.items()}, OUT / "tensors.safetensors")
    model, checkpoint = resume()
    torch.save(checkpoint, OUT / "resume.pth")
    save_file(checkpoint["model"], OUT / "resume_model.safetensors")
    torch.save(collections.OrderedDict(a=torch.ones(2)), OUT / "old_format.pth", _use_new_zipfile_serialization=False)
    torch.save({"note": "nothing"}, OUT / "without_tensors.pth")
    torch.save({"a": torch.zeros(2, dtype=torch.float64)}, OUT / "double.pth")
    torch.save(model, OUT / "whole_module.pth")
    for name, head_dim in (("minimind2", 8), ("minimind2_moe", 8)):
        weights = load_file(HERE / "models" / name / "model.safetensors")
        shared_twice = any("shared_experts.1" in k for k in weights)
        if shared_twice:  # the first code had one shared expert
            weights = {k: v for k, v in weights.items() if "shared_experts.1" not in k and "layers.1" not in k}
            save_file(weights, OUT / f"first_{name}.safetensors")
        torch.save(first_form(weights, head_dim), OUT / f"first_{name}.pth")
    # Seeds: a file, and pickles without one.
    small = collections.OrderedDict(a=torch.ones(2, 3).t(), b=torch.tensor([1, 2]), n=1.5, l=[None, True, (1, -1)])
    torch.save({"model": small, "step": 1 << 40}, SEEDS / "file.pth")
    for protocol in (2, 4):
        torch.save({"model": small, "step": 1 << 40}, OUT / "seed.pth", pickle_protocol=protocol)
        with zipfile.ZipFile(OUT / "seed.pth") as archive:
            (SEEDS / f"protocol{protocol}.pkl").write_bytes(archive.read("seed/data.pkl"))
    (OUT / "seed.pth").unlink()


if __name__ == "__main__":
    main()
