# SPDX-License-Identifier: Apache-2.0
"""A training step of a small diffusion U-Net: predict the noise that was mixed into an image.

Residual blocks with group norm and a timestep embedding, attention at the lowest resolution, as
in denoising diffusion models (Ho, Jain, Abbeel 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.programs.program import Batch, Build, Prepared, Target, training

GROUPS = 8
CHANNELS = (32, 64, 128)
SIZE, BATCH, TIMESTEPS = 32, 16, 1000


def sinusoids(timesteps: torch.Tensor, width: int) -> torch.Tensor:
    """[batch] timesteps -> [batch, width]"""
    half = width // 2
    exponents = torch.arange(half, device=timesteps.device, dtype=torch.float32) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(10_000) * exponents)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class ResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(embedding, outputs)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(time)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return self.skip(x) + h


class Attention(nn.Module):
    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        parts = self.qkv(self.norm(x)).view(batch, 3, self.heads, -1, height * width)
        q, k, v = parts.transpose(-1, -2).unbind(1)
        attended = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(attended.transpose(-1, -2).reshape(batch, channels, height, width))


class UNet(nn.Module):
    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        first, last = channels[0], channels[-1]
        embedding = 4 * first
        self.width = first
        self.time = nn.Sequential(
            nn.Linear(first, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.enter = nn.Conv2d(3, first, 3, padding=1)
        inputs = [first, *channels[:-1]]
        self.down = nn.ModuleList(
            ResBlock(i, o, embedding) for i, o in zip(inputs, channels, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, 2, padding=1) for c in channels[:-1])
        self.middle = nn.ModuleList([ResBlock(last, last, embedding) for _ in range(2)])
        self.attention = Attention(last)
        self.up = nn.ModuleList(
            ResBlock(2 * o, i, embedding)
            for i, o in zip(reversed(inputs), reversed(channels), strict=True)
        )
        self.norm = nn.GroupNorm(GROUPS, first)
        self.leave = nn.Conv2d(first, 3, 3, padding=1)

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        time = F.silu(self.time(sinusoids(timesteps, self.width)))
        x = self.enter(x)
        skips = []
        for level, block in enumerate(self.down):
            x = block(x, time)
            skips.append(x)
            if level < len(self.shrink):
                x = self.shrink[level](x)
        x = self.middle[0](x, time)
        x = self.middle[1](self.attention(x), time)
        for level, block in enumerate(self.up):
            x = block(torch.cat([x, skips.pop()], dim=1), time)
            if level < len(self.shrink):
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.leave(F.silu(self.norm(x)))


def noise_loss(model: Callable[..., object], batch: Batch) -> torch.Tensor:
    kept = batch["kept"][batch["timesteps"]][:, None, None, None]  # the image's share of variance
    noisy = kept.sqrt() * batch["images"] + (1 - kept).sqrt() * batch["noise"]
    predicted = model(noisy, batch["timesteps"])
    assert isinstance(predicted, torch.Tensor)
    return F.mse_loss(predicted, batch["noise"])


def unet() -> Build:
    def build(target: Target) -> Prepared:
        batch = {
            "images": torch.randn(BATCH, 3, SIZE, SIZE),
            "noise": torch.randn(BATCH, 3, SIZE, SIZE),
            "timesteps": torch.randint(TIMESTEPS, (BATCH,)),
            "kept": torch.cumprod(1 - torch.linspace(1e-4, 0.02, TIMESTEPS), 0),
        }
        return training(UNet(), [batch], target, noise_loss)

    return build
