# SPDX-License-Identifier: Apache-2.0
"""PyTorch's module_db on the device against the CPU: outputs, gradients, buffers."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import skips
import torch
from compare import compare_tree
from conftest import TARGET
from geometry import Copier, tensors_of
from test_ops import describe, report
from torch.testing._internal.common_modules import module_db

DEVICE = torch.device(TARGET)
DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def items() -> list[Any]:
    found = []
    for info in module_db:
        for training in (True, False) if info.train_and_eval_differ else (True,):
            for dtype in DTYPES:
                if dtype in info.supported_dtypes("cpu"):
                    mode = "train" if training else "eval"
                    name = f"{info.name}-{mode}-{str(dtype).removeprefix('torch.')}"
                    found.append(pytest.param(info, training, dtype, id=name))
    return found


def forward_and_backward(module: Any, inputs: Any, target: torch.device) -> dict[str, Any]:
    args, kwargs = inputs
    torch.default_generator.manual_seed(0)
    out = module(*args, **kwargs)
    outs = [t for t in tensors_of(out) if t.requires_grad]
    generator = torch.Generator().manual_seed(7)
    seeds = [
        Copier(target)(torch.randn(t.shape, generator=generator, dtype=torch.float64).to(t.dtype))
        for t in outs
    ]
    if outs:
        torch.autograd.backward(outs, seeds)
    return {
        "output": out,
        "input gradients": [t.grad for t in tensors_of(inputs)],
        "parameter gradients": {k: p.grad for k, p in module.named_parameters()},
        "parameters": dict(module.named_parameters()),
        "buffers": dict(module.named_buffers()),
    }


@pytest.mark.parametrize(("info", "training", "dtype"), items())
def test_module(info: Any, training: bool, dtype: torch.dtype) -> None:
    found = skips.find("module", info.name, dtype)
    if found is not None:
        pytest.skip(found.reason)
    values = skips.find("module values", info.name, dtype) is None
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    inputs = info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=True, training=training
    )
    failures: list[str] = []
    total = 0
    for number, item in enumerate(inputs):
        if item.forward_input is None:
            continue
        total += 1
        built = item.constructor_input
        torch.manual_seed(number)
        module = info.module_cls(*built.args, **built.kwargs).to(dtype).train(training)
        given = (item.forward_input.args, item.forward_input.kwargs)
        if info.is_lazy:  # the first call makes the parameters, from the generator
            module(*Copier("cpu")(given)[0], **given[1])
        on_cpu, moved = copy.deepcopy(module), copy.deepcopy(module).to(DEVICE)
        for repeat in range(2):  # the second time through the metadata cache
            where = f"[{item.desc or number}, pass {repeat}]"
            cpu_inputs, device_inputs = Copier("cpu")(given), Copier(DEVICE)(given)
            try:
                expected = forward_and_backward(on_cpu, cpu_inputs, torch.device("cpu"))
            except Exception as error:
                try:
                    forward_and_backward(moved, device_inputs, DEVICE)
                    failures.append(f"CPU raises {describe(error)}, the device does not {where}")
                except Exception as other:
                    if type(other) is not type(error):
                        failures.append(
                            f"CPU: {describe(error)}; device: {describe(other)} {where}"
                        )
                break
            try:
                actual = forward_and_backward(moved, device_inputs, DEVICE)
                for part, value in expected.items():
                    why = compare_tree(value, actual[part], DEVICE, values)
                    if why:
                        failures.append(f"{part}: {why} {where}")
            except Exception as error:
                failures.append(f"the device raises {describe(error)} {where}")
                break
    report(failures, total)
