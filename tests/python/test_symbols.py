# SPDX-License-Identifier: Apache-2.0
"""Sizes that vary: few programs serve all of them, and every value stays right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from subprogram import check_program

PRELUDE = """
import copy, json, sys, time, warnings
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel
import trireme._C as native

def settle():
    while native.segments()["programs_pending"]:
        time.sleep(0.001)

# But for those of joined segments, which are asked for when time allows.
def programs_asked():
    counted = native.segments()
    return counted["programs_asked"] - counted["joined_asked"]

def model_of(seed):
    torch.manual_seed(seed)
    return GPT2LMHeadModel(GPT2Config(
        n_layer=2, n_head=2, n_embd=32, vocab_size=96, n_positions=128, bos_token_id=0,
        eos_token_id=None, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0))
"""

# Twenty lengths, and two batch sizes from the twentieth step on.
TRAINING = (
    PRELUDE
    + """
def run(device):
    model = copy.deepcopy(model_of(0)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    draw = torch.Generator().manual_seed(1)
    lengths = torch.randint(10, 90, (20,), generator=draw).tolist()
    losses, asked = [], []
    for step in range(45):
        length = lengths[int(torch.randint(20, (1,), generator=draw))]
        rows = 3 if step < 20 else (3, 5)[step % 2]
        tokens = torch.randint(96, (rows, length), generator=draw).to(device)
        loss = model(tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        settle()
        asked.append(programs_asked())
    return losses, asked

expected, _ = run("cpu")
actual, asked = run("trireme")
print(json.dumps({"difference": max(abs(a - b) for a, b in zip(expected, actual)),
                  "asked": asked, "segments": native.segments()}))
"""
)

# The cache grows by one with each token.
GENERATE = (
    PRELUDE
    + """
def run(device, prompts):
    model = copy.deepcopy(model_of(0)).eval().to(device)
    texts, asked = [], []
    for rows, length in prompts:
        prompt = torch.arange(rows * length).view(rows, length).remainder(96).to(device)
        text = model.generate(prompt, max_new_tokens=30, do_sample=False, pad_token_id=0)
        texts.append(text.tolist())
        settle()
        asked.append(programs_asked())
    return texts, asked

prompts = [(1, 7), (1, 7), (1, 12), (1, 9), (4, 7), (4, 20), (1, 30), (2, 5)]
expected, _ = run("cpu", prompts)
actual, asked = run("trireme", prompts)
print(json.dumps({"equal": expected == actual, "asked": asked, "segments": native.segments()}))
"""
)

# Numbers that seem to depend on each other until they do not; views at offsets that move.
MISLEADING = (
    PRELUDE
    + """
def run(device):
    table = torch.arange(4096, dtype=torch.float64).to(device)
    seen = []
    sizes = [(4, 8), (5, 10), (6, 12), (6, 7), (9, 7), (9, 9), (3, 30), (2, 2), (30, 3), (1, 5),
             (5, 1), (7, 0), (12, 11)] * 2
    for index, (rows, columns) in enumerate(sizes):
        at = 17 * index
        x = table[at : at + rows * columns].view(rows, columns)
        y = (x + 1.0).t().contiguous()
        z = torch.cat([y, y * 2.0], 1).sum(1) + torch.arange(columns, device=device)
        w = torch.ones(columns, rows, dtype=torch.float64, device=device) * y
        table[at] = 1.0 * index
        seen.append([z.tolist(), w.tolist()])
        settle()
    return seen

expected, actual = run("cpu"), run("trireme")
print(json.dumps({"equal": expected == actual, "segments": native.segments()}))
"""
)

# Gradients of views that move: forward, backward from the end, out at the end.
MOVING = (
    PRELUDE
    + """
def run(device):
    torch.manual_seed(0)
    x = torch.randint(9, (3, 40, 5)).double().to(device).requires_grad_()  # exact sums
    seen = []
    places = [*range(36), *range(-1, -37, -1), *range(34, 42), *range(-38, -42, -1)]
    for at in places:
        one = x.select(1, max(min(at, 39), -40)) * 2.0
        some = x[:, at : at + 3 if at < -3 or at >= 0 else None]
        total = (one * one).sum() + (some * some * 3.0).sum() + x.narrow(1, abs(at) % 37, 3).sum()
        total.backward()
        seen.append((total.item(), x.grad.tolist()))
        x.grad = None
        # Without a view, whose offset would tell.
        row = torch.arange(3.0).to(device)
        seen.append(torch.ops.aten.select_backward(row * 2.0, [3, 60], 1, at).tolist())
        settle()
    return seen

expected, actual = run("cpu"), run("trireme")
print(json.dumps({"equal": expected == actual, "segments": native.segments()}))
"""
)


def outcome(tmp_path: Path, source: str, runs: str) -> dict[str, object]:
    printed = check_program(source, tmp_path, environment={"TRIREME_COMPILE": runs})
    return dict(json.loads(printed.splitlines()[-1]))


@pytest.mark.parametrize("runs", ["interpret", "1"])
def test_training_with_varying_sizes(runs: str, tmp_path: Path) -> None:
    seen = outcome(tmp_path, TRAINING, runs)
    assert seen["difference"] < 1e-5, seen  # type: ignore[operator]
    assert seen["segments"]["followed_symbolically"] > 60, seen  # type: ignore[index]
    asked: list[int] = seen["asked"]  # type: ignore[assignment]
    assert asked[19] <= 10, seen  # one length or twenty: as many programs
    assert asked[-1] == asked[-10] <= 20, seen


@pytest.mark.parametrize("runs", ["interpret", "1"])
def test_generating_with_a_growing_cache(runs: str, tmp_path: Path) -> None:
    seen = outcome(tmp_path, GENERATE, runs)
    assert seen["equal"], seen
    assert seen["segments"]["followed_symbolically"] > 300, seen  # type: ignore[index]
    asked: list[int] = seen["asked"]  # type: ignore[assignment]
    assert asked[-1] <= 40, seen


@pytest.mark.parametrize("runs", ["interpret", "1"])
def test_sizes_that_mislead(runs: str, tmp_path: Path) -> None:
    seen = outcome(tmp_path, MISLEADING, runs)
    assert seen["equal"], seen
    assert seen["segments"]["followed_symbolically"] > 0, seen  # type: ignore[index]


@pytest.mark.parametrize("runs", ["interpret", "1"])
def test_gradients_of_views_that_move(runs: str, tmp_path: Path) -> None:
    seen = outcome(tmp_path, MOVING, runs)
    assert seen["equal"], seen
    segments: dict[str, int] = seen["segments"]  # type: ignore[assignment]
    assert segments["followed_symbolically"] > 20, seen
    # A place from the end is not what the program was made for.
    assert segments["left: a number that decides is another"] > 0, seen
