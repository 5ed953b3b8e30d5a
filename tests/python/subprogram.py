# SPDX-License-Identifier: Apache-2.0
"""Runs a program in a Python of its own: for what only a whole process shows."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TIMEOUT = 300

# For programs that run on the CPU and on the device, and compare what they have seen: lists of
# numbers and texts, of any depth.
COMPARING = """
import time
import torch
import trireme._C as native

def wait_for_programs(device):
    while device != "cpu" and native.segments()["programs_pending"]:
        time.sleep(0.001)

def differ(a, b):
    if isinstance(a, list):
        return len(a) != len(b) or any(differ(x, y) for x, y in zip(a, b))
    return a != b if isinstance(a, str) else abs(a - b) > 1e-12 * (1 + abs(a))
"""


def run_program(
    source: str,
    folder: Path,
    *arguments: str,
    cuda: bool = False,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Writes `source` to a script in `folder` and runs it; under `trireme run` with `cuda`."""
    script = folder / "program.py"
    script.write_text(textwrap.dedent(source))
    launcher = ["-m", "trireme.cli", "run"] if cuda else []
    return subprocess.run(
        [sys.executable, *launcher, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def check_program(
    source: str,
    folder: Path,
    *arguments: str,
    cuda: bool = False,
    environment: dict[str, str] | None = None,
) -> str:
    """The same, for a program that must succeed; returns what it printed."""
    done = run_program(source, folder, *arguments, cuda=cuda, environment=environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
