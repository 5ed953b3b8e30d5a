# SPDX-License-Identifier: Apache-2.0
"""Runs one program for all contenders by turns, each in a process of its own.

The first steps are measured in fresh processes, one after the other; then one process for each
contender stays, warms up until it compiles no more, and is timed by turns. Only one runs at a time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.contenders import EAGER, EXACT, Contender
from benchmarks.losses import Difference, agrees, difference
from benchmarks.process import Worker, WorkerError
from benchmarks.programs import PROGRAMS

FIRST_STEPS = 20
FEWEST_ROUNDS = 5
VARYING_WARM_STEPS = 50  # where sizes vary: what comes before is warming up


@dataclass(frozen=True)
class Effort:
    """How much is measured. Times in seconds."""

    rounds: int = 15
    enough: float = 60.0  # of rounds: no more are begun after it, but for the fewest
    processes: int = 2  # fresh ones for the first steps; those with torch.compile: one
    warm: float = 120.0  # at most, of each contender
    first_steps: int = FIRST_STEPS
    steps: int | None = None  # in one round; None: as the program has it
    rate: float = 0.4  # for each library and shape, to find its best rate
    square: int = 2048  # rows and columns of a product that is good for any library


@dataclass
class Result:
    """What one contender took. Times in seconds."""

    contender: str
    first_steps: list[list[float]] = field(default_factory=list)  # by process
    rounds: list[list[float]] = field(default_factory=list)  # each step of each round
    losses: list[float] = field(default_factory=list)  # from the first step on, one process
    sizes: list[int] = field(default_factory=list)  # of the steps in turn, where they vary
    build_seconds: float = 0.0
    peak_kib: int = 0
    helpers_peak_kib: int = 0  # of the processes that it started, in sum
    settled: bool = False
    settled_at: tuple[int, float] = (0, 0.0)  # steps, and their seconds
    compile_seconds: float = 0.0  # in the process
    helpers_seconds: float = 0.0  # processor time of the processes that it started
    counters: dict[str, int] = field(default_factory=dict)  # the device's, at the end
    error: str | None = None

    def difference(self, other: Result, third: Result | None = None) -> Difference:
        """Of the other's losses to these, over the steps that both, and `third`, have taken."""
        those = [self, other, third or other]
        first = min(len(one.first_steps[0]) for one in those)
        return difference(self.losses, other.losses, first, min(len(x.losses) for x in those) - 1)

    def first(self) -> float:
        return median(steps[0] for steps in self.first_steps)

    def first_total(self) -> float:
        return median(sum(steps) for steps in self.first_steps)

    def step(self) -> float:
        return median(self.round_means())

    def round_means(self) -> list[float]:
        return [sum(steps) / len(steps) for steps in self.rounds]

    def steps_in_order(self) -> list[float]:
        return [step for steps in self.rounds for step in steps]


@dataclass
class Contest:
    program: str
    results: dict[str, Result]
    facts: dict[str, Any] | None = None
    rates: dict[str, Any] | None = None
    exact: Result | None = None  # in float64, where losses differ from eager's

    def finished(self) -> list[Result]:
        return [result for result in self.results.values() if result.error is None]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def note(result: Result, answer: dict[str, Any]) -> None:
    result.peak_kib = answer["peak_kib"]
    result.helpers_peak_kib = answer["helpers_peak_kib"]
    result.settled = answer["settled"]
    result.settled_at = (answer["settled_at"][0], answer["settled_at"][1])
    result.compile_seconds = answer["compile_seconds"]
    result.helpers_seconds = answer["helpers_seconds"]
    result.counters = answer["counters"]


def start(program: str, contender: Contender, result: Result, effort: Effort) -> Worker:
    """A worker that has taken its first steps. Raises WorkerError."""
    worker = Worker(program, contender)
    try:
        built = worker.answer()
        result.build_seconds, result.sizes = built["build_seconds"], built["sizes"]
        answer = worker.run(effort.first_steps)
    except WorkerError:
        worker.__exit__(None, None, None)
        raise
    result.first_steps.append(answer["seconds"])
    result.losses = answer["losses"]
    note(result, answer)
    return worker


def measure_first_steps(
    program: str, contenders: Sequence[Contender], results: dict[str, Result], effort: Effort
) -> None:
    """In processes of their own, but for one a contender, which will go on to the rounds."""
    for _ in range(effort.processes - 1):
        for contender in contenders:
            result = results[contender.name]
            if result.error is None and contender.compiles is EAGER.compiles:
                try:
                    start(program, contender, result, effort).__exit__(None, None, None)
                except WorkerError as error:
                    result.error = str(error)


def measure_rounds(
    program: str, workers: dict[str, Worker], results: dict[str, Result], effort: Effort
) -> None:
    def ask(name: str, *words: object) -> list[float]:
        result = results[name]
        if result.error is not None:
            return []
        try:
            answer = workers[name].ask(*words)
        except WorkerError as error:
            result.error = str(error)
            return []
        note(result, answer)
        result.losses += answer["losses"]
        seconds: list[float] = answer["seconds"]
        return seconds

    for name in workers:
        ask(name, "warm", effort.warm)
    if PROGRAMS[program].varies:  # all at the same place in the same sequence of lengths
        furthest = max([VARYING_WARM_STEPS, *(len(results[name].losses) for name in workers)])
        for name in workers:
            ask(name, "run", furthest - len(results[name].losses))
    steps = effort.steps or PROGRAMS[program].steps
    end = time.monotonic() + effort.enough
    for number in range(effort.rounds):
        if number >= FEWEST_ROUNDS and time.monotonic() > end:
            break
        for name in workers:
            seconds = ask(name, "run", steps)
            if seconds:
                results[name].rounds.append(seconds)


def measure_roofline(contest: Contest, eager: Worker, effort: Effort) -> None:
    """After everything else: counting needs time and memory."""
    try:
        contest.facts = eager.ask("facts")
        program = PROGRAMS[contest.program]
        wanted = {
            "dtype": "bfloat16" if program.autocast else "float32",
            "product": contest.facts["product"],
            "convolution": contest.facts["convolution"],
            "square": effort.square,
            "seconds": effort.rate,
        }
        contest.rates = eager.ask("rates", json.dumps(wanted))
    except WorkerError as error:
        contest.results[EAGER.name].error = str(error)


def run_exactly(contest: Contest, effort: Effort) -> Result | None:
    """The losses in float64, where some contender's do not agree with eager's.

    None, too, for a program that cannot run in float64: eager's are the judge then.
    """
    eager = contest.results.get(EAGER.name)
    if eager is None or eager.error is not None:
        return None
    steps = [
        min(len(eager.losses), len(other.losses))
        for other in contest.finished()
        if not agrees(contest.program, eager.difference(other))
    ]
    if not steps:
        return None
    result = Result(EXACT.name)
    try:
        with start(contest.program, EXACT, result, effort) as worker:
            result.losses += worker.run(max(0, max(steps) - len(result.losses)))["losses"]
    except WorkerError:
        return None
    return result


def hold(program: str, contenders: Sequence[Contender], effort: Effort) -> Contest:
    results = {contender.name: Result(contender.name) for contender in contenders}
    contest = Contest(program, results)
    measure_first_steps(program, contenders, results, effort)
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for contender in contenders:
            result = results[contender.name]
            if result.error is not None:
                continue
            try:
                worker = start(program, contender, result, effort)
            except WorkerError as error:
                result.error = str(error)
                continue
            workers[contender.name] = stack.enter_context(worker)
        if workers:
            measure_rounds(program, workers, results, effort)
        if EAGER.name in workers and results[EAGER.name].error is None:
            measure_roofline(contest, workers[EAGER.name], effort)
    contest.exact = run_exactly(contest, effort)
    return contest
