# SPDX-License-Identifier: Apache-2.0
"""Programs of tiny ops: what counts is the cost of an op, not its arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from benchmarks.programs.program import Batch, Build, Prepared, Target, training

TINY_ADDS = 2000  # in one step of `adds`


def squared_error(model: Callable[..., object], batch: Batch) -> torch.Tensor:
    output = model(batch["inputs"])
    assert isinstance(output, torch.Tensor)
    return F.mse_loss(output, batch["targets"])


def mlp(layers: int = 24) -> Build:
    def build(target: Target) -> Prepared:
        modules: list[torch.nn.Module] = []
        for _ in range(layers):
            modules += [torch.nn.Linear(64, 64), torch.nn.ReLU()]
        batch = {"inputs": torch.randn(32, 64), "targets": torch.randn(32, 64)}
        return training(torch.nn.Sequential(*modules), [batch], target, squared_error)

    return build


def adds() -> Build:
    def build(target: Target) -> Prepared:
        total = torch.zeros(8, device=target.device)

        def step() -> torch.Tensor:
            for _ in range(TINY_ADDS):
                total.add_(1)
            return total[0]

        return Prepared(step)

    return build
