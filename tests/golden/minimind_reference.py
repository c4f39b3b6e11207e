"""MiniMind's two generations as small PyTorch modules, written from their published facts.

The second generation has Llama's shape: no norm on q and k, epsilon 1e-5, top-k experts beside shared
ones. minimind-3 has Qwen3's shape: RMSNorm on each head's q and k before RoPE, epsilon 1e-6, no shared
experts. Parameter names are those of the checkpoints.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rope_frequencies(config):
    """Radians per position; with MiniMind's YaRN (ramp bound d/2 - 1) where the config switches it on."""
    dim, theta = config["head_dim"], config["rope_theta"]
    frequencies = [theta ** (-2.0 * i / dim) for i in range(dim // 2)]
    scaling = config.get("rope_scaling")
    if scaling and config["max_position_embeddings"] > scaling["original_max_position_embeddings"]:
        original, factor = scaling["original_max_position_embeddings"], scaling["factor"]

        def pair_of(rotations):  # the pair that turns `rotations` times over the original context
            return dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

        low = max(math.floor(pair_of(scaling["beta_fast"])), 0)
        high = min(math.ceil(pair_of(scaling["beta_slow"])), dim // 2 - 1)
        for i, frequency in enumerate(frequencies):
            ramp = min(max((i - low) / max(high - low, 0.001), 0.0), 1.0)
            frequencies[i] = frequency * (1 - ramp + ramp / factor)
    return torch.tensor(frequencies, dtype=torch.float32)


def rotate(x, cosines, sines):
    """x [heads, tokens, head_dim]; element i is paired with i + head_dim / 2."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosines - second * sines, second * cosines + first * sines), dim=-1)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.num_heads = config["num_attention_heads"]
        self.num_kv_heads = config["num_key_value_heads"]
        self.head_dim = config["head_dim"]
        hidden = config["hidden_size"]
        self.q_proj = nn.Linear(hidden, self.num_heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(hidden, self.num_kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(hidden, self.num_kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.num_heads * self.head_dim, hidden, bias=False)
        self.qk_norm = config["qk_norm"]
        if self.qk_norm:
            self.q_norm = RmsNorm(self.head_dim, config["rms_norm_eps"])
            self.k_norm = RmsNorm(self.head_dim, config["rms_norm_eps"])

    def forward(self, x, cosines, sines):
        tokens = x.shape[0]
        q = self.q_proj(x).view(tokens, self.num_heads, self.head_dim)
        k = self.k_proj(x).view(tokens, self.num_kv_heads, self.head_dim)
        v = self.v_proj(x).view(tokens, self.num_kv_heads, self.head_dim)
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = (t.transpose(0, 1) for t in (q, k, v))  # [heads, tokens, head_dim]
        q, k = rotate(q, cosines, sines), rotate(k, cosines, sines)
        group = self.num_heads // self.num_kv_heads
        k, v = k.repeat_interleave(group, dim=0), v.repeat_interleave(group, dim=0)
        scores = q @ k.transpose(1, 2) / math.sqrt(self.head_dim)  # [heads, tokens, tokens]
        future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
        probabilities = scores.masked_fill(future, float("-inf")).softmax(-1)
        return self.o_proj((probabilities @ v).transpose(0, 1).reshape(tokens, -1))


class FeedForward(nn.Module):
    def __init__(self, hidden, width):
        super().__init__()
        self.gate_proj = nn.Linear(hidden, width, bias=False)
        self.up_proj = nn.Linear(hidden, width, bias=False)
        self.down_proj = nn.Linear(width, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class MixtureOfExperts(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, width = config["hidden_size"], config["moe_intermediate_size"]
        self.top_k = config["num_experts_per_tok"]
        self.renormalise = config["renormalise"]
        self.gate = nn.Linear(hidden, config["num_experts"], bias=False)
        self.experts = nn.ModuleList(FeedForward(hidden, width) for _ in range(config["num_experts"]))
        if config["num_shared_experts"]:
            self.shared_experts = nn.ModuleList(
                FeedForward(hidden, width) for _ in range(config["num_shared_experts"]))
        self.last_scores = None  # [tokens, num_experts], for checks of the routing's margin

    def forward(self, x):
        scores = self.gate(x).softmax(-1)
        self.last_scores = scores.detach()
        weights, chosen = scores.topk(self.top_k, dim=-1)
        if self.renormalise:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        rows = []
        for t in range(x.shape[0]):
            parts = [w * self.experts[int(e)](x[t]) for w, e in zip(weights[t], chosen[t])]
            rows.append(torch.stack(parts).sum(0))
        y = torch.stack(rows)
        for expert in getattr(self, "shared_experts", []):
            y = y + expert(x)
        return y


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config)
        self.input_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.post_attention_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.mlp = (MixtureOfExperts(config) if config["num_experts"] else
                    FeedForward(config["hidden_size"], config["intermediate_size"]))

    def forward(self, x, cosines, sines):
        x = x + self.self_attn(self.input_layernorm(x), cosines, sines)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Block(config) for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])


class MiniMind(nn.Module):
    """config: the fields of `shape_of`. forward: ids [tokens] to logits [tokens, vocab]."""

    def __init__(self, config):
        super().__init__()
        self.model = Body(config)
        self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)
        self.lm_head.weight = self.model.embed_tokens.weight  # always tied
        self.frequencies = rope_frequencies(config)

    def forward(self, ids):
        angles = torch.arange(len(ids), dtype=torch.float32)[:, None] * self.frequencies
        x = self.model.embed_tokens(ids)
        cosines, sines = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.model.layers:
            x = layer(x, cosines, sines)
        return self.lm_head(self.model.norm(x))


def shape_of(config):
    """What MiniMind needs to know, from a config.json of either generation."""
    second = "n_routed_experts" in config
    moe = config["use_moe"]
    return {
        "hidden_size": config["hidden_size"],
        "num_hidden_layers": config["num_hidden_layers"],
        "num_attention_heads": config["num_attention_heads"],
        "num_key_value_heads": config["num_key_value_heads"],
        "head_dim": config.get("head_dim", config["hidden_size"] // config["num_attention_heads"]),
        "intermediate_size": config["intermediate_size"],
        "moe_intermediate_size": config.get("moe_intermediate_size", config["intermediate_size"]),
        "vocab_size": config["vocab_size"],
        "max_position_embeddings": config["max_position_embeddings"],
        "rms_norm_eps": config["rms_norm_eps"],
        "rope_theta": config["rope_theta"],
        "rope_scaling": config["rope_scaling"] if config.get("inference_rope_scaling") else None,
        "qk_norm": not second,
        "num_experts": (config["n_routed_experts" if second else "num_experts"] if moe else 0),
        "num_shared_experts": (config["n_shared_experts"] if moe and second else 0),
        "num_experts_per_tok": config["num_experts_per_tok"],
        "renormalise": config["norm_topk_prob"] and (config["num_experts_per_tok"] > 1 or not second),
    }
