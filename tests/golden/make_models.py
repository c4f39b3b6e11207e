#!/usr/bin/env python3
"""Writes tests/golden/models: tiny random checkpoints and what PyTorch computes with them.

    pip install torch transformers safetensors
    python tests/golden/make_models.py [NAME ...]

The tests read the committed files; nothing needs Python to run. README.md says what is in them.
"""

import argparse
import copy
import json
import pathlib
import shutil
import tempfile

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

import minimind_reference

ROOT = pathlib.Path(__file__).resolve().parent / "models"
PROMPT_LENGTHS = (12, 37)
NUM_GREEDY = 64
MIN_MARGIN = 1e-3     # of the best two logits (and of routing's border), relative, at every step
MIN_DISTINCT = 12     # a model that repeats one token tests little
VOCAB = 96

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32,
    "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCAB, "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "attention_bias": False,
    "mlp_bias": False, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
}
QWEN2 = LLAMA | {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0, "use_sliding_window": False, "sliding_window": 8,
    "max_window_layers": 2,
}
QWEN3 = LLAMA | {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 16,
    "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True,
    "use_sliding_window": False, "sliding_window": None, "max_window_layers": 2,
}
QWEN3_MOE = QWEN3 | {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "head_dim": 8,
    "tie_word_embeddings": False, "num_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 28, "norm_topk_prob": True, "decoder_sparse_step": 1,
    "mlp_only_layers": [], "router_aux_loss_coef": 0.001, "output_router_logits": False,
}
# MiniMind saves every field, whether the model is a mixture or not.
MINIMIND3 = {
    "architectures": ["MiniMindForCausalLM"], "model_type": "minimind", "dropout": 0.0,
    "hidden_size": 48, "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 24, "vocab_size": VOCAB, "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True, "flash_attn": True,
    "inference_rope_scaling": False, "rope_scaling": None, "use_moe": False, "num_experts": 4,
    "num_experts_per_tok": 1, "moe_intermediate_size": 52, "norm_topk_prob": True,
    "router_aux_loss_coef": 0.0005,
}
MINIMIND2 = {
    "architectures": ["MiniMindForCausalLM"], "model_type": "minimind", "dropout": 0.0,
    "hidden_size": 32, "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0, "flash_attn": True, "inference_rope_scaling": False,
    "rope_scaling": None, "use_moe": False, "num_experts_per_tok": 2, "n_routed_experts": 4,
    "n_shared_experts": 1, "scoring_func": "softmax", "aux_loss_alpha": 0.01, "seq_aux": True,
    "norm_topk_prob": True,
}
MINIMIND_YARN = {"type": "yarn", "factor": 16, "original_max_position_embeddings": 2048,
                 "beta_fast": 32, "beta_slow": 1, "attention_factor": 1.0}

# name: (config.json, dtype of the file, how it is stored)
#   ""            one file
#   "shards"      two files and an index
#   "fused"       experts stacked as transformers 5 holds them
#   "both_names"  a tied lm_head stands in the file too
#   "saved"       config.json as transformers 5 writes it
MODELS = {
    "llama": (LLAMA, "f32", ""),
    "llama_tied": (LLAMA | {"tie_word_embeddings": True, "num_key_value_heads": 4}, "f16", ""),
    "llama3_rope": (LLAMA | {"head_dim": 16, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128}}, "bf16", ""),
    "llama_linear": (LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.0}}, "bf16", ""),
    "llama_yarn": (LLAMA | {"head_dim": 16, "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}}, "bf16", ""),
    "llama_bias": (LLAMA | {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 1},
                   "bf16", ""),
    "mistral": (LLAMA | {"architectures": ["MistralForCausalLM"], "model_type": "mistral",
                         "sliding_window": 16, "head_dim": 8, "num_hidden_layers": 3},
                "bf16", "saved"),
    "qwen2": (QWEN2, "bf16", "shards"),
    "qwen2_window": (QWEN2 | {"use_sliding_window": True, "max_window_layers": 1,
                              "num_hidden_layers": 3}, "bf16", ""),
    "qwen3": (QWEN3, "bf16", "saved"),
    "qwen3_moe": (QWEN3_MOE, "bf16", ""),
    "qwen3_moe_mixed": (QWEN3_MOE | {"num_hidden_layers": 3, "mlp_only_layers": [1],
                                     "norm_topk_prob": False}, "bf16", "fused"),
    "minimind3": (MINIMIND3, "f16", "both_names"),
    "minimind3_yarn": (MINIMIND3 | {"inference_rope_scaling": True, "rope_scaling": MINIMIND_YARN},
                       "f16", "both_names"),
    "minimind3_moe": (MINIMIND3 | {"use_moe": True, "hidden_size": 32, "num_attention_heads": 4,
                                   "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 36,
                                   "moe_intermediate_size": 36}, "bf16", "both_names"),
    "minimind2": (MINIMIND2, "f16", ""),
    "minimind2_moe": (MINIMIND2 | {"use_moe": True, "hidden_size": 24, "num_attention_heads": 3,
                                   "num_key_value_heads": 1, "intermediate_size": 44,
                                   "n_shared_experts": 2}, "bf16", ""),
}
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def build(config):
    """The model in fp32, and the AutoConfig where transformers knows the architecture."""
    if config["model_type"] == "minimind":
        return minimind_reference.MiniMind(minimind_reference.shape_of(config)), None
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "config.json").write_text(json.dumps(config))
        hf_config = AutoConfig.from_pretrained(directory)
    model = AutoModelForCausalLM.from_config(hf_config, attn_implementation="eager",
                                             experts_implementation="eager",
                                             dtype=torch.float32)
    return model, hf_config


def randomise(model, seed, dtype):
    """Larger than any trained weight, so that logits differ clearly; exact in `dtype`."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                value = 1 + 0.1 * noise
            elif name.endswith("bias"):
                value = 0.5 * noise
            elif "embed_tokens" in name:
                value = 0.6 * noise
            else:
                value = 0.35 * noise
            parameter.copy_(value.to(dtype).float())


def logits_of(model, ids):
    """[tokens, vocab], and the routing scores [tokens, experts] of each sparse layer."""
    ids = torch.tensor(ids)
    with torch.no_grad():
        if isinstance(model, minimind_reference.MiniMind):
            logits = model(ids)
            scores = [m.last_scores for m in model.modules()
                      if isinstance(m, minimind_reference.MixtureOfExperts)]
        else:
            sparse = getattr(model.config, "num_experts", 0)
            options = {"output_router_logits": True} if sparse else {}
            output = model(ids[None], use_cache=False, **options)
            logits = output.logits[0]
            scores = [r.softmax(-1) for r in output.router_logits] if sparse else []
    return logits, scores


def greedy(model, prompt):
    ids = list(prompt)
    for _ in range(NUM_GREEDY):
        ids.append(int(logits_of(model, ids)[0][-1].argmax()))
    return ids[len(prompt):]


def relative_gap(values, k):
    """Distance of the k-th and the next largest of each row, relative to the row's largest magnitude."""
    best = values.topk(k + 1, dim=-1).values
    return (best[..., k - 1] - best[..., k]) / values.abs().amax(-1)


def is_stable(model, prompt, tokens, top_k):
    """In double precision the same tokens come out, and no choice is a near tie."""
    logits, scores = logits_of(copy.deepcopy(model).double(), list(prompt) + list(tokens[:-1]))
    steps = logits[len(prompt) - 1:]
    if steps.argmax(-1).tolist() != list(tokens) or len(set(tokens)) < MIN_DISTINCT:
        return False
    margins = [relative_gap(steps, 1)] + [relative_gap(s, top_k) for s in scores]
    return all(float(margin.min()) > MIN_MARGIN for margin in margins)


def find_seed(model, dtype, top_k):
    """The first seed whose greedy continuations are stable, with prompts and continuations."""
    for seed in range(1, 2000):
        randomise(model, seed, dtype)
        generator = torch.Generator().manual_seed(seed)
        prompts = [torch.randint(3, VOCAB, (n,), generator=generator).tolist()
                   for n in PROMPT_LENGTHS]
        results = []
        for prompt in prompts:
            tokens = greedy(model, prompt)
            if not is_stable(model, prompt, tokens, top_k):
                break
            results.append((prompt, tokens))
        if len(results) == len(prompts):
            return seed, results
    raise SystemExit("no seed gives a stable continuation; change the standard deviations")


def split_experts(tensors):
    """Per-expert names from the stacked tensors that transformers 5 keeps in memory."""
    split = {}
    for name, tensor in tensors.items():
        prefix = name.rsplit(".", 1)[0]
        if name.endswith("experts.gate_up_proj"):
            for e, matrix in enumerate(tensor):
                gate, up = matrix.chunk(2, dim=0)
                split[f"{prefix}.{e}.gate_proj.weight"] = gate
                split[f"{prefix}.{e}.up_proj.weight"] = up
        elif name.endswith("experts.down_proj"):
            for e, matrix in enumerate(tensor):
                split[f"{prefix}.{e}.down_proj.weight"] = matrix
        else:
            split[name] = tensor
    return split


def write_weights(directory, model, tied, dtype, form):
    tensors = dict(model.state_dict())
    if tied and form != "both_names":
        del tensors["lm_head.weight"]
    if form != "fused":
        tensors = split_experts(tensors)
    tensors = {name: t.to(dtype).contiguous().clone() for name, t in tensors.items()}
    if form != "shards":
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
        return
    parts = [{}, {}]
    for name, tensor in tensors.items():
        parts[1 if ".layers.1." in name or name.startswith("lm_head") else 0][name] = tensor
    weight_map = {}
    for i, part in enumerate(parts):
        file = f"model-{i + 1:05}-of-{len(parts):05}.safetensors"
        save_file(part, directory / file, metadata={"format": "pt"})
        weight_map |= {name: file for name in part}
    total = sum(t.nbytes for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def write_expected(directory, model, results):
    tensors = {}
    for i, (prompt, tokens) in enumerate(results):
        tensors[f"prompt_{i}"] = torch.tensor(prompt, dtype=torch.int32)
        tensors[f"logits_{i}"] = logits_of(model, prompt)[0].clone()
        tensors[f"greedy_{i}"] = torch.tensor(tokens, dtype=torch.int32)
    (directory / "expected").mkdir()
    save_file(tensors, directory / "expected" / "model.safetensors")


def check_against_transformers(config, model, results):
    """MiniMind without shared experts has a twin in transformers: the logits must agree."""
    shape = minimind_reference.shape_of(config)
    if shape["num_shared_experts"] or shape["rope_scaling"]:
        return "no twin"
    base = {"minimind2": LLAMA, "dense": QWEN3, "moe": QWEN3_MOE}[
        "minimind2" if not shape["qk_norm"] else "moe" if config["use_moe"] else "dense"]
    twin_config = base | {key: config[key] for key in base if key in config and key not in
                          ("architectures", "model_type")}
    twin_config |= {"head_dim": shape["head_dim"], "tie_word_embeddings": True}
    twin, _ = build(twin_config)
    own = split_experts(dict(model.state_dict()))
    state = {}
    for name, tensor in twin.state_dict().items():
        prefix = name.rsplit(".", 1)[0]
        if name.endswith("experts.gate_up_proj"):
            state[name] = torch.stack([torch.cat((own[f"{prefix}.{e}.gate_proj.weight"],
                                                  own[f"{prefix}.{e}.up_proj.weight"]))
                                       for e in range(tensor.shape[0])])
        elif name.endswith("experts.down_proj"):
            state[name] = torch.stack([own[f"{prefix}.{e}.down_proj.weight"]
                                       for e in range(tensor.shape[0])])
        else:
            state[name] = own[name]
    twin.load_state_dict(state)
    worst = max(float((logits_of(model, prompt)[0] - logits_of(twin, prompt)[0]).abs().max())
                for prompt, _ in results)
    assert worst < 1e-4, f"differs from its twin in transformers by {worst}"
    return f"twin agrees within {worst:.1e}"


def make(name):
    config, dtype_name, form = MODELS[name]
    dtype = DTYPES[dtype_name]
    model, hf_config = build(config)
    model.eval()
    seed, results = find_seed(model, dtype, config.get("num_experts_per_tok", 1))
    note = check_against_transformers(config, model, results) if hf_config is None else ""

    directory = ROOT / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    if form == "saved":
        hf_config.architectures = config["architectures"]
        hf_config.dtype = dtype
        hf_config.save_pretrained(directory)
    else:
        torch_dtype = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}[dtype_name]
        text = json.dumps(config | {"torch_dtype": torch_dtype}, indent=2)
        (directory / "config.json").write_text(text + "\n")
    write_weights(directory, model, config.get("tie_word_embeddings", hf_config is None), dtype, form)
    write_expected(directory, model, results)
    size = sum(f.stat().st_size for f in directory.rglob("*") if f.is_file())
    distinct = [len(set(tokens)) for _, tokens in results]
    spread = float(logits_of(model, results[1][0])[0].std())
    print(f"{name}: seed {seed}, {size} bytes, distinct greedy tokens {distinct}, "
          f"logits' deviation {spread:.2f} {note}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MODELS))
    torch.set_num_threads(1)
    for name in parser.parse_args().names:
        make(name)


if __name__ == "__main__":
    main()
