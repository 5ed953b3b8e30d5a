# SPDX-License-Identifier: Apache-2.0
"""Several Python threads on the device at once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
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


def test_backward_follows_set_num_threads() -> None:
    """Autograd's threads are made once; eager runs backward in the program's, whose number counts."""

    def gradient(device: str) -> torch.Tensor:
        # The weight's gradient is summed by each thread, then over the threads.
        x = torch.linspace(-1, 1, 2048 * 64, device="cpu").view(2048, 64).to(device).sin()
        w = torch.ones(64, device=device, requires_grad=True)
        nn.functional.layer_norm(x, (64,), weight=w).pow(3).sum().backward()
        assert w.grad is not None
        return w.grad.cpu()

    before = torch.get_num_threads()
    try:
        by_threads = []
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            assert torch.equal(gradient("trireme"), gradient("cpu")), threads
            by_threads.append(gradient("cpu"))
        assert not torch.equal(by_threads[0], by_threads[1])  # the test can fail
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
def test_the_program_keeps_no_team_of_threads() -> None:
    """Two teams of OpenMP threads, its and the executor's, would make each parallel region slow."""

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    def settle(wanted: int) -> int:
        deadline = time.monotonic() + 10
        while threads() > wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        return threads()

    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        x = torch.ones(8).to(DEVICE)
        torch.accelerator.synchronize()
        time.sleep(0.5)
        alone = threads()
        host = torch.empty(1 << 20).fill_(1.0)  # in parallel, by the program's own team
        assert threads() > alone
        x.copy_(host[:8])
        assert settle(alone) <= alone
    finally:
        torch.set_num_threads(before)
