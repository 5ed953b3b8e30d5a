# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks are compiled, forward and backward, with the CPU's values and gradients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from subprogram import COMPARING, check_program

PROGRAM = """
import json, sys
import torch
from torch import nn

KINDS = {
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
    "RNN": nn.RNN,
}

def run(device):
    torch.manual_seed(0)
    rnn = KINDS[sys.argv[1]](5, 6, 2, bidirectional=True, dtype=torch.float64).to(device)
    x = torch.randn(7, 4, 5, dtype=torch.float64).to(device)
    seen = []
    for _ in range(6):
        y = rnn(x)[0]
        (y * y).sum().backward()
        seen.append([y.tolist(), *(p.grad.tolist() for p in rnn.parameters())])
        rnn.zero_grad()
        wait_for_programs(device)
    return seen

expected, actual = run("cpu"), run("trireme")
segments = native.segments()
print(json.dumps({
    "differ": differ(expected, actual),
    "followed": segments["calls_followed"],
    "refused": [reason for reason in segments if reason.startswith("refused: ")],
}))
"""


@pytest.mark.parametrize("runs", ["interpret", "1"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_every_segment_is_compiled(kind: str, runs: str, tmp_path: Path) -> None:
    environment = {"TRIREME_COMPILE": runs, "TRIREME_INTERVAL": "64"}
    printed = check_program(COMPARING + PROGRAM, tmp_path, kind, environment=environment)
    seen = json.loads(printed.splitlines()[-1])
    assert not seen["differ"], seen
    assert not seen["refused"], seen
    assert seen["followed"] > 50, seen
