# SPDX-License-Identifier: Apache-2.0
"""A training step of a language model of LSTM layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.programs.program import Batch, Build, Prepared, Target, training

VOCABULARY, WIDTH, LAYERS = 8000, 320, 2
BATCH, LENGTH = 16, 48


class LstmLanguageModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.lstm(self.embedding(tokens))
        return self.head(hidden)


def next_token_loss(model: Callable[..., object], batch: Batch) -> torch.Tensor:
    tokens = batch["tokens"]
    logits = model(tokens[:, :-1])
    assert isinstance(logits, torch.Tensor)
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def lstm() -> Build:
    def build(target: Target) -> Prepared:
        batch = {"tokens": torch.randint(VOCABULARY, (BATCH, LENGTH + 1))}
        return training(LstmLanguageModel(), [batch], target, next_token_loss)

    return build
