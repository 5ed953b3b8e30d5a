# SPDX-License-Identifier: Apache-2.0
"""Runs op_db's samples of one dtype on the device and prints, as JSON, what TRIREME_VERIFY=1 saw.

Each call is lowered by its row of the op table, interpreted, and compared with PyTorch's kernel. The
same call is issued twice: a call whose outputs are not known beforehand is not verified at first.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

from trireme import _C

DEVICE = torch.device("trireme")


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, change) for item in value)
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return DEVICE if isinstance(value, torch.device) else value


def to_device(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(DEVICE).requires_grad_(tensor.requires_grad)


def run(op: Any, sample: Any) -> None:
    arguments = mapped((sample.input, tuple(sample.args), dict(sample.kwargs)), to_device)
    found = op(arguments[0], *arguments[1], **arguments[2])
    results = found if isinstance(found, tuple | list) else [found]
    differentiable = [r for r in results if isinstance(r, torch.Tensor) and r.requires_grad]
    if differentiable:
        torch.autograd.backward(differentiable, [torch.ones_like(r) for r in differentiable])


def main(dtype_name: str, samples: int) -> None:
    warnings.filterwarnings("ignore")
    dtype = getattr(torch, dtype_name)
    for op in op_db:
        if dtype not in op.supported_dtypes("cpu"):
            continue
        grad = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        torch.manual_seed(0)
        # Errors are the conformance tests' business, and say nothing of a graph.
        with contextlib.suppress(Exception):
            for sample in list(op.sample_inputs("cpu", dtype, requires_grad=grad))[:samples]:
                for _ in range(2):
                    with contextlib.suppress(Exception):
                        run(op, sample)
                    with contextlib.suppress(Exception):
                        torch.accelerator.synchronize()
    print(json.dumps(_C.verification()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
