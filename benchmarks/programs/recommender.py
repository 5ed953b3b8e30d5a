# SPDX-License-Identifier: Apache-2.0
"""A training step of a recommender with large embedding tables.

As DLRM (Naumov et al. 2019): dense features through an MLP, a bag of indices into each table, the
dot products of all pairs of these vectors, and an MLP to the probability of a click. Two batches
take turns, so that the rows that are read change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.programs.program import Batch, Build, Prepared, Target, training

TABLES, ROWS, WIDTH = 8, 100_000, 16
DENSE, BAG, BATCH = 13, 4, 2048


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Recommender(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(ROWS, WIDTH, mode="sum") for _ in range(TABLES))
        self.bottom = perceptron([DENSE, 256, 64, WIDTH])
        vectors = TABLES + 1
        self.top = perceptron([WIDTH + vectors * (vectors - 1) // 2, 256, 64, 1])
        pairs = torch.tril_indices(vectors, vectors, offset=-1)
        self.register_buffer("pairs", pairs, persistent=False)

    def forward(self, dense: torch.Tensor, bags: torch.Tensor) -> torch.Tensor:
        x = self.bottom(dense)
        found = [table(bags[:, index]) for index, table in enumerate(self.tables)]
        vectors = torch.stack([x, *found], dim=1)
        products = vectors @ vectors.transpose(1, 2)
        pairs = self.pairs
        assert isinstance(pairs, torch.Tensor)
        return self.top(torch.cat([x, products[:, pairs[0], pairs[1]]], dim=1)).squeeze(1)


def click_loss(model: Callable[..., object], batch: Batch) -> torch.Tensor:
    logits = model(batch["dense"], batch["bags"])
    assert isinstance(logits, torch.Tensor)
    return F.binary_cross_entropy_with_logits(logits, batch["clicks"])


def dlrm() -> Build:
    def build(target: Target) -> Prepared:
        model = Recommender()
        batches = [
            {
                "dense": torch.randn(BATCH, DENSE),
                "bags": torch.randint(ROWS, (BATCH, TABLES, BAG)),
                "clicks": torch.randint(2, (BATCH,)).float(),
            }
            for _ in range(2)
        ]
        return training(model, batches, target, click_loss)

    return build
