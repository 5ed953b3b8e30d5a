# SPDX-License-Identifier: Apache-2.0
"""Autocast with the CPU's lists, in bfloat16 and float16, and GradScaler."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from torch import nn

DEVICE = "trireme"
HALVES = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", HALVES)
def test_same_dtypes_and_values_as_the_cpu(dtype: torch.dtype) -> None:
    def run(device: str) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Linear(8, 8).to(device)
        x = torch.linspace(-1, 1, 32).view(4, 8).to(device)
        with torch.autocast(device, dtype=dtype):
            y = model(x)
            return [
                y,
                x @ x.T,
                torch.softmax(y, 1),
                y + x,
                torch.nn.functional.mse_loss(y, x),
                torch.cat([y, x]),
                y.sum(),
                torch.nn.functional.layer_norm(y, (8,)),
                nn.functional.conv1d(x.view(4, 2, 4), torch.ones(3, 2, 2, device=device)),
            ]

    for a, b in zip(run("cpu"), run(DEVICE), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b.cpu())


def test_default_dtype_and_nesting() -> None:
    x = torch.ones(4, 4, device=DEVICE)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        assert torch.is_autocast_enabled(DEVICE)
        assert (x @ x).dtype == torch.bfloat16
        with torch.autocast(DEVICE, enabled=False):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled(DEVICE)
    with torch.autocast(DEVICE):
        assert (x @ x).dtype == torch.get_autocast_dtype(DEVICE)


def test_default_dtype_is_the_same_in_every_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(torch.get_autocast_dtype, DEVICE).result()
    assert there == torch.get_autocast_dtype(DEVICE)


def test_autocast_of_the_cpu_does_not_touch_the_device() -> None:
    x = torch.ones(4, 4, device=DEVICE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.float32
        assert (x.cpu() @ x.cpu()).dtype == torch.bfloat16


def test_unsupported_dtype_is_refused_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="not supported"), torch.autocast(DEVICE, torch.float64):
        assert not torch.is_autocast_enabled(DEVICE)


def test_module_and_decorator_forms() -> None:
    x = torch.ones(2, 2, device=DEVICE)
    with torch.trireme.amp.autocast(dtype=torch.float16):
        assert (x @ x).dtype == torch.float16

    @torch.amp.custom_fwd(device_type=DEVICE, cast_inputs=torch.float32)
    def full_precision(ctx: SimpleNamespace, y: torch.Tensor) -> torch.Tensor:
        return y @ y

    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        assert full_precision(SimpleNamespace(), x @ x).dtype == torch.float32


@pytest.mark.parametrize("dtype", HALVES)
def test_training_step(dtype: torch.dtype) -> None:
    def run(device: str) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)).to(device)
        x = torch.linspace(-1, 1, 32).view(4, 8).to(device)
        with torch.autocast(device, dtype=dtype):
            loss = nn.functional.mse_loss(model(x), x)
        loss.backward()
        return [loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]

    for a, b in zip(run("cpu"), run(DEVICE), strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert torch.equal(a, b.cpu())


def test_weights_are_cast_once() -> None:
    model = nn.Linear(4, 4, bias=False).to(DEVICE)
    x = torch.ones(2, 4, device=DEVICE)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        loss = (model(x) + model(x)).sum()
    loss.backward()
    assert model.weight.grad is not None
    assert model.weight.grad.cpu().unique().tolist() == [4.0]


def scaled_run(device: str, bad_step: int = -1) -> list[float]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler(device, init_scale=1024.0, growth_interval=2)
    x = torch.linspace(-1, 1, 32).view(8, 4).to(device)
    seen = []
    for step in range(6):
        optimizer.zero_grad()
        with torch.autocast(device, dtype=torch.float16):
            loss = model(x).square().mean()
        if step == bad_step:
            loss = loss * float("inf")
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        seen += [loss.item(), norm.item(), scaler.get_scale()]
    return seen


@pytest.mark.parametrize("bad_step", [-1, 3])
def test_grad_scaler(bad_step: int) -> None:
    on_cpu, on_device = scaled_run("cpu", bad_step), scaled_run(DEVICE, bad_step)
    assert torch.equal(torch.tensor(on_cpu).nan_to_num(), torch.tensor(on_device).nan_to_num())
    scales = on_device[2::3]
    assert scales[1] == 2048.0
    if bad_step >= 0:
        assert scales[bad_step] == scales[bad_step - 1] / 2


def test_grad_scaler_state() -> None:
    scaler = torch.trireme.amp.GradScaler(init_scale=8.0)
    scaler.scale(torch.ones(1, device=DEVICE))
    other = torch.amp.GradScaler(DEVICE)
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 8.0
