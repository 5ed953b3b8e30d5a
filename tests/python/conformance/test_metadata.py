# SPDX-License-Identifier: Apache-2.0
"""Output metadata: from meta kernels and learned from the CPU, both held against the CPU over op_db; and the
probe that finds the overloads whose meta kernels disagree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import TARGET
from metadata_probe import MetadataProbe, databases, walk_ops

if TARGET != "cpu":
    from trireme import counters

HERE = Path(__file__).resolve().parent
# Few samples each: the default mode runs all of them in test_ops.py.
SELECTION = {
    "learn": "test_forward and float32",
    "check": "((test_forward or test_inplace) and (float32 or int64)) or test_errors",
}


def run_in_mode(mode: str) -> subprocess.CompletedProcess[str]:
    """The mode is read when the process starts."""
    env = {**os.environ, "TRIREME_METADATA": mode, "TRIREME_TEST_SAMPLES": "2"}
    env.pop("PYTEST_XDIST_WORKER", None)
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    command += ["--timeout", "120", "-k", SELECTION[mode], str(HERE / "test_ops.py")]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=800, check=False
    )


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU has no metadata cache")
@pytest.mark.parametrize("mode", ["learn", "check"])
def test_op_db_in_mode(mode: str) -> None:
    """Learned metadata is right; what meta functions say is what is learned, errors included."""
    done = run_in_mode(mode)
    found = re.search(r"(?:(\d+) failed, )?(\d+) passed", done.stdout)
    assert found is not None, done.stdout[-3000:] + done.stderr[-3000:]
    failed, passed = int(found.group(1) or 0), int(found.group(2))
    assert passed / (passed + failed) >= 0.995, done.stdout[-6000:]
    # A disagreement is an error of the test's teardown: none is let through.
    assert not re.search(r"\d+ errors?\b", done.stdout), done.stdout[-6000:]


def awaited(call: Callable[[], object]) -> int:
    before = counters()["awaited"]
    call()
    return counters()["awaited"] - before


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU has no metadata cache")
def test_a_new_shape_does_not_wait(device: torch.device) -> None:
    def chain(rows: int) -> torch.Tensor:
        x = torch.cat([left[:rows], left[:1]])
        return torch.tanh((x @ right) * 2 + 1).softmax(-1).sum(0)

    left, right = torch.randn(50, 7).to(device), torch.randn(7, 11).to(device)
    assert awaited(lambda: chain(41)) == 0
    expected = torch.tanh((torch.cat([left.cpu()[:43], left.cpu()[:1]]) @ right.cpu()) * 2 + 1)
    assert torch.equal(chain(43).cpu(), expected.softmax(-1).sum(0))


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU raises all errors at the call")
def test_what_meta_lets_through_is_learned(device: torch.device) -> None:
    """The CPU has no such kernels; its error comes at the call, not at the next wait."""
    bools = torch.ones(13, 13, dtype=torch.bool, device=device)
    with pytest.raises(NotImplementedError, match="Bool"):
        torch.mm(bools, bools)
    with pytest.raises(NotImplementedError, match="Bool"):
        torch.softmax(bools, 0)
    with pytest.raises(RuntimeError, match="approximate"):
        torch.nn.functional.gelu(torch.ones(17, device=device), approximate="thanh")
    with pytest.raises(RuntimeError, match="broadcast"):
        torch.ones(3, 1, device=device).add_(torch.ones(3, 19, device=device))


def test_probe_finds_known_disagreements() -> None:
    """The probe itself: it sees a kernel whose meta strides differ, and none where they agree."""
    probe = MetadataProbe()
    wanted = {"linalg.eig", "tanh", "nonzero"}
    walk_ops(probe, [op for op in databases() if op.name in wanted], cap=3)
    assert "aten::linalg_eig" in probe.found
    assert "aten::nonzero" in probe.found
    assert "aten::tanh" not in probe.found


def test_meta_agrees_for_contiguous_pointwise_calls() -> None:
    """The hot ops may take metadata from meta when every input is row-major and not empty."""
    probe = MetadataProbe()
    hot = {
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "exp",
        "tanh",
        "clone",
        "sum",
        "mean",
        "softmax",
        "mm",
        "bmm",
    }
    walk_ops(probe, [op for op in databases() if op.name in hot], cap=4)
    always = {name for name, scopes in probe.scope.items() if scopes["always"]}
    assert not always, {name: probe.examples for name in always}
