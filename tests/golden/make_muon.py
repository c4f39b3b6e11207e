#!/usr/bin/env python3
"""Writes tests/golden/muon/model.safetensors: a few steps of Muon on small matrices, by PyTorch.

    python tests/golden/make_muon.py

All arithmetic is in double precision, on values that f32 has exactly. Momentum and the
Newton-Schulz steps are Keller Jordan's (github.com/KellerJordan/Muon); the update's factor is
Moonlight's, 0.2 sqrt(max(rows, columns)).
"""

import pathlib

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).parent / "muon"
SHAPES = {"wide": (6, 70), "tall": (131, 12), "square": (33, 33), "rank_2": (24, 40), "zero": (5, 3)}
NUM_STEPS = 4
RATE, MOMENTUM, DECAY = 0.02, 0.95, 0.1


def orthogonalise(matrix):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def main():
    torch.manual_seed(7)
    tensors = {}
    for name, shape in SHAPES.items():
        weights = torch.randn(shape).double()
        momentum = torch.zeros(shape, dtype=torch.float64)
        tensors[f"{name}.weights"] = weights.float()
        for step in range(NUM_STEPS):
            gradient = torch.randn(shape)
            if name == "rank_2":
                # Small whole numbers: exactly of rank 2 in f32, and so is every momentum.
                if step == 0:
                    left = torch.randint(-3, 4, (shape[0], 2)).float()
                    right = torch.randint(-3, 4, (2, shape[1])).float()
                gradient = (left * torch.tensor([1.0 + step, 2.0])) @ right
            if name == "zero":
                gradient = torch.zeros(shape)
            tensors[f"{name}.gradient_{step}"] = gradient
            gradient = gradient.double()
            momentum.lerp_(gradient, 1 - MOMENTUM)
            update = orthogonalise(gradient.lerp(momentum, MOMENTUM))
            weights = weights * (1 - RATE * DECAY)
            weights = weights - RATE * 0.2 * max(shape) ** 0.5 * update
            tensors[f"{name}.expected_{step}"] = weights.float()
    ROOT.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()},
              ROOT / "model.safetensors")


if __name__ == "__main__":
    main()
