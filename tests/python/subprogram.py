# SPDX-License-Identifier: Apache-2.0
"""Runs a program in a Python of its own: for what only a whole process shows."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TIMEOUT = 300


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
