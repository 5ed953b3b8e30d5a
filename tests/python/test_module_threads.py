# SPDX-License-Identifier: Apache-2.0
"""Several Python threads on the device at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

DEVICE = "trireme"


def train(seed: int) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) - 0.5)
    model.to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.rand(32, 8, generator=generator).to(DEVICE)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_threads_train_at_once() -> None:
    alone = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(train, range(4)))
    assert together == alone


def test_threads_share_a_tensor() -> None:
    x = torch.zeros(1, device=DEVICE)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: [x.add_(1) for _ in range(100)], range(4)))
    assert x.item() == 400


def test_error_in_one_thread_stays_there() -> None:
    def fails() -> str:
        table = torch.ones(4, 2, device=DEVICE)
        try:
            nn.functional.embedding(torch.tensor([9]).to(DEVICE), table).cpu()
        except (IndexError, RuntimeError) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        error, losses = pool.submit(fails), pool.submit(train, 1)
        assert error.result()
        assert losses.result() == train(1)
