# SPDX-License-Identifier: Apache-2.0
"""Segments: what repeats is followed by a program; what leaves the known stream stays right.

TRIREME_COMPILE=interpret runs followed segments by the graph interpreter, 1 by compiled code. The
programs compute with small integers in float64, so that every value is exact, whoever computes it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from subprogram import check_program

# Repeats a step of 13 calls; every second repetition from some on leaves it in one way, at call `at`.
PROGRAM = """
import json, sys, time
import torch
import trireme._C as native

interval_calls = 12
BIG = torch.ones(256, 256, dtype=torch.float64)

def step(x, w, big, at, how, kept):
    read = None
    big = big @ big  # takes long: what follows has been recorded before it runs
    for call in range(interval_calls):
        if call == at and how == "op":
            x = x - w
        elif call == at and how == "shape":
            x = torch.cat([x, x])[: len(x)]
        elif call == at and how == "number":
            x = x * 1.0 + 5.0
        elif call % 4 == 0:
            x = x + w
        elif call % 4 == 1:
            x = x * 2.0
        elif call % 4 == 2:
            x = torch.remainder(x, 97.0)
        else:
            w.add_(1.0)
            x = x.clone()
            x[1:] = x[:-1].clone()
        if call == at and how == "keep":
            kept.append(x)
        if call == at and how == "read":
            read = x.sum().item()
    return x, read

def run(device, how):
    w = torch.arange(8, dtype=torch.float64).to(device)
    x = torch.ones(8, dtype=torch.float64).to(device)
    big = BIG.to(device)
    kept, reads = [], []
    for repetition in range(WARM + 2 * interval_calls):
        leaves = repetition >= WARM and repetition % 2 == 1
        x, read = step(x, w, big, (repetition - WARM) // 2 if leaves else -1, how, kept)
        reads.append(read)
        reads.append(x[0].item())  # the program waits: a segment ends
        while native.segments()["programs_pending"]:
            time.sleep(0.001)
    return [x.tolist(), w.tolist(), reads, [k.tolist() for k in kept]]

how, WARM = sys.argv[1], int(sys.argv[2])
expected = run("cpu", how)
actual = run("trireme", how)
print(json.dumps({"equal": expected == actual, "segments": native.segments(),
                  "expected": expected[:2], "actual": actual[:2]}))
"""

TRAINING = """
import json, time
import torch
from torch import nn
import trireme._C as native

def run(device):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.LayerNorm(32), nn.GELU(), nn.Dropout(0.0),
                          nn.Linear(32, 4)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, 10)
    data = torch.Generator().manual_seed(1)
    losses = []
    for index in range(14):
        rows = 8 if index < 10 else 6
        x = torch.randn(rows, 16, generator=data).to(device)
        y = torch.randint(0, 4, (rows,), generator=data).to(device)
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        while native.segments()["programs_pending"]:
            time.sleep(0.001)
    return losses

expected, actual = run("cpu"), run("trireme")
print(json.dumps({"difference": max(abs(a - b) for a, b in zip(expected, actual)),
                  "segments": native.segments()}))
"""


def followed(
    tmp_path: Path, source: str, *arguments: str, interval: int | str, runs: str
) -> dict[str, object]:
    printed = check_program(
        source,
        tmp_path,
        *arguments,
        environment={"TRIREME_COMPILE": runs, "TRIREME_INTERVAL": str(interval)},
    )
    return dict(json.loads(printed.splitlines()[-1]))


@pytest.mark.parametrize("runs", ["interpret", "1"])
@pytest.mark.parametrize("interval", [5, 7, 64])
@pytest.mark.parametrize("how", ["none", "op", "shape", "number", "keep", "read"])
def test_leaving_the_known_stream(how: str, interval: int, runs: str, tmp_path: Path) -> None:
    seen = followed(tmp_path, PROGRAM, how, "5", interval=interval, runs=runs)
    assert seen["equal"], seen
    assert seen["segments"]["followed"] > 0, seen  # type: ignore[index]


@pytest.mark.parametrize("runs", ["interpret", "1"])
@pytest.mark.parametrize("how", ["none", "op", "shape", "number", "keep", "read"])
def test_leaving_a_grown_segment(how: str, runs: str, tmp_path: Path) -> None:
    seen = followed(tmp_path, PROGRAM, how, "21", interval="4+", runs=runs)
    assert seen["equal"], seen
    assert seen["segments"]["joined_asked"] > 0, seen  # type: ignore[index]
    assert seen["segments"]["longest_followed"] > 4, seen  # type: ignore[index]


@pytest.mark.parametrize("runs", ["interpret", "1"])
@pytest.mark.parametrize("interval", [16, 1000])
def test_training_is_followed(interval: int, runs: str, tmp_path: Path) -> None:
    seen = followed(tmp_path, TRAINING, interval=interval, runs=runs)
    assert seen["difference"] < 1e-5, seen  # type: ignore[operator]
    assert seen["segments"]["followed"] > 0, seen  # type: ignore[index]


def test_nothing_is_followed_without_a_compiler(tmp_path: Path) -> None:
    printed = check_program(PROGRAM, tmp_path, "none", "5", environment={"TRIREME_COMPILE": "0"})
    seen = json.loads(printed.splitlines()[-1])
    assert seen["equal"]
    assert seen["segments"]["segments"] == 0


EXPLAINED = """
import time
import torch
import trireme

trireme.explain(enable=True)
x = torch.ones(8, device="trireme")
for step in range(8):
    (x * 2 + step).relu().sum().item()
    while trireme.segments()["programs_pending"]:
        time.sleep(0.001)
print(trireme.explain())
"""


def test_each_segment_has_a_line_in_the_transcript(tmp_path: Path) -> None:
    printed = check_program(EXPLAINED, tmp_path, environment={"TRIREME_COMPILE": "1"})
    lines = [line.strip() for line in printed.splitlines() if "-- segment of 4 calls" in line]
    cut = "cut: the program waited for a value; ran "
    assert lines[0].endswith(cut + "call by call: not known"), printed
    assert lines[-1].endswith(cut + "as compiled code"), printed
