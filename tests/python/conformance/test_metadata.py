# SPDX-License-Identifier: Apache-2.0
"""Output metadata: from meta kernels and learned from the CPU, both held against the CPU over op_db; and the
probe that finds the overloads whose meta kernels disagree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TARGET
from metadata_probe import MetadataProbe, databases, walk_ops

HERE = Path(__file__).resolve().parent
# One dtype, few samples: the default mode runs all of them in test_ops.py.
SELECTION = "test_forward and float32"


def run_in_mode(mode: str) -> subprocess.CompletedProcess[str]:
    """The mode is read when the process starts."""
    env = {**os.environ, "TRIREME_METADATA": mode, "TRIREME_TEST_SAMPLES": "4"}
    env.pop("PYTEST_XDIST_WORKER", None)
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    command += ["--timeout", "120", "-k", SELECTION, str(HERE / "test_ops.py")]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=800, check=False
    )


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU has no metadata cache")
@pytest.mark.parametrize("mode", ["learn", "meta"])
def test_float32_in_mode(mode: str) -> None:
    done = run_in_mode(mode)
    found = re.search(r"(?:(\d+) failed, )?(\d+) passed", done.stdout)
    assert found is not None, done.stdout[-3000:] + done.stderr[-3000:]
    failed, passed = int(found.group(1) or 0), int(found.group(2))
    assert passed / (passed + failed) >= 0.995, done.stdout[-6000:]


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
