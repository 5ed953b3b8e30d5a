# SPDX-License-Identifier: Apache-2.0
"""The parent's side of a worker process (benchmarks/worker.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from benchmarks.contenders import Contender
from benchmarks.usage import MARK

ROOT = Path(__file__).resolve().parent.parent
ANSWER_TIMEOUT = 600.0  # seconds; torch.compile's first step of a large model takes a minute
SAID_LINES = 3  # of what a worker said, in the message about its end


class WorkerError(Exception):
    """A worker ended or hung; the message has the end of what it said."""


class Worker:
    """A worker process: started here, gone when the `with` block ends."""

    def __init__(self, program: str, contender: Contender) -> None:
        self.contender = contender
        self._name = f"{program} on {contender.name}"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__)
        # An empty cache each: torch.compile compiles as on a machine that has not seen the program.
        self._cache = tempfile.TemporaryDirectory(prefix="inductor-", ignore_cleanup_errors=True)
        environment = {key: value for key, value in os.environ.items() if key != "TRIREME_COMPILE"}
        environment |= {
            # Processes on the CPU must not pay for the device's library.
            "TORCH_DEVICE_BACKEND_AUTOLOAD": "0" if contender.device == "cpu" else "1",
            "TORCHINDUCTOR_CACHE_DIR": self._cache.name,
            "HF_HUB_OFFLINE": "1",
            MARK: uuid4().hex,
            **contender.environment,
        }
        words = ["--program", program, "--device", contender.device]
        words += ["--compiles", contender.compiles.value]
        words += ["--exact"] if contender.exact else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.peak_kib = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()  # the worker ends, and torch.compile's own workers with it
            self._process.wait(timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
        self._cache.cleanup()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(ANSWER_TIMEOUT, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
            raise WorkerError(
                f"{self._name} ended with status {self._process.returncode}:"
                f" {' | '.join(said[-SAID_LINES:])}"
            )
        answer: dict[str, Any] = json.loads(line)
        self.peak_kib = answer.get("peak_kib", self.peak_kib)
        return answer

    def ask(self, *words: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the worker is gone: reading its answer says why
        return self.answer()

    def run(self, steps: int) -> dict[str, Any]:
        """Times steps: `seconds` and `losses`, a number for each."""
        return self.ask("run", steps)

    def warm(self, limit: float) -> dict[str, Any]:
        """Steps until nothing more is compiled, for at most `limit` seconds; as `run`."""
        return self.ask("warm", limit)
