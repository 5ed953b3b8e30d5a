# SPDX-License-Identifier: Apache-2.0
"""The program runs ahead of the executor, but not with its memory: peaks beside eager CPU's."""

from __future__ import annotations

from pathlib import Path

import pytest
from subprogram import check_program

# Prints the peak of the whole process, in MiB.
MEASURED = """
import re
import sys
import torch

device = sys.argv[1]
torch.manual_seed(0)

def peak():
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024

# What a process has that trains a small model; what is fixed in the bounds (8 MiB ahead, 8 MiB kept by
# the allocator, the module itself) is little beside it.
weights = torch.ones(100 << 20, device=device)
{setup}
for step in range(50):
{body}
print(peak())
"""

# Each keeps the executor busy for much longer than the program needs to issue it.
LOOPS = {
    # large temporaries, none of which outlives its step
    "temporaries": (
        "x = torch.rand(2 << 20, device=device)",
        "    y = x * 2 + 1\n    z = y.exp().sin()\n    x.add_(z.mean() * 1e-3)",
    ),
    # data that enters fresh storages
    "fed": (
        "w = torch.rand(256, 256, device=device)",
        "    x = torch.rand(2048, 256).to(device, copy=True)\n    for _ in range(12):\n        x = x @ w",
    ),
    # data that enters storages in use, and so is kept aside
    "refilled": (
        "w = torch.rand(256, 256, device=device)\nx = torch.rand(2048, 256, device=device)",
        "    x.copy_(torch.rand(2048, 256))\n    y = x\n    for _ in range(12):\n        y = y @ w",
    ),
    # one piece that is larger than the bound
    "large": (
        "w = torch.rand(64, 64, device=device)",
        "    x = torch.rand(1 << 17, 64).to(device, copy=True)\n    y = x @ w\n    x = y @ w",
    ),
}


def peak(name: str, device: str, folder: Path) -> float:
    setup, body = LOOPS[name]
    return float(check_program(MEASURED.format(setup=setup, body=body), folder, device))


@pytest.mark.parametrize("name", LOOPS)
def test_peak_memory_is_that_of_eager(name: str, tmp_path: Path) -> None:
    eager = peak(name, "cpu", tmp_path)
    recorded = peak(name, "trireme", tmp_path)
    assert recorded <= eager * 1.05, f"{recorded:.0f} MiB, eager {eager:.0f}"
