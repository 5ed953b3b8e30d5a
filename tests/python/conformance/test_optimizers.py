# SPDX-License-Identifier: Apache-2.0
"""PyTorch's optim_db on the device against the CPU: parameters and state after several steps, bit for bit."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import skips
import torch
from compare import compare_tree
from conftest import TARGET
from geometry import Copier
from test_ops import describe, report
from torch.testing._internal.common_optimizers import optim_db

DEVICE = torch.device(TARGET)
STEPS = 4
IMPLS: dict[str, dict[str, bool]] = {
    "default": {},
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


def items() -> list[Any]:
    found = []
    for info in optim_db:
        for impl in IMPLS:
            if impl in ("foreach", "fused") and impl not in info.supported_impls:
                continue
            if impl == "fused" and "cpu" not in info.supports_fused_on:
                continue
            if impl == "loop" and "foreach" not in info.supported_impls:
                continue
            for dtype in (torch.float32, torch.float64):
                name = f"{info.optim_cls.__name__}-{impl}-{str(dtype).removeprefix('torch.')}"
                found.append(pytest.param(info, impl, dtype, id=name))
    return found


def make_parameters(dtype: torch.dtype, matrices: bool) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = [(4, 5), (3, 7)] if matrices else [(4, 5), (7,), (), (2, 3, 4)]
    made = [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in shapes]
    made.append(made[0].t().contiguous().t())  # another memory order
    return made


def train(info: Any, kwargs: dict[str, Any], target: torch.device, dtype: torch.dtype) -> Any:
    sparse = bool(info.only_supports_sparse_grads)
    matrices = info.optim_cls.__name__ == "Muon"
    copier = Copier(target)
    parameters = [torch.nn.Parameter(copier(p)) for p in make_parameters(dtype, matrices)]
    kwargs = copy.deepcopy(kwargs)
    kwargs = {
        k: v.to(target) if isinstance(v, torch.Tensor) and v.dim() else v for k, v in kwargs.items()
    }
    optimizer = info.optim_cls(parameters, **kwargs)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    generator = torch.Generator().manual_seed(11)
    losses: list[float] = []
    for _ in range(STEPS):
        for p in parameters:
            gradient = torch.randn(p.shape, generator=generator, dtype=torch.float64).to(dtype)
            p.grad = gradient.to(target)
            if sparse:
                p.grad = p.grad.to_sparse()

        def closure() -> torch.Tensor:
            loss = sum((p.double() ** 2).sum() for p in parameters)
            optimizer.zero_grad()
            loss.backward()
            losses.append(loss.item())
            return loss

        if info.step_requires_closure:
            optimizer.step(closure)
        else:
            optimizer.step()
        scheduler.step()
    return {"parameters": list(parameters), "state": optimizer.state_dict(), "losses": losses}


def difference(expected: Any, actual: Any) -> str | None:
    """Counters of no dimension may lie on the CPU on either side (as with CUDA)."""
    for part in ("losses", "parameters", "state"):
        left, right = expected[part], actual[part]
        if part == "state":
            left, right = left["state"], right["state"]
            for key, values in left.items():
                for name, value in values.items():
                    other = right[key][name]
                    if isinstance(value, torch.Tensor):
                        target = other.device if value.dim() == 0 else DEVICE
                        why = compare_tree(value, other, target)
                    else:
                        why = compare_tree(value, other, DEVICE)
                    if why:
                        return f"state {key} {name}: {why}"
            continue
        why = compare_tree(left, right, DEVICE)
        if why:
            return f"{part}: {why}"
    return None


def foreach_by_default(info: Any, kwargs: dict[str, Any]) -> bool:
    if info.optim_cls.__name__ == "Adafactor":  # its own rule: foreach only when asked for
        return False
    learning_rate = kwargs.get("lr")
    if isinstance(learning_rate, torch.Tensor):
        return False
    return "foreach" in info.supported_impls and DEVICE.type != "cpu"


@pytest.mark.parametrize(("info", "impl", "dtype"), items())
def test_optimizer(info: Any, impl: str, dtype: torch.dtype) -> None:
    name = f"{info.optim_cls.__name__}.{impl}"
    found = skips.find("optim", name, dtype)
    if found is not None:
        pytest.skip(found.reason)
    warnings.simplefilter("ignore")
    failures: list[str] = []
    total = 0
    for item in info.optim_inputs_func(device="cpu", dtype=dtype):
        kwargs = {**item.kwargs, **IMPLS[impl]}
        if kwargs.get("capturable"):
            continue
        # By default PyTorch takes foreach on an accelerator and the loop on the CPU.
        chosen = {"foreach": True} if impl == "default" and foreach_by_default(info, kwargs) else {}
        try:
            expected = train(info, {**kwargs, **chosen}, torch.device("cpu"), dtype)
        except Exception as error:
            expected, cpu_error = None, error
        total += 1
        try:
            actual = train(info, kwargs, DEVICE, dtype)
            if expected is None:
                failures.append(
                    f"CPU raises {describe(cpu_error)}, the device does not [{item.desc}]"
                )
                continue
            why = difference(expected, actual)
            if why:
                failures.append(f"{why} [{item.desc}]")
        except Exception as error:
            if expected is not None:
                failures.append(f"the device raises {describe(error)} [{item.desc}]")
            elif type(error) is not type(cpu_error):
                failures.append(
                    f"CPU: {describe(cpu_error)}; device: {describe(error)} [{item.desc}]"
                )
    report(failures, total)
