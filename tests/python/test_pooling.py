# SPDX-License-Identifier: Apache-2.0
"""Pooling by windows that reach far beyond the source, compiled: values, gradients and memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from subprogram import COMPARING, check_program

PROGRAM = """
import json
import torch
from torch.nn import functional as F

POOLS = [
    lambda x: F.avg_pool2d(x, 320, ceil_mode=True),
    lambda x: F.avg_pool2d(x, (5, 700), stride=(2, 1), padding=(2, 350), ceil_mode=True),
    lambda x: F.avg_pool2d(x, 64, 3, 32, count_include_pad=False),
    lambda x: F.avg_pool2d(x, 64, 3, 32, divisor_override=7),
    lambda x: F.max_pool2d(x, 320, ceil_mode=True),
    lambda x: F.max_pool2d(x, (3, 90), stride=2, padding=(1, 45), dilation=(2, 1)),
    lambda x: F.max_pool2d(x, 20, stride=1, padding=10, dilation=3, ceil_mode=True),
]

def run(device):
    torch.manual_seed(0)
    x = torch.randn(2, 12, 7, 6, dtype=torch.float64).to(device).requires_grad_()
    seen = []
    for _ in range(6):
        step = []
        for pool in POOLS:
            try:
                y = pool(x)
            except RuntimeError as error:
                step.append(type(error).__name__)
                continue
            (y * y).sum().backward()
            step.append([y.tolist(), x.grad.tolist()])
            x.grad = None
        seen.append(step)
        wait_for_programs(device)
    return seen

expected, actual = run("cpu"), run("trireme")
print(json.dumps({
    "differ": differ(expected, actual),
    "refused": [type(one).__name__ for one in expected[0]].count("str"),
    "followed": native.segments()["followed"],
    "bytes": torch.trireme.max_memory_allocated(),
}))
"""


@pytest.mark.parametrize("runs", ["interpret", "1"])
def test_windows_larger_than_the_source(runs: str, tmp_path: Path) -> None:
    printed = check_program(COMPARING + PROGRAM, tmp_path, environment={"TRIREME_COMPILE": runs})
    seen = json.loads(printed.splitlines()[-1])
    assert not seen["differ"], seen
    assert seen["refused"] <= 2, seen
    assert seen["followed"] > 0, seen
    assert seen["bytes"] < 8 << 20, seen  # a border as wide as the window took gigabytes
