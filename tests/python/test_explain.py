# SPDX-License-Identifier: Apache-2.0
"""The stream as text: TRIREME_LOG, trireme.explain, and whose backward a call is."""

from __future__ import annotations

import re
from pathlib import Path

from subprogram import check_program, run_program

import trireme
from trireme import _C

TRAINING = """
import torch

torch.manual_seed(0)
x = torch.randn(4, 8).to("trireme")
w = torch.randn(8, 2, device="trireme", requires_grad=True)
for step in range(2):
    h = x @ w
    h = torch.nn.functional.dropout(h, 0.5)
    h = h.t().add_(2.0)
    a = torch._foreach_mul([h, h], 3.0)
    loss = a[0].exp().sum()
    loss.backward()
    print(loss.item())
"""


def test_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    check_program(TRAINING, tmp_path, environment={"TRIREME_LOG": str(log)})
    lines = log.read_text().splitlines()
    assert any(re.search(r"entered %\d+\[f32 4x8\]  .*program\.py:5", line) for line in lines)
    assert any(
        re.search(r"forward  aten::mm\(%\d+\[f32 4x8\], %\d+\[f32 8x2\]\)", line) for line in lines
    )
    assert any(
        re.search(r"aten::native_dropout\(.*random 0\+\d+ .*program\.py:9", line) for line in lines
    )
    assert any(re.search(r"read %\d+\[f32\] = [\d.e+]+  .*program\.py:14", line) for line in lines)


def test_backward_names_its_forward_call(tmp_path: Path) -> None:
    log = tmp_path / "log"
    check_program(TRAINING, tmp_path, environment={"TRIREME_LOG": str(log)})
    numbered = {}
    pairs = []
    for line in log.read_text().splitlines():
        match = re.match(r" *(\d+) (forward |backward|        ) (aten::\w+)", line)
        if not match:
            continue
        number, phase, op = match.groups()
        numbered[number] = op
        of = re.search(r"of call (\d+) \(.*program\.py:(\d+)\)", line)
        if phase == "backward" and of:
            pairs.append((op, numbered[of.group(1)], of.group(2)))
    expected = {
        ("aten::mm", "aten::mm", "8"),
        ("aten::native_dropout_backward", "aten::native_dropout", "9"),
        ("aten::mul", "aten::exp", "12"),
    }
    assert expected <= set(pairs), pairs


def test_log_to_standard_error(tmp_path: Path) -> None:
    for name in ("-", "stderr"):
        done = run_program(TRAINING, tmp_path, environment={"TRIREME_LOG": name})
        assert done.returncode == 0
        assert "aten::mm(" in done.stderr


def test_explain_keeps_the_latest_lines() -> None:
    import torch

    assert "enable" in _C.explain()
    _C.enable_explain()
    try:
        x = torch.ones(3, device="trireme")
        for _ in range(1200):
            x.add_(1)
        x.sum().item()
        text = trireme.explain()
    finally:
        _C.enable_explain(False)
    lines = text.splitlines()
    assert len(lines) == 1000
    assert "read %" in lines[-1]
    assert "test_explain.py" in lines[-1]
    assert "enable" in _C.explain()


def test_a_recording_as_text(tmp_path: Path) -> None:
    path = tmp_path / "run.trireme"
    log = tmp_path / "log"
    check_program(
        TRAINING, tmp_path, environment={"TRIREME_RECORD": str(path), "TRIREME_LOG": str(log)}
    )
    calls = re.compile(r"^ *\d+ ")
    from_file = [line for line in _C.explain_file(str(path)).splitlines() if calls.match(line)]
    from_log = [line for line in log.read_text().splitlines() if calls.match(line)]
    assert from_file == from_log
