# SPDX-License-Identifier: Apache-2.0
"""Runs two workers, eager CPU's and the device's, by turns, and compares them."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contenders import EAGER, Contender
from benchmarks.losses import loss_difference
from benchmarks.process import ANSWER_TIMEOUT, Worker, WorkerError
from benchmarks.programs import PROGRAMS

WARM_SECONDS = 60.0  # at most, until nothing more is compiled
COMPARED_LOSSES = 8
RECORD_RUNS = 5


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

    def figures(self) -> dict[str, float]:
        eager, device = self.eager, self.device
        ratios = sorted(self.step_ratios())
        compared = min(len(eager.losses), len(device.losses))
        return {
            "step": median(ratios),
            "step_low": ratios[len(ratios) // 4],
            "step_high": ratios[-1 - len(ratios) // 4],
            "first_step": median(device.first_steps) / median(eager.first_steps),
            "peak_memory": median(device.peaks_kib) / median(eager.peaks_kib),
            "losses": loss_difference(eager.losses[:compared], device.losses[:compared]),
        }

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | ({} if self.error else {"ratios": self.figures()})


def compare(program: str, contender: Contender, rounds: int, processes: int) -> Comparison:
    """First steps in `processes` pairs of processes; `rounds` timed rounds in one, by turns."""
    comparison = Comparison(program, Samples(), Samples())
    both = ((EAGER, comparison.eager), (contender, comparison.device))
    try:
        for pair in range(processes):
            # Alone, and either one first: memory that the other has just given back is cheaper than
            # memory that a virtual machine must fetch from its host.
            for contender, samples in both if pair % 2 == 0 else reversed(both):
                with Worker(program, contender) as worker:
                    samples.first_steps.append(first_step(worker)["seconds"][0])
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(program, contender)) for contender, _ in both]
            for worker, (_, samples) in zip(workers, both, strict=True):
                samples.losses += first_step(worker)["losses"]
            measure_rounds(comparison, workers, rounds)
            for worker, (_, samples) in zip(workers, both, strict=True):
                samples.peaks_kib.append(worker.peak_kib)
    except WorkerError as error:
        comparison.error = str(error)
    return comparison


def first_step(worker: Worker) -> dict[str, Any]:
    """`seconds`: building the program and its first step; `losses`: of that step."""
    built = worker.answer()["build_seconds"]
    first = worker.run(1)
    return first | {"seconds": [built + first["seconds"][0]]}


def measure_rounds(comparison: Comparison, workers: list[Worker], rounds: int) -> None:
    steps = PROGRAMS[comparison.program].steps
    for worker, samples in zip(workers, (comparison.eager, comparison.device), strict=True):
        samples.losses += worker.warm(WARM_SECONDS)["losses"][:COMPARED_LOSSES]
    for _ in range(rounds):
        for worker, samples in zip(workers, (comparison.eager, comparison.device), strict=True):
            answer = worker.run(steps)
            samples.steps.append(sum(answer["seconds"]) / steps)


def record_bench(folder: Path) -> dict[str, Any] | None:
    """The figures of the C++ benchmark of recording, where it is built: of its middle run, since
    one now and then takes twice as long as the others."""
    binary = next((file for file in folder.glob("**/record_bench") if file.is_file()), None)
    if binary is None:
        return None
    runs = []
    for _ in range(RECORD_RUNS):
        done = subprocess.run(
            [binary], capture_output=True, text=True, timeout=ANSWER_TIMEOUT, check=False
        )
        if done.returncode != 0:
            return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
        runs.append(json.loads(done.stdout))
    middle: dict[str, Any] = sorted(runs, key=lambda run: float(run["ratio"]))[RECORD_RUNS // 2]
    return middle
