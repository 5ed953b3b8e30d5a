# SPDX-License-Identifier: Apache-2.0
"""Autocast casts what the CPU's autocast casts, op for op."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing._internal.autocast_test_lists import AutocastCPUTestLists
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = "trireme"
HALVES = [torch.bfloat16, torch.float16]

LISTED = sorted(
    name
    for name in torch._C._dispatch_get_all_op_names()
    if name.startswith("aten::")
    and torch._C._dispatch_has_kernel_for_dispatch_key(name, "AutocastCPU")
)
LISTED_BASES = {name.removeprefix("aten::").split(".")[0] for name in LISTED}
OPINFO_NAMES = {
    "nn.functional.binary_cross_entropy_with_logits",
    "nn.functional.cross_entropy",
    "nn.functional.max_pool3d",
    "nn.functional.pad",
}
# Random, or (lstsq) decided in the last bits by how LAPACK's workspace lies in memory.
NOT_COMPARED = {
    "nn.functional.scaled_dot_product_attention",
    "nn.functional.fractional_max_pool2d",
    "nn.functional.fractional_max_pool3d",
    "linalg.lstsq",
}


def is_listed(name: str) -> bool:
    base = name.removeprefix("nn.functional.").replace("linalg.", "linalg_").replace("fft.", "fft_")
    return base in LISTED_BASES or name in OPINFO_NAMES


def to(device: str, value: Any) -> Any:
    return tree_map(lambda x: x.detach().to(device) if isinstance(x, torch.Tensor) else x, value)


def to_bfloat16(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.detach().bfloat16()
    return value


def outcome(
    function: Callable[..., Any], device: str, dtype: torch.dtype, args: Any, kwargs: Any
) -> Any:
    args, kwargs = to(device, args), to(device, kwargs)
    torch.manual_seed(0)
    with torch.autocast(device, dtype=dtype):
        try:
            result = function(*args, **kwargs)
        except (RuntimeError, ValueError, NotImplementedError) as error:
            return type(error)
    return [
        (x.cpu(), x.stride()) if isinstance(x, torch.Tensor) else x for x in tree_flatten(result)[0]
    ]


def same(function: Callable[..., Any], dtype: torch.dtype, args: Any, kwargs: Any) -> None:
    expected = outcome(function, "cpu", dtype, args, kwargs)
    actual = outcome(function, DEVICE, dtype, args, kwargs)
    if isinstance(expected, type):
        # What the CPU refuses may work here (test_gpu_coverage.py), but not fail in another way.
        assert not isinstance(actual, type) or issubclass(actual, expected), (expected, actual)
        return
    assert not isinstance(actual, type), actual
    for a, b in zip(expected, actual, strict=True):
        if isinstance(a, tuple):
            torch.testing.assert_close(b[0], a[0], rtol=0, atol=0, equal_nan=True)
            assert a[1] == b[1]
        else:
            assert a == b


def listed_calls() -> list[Any]:
    lists = AutocastCPUTestLists(torch.device("cpu"))
    calls = []
    for name in sorted(vars(lists)):
        entries = getattr(lists, name)
        if not isinstance(entries, list):
            continue
        modules: list[Any] = [torch]
        if name.startswith("nn_"):
            modules = [torch.nn.functional, torch._C._nn]
        elif name.startswith("methods_"):
            modules = [torch.Tensor]
        for number, entry in enumerate(entries):
            function = next((getattr(m, entry[0]) for m in modules if hasattr(m, entry[0])), None)
            if function is None:
                continue
            kwargs = entry[2] if len(entry) > 2 and isinstance(entry[2], dict) else {}
            calls.append(pytest.param(function, entry[1], kwargs, id=f"{name}-{entry[0]}-{number}"))
    return calls


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("function", "args", "kwargs"), listed_calls())
def test_pytorchs_own_list(function: Any, args: Any, kwargs: Any, dtype: torch.dtype) -> None:
    same(function, dtype, args, kwargs)


@pytest.mark.parametrize(
    "op", [pytest.param(op, id=op.formatted_name) for op in op_db if is_listed(op.name)]
)
def test_samples(op: Any) -> None:
    if op.name in NOT_COMPARED or torch.float32 not in op.dtypes:
        pytest.skip("see NOT_COMPARED")
    for number, sample in enumerate(op.sample_inputs("cpu", torch.float32)):
        if number == 4:
            break
        for dtype in HALVES:
            same(op.op, dtype, (sample.input, *sample.args), sample.kwargs)
        lower = to("cpu", (sample.input, *sample.args))
        lower = tree_map(
            lambda x: x.bfloat16() if isinstance(x, torch.Tensor) and x.is_floating_point() else x,
            lower,
        )
        same(op.op, torch.bfloat16, lower, sample.kwargs)


def test_every_listed_op_has_a_kernel() -> None:
    missing = [
        name
        for name in LISTED
        if not torch._C._dispatch_has_kernel_for_dispatch_key(name, "AutocastPrivateUse1")
    ]
    assert len(LISTED) > 100
    assert not missing


def test_default_dtype_is_bfloat16_in_every_thread() -> None:
    def seen() -> torch.dtype:
        torch.ones(1, device=DEVICE)
        return torch.get_autocast_dtype(DEVICE)

    found = []
    thread = threading.Thread(target=lambda: found.append(seen()))
    thread.start()
    thread.join()
    assert [seen(), *found] == [torch.bfloat16] * 2


def test_a_thread_that_begins_under_autocast_keeps_its_dtype() -> None:
    found = []

    def run() -> None:
        with torch.autocast(DEVICE, dtype=torch.float16):
            x = torch.ones(2, 2, device=DEVICE)
            found.append((x @ x).dtype)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [torch.float16]


@pytest.mark.parametrize("dtype", HALVES)
def test_small_model(dtype: torch.dtype) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1)
            self.norm = nn.GroupNorm(2, 8)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
            self.out = nn.Sequential(nn.Linear(8, 16), nn.PReLU(), nn.Linear(16, 5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
            y = torch.cat([y, self.attend(y, y, y, need_weights=False)[0]], 1)
            return self.out(y).mean(1)

    torch.manual_seed(0)
    state = Model().state_dict()
    image, target = torch.rand(2, 3, 6, 6), torch.tensor([1, 4])

    def run(device: str) -> list[torch.Tensor]:
        model = Model().to(device)
        model.load_state_dict(state)
        with torch.autocast(device, dtype=dtype):
            logits = model(image.to(device))
            loss = nn.functional.cross_entropy(logits, target.to(device))
        loss.backward()
        return [
            logits.detach().cpu(),
            loss.detach().cpu(),
            *(p.grad.cpu() for p in model.parameters() if p.grad is not None),
        ]

    for a, b in zip(run("cpu"), run(DEVICE), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


def test_cache() -> None:
    weight = torch.ones(4, 4, device=DEVICE, requires_grad=True)
    x = torch.ones(2, 4, device=DEVICE)

    def casts(cache: bool) -> int:
        with torch.profiler.profile() as prof, torch.autocast(DEVICE, cache_enabled=cache):
            for _ in range(3):
                torch.mm(x, weight)
        return sum(e.name == "aten::_to_copy" for e in prof.events())

    assert casts(True) == 4  # the weight once, x each time
    assert casts(False) == 6
