# SPDX-License-Identifier: Apache-2.0
"""A program written for CUDA, mixed precision and all. It runs unchanged on the device:

    trireme run examples/cuda_program.py

Without a GPU and without `trireme run` it falls back to the CPU, as such programs do.
"""

from __future__ import annotations

import random
import time

import torch
from torch import nn

STEPS = 60
BATCH = 128
CLASSES = 4


class SpiralClassifier(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width),
            nn.GELU(),
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(0.05),
            nn.Linear(width, CLASSES),
        )

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.layers(points)


def spirals(points: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points on intertwined arms; which arm is the class."""
    label = torch.randint(CLASSES, (points,))
    radius = torch.rand(points)
    angle = 4 * radius + label * (2 * torch.pi / CLASSES) + 0.1 * torch.randn(points)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), label


def accuracy(model: nn.Module, points: torch.Tensor, label: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        right = (model(points).argmax(dim=1) == label).float().mean().item()
    model.train()
    return right


def main() -> None:
    random.seed(0)
    torch.manual_seed(0)
    torch.cuda.manual_seed_all(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if torch.cuda.is_available():
        print(f"{torch.cuda.device_count()} GPU(s): {torch.cuda.get_device_name(0)}")
    half = torch.bfloat16 if device.type == "cpu" or torch.cuda.is_bf16_supported() else torch.half

    model = SpiralClassifier()
    if torch.cuda.is_available():
        model = model.cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    held_out = [part.to(device, non_blocking=True) for part in spirals(512)]

    start = time.perf_counter()
    for step in range(1, STEPS + 1):
        points, label = (part.to(device, non_blocking=True) for part in spirals(BATCH))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device_type=device.type, dtype=half):
            loss = nn.functional.cross_entropy(model(points), label)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        if step % 20 == 0:
            right = accuracy(model, *held_out)
            print(f"step {step}: loss {loss.item():.3f}, accuracy {right:.1%}")
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        print(f"{torch.cuda.max_memory_allocated() / 2**20:.1f} MiB at most")
    print(f"{STEPS / (time.perf_counter() - start):.0f} steps/s on {device}")


if __name__ == "__main__":
    main()
