# SPDX-License-Identifier: Apache-2.0
"""Runs two workers, eager CPU's and the device's, by turns, and compares them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from benchmarks.programs import PROGRAMS

ROOT = Path(__file__).resolve().parent.parent
ANSWER_TIMEOUT = 300.0


class WorkerError(Exception):
    """A worker ended or hung; the message has the end of what it said."""


class Worker:
    """A `benchmarks.worker` process: started here, gone when the `with` block ends."""

    def __init__(self, program: str, device: str) -> None:
        self._name = f"{program} on {device}"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__)
        # Eager's process must not pay for the device's library.
        autoload = "0" if device == "cpu" else "1"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", "--program", program, "--device", device],
            cwd=ROOT,
            env={**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": autoload, "HF_HUB_OFFLINE": "1"},
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
        self._process.kill()
        self._process.communicate()
        self._errors.close()

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
                f" {' | '.join(said[-3:])}"
            )
        answer: dict[str, Any] = json.loads(line)
        self.peak_kib = answer["peak_kib"]
        return answer

    def run(self, steps: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"run {steps}\n")
        self._process.stdin.flush()
        return self.answer()


@dataclass
class Samples:
    """What one device took: seconds of a step, in the order measured, and its peak memory."""

    steps: list[float] = field(default_factory=list)
    first_steps: list[float] = field(default_factory=list)
    peaks_kib: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


@dataclass
class Comparison:
    program: str
    eager: Samples
    device: Samples
    error: str | None = None

    def step_ratios(self) -> list[float]:
        """Of neighbours in time: a disturbance that outlasts one round falls out."""
        return [b / a for a, b in zip(self.eager.steps, self.device.steps, strict=True)]

    def figures(self) -> dict[str, float | bool]:
        eager, device = self.eager, self.device
        ratios = sorted(self.step_ratios())
        return {
            "step": median(ratios),
            "step_low": ratios[len(ratios) // 4],
            "step_high": ratios[-1 - len(ratios) // 4],
            "first_step": median(device.first_steps) / median(eager.first_steps),
            "peak_memory": median(device.peaks_kib) / median(eager.peaks_kib),
            "same_losses": eager.losses == device.losses,
        }

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | ({} if self.error else {"ratios": self.figures()})


def compare(program: str, device: str, rounds: int, processes: int) -> Comparison:
    """`rounds` timed rounds on each of the two, by turns, in the last of `processes` pairs."""
    comparison = Comparison(program, Samples(), Samples())
    both = (("cpu", comparison.eager), (device, comparison.device))
    try:
        for pair in range(processes):
            last = pair == processes - 1
            with ExitStack() as stack:
                workers = []
                for name, samples in both:
                    worker = stack.enter_context(Worker(program, name))
                    first = worker.answer()
                    samples.first_steps.append(first["first_step"])
                    samples.losses.append(first["loss"])
                    workers.append(worker)
                if last:
                    measure_rounds(comparison, workers, rounds)
                for worker, (_, samples) in zip(workers, both, strict=True):
                    worker.run(PROGRAMS[program].steps)
                    samples.peaks_kib.append(worker.peak_kib)
    except WorkerError as error:
        comparison.error = str(error)
    return comparison


def measure_rounds(comparison: Comparison, workers: list[Worker], rounds: int) -> None:
    steps = PROGRAMS[comparison.program].steps
    for worker in workers:
        worker.run(steps)  # the second step allocates too: caches are warm after it
    for _ in range(rounds):
        for worker, samples in zip(workers, (comparison.eager, comparison.device), strict=True):
            answer = worker.run(steps)
            samples.steps.append(answer["seconds"] / steps)
            samples.losses += answer["losses"]


def record_bench(folder: Path) -> dict[str, Any] | None:
    """The figures of the C++ benchmark of recording, where it is built."""
    binary = next((file for file in folder.glob("**/record_bench") if file.is_file()), None)
    if binary is None:
        return None
    done = subprocess.run(
        [binary], capture_output=True, text=True, timeout=ANSWER_TIMEOUT, check=False
    )
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures
